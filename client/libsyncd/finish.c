/*
 * What becomes of jobs that were taken.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"

static void write_lease(struct out *out, const struct syncd_job *job)
{
    WRITE(out, integer, "id", (int64_t)job->id);
    WRITE(out, integer, "token", (int64_t)job->token);
}

/* A method on one leased job, with one more member of JSON, if any. */
static int run_on_job(struct syncd *s, struct call *call,
                      const struct syncd_job *job, const char *name,
                      const char *json)
{
    int status = SYNCD_OK;
    write_lease(&call->line, job);
    if (json != NULL) {
        write_key(&call->line, slice_of(name));
        status = call_write_json(call, slice_of(json), 2, name);
    }
    if (status == SYNCD_OK) {
        status = call_run(call, s, SYNCD_FOREVER);
    }
    return status;
}

int syncd_done(struct syncd *s, const struct syncd_job *job, const char *result)
{
    struct call call;
    call_init(&call, SLICE("queue.done"));
    int status = run_on_job(s, &call, job, "result", result);
    call_fini(&call);
    return status;
}

int syncd_extend(struct syncd *s, const struct syncd_job *job,
                 const char *progress)
{
    struct call call;
    call_init(&call, SLICE("queue.extend"));
    int status = run_on_job(s, &call, job, "progress", progress);
    call_fini(&call);
    return status;
}

int syncd_fail(struct syncd *s, const struct syncd_job *job, const char *error)
{
    struct syncd_failure failure = SYNCD_FAILURE;
    failure.error = error;
    return syncd_fail_as(s, job, &failure);
}

int syncd_fail_as(struct syncd *s, const struct syncd_job *job,
                  const struct syncd_failure *failure)
{
    if (!(failure->delay <= SECONDS_MAX)) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "a delay is from 0 to %g seconds, or negative for the "
                         "queue's backoff",
                         SECONDS_MAX);
    }
    struct call call;
    call_init(&call, SLICE("queue.fail"));
    if (failure->delay >= 0) {
        WRITE(&call.line, number, "delay", failure->delay);
    }
    if (failure->dead) {
        WRITE(&call.line, flag, "dead", true);
    }
    if (failure->free) {
        WRITE(&call.line, flag, "free", true);
    }
    int status = run_on_job(s, &call, job, "error", failure->error);
    call_fini(&call);
    return status;
}

/* How many ids the reply calls stale. */
static int count_stale(const struct call *call, size_t *stale)
{
    struct slice list = jobs_member(call, "stale");
    struct scan_members members = scan_members(list, REPLY_DEPTH);
    size_t count = 0;
    if (members.close != ']') {
        return jobs_no_sense(call);
    }
    while (scan_next(&members)) {
        count++;
    }
    if (stale != NULL) {
        *stale = count;
    }
    return SYNCD_OK;
}

int syncd_done_many(struct syncd *s, struct syncd_job *const *jobs,
                    size_t count, size_t *stale)
{
    if (count == 0) {
        if (stale != NULL) {
            *stale = 0;
        }
        return SYNCD_OK;
    }
    struct call call;
    call_init(&call, SLICE("queue.done"));
    write_key(&call.line, SLICE("jobs"));
    write_begin_array(&call.line);
    for (size_t i = 0; i < count; i++) {
        write_begin_object(&call.line);
        write_lease(&call.line, jobs[i]);
        write_end_object(&call.line);
    }
    write_end_array(&call.line);
    int status = call_run(&call, s, SYNCD_FOREVER);
    if (status == SYNCD_OK) {
        status = count_stale(&call, stale);
    }
    call_fini(&call);
    return status;
}

int syncd_join(struct syncd *s, const char *queue, double timeout,
               uint64_t *dead)
{
    struct call call;
    uint64_t count = 0;
    int status = jobs_begin(&call, SLICE("queue.join"), queue);
    if (status == SYNCD_OK) {
        status = call_run(&call, s, timeout);
    }
    if (status == SYNCD_OK &&
        slice_equal(jobs_member(&call, "joined"), SLICE("false"))) {
        status =
            fault_say(SYNCD_TIMEOUT, "%s has unfinished jobs after %g seconds",
                      queue, timeout);
    }
    if (status == SYNCD_OK) {
        status = jobs_read_integer(&call, "dead", &count);
    }
    if (status == SYNCD_OK && dead != NULL) {
        *dead = count;
    }
    call_fini(&call);
    return status;
}
