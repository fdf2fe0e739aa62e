/* How a job ended. */
#include "client/syncctl/outcome.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/say.h"

#include <stdio.h>
#include <stdlib.h>

int outcome_status(struct slice error)
{
    if (fields_get(error, "timeout").at != NULL) {
        return STATUS_TIMED_OUT;
    }
    int64_t signal = fields_integer(error, "signal");
    int64_t status = fields_integer(error, "exit");
    if (signal > 0 && signal < 128) {
        return STATUS_SIGNAL + (int)signal;
    }
    return status > 0 && status < 256 ? (int)status : STATUS_FAILED;
}

/* Of an exception of Python, "ValueError: no such user". */
static bool write_exception(struct out *out, struct slice error,
                            struct arena *arena)
{
    struct slice type = fields_text(error, "type", arena);
    struct slice message = fields_text(error, "message", arena);
    if (type.at == NULL || message.at == NULL) {
        return false;
    }
    out_bytes(out, type);
    if (message.len > 0) {
        out_bytes(out, SLICE(": "));
        out_bytes(out, message);
    }
    return true;
}

void outcome_write(struct out *out, struct slice error, struct arena *arena)
{
    char text[64] = "";
    int status = outcome_status(error);
    if (fields_get(error, "timeout").at != NULL) {
        (void)snprintf(text, sizeof(text), "it took too long");
    } else if (status > STATUS_SIGNAL) {
        (void)snprintf(text, sizeof(text), "signal %d ended it",
                       status - STATUS_SIGNAL);
    } else if (fields_get(error, "exit").at != NULL) {
        (void)snprintf(text, sizeof(text), "it exited with status %d", status);
    } else if (error.at != NULL && !write_exception(out, error, arena)) {
        out_bytes(out, body_text(error, arena));
    }
    out_bytes(out, slice_of(text));
}

static void print_result(struct slice result, struct arena *arena)
{
    if (result.at == NULL) {
        return;
    }
    struct slice text = body_text(result, arena);
    (void)fwrite(text.at, 1, text.len, stdout);
    putchar('\n');
}

static int failed(const struct invocation *invocation, uint64_t id,
                  struct slice error, struct arena *arena)
{
    struct slice wrote = fields_text(error, "stderr", arena);
    if (wrote.at == NULL) {
        wrote = fields_text(error, "traceback", arena);
    }
    if (wrote.at != NULL) {
        (void)fwrite(wrote.at, 1, wrote.len, stderr);
    }
    struct out why = {0};
    outcome_write(&why, error, arena);
    out_byte(&why, '\0');
    say(invocation->command, "job %llu is dead%s%s", (unsigned long long)id,
        why.len > 1 ? ": " : "", why.at);
    out_fini(&why);
    return outcome_status(error);
}

/* What job.wait answered. */
static int tell(const struct invocation *invocation, uint64_t id,
                struct slice reply)
{
    struct arena arena;
    arena_init(&arena);
    int status = STATUS_DONE;
    struct slice state = fields_text(reply, "state", &arena);
    if (invocation->json) {
        printf("%.*s\n", (int)reply.len, reply.at);
    }
    if (slice_equal(state, SLICE("done"))) {
        if (!invocation->json) {
            print_result(fields_get(reply, "result"), &arena);
        }
    } else if (slice_equal(state, SLICE("dead"))) {
        status = failed(invocation, id, fields_get(reply, "error"), &arena);
    } else if (slice_equal(state, SLICE("cancelled"))) {
        say(invocation->command, "job %llu was cancelled",
            (unsigned long long)id);
        status = STATUS_FAILED;
    } else {
        say(invocation->command,
            "job %llu is not finished yet, it is %.*s; wait on with: syncctl "
            "job wait %llu",
            (unsigned long long)id, (int)state.len, state.at,
            (unsigned long long)id);
        status = STATUS_TIMED_OUT;
    }
    arena_fini(&arena);
    return status;
}

int outcome_wait(const struct invocation *invocation, struct syncd *s,
                 uint64_t id, double timeout)
{
    char *result = NULL;
    struct out params = {0};
    write_begin_object(&params);
    WRITE(&params, integer, "id", (int64_t)id);
    if (timeout >= 0) {
        WRITE(&params, number, "timeout", timeout);
    }
    write_end_object(&params);
    int status = ask(invocation, s, "job.wait", &params, &result);
    if (status == STATUS_DONE) {
        status = tell(invocation, id, slice_of(result));
    }
    free(result);
    return status == STATUS_TIMED_OUT && timeout == 0 ? STATUS_WOULD_WAIT
                                                      : status;
}
