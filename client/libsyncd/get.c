/*
 * Taking jobs.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"
#include "proto/check.h"
#include "proto/memory.h"

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

int syncd_get_many(struct syncd *s, const char *queue, size_t max,
                   double timeout, struct syncd_job ***jobs, size_t *count)
{
    struct call call;
    struct syncd_job **got = NULL;
    size_t got_count = 0;
    int status = jobs_begin(&call, SLICE("queue.get"), queue);
    if (status == SYNCD_OK && (max < 1 || max >= (size_t)WIRE_INTEGER_MAX)) {
        status = fault_say(SYNCD_E_ARGUMENT, "max is at least 1 job");
    }
    if (status == SYNCD_OK) {
        if (max > 1) {
            WRITE(&call.line, integer, "max", (int64_t)max);
        }
        status = call_run(&call, s, timeout);
    }
    if (status == SYNCD_OK) {
        status = read_jobs(&call, max, &got, &got_count);
    } else if (status == SYNCD_E_REPLY &&
               call.fault.error == ERROR_queue_closed) {
        status = fault_retell(SYNCD_CLOSED);
    }
    if (status == SYNCD_OK && got_count == 0) {
        mem_free(got);
        status = fault_say(SYNCD_TIMEOUT, "no job within %g s", timeout);
    } else if (status == SYNCD_OK) {
        *jobs = got;
        *count = got_count;
    }
    call_fini(&call);
    return status;
}

int syncd_get(struct syncd *s, const char *queue, double timeout,
              struct syncd_job **job)
{
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    int status = syncd_get_many(s, queue, 1, timeout, &jobs, &count);
    if (status == SYNCD_OK) {
        CHECK(jobs != NULL && count == 1);
        *job = jobs[0];
        syncd_jobs_free(jobs, 0);
    }
    return status;
}
