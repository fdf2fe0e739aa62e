/*
 * Taking jobs.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <math.h>

/* One member of a job of queue.get's reply; what is not known is no harm. */
static void read_member(struct syncd_job *job, const struct scan_members *m)
{
    uint64_t number = 0;
    bool natural = jobs_natural(m->value, &number);
    double value = m->kind == SCAN_NUMBER ? scan_number(m->value) : 0;
    if (slice_equal(m->key, SLICE("id")) && natural) {
        job->id = number;
    } else if (slice_equal(m->key, SLICE("token")) && natural) {
        job->token = number;
    } else if (slice_equal(m->key, SLICE("attempt")) && natural) {
        job->attempt = (unsigned)number;
    } else if (slice_equal(m->key, SLICE("priority"))) {
        job->priority = value;
    } else if (slice_equal(m->key, SLICE("put_at"))) {
        job->put_at = value;
    } else if (slice_equal(m->key, SLICE("lease"))) {
        job->lease = value;
    } else if (slice_equal(m->key, SLICE("until"))) {
        job->until = value;
    } else if (slice_equal(m->key, SLICE("body")) && job->body == NULL) {
        job->body = mem_strndup(m->value.at, m->value.len);
        job->body_len = m->value.len;
    } else if (m->kind == SCAN_STRING && slice_equal(m->key, SLICE("queue")) &&
               job->queue == NULL) {
        job->queue = jobs_copy_text(m->value);
    } else if (m->kind == SCAN_STRING && slice_equal(m->key, SLICE("key")) &&
               job->key == NULL) {
        job->key = jobs_copy_text(m->value);
    } else if (m->kind == SCAN_STRING && slice_equal(m->key, SLICE("batch")) &&
               job->batch == NULL) {
        job->batch = jobs_copy_text(m->value);
    } else if (m->kind == SCAN_STRING && slice_equal(m->key, SLICE("stage")) &&
               job->stage == NULL) {
        job->stage = jobs_copy_text(m->value);
    }
}

/* NULL: it makes no sense. */
static struct syncd_job *read_job(struct slice object)
{
    struct syncd_job *job = mem_zalloc(sizeof(*job));
    struct scan_members members = scan_members(object, REPLY_DEPTH);
    bool is_object = members.close == '}';
    while (is_object && scan_next(&members)) {
        read_member(job, &members);
    }
    if (!is_object || job->id == 0 || job->token == 0 || job->body == NULL ||
        job->queue == NULL) {
        syncd_job_free(job);
        return NULL;
    }
    return job;
}

static int read_jobs(const struct call *call, size_t max,
                     struct syncd_job ***jobs, size_t *count)
{
    struct slice list = jobs_member(call, "jobs");
    struct scan_members members = scan_members(list, REPLY_DEPTH);
    bool sense = members.close == ']';
    size_t cap = 0;
    *jobs = NULL;
    *count = 0;
    while (sense && scan_next(&members)) {
        if (*count == cap) {
            cap = cap == 0 ? 4 : 2 * cap;
            *jobs = mem_realloc(*jobs, cap * sizeof(struct syncd_job *));
        }
        struct syncd_job *job = *count < max ? read_job(members.value) : NULL;
        sense = job != NULL;
        if (sense) {
            (*jobs)[(*count)++] = job;
        }
    }
    if (!sense) {
        syncd_jobs_free(*jobs, *count);
        return jobs_no_sense(call);
    }
    return SYNCD_OK;
}

void syncd_job_free(struct syncd_job *job)
{
    if (job != NULL) {
        mem_free(job->queue);
        mem_free(job->body);
        mem_free(job->key);
        mem_free(job->batch);
        mem_free(job->stage);
        mem_free(job);
    }
}

void syncd_jobs_free(struct syncd_job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        syncd_job_free(jobs[i]);
    }
    mem_free(jobs);
}

/* The jobs of the reply, at least one. */
static int read_taken(const struct call *call, size_t max, double timeout,
                      struct syncd_job ***jobs, size_t *count)
{
    struct syncd_job **got = NULL;
    size_t got_count = 0;
    int status = read_jobs(call, max, &got, &got_count);
    if (status == SYNCD_OK && got_count == 0) {
        mem_free(got);
        return fault_say(SYNCD_TIMEOUT, "no job within %g s", timeout);
    }
    if (status == SYNCD_OK) {
        *jobs = got;
        *count = got_count;
    }
    return status;
}

/* A new call that asks for up to `max`. */
static int begin_get(struct call *call, const char *queue, size_t max)
{
    int status = jobs_begin(call, SLICE("queue.get"), queue);
    if (status == SYNCD_OK && (max < 1 || max >= (size_t)WIRE_INTEGER_MAX)) {
        return fault_say(SYNCD_E_ARGUMENT, "max is at least 1 job");
    }
    if (status == SYNCD_OK && max > 1) {
        WRITE(&call->line, integer, "max", (int64_t)max);
    }
    return status;
}

