/*
 * Connections: bytes in, bytes out.
 *
 * A connection is named by its id, which is never used again; whoever has an
 * answer for it looks it up, and finds nothing if it has gone meanwhile. Its
 * libuv handle, and with it the whole struct, is freed in the close callback
 * only.
 *
 * Where its input stands is one state:
 *
 *     READING --bytes--> READY --nothing left--> READING
 *     READY --a share is used up--> READY, behind the others
 *     READY --too many unsent replies--> FULL --drained--> READY
 *     READY --too much rides on one batch--> STALLED --it is durable--> READY
 *     READY --it owes the others time--> RESTING --that is over--> READY
 *     READY --a large line--> DECODING --decoded--> READY
 *     READY --end of input, nothing left--> OVER --session ended--> GONE
 *
 * It is read in READING alone (and in READY until its turn), so each of the
 * other states pushes back on the client.
 *
 * The end: in OVER the session goes on until every reply that is only held
 * back for the disk is out (see connection_may_leave); then the engine is told,
 * requests that still wait end with the session, and the connection is closed
 * when its output has drained.
 */
#ifndef SYNCD_IO_CONNECTION_H
#define SYNCD_IO_CONNECTION_H

#include <uv.h>

#include "daemon/engine/containers.h"
#include "daemon/engine/engine.h"
#include "daemon/io/gather.h" /* and uthash, set up */
#include "proto/frame.h"
#include "proto/memory.h"
#include "proto/message.h"

enum input_state {
    INPUT_READING,
    INPUT_READY,    /* in connections.fresh or .ready */
    INPUT_FULL,     /* unsent replies; served again when they have drained */
    INPUT_STALLED,  /* in connections.stalled, until the store has answered */
    INPUT_RESTING,  /* in connections.resting, until its rest_until_us */
    INPUT_DECODING, /* its line is in the pool */
    INPUT_OVER,     /* in connections.leaving, until the session ends */
    INPUT_GONE      /* the session is over: closed when all is sent */
};

struct decoded;
struct server;
struct user;

struct connection {
    uint64_t id;
    struct server *server;
    uv_pipe_t pipe;
    struct peer peer;
    struct user *user; /* whose it is */

    /* Input. */
    enum input_state input;
    bool fresh;     /* READY, and quiet until just now: in connections.fresh */
    bool listening; /* uv_read_start is in force */
    bool eof;       /* nothing more comes */
    struct frame frame;
    size_t frame_charged;       /* of its room, to the user */
    size_t unserved;            /* bytes read since it was last served */
    struct decoded *decoded;    /* owned; a large line, back from the pool */
    struct message_batch array; /* the batch array being carried out */
    struct gather *gather;      /* its answer; NULL: none is */

    /* What it does at once (share.h). */
    size_t burst;         /* bytes since it last had nothing to do */
    int64_t heavy_us;     /* it was heavy then */
    int64_t quiet_us;     /* it asked for one thing then, */
    unsigned quiet_times; /* so many times in a row, up to QUIET_TIMES */
    unsigned drips;       /* small reads of the line that has no end yet */
    int64_t rest_until_us;

    /* Requests that have no reply yet. */
    size_t pending;
    size_t pending_sure;  /* of them such as never wait for other clients */
    size_t pending_reads; /* of these such as only read: replies may be large */
    struct gather *gathers; /* by number; owned */
    uint64_t gathers_made;
    size_t gathered; /* bytes of replies in all of them */

    /* What rides on the batch that is not durable yet. */
    uint64_t batch;       /* commit.answered when it was last counted */
    size_t batch_bytes;   /* of requests since then */
    uint64_t leave_after; /* in OVER: commit.answered when it may leave */

