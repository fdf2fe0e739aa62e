/* Replies: message.h's second half, written by the daemon, read by clients. */
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/message.h"

/*
 * A body stands deeper in a reply than in the request that brought it, by at
 * most so many levels (a batch, a list of pages); so a reply may be as much
 * deeper than a request, or a client could not read back what it put.
 */
#define MORE_LEVELS 8

static void begin_reply(struct out *out, struct slice id)
{
    struct slice json = id.at == NULL ? SLICE("null") : id;
    out_reserve(out, json.len + 64);
    out_bytes(out, SLICE("{\"jsonrpc\":\"2.0\",\"id\":"));
    out_bytes(out, json);
}

void message_begin_result(struct out *out, struct slice id)
{
    begin_reply(out, id);
    out_bytes(out, SLICE(",\"result\":"));
}

void message_end(struct out *out)
{
    out_bytes(out, SLICE("}\n"));
}

void message_error(struct out *out, struct slice id,
                   const struct complaint *why)
{
    const struct error_row *row = error_row(why->error);
    begin_reply(out, id);
    out_bytes(out, SLICE(",\"error\":"));
    write_begin_object(out);
    WRITE(out, integer, "code", row->code);
    WRITE(out, string, "message", slice_of(why->message));
    write_key(out, SLICE("data"));
    write_begin_object(out);
    WRITE(out, string, "name", slice_of(row->name));
    WRITE(out, flag, "retryable", row->retryable && !why->hopeless);
    if (why->param[0] != '\0') {
        WRITE(out, string, "param", slice_of(why->param));
    }
    if (why->limit[0] != '\0') {
        WRITE(out, string, "limit", slice_of(why->limit));
        WRITE(out, integer, "value", why->value);
    }
    if (why->data.len > 0) {
        write_json(out, why->data);
    }
    write_end_object(out);
    write_end_object(out);
    message_end(out);
}

static bool read_error(struct slice error, struct arena *arena,
                       struct reply *reply)
{
    struct scan_members m = scan_members(error, 2 - MORE_LEVELS);
    bool has_code = false;
    int64_t code = 0;
    if (m.bad || m.close != '}') {
        return false;
    }
    while (scan_next(&m)) {
        struct slice key = scan_key_text(m.key, arena);
        if (slice_equal(key, SLICE("code")) && m.kind == SCAN_NUMBER) {
            has_code = scan_integer(m.value, &code);
        } else if (slice_equal(key, SLICE("message")) &&
                   m.kind == SCAN_STRING) {
            reply->message = scan_text(m.value, arena);
        } else if (slice_equal(key, SLICE("data")) && m.kind == SCAN_OBJECT) {
            reply->data = m.value;
        }
    }
    CHECK(!m.bad);
    enum error known = code >= INT32_MIN && code <= INT32_MAX
                           ? error_of_code((int)code)
                           : ERROR_NONE;
    reply->error = known == ERROR_NONE ? ERROR_internal : known;
    return has_code && reply->message.at != NULL;
}

bool message_read_reply(struct slice line, struct arena *arena,
                        struct reply *reply)
{
    struct scan_members m = scan_members(line, 1 - MORE_LEVELS);
    struct slice error = {0};
    bool version = false;
    *reply = (struct reply){.error = ERROR_NONE};
    if (m.bad || m.close != '}') {
        return false;
    }
    while (scan_next(&m)) {
        struct slice key = scan_key_text(m.key, arena);
        if (slice_equal(key, SLICE("jsonrpc"))) {
            version = m.kind == SCAN_STRING &&
                      slice_equal(scan_text(m.value, arena), SLICE("2.0"));
        } else if (slice_equal(key, SLICE("id"))) {
            reply->id = m.value;
        } else if (slice_equal(key, SLICE("result"))) {
            reply->result = m.value;
        } else if (slice_equal(key, SLICE("error"))) {
            error = m.value;
        }
    }
    if (m.bad || !version || reply->id.at == NULL ||
        (error.at == NULL) == (reply->result.at == NULL)) {
        return false;
    }
    return error.at == NULL || read_error(error, arena, reply);
}
