/*
 * What becomes of jobs that were taken.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"

void jobs_write_lease(struct out *out, const struct syncd_job *job)
{
    WRITE(out, integer, "id", (int64_t)job->id);
    WRITE(out, integer, "token", (int64_t)job->token);
}

int jobs_write_finished(struct call *call, struct syncd_job *const *jobs,
                        const char *const *results, size_t count, int depth)
{
    int status = SYNCD_OK;
    struct out *line = &call->line;
    write_key(line, SLICE("jobs"));
    write_begin_array(line);
    for (size_t i = 0; status == SYNCD_OK && i < count; i++) {
        if (jobs[i] == NULL) {
            continue;
        }
        write_begin_object(line);
        jobs_write_lease(line, jobs[i]);
        if (results != NULL && results[i] != NULL) {
            write_key(line, SLICE("result"));
            status = call_write_json(call, slice_of(results[i]), depth + 2,
                                     "result");
        }
        write_end_object(line);
    }
    write_end_array(line);
    return status;
}

/* A method on one leased job, with one more member of JSON, if any. */
static int run_on_job(struct syncd *s, struct call *call,
                      const struct syncd_job *job, const char *name,
                      const char *json)
{
    int status = SYNCD_OK;
    jobs_write_lease(&call->line, job);
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

int jobs_count_stale(const struct call *call, struct slice outcome,
                     size_t *stale)
{
    struct slice list = jobs_member_of(outcome, "stale");
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

bool jobs_are_any(struct syncd_job *const *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i] != NULL) {
            return true;
        }
    }
    return false;
}

/* A method on many leased jobs, each for itself. */
static int run_on_jobs(struct syncd *s, struct slice method,
                       struct syncd_job *const *jobs,
                       const char *const *results, size_t count, size_t *stale)
{
    if (!jobs_are_any(jobs, count)) {
        if (stale != NULL) {
            *stale = 0;
        }
        return SYNCD_OK;
    }
    struct call call;
    call_init(&call, method);
    int status = jobs_write_finished(&call, jobs, results, count, 2);
    if (status == SYNCD_OK) {
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    if (status == SYNCD_OK) {
        struct slice outcome = {call.result, call.result_len};
        status = jobs_count_stale(&call, outcome, stale);
    }
    call_fini(&call);
    return status;
}

int syncd_done_many(struct syncd *s, struct syncd_job *const *jobs,
                    size_t count, size_t *stale)
{
    return run_on_jobs(s, SLICE("queue.done"), jobs, NULL, count, stale);
}

int syncd_done_results(struct syncd *s, struct syncd_job *const *jobs,
                       const char *const *results, size_t count, size_t *stale)
{
    return run_on_jobs(s, SLICE("queue.done"), jobs, results, count, stale);
}

int syncd_extend_many(struct syncd *s, struct syncd_job *const *jobs,
                      size_t count, size_t *stale)
{
    return run_on_jobs(s, SLICE("queue.extend"), jobs, NULL, count, stale);
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