    /* Output. */
    struct out pending_out; /* replies that came last */
    struct out sending;     /* those before them, which go out in parts: */
    size_t sent;            /* so many bytes have, */
    uv_write_t write;       /* and libuv waits for room */
    size_t writing;         /* for so many; 0: it does not */
    bool deaf;    /* the peer reads no more: replies are thrown away */
    bool closing; /* uv_close was called */
    size_t unsent;

    UT_hash_handle hh;
    TAILQ_ENTRY(connection) input_link; /* of the list of its state */
    RB_ENTRY(connection) rest_link;     /* of connections.resting */
    struct connection_list *in_dirty;   /* NULL: nothing new to be sent */
    TAILQ_ENTRY(connection) dirty_link;
};

TAILQ_HEAD(connection_list, connection);
RB_HEAD(rest_tree, connection);

#define READ_BYTES ((size_t)64 << 10)

struct connections {
    struct connection *by_id;
    size_t count;
    uint64_t last_id;
    size_t unsent;    /* of all of them, bytes */
    struct out spare; /* a large buffer that is not in use, so that the next
                         large answer need not grow another */
    size_t decoding;  /* how many are in DECODING */
    struct connection_list fresh; /* served before those in `ready` */
    struct connection_list ready; /* have had a share, and more to do */
    struct connection_list stalled;
    struct rest_tree resting; /* by when they go on */
    struct connection_list leaving;
    struct connection_list dirty;   /* with replies of this turn */
    struct connection_list woken;   /* those to what others have asked for, sent
                                       first: whoever waited is woken before
                                       whoever has just asked is answered */
    struct connection_list sending; /* with a part to be sent next turn */
    const struct connection *serving; /* whose share it is; NULL: nobody's */
    char read[READ_BYTES]; /* where every read goes first, so that a quiet
                              connection needs no buffer of its own */
};

void connections_init(struct connections *connections);

/* NULL if it has gone. */
struct connection *connections_find(struct connections *connections,
                                    uint64_t id);

/* Adopts an accepted socket, and begins to read it; its id. peer.access is
 * given. */
uint64_t connection_accept(struct server *server, int take_fd,
                           const struct peer *peer);

/* Appends whole lines to what is sent at the end of the turn. */
void connection_send(struct connection *connection, struct slice lines);

/* The same with all of a buffer, which is emptied: a large one changes hands
 * instead of being copied. */
void connection_send_all(struct connection *connection, struct out *lines);

/* Has anybody something to be carried out? */
bool connections_are_ready(const struct connections *connections);

/* May its requests be carried out, or has it too much unsent? */
bool connection_has_room(const struct connection *connection);

/* Has its user too many unfinished lines, of which this one is long? */
bool connection_is_greedy(const struct connection *connection);

/* Reads nothing more until it is in READING again: what was read stays where
 * it lies. */
void connection_pause(struct connection *connection);

/* Moves its input to another state, with all that belongs to it. */
void connection_set_input(struct connection *connection,
                          enum input_state state);

/* In OVER: is nothing held back any more that must be answered? */
bool connection_may_leave(const struct connection *connection);

/* The session has ended: close once everything is sent. */
void connection_leave(struct connection *connection);

/* One write, of as much as may be sent at once; what is left is in
 * connections.sending, or waits until the peer has read. */
void connection_flush(struct connection *connection);

/* A line may be so long from now on. */
void connections_set_line_max(struct connections *connections, size_t line_max);

/* At the end of the service: reads nothing more from anybody. */
void connections_stop_reading(struct connections *connections);

/* Closes all of them at once, sent or not. */
void connections_close(struct connections *connections);

/* Those that waited for the store are ready again. */
void connections_unstall(struct connections *connections);

/* It is served again from that time on, and nothing is read of it before. */
void connection_rest(struct connection *connection, int64_t until_us);

/* When the first of them goes on; DEADLINE_NEVER: nobody rests. */
int64_t connections_rest_us(const struct connections *connections);

/* Those that have rested until then are ready again. */
void connections_unrest(struct connections *connections, int64_t now_us);

#endif
