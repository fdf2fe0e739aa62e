/*
 * Calls: the line of a request, and waiting for its answer.
 */
#include "client/libsyncd/call.h"

#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/memory.h"

#include <inttypes.h>
#include <math.h>

void call_init(struct call *call, struct slice method)
{
    *call = (struct call){.timeout_us = -1};
    CHECK(pthread_cond_init(&call->wake, NULL) == 0);
    out_init(&call->line);
    enum method known = method_of_name(method);
    call->waits =
        known != METHODS && (method_row(known)->traits & TRAIT_WAITS) != 0;
    struct out *line = &call->line;
    write_begin_object(line);
    WRITE(line, string, "jsonrpc", SLICE("2.0"));
    WRITE(line, string, "method", method);
    write_key(line, SLICE("params"));
    write_begin_object(line);
}

void call_fini(struct call *call)
{
    (void)pthread_cond_destroy(&call->wake);
    out_fini(&call->line);
    fault_fini(&call->fault);
    mem_free(call->result);
}

void call_write_tail(struct call *call, int64_t now_us)
{
    struct out *line = &call->line;
    line->len = call->tail_at;
    if (call->timeout_us >= 0) {
        int64_t left_us = call->timeout_us - (now_us - call->began_us);
        WRITE(line, seconds, "timeout", left_us > 0 ? left_us : 0);
    }
    write_end_object(line);
    WRITE(line, integer, "id", (int64_t)call->id);
    write_end_object(line);
    out_byte(line, '\n');
}

static struct call *new_call(struct slice method)
{
    struct call *call = mem_zalloc(sizeof(*call));
    call_init(call, method);
    call->tail_at = call->line.len;
    call->ours = true;
    return call;
}

struct call *call_new_cancel(uint64_t id)
{
    struct call *call = new_call(SLICE("session.cancel"));
    WRITE(&call->line, integer, "request", (int64_t)id);
    call->tail_at = call->line.len;
    return call;
}

struct call *call_new_probe(void)
{
    struct call *call = new_call(SLICE("server.info"));
    call->probe = true;
    return call;
}

int call_check_timeout(double timeout)
{
    if (isnan(timeout) || timeout > SECONDS_MAX) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "a timeout is a number of seconds from 0 to %g, or "
                         "SYNCD_FOREVER",
                         SECONDS_MAX);
    }
    return SYNCD_OK;
}

bool call_is_json(struct slice json, int depth)
{
    if (json.at == NULL) {
        return false;
    }
    struct scan_members members = scan_members(json, depth + 1);
    if (members.close != '\0') { /* an object or an array */
        while (scan_next(&members)) {
            /* Each is checked as it is read. */
        }
        return !members.bad;
    }
    return scan_valid(json);
}

static int refuse_json(struct slice json, int depth, const char *what)
{
    size_t at = 0;
    const char *fault = json.len == 0 ? "it is empty" : scan_fault(json, &at);
    if (fault == NULL) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "the %s is nested deeper than %d levels", what,
                         JSON_DEPTH_MAX - depth);
    }
    return fault_say(SYNCD_E_ARGUMENT,
                     "the %s is not JSON: %s (byte %zu); syncd_quote makes a "
                     "JSON string of any text",
                     what, fault, at + 1);
}

int call_write_json(struct call *call, struct slice json, int depth,
                    const char *what)
{
    if (!call_is_json(json, depth)) {
        return refuse_json(json, depth, what);
    }
    struct out *line = &call->line;
    size_t from = line->len;
    write_json(line, json);
    char *at = line->at + from;
    char *end = line->at + line->len;
    /* Within strings JSON has no raw control characters. */
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        *at++ = ' ';
    }
    return SYNCD_OK;
}

/* Closes the parameters; refused if that is no timeout. */
static int close_params(struct call *call, double timeout)
{
    int status = call_check_timeout(timeout);
    if (status != SYNCD_OK) {
        return status;
    }
    call->tail_at = call->line.len;
    call->began_us = monotonic_us();
    if (timeout >= 0) {
        call->timeout_us = (int64_t)ceil(timeout * 1e6);
        call->waits = call->waits && call->timeout_us > 0;
    }
    return SYNCD_OK;
}

int call_run(struct call *call, struct syncd *s, double timeout)
{
    int status = close_params(call, timeout);
    if (status != SYNCD_OK) {
        return status;
    }
    session_run(s, call);
    return fault_tell(&call->fault);
}

int call_begin(struct call *call, struct syncd *s, double timeout)
{
    int status = close_params(call, timeout);
    if (status != SYNCD_OK) {
        return status;
    }
    return session_start(s, call) ? SYNCD_OK : fault_tell(&call->fault);
}

int call_end(struct call *call, struct syncd *s)
{
    session_await(s, call);
    return fault_tell(&call->fault);
}
