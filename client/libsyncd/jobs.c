/*
 * Taking jobs, and what becomes of them.
 */
#include "client/libsyncd/jobs.h"

#include "client/libsyncd/syncd.h"
#include "proto/check.h"
#include "proto/memory.h"

int jobs_check_name(const char *name, const char *what)
{
    struct slice text = slice_of(name);
    bool fine = text.len >= 1 && text.len <= NAME_BYTES_MAX && scan_utf8(text);
    for (size_t i = 0; fine && i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        fine = byte >= 0x20 && byte != 0x7f;
    }
    return fine ? SYNCD_OK
                : fault_say(SYNCD_E_ARGUMENT,
                            "a %s has 1 to %d bytes of UTF-8 and no control "
                            "characters",
                            what, NAME_BYTES_MAX);
}

int jobs_begin_named(struct call *call, struct slice method, const char *member,
                     const char *name)
{
    char what[32];
    (void)snprintf(what, sizeof(what), "%s's name", member);
    call_init(call, method);
    int status = jobs_check_name(name, what);
    if (status == SYNCD_OK) {
        write_key(&call->line, slice_of(member));
        write_string(&call->line, slice_of(name));
    }
    return status;
}

int jobs_begin(struct call *call, struct slice method, const char *queue)
{
    return jobs_begin_named(call, method, "queue", queue);
}

int jobs_run_whole(struct call *call, struct syncd *s, double timeout)
{
    int status = call_run(call, s, timeout);
    return status == SYNCD_E_REPLY && call->fault.error == ERROR_broken
               ? fault_retell(SYNCD_BROKEN)
               : status;
}

static struct slice member_of(struct slice object, const char *name)
{
    struct scan_members members = scan_members(object, REPLY_DEPTH);
    struct slice value = {0};
    while (members.close == '}' && scan_next(&members)) {
        if (slice_equal(members.key, slice_of(name))) {
            value = members.value;
        }
    }
    return value;
}

struct slice jobs_member(const struct call *call, const char *name)
{
    struct slice result = {call->result, call->result_len};
    struct slice value = member_of(result, name);
    return value.at != NULL ? value : SLICE("null");
}

int jobs_no_sense(const struct call *call)
{
    return fault_say(SYNCD_E_PROTOCOL,
                     "the daemon answered what this library does not "
                     "understand (%.80s); are they of the same version?",
                     call->result);
}

/* A natural number. */
static bool read_natural(struct slice value, uint64_t *number)
{
    int64_t integer = -1;
    if (scan_kind_of(value) != SCAN_NUMBER || !scan_integer(value, &integer) ||
        integer < 0) {
        return false;
    }
    *number = (uint64_t)integer;
    return true;
}

int jobs_read_integer(const struct call *call, const char *name,
                      uint64_t *value)
{
    return read_natural(jobs_member(call, name), value) ? SYNCD_OK
                                                        : jobs_no_sense(call);
}

char *jobs_copy_text(struct slice string)
{
    struct arena arena;
    arena_init(&arena);
    struct slice text = scan_text(string, &arena);
    char *copy = mem_strndup(text.at, text.len);
    arena_fini(&arena);
    return copy;
}

/* One member of a job of queue.get's reply; what is not known is no harm. */
static void read_member(struct syncd_job *job, const struct scan_members *m)
{
    uint64_t number = 0;
    bool natural = read_natural(m->value, &number);
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
