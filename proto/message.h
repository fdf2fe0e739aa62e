/*
 * Lines <-> requests and replies of JSON-RPC 2.0, by the table of methods.
 */
#ifndef SYNCD_PROTO_MESSAGE_H
#define SYNCD_PROTO_MESSAGE_H

#include "proto/arena.h"
#include "proto/errors.h"
#include "proto/request.h"
#include "proto/scan.h"
#include "proto/write.h"

/* Why something was refused; `param` and `limit` are "" if not to the point. */
struct complaint {
    enum error error;
    char message[240]; /* a sentence that says what to do */
    char param[64];    /* data.param: "backoff.factor", "jobs[3].key" */
    char limit[32];    /* data.limit */
    int64_t value;     /* data.value, of the limit */
    bool hopeless;     /* not retryable, whatever the error's row says */
    struct slice data; /* more members of data, as JSON without braces */
};

void complain(struct complaint *why, enum error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum message_kind {
    MESSAGE_REQUEST, /* decoded into *request; maybe a notification */
    MESSAGE_BAD,     /* *why tells; request->id is what could be read of it,
                        absent: answer with "id": null */
    MESSAGE_BATCH    /* an array: go through it with message_batch_next */
};

/*
 * Decodes one line. `request` and what it points to live as long as the line
 * and the arena. A request without an id that is refused is still MESSAGE_BAD:
 * the caller answers it only if it was no notification, which
 * request->notification tells.
 */
enum message_kind message_decode(struct slice line, struct arena *arena,
                                 struct request *request,
                                 struct complaint *why);

/* A batch array, element by element; an empty or malformed one is MESSAGE_BAD
 * already in message_decode. Elements are MESSAGE_REQUEST or MESSAGE_BAD. */
struct message_batch {
    struct scan_members members;
};
struct message_batch message_batch(struct slice line);
bool message_batch_next(struct message_batch *batch, struct arena *arena,
                        struct request *request, enum message_kind *kind,
                        struct complaint *why);

/*
 * Replies: begin, write one value with the functions of write.h, end. Lines end
 * with LF.
 *
 *     message_begin_result(out, id.json);
 *     write_begin_object(out); ... write_end_object(out);
 *     message_end(out);
 */
void message_begin_result(struct out *out, struct slice id);
void message_end(struct out *out);

/* A whole error reply; an absent id is written as null. */
void message_error(struct out *out, struct slice id,
                   const struct complaint *why);

/*
 * A reply as a client reads it; slices of the line. False: not a reply.
 * An error reply has `error` set from its code (ERROR_internal for a code
 * that is not ours), its message and its data.
 */
struct reply {
    struct slice id;     /* JSON; "null" if it was that */
    struct slice result; /* JSON; absent in an error */
    enum error error;
    struct slice message; /* text, escapes undone */
    struct slice data;    /* JSON object; maybe absent */
};
bool message_read_reply(struct slice line, struct arena *arena,
                        struct reply *reply);

/* From here on the memory of the JSON library comes from memory.h; before
 * anything else of this header is used. */
void message_take_memory(void);

/* The OpenRPC document of the whole table, as JSON text (owned by the caller,
 * freed with mem_free). `version` is the daemon's. */
char *message_discover(const char *version, size_t *len);

#endif
