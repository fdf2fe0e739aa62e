/*
 * Events and barriers.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"

/* A method that says no more than the name, and is answered by nothing. */
static int run_named(struct syncd *s, struct slice method, const char *member,
                     const char *name)
{
    struct call call;
    int status = jobs_begin_named(&call, method, member, name);
    if (status == SYNCD_OK) {
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    call_fini(&call);
    return status;
}

int syncd_event_set(struct syncd *s, const char *event)
{
    return run_named(s, SLICE("event.set"), "event", event);
}

int syncd_event_clear(struct syncd *s, const char *event)
{
    return run_named(s, SLICE("event.clear"), "event", event);
}

int syncd_event_wait(struct syncd *s, const char *event, double timeout)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("event.wait"), "event", event);
    if (status == SYNCD_OK) {
        status = call_run(&call, s, timeout);
    }
    if (status == SYNCD_OK &&
        !slice_equal(jobs_member(&call, "set"), SLICE("true"))) {
        status = fault_say(SYNCD_TIMEOUT, "%s was not set within %g s", event,
                           timeout);
    }
    call_fini(&call);
    return status;
}

static int read_round(const struct call *call, struct syncd_round *round)
{
    struct syncd_round got = {
        .act = slice_equal(jobs_member(call, "action"), SLICE("true"))};
    int status = jobs_read_integer(call, "index", &got.index);
    if (status == SYNCD_OK) {
        status = jobs_read_integer(call, "generation", &got.generation);
    }
    if (status == SYNCD_OK && round != NULL) {
        *round = got;
    }
    return status;
}

int syncd_barrier_wait(struct syncd *s, const char *barrier, uint64_t parties,
                       bool action, double timeout, struct syncd_round *round)
{
    if (action && round == NULL) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "with an action, round must tell whose it is");
    }
    struct call call;
    int status =
        jobs_begin_named(&call, SLICE("barrier.wait"), "barrier", barrier);
    if (status == SYNCD_OK) {
        status = jobs_write_count(&call, "parties", parties);
    }
    if (status == SYNCD_OK) {
        if (action) {
            WRITE(&call.line, flag, "action", true);
        }
        status = jobs_run_whole(&call, s, timeout);
    }
    if (status == SYNCD_OK) {
        status = read_round(&call, round);
    }
    call_fini(&call);
    return status;
}

int syncd_barrier_pass(struct syncd *s, const char *barrier,
                       uint64_t generation)
{
    struct call call;
    int status =
        jobs_begin_named(&call, SLICE("barrier.pass"), "barrier", barrier);
    if (status == SYNCD_OK) {
        status = jobs_write_count(&call, "generation", generation);
    }
    if (status == SYNCD_OK) {
        status = jobs_run_whole(&call, s, SYNCD_FOREVER);
    }
    call_fini(&call);
    return status;
}

int syncd_barrier_abort(struct syncd *s, const char *barrier)
{
    return run_named(s, SLICE("barrier.abort"), "barrier", barrier);
}

int syncd_barrier_reset(struct syncd *s, const char *barrier)
{
    return run_named(s, SLICE("barrier.reset"), "barrier", barrier);
}