int syncd_get_many(struct syncd *s, const char *queue, size_t max,
                   double timeout, struct syncd_job ***jobs, size_t *count)
{
    struct call call;
    int status = begin_get(&call, queue, max);
    if (status == SYNCD_OK) {
        status = call_run(&call, s, timeout);
        if (status == SYNCD_E_REPLY && call.fault.error == ERROR_queue_closed) {
            status = fault_retell(SYNCD_CLOSED);
        }
    }
    if (status == SYNCD_OK) {
        status = read_taken(&call, max, timeout, jobs, count);
    }
    call_fini(&call);
    return status;
}

/* Takes *jobs: of one, not of an array of one. */
static int take_one(int status, struct syncd_job **take_jobs, size_t count,
                    struct syncd_job **job)
{
    if (status == SYNCD_OK) {
        CHECK(take_jobs != NULL && count == 1);
        *job = take_jobs[0];
        syncd_jobs_free(take_jobs, 0);
    }
    return status;
}

int syncd_get(struct syncd *s, const char *queue, double timeout,
              struct syncd_job **job)
{
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    int status = syncd_get_many(s, queue, 1, timeout, &jobs, &count);
    return take_one(status, jobs, count, job);
}

/* What a get finishes first. */
struct finished {
    struct syncd_job *const *jobs;
    const char *const *results; /* NULL: none */
    size_t count;
    bool taken_over; /* they are finished, or there were none */
    size_t stale;    /* of them, ours no more */
};

/*
 * One message for both. An error means that nothing was finished; once it is,
 * the daemon answers with whatever it has, be it nothing.
 */
static int finish_and_get(struct syncd *s, const char *queue, size_t max,
                          double timeout, struct finished *finished,
                          struct syncd_job ***jobs, size_t *count)
{
    struct call call;
    int status = begin_get(&call, queue, max);
    if (status == SYNCD_OK) {
        write_key(&call.line, SLICE("done"));
        write_begin_object(&call.line);
        status = jobs_write_finished(&call, finished->jobs, finished->results,
                                     finished->count, 3);
        write_end_object(&call.line);
    }
    if (status == SYNCD_OK) {
        status = call_run(&call, s, timeout);
    }
    if (status == SYNCD_OK) {
        status = jobs_count_stale(&call, jobs_member(&call, "finished"),
                                  &finished->stale);
    }
    if (status == SYNCD_OK) {
        finished->taken_over = true;
        status = read_taken(&call, max, timeout, jobs, count);
    }
    call_fini(&call);
    return status;
}

/*
 * Nothing came with the answer: because the time was over, or an interrupt, or
 * the queue is closed. Which of them it was tells a get that finishes nothing.
 */
static int finish_then_get(struct syncd *s, const char *queue, size_t max,
                           double timeout, struct finished *finished,
                           struct syncd_job ***jobs, size_t *count)
{
    finished->taken_over = !jobs_are_any(finished->jobs, finished->count);
    if (finished->taken_over) {
        return syncd_get_many(s, queue, max, timeout, jobs, count);
    }
    int64_t began_us = monotonic_us();
    int status = finish_and_get(s, queue, max, timeout, finished, jobs, count);
    if (status != SYNCD_TIMEOUT) {
        return status;
    }
    double left = timeout - (double)(monotonic_us() - began_us) / 1e6;
    return syncd_get_many(s, queue, max, timeout < 0 ? timeout : fmax(left, 0),
                          jobs, count);
}

int syncd_next_many(struct syncd *s, const char *queue, size_t max,
                    double timeout, struct syncd_job ***jobs, size_t *count,
                    size_t *stale)
{
    struct syncd_job **next = NULL;
    size_t next_count = 0;
    struct finished finished = {.jobs = *jobs, .count = *count};
    int status =
        finish_then_get(s, queue, max, timeout, &finished, &next, &next_count);
    if (!finished.taken_over) {
        return status;
    }
    syncd_jobs_free(*jobs, *count);
    *jobs = next;
    *count = next_count;
    if (stale != NULL) {
        *stale = finished.stale;
    }
    return status;
}

int syncd_next(struct syncd *s, const char *queue, double timeout,
               struct syncd_job **job, const char *result, bool *stale)
{
    struct syncd_job **next = NULL;
    size_t next_count = 0;
    struct finished finished = {.jobs = job, .results = &result, .count = 1};
    int status =
        finish_then_get(s, queue, 1, timeout, &finished, &next, &next_count);
    if (!finished.taken_over) {
        return status;
    }
    syncd_job_free(*job);
    *job = NULL;
    if (stale != NULL) {
        *stale = finished.stale > 0;
    }
    return take_one(status, next, next_count, job);
}
