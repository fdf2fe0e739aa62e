/*
 * queue.done, queue.fail, queue.extend: what a consumer says of its jobs.
 *
 * All go by id and token, from any session of the user who was given them. A
 * token that is not the job's present one changes nothing.
 */
#include "daemon/engine/core.h"

#include <math.h>
#include <stdio.h>

struct job *job_leased(struct engine *engine, const struct session *session,
                       uint64_t id, uint64_t token)
{
    struct job *job = job_find(engine, id);
    if (job == NULL || job_lease(job) == NULL ||
        job_lease(job)->token != token ||
        !session_is_of(session, job_lease(job)->uid)) {
        return NULL;
    }
    return job;
}

/* The same, and its queue is open to this method; NULL: stale. */
static struct job *leased(struct engine *engine, const struct session *session,
                          uint64_t id, uint64_t token)
{
    struct job *job = job_leased(engine, session, id, token);
    return job != NULL &&
                   access_sees(engine, KIND_queue, job_queue(job)->named.name)
               ? job
               : NULL;
}

/* One of the jobs named, in whichever of the three ways. */
static struct done_item item_of(const struct done_part *part, size_t i)
{
    if (part->jobs.at != NULL) {
        return part->jobs.at[i];
    }
    struct done_item item = part->one;
    if (part->ids.at != NULL) {
        item.id = part->ids.at[i];
    }
    return item;
}

static size_t items_count(const struct done_part *part)
{
    return part->jobs.at != NULL  ? part->jobs.count
           : part->ids.at != NULL ? part->ids.count
                                  : 1;
}

static bool is_one(const struct done_part *part)
{
    return part->jobs.at == NULL && part->ids.at == NULL;
}

static bool check_part(struct engine *engine, const struct done_part *part)
{
    int ways =
        (part->one.id != 0) + (part->ids.at != NULL) + (part->jobs.at != NULL);
    if (ways != 1) {
        refuse_param(engine, "id", "give one of `id`, `ids` and `jobs`");
        return false;
    }
    if ((part->jobs.at != NULL) == (part->one.token != 0)) {
        refuse_param(engine, "token",
                     "`id` and `ids` go with `token`; in `jobs` each has one");
        return false;
    }
    if (part->one.id == 0 && part->one.result.at != NULL) {
        refuse_param(engine, "result",
                     "`result` goes with `id`; in `jobs` each may have one");
        return false;
    }
    return true;
}

/* Texts that consumers leave with jobs may take a quarter more memory than
 * puts, so that work goes on at the limit. Beyond that they are refused, but
 * what frees memory never is. So for the disk, `kept` of them. */
static bool texts_refused(struct engine *engine, size_t bytes, size_t kept)
{
    size_t most = engine->options.memory_max + engine->options.memory_max / 4;
    if (bytes == 0 || engine->memory_used + bytes <= most) {
        return room_refused_texts(engine, kept);
    }
    struct complaint why;
    complain(&why, ERROR_limit,
             "the daemon's memory is used up: send this without `result`, "
             "`error` and `progress`, or when some jobs are finished");
    (void)snprintf(why.limit, sizeof(why.limit), "max_memory");
    why.value = (int64_t)engine->options.memory_max;
    reply_error(engine, &engine->current.to, &why);
    return true;
}

static size_t results_bytes(const struct done_part *part)
{
    size_t bytes = part->one.result.len;
    for (size_t i = 0; i < part->jobs.count; i++) {
        bytes += part->jobs.at[i].result.len;
    }
    return bytes;
}

/* Of these, what stays: results of jobs that can be looked up later. */
static size_t kept_bytes(struct engine *engine, const struct done_part *part)
{
    size_t bytes = 0;
    for (size_t i = 0; engine->full && i < items_count(part); i++) {
        struct done_item item = item_of(part, i);
        const struct job *job =
            leased(engine, engine->current.session, item.id, item.token);
        if (job != NULL && job_keep_done_us(job) > 0) {
            bytes += item.result.len;
        }
    }
    return bytes;
}

static bool results_refused(struct engine *engine, const struct done_part *part)
{
    return texts_refused(engine, results_bytes(part), kept_bytes(engine, part));
}

/* What is done with one leased job. */
typedef void each_job(struct engine *engine, struct job *job,
                      const struct done_item *item);

static void finish_one(struct engine *engine, struct job *job,
                       const struct done_item *item)
{
    job_finish(engine, job, item->result);
}

static void extend_one(struct engine *engine, struct job *job,
                       const struct done_item *item)
{
    (void)item;
    const struct request *request = engine->current.request;
    job_extend(engine, job,
               request->lease_us > 0 ? request->lease_us
                                     : job_lease(job)->length_us,
               request->progress);
}

/* Does it with each; {key: how many, stale: [ids]} is written. The batch that
 * this depends on, or 0. */
static uint64_t write_each(struct engine *engine, struct session *session,
                           const struct done_part *part, each_job *each,
                           struct slice key, struct out *out)
{
    size_t count = items_count(part);
    uint64_t *stale = mem_alloc(count * sizeof(*stale));
    size_t stale_count = 0;
    bool durable = false;
    for (size_t i = 0; i < count; i++) {
        struct done_item item = item_of(part, i);
        struct job *job = leased(engine, session, item.id, item.token);
        if (job == NULL) {
            stale[stale_count++] = item.id;
        } else {
            durable = durable || queue_is_durable(engine, job->set->queue);
            each(engine, job, &item);
        }
    }
    write_begin_object(out);
    write_key(out, key);
    write_integer(out, (int64_t)(count - stale_count));
    write_key(out, SLICE("stale"));
    write_begin_array(out);
    for (size_t i = 0; i < stale_count; i++) {
        write_integer(out, (int64_t)stale[i]);
    }
    write_end_array(out);
    write_end_object(out);
    mem_free(stale);
    return durable || stale_count > 0 ? change_batch_seen(engine) : 0;
}

bool finish_refused(struct engine *engine, const struct done_part *part)
{
    return !check_part(engine, part) || results_refused(engine, part);
}

struct slice finish_part(struct engine *engine, struct session *session,
                         const struct done_part *part, uint64_t *batch)
{
    struct out out;
    out_init(&out);
    *batch = write_each(engine, session, part, finish_one, SLICE("done"), &out);
    return (struct slice){out.at, out.len};
}

static void refuse_stale(struct engine *engine, uint64_t id)
{
    refuse(engine, ERROR_stale_token,
           "job %llu is not leased under this token (any more): it is "
           "finished, gone, or another consumer's",
           (unsigned long long)id);
}

/* Answers of many are written after the fact, as the work may end waits of
 * others, whose answers come first. */
static void answer_each(struct engine *engine, struct session *session,
                        const struct done_part *part, each_job *each,
                        struct slice key, bool durable)
{
    struct out result;
    out_init(&result);
    uint64_t batch = write_each(engine, session, part, each, key, &result);
    write_json(answer_begin(engine), (struct slice){result.at, result.len});
    answer_end(engine, durable ? batch : 0);
    out_fini(&result);
}

void method_queue_done(struct engine *engine, struct session *session,
                       const struct request *request)
{
    const struct done_part *part = &request->done;
    if (finish_refused(engine, part)) {
        return;
    }
    if (!is_one(part)) {
        answer_each(engine, session, part, finish_one, SLICE("done"), true);
        return;
    }
    struct job *job = leased(engine, session, part->one.id, part->one.token);
    if (job == NULL) {
        refuse_stale(engine, part->one.id);
        return;
    }
    const struct queue *queue = job->set->queue;
    job_finish(engine, job, part->one.result);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_end_object(out);
    answer_end(engine, queue_batch(engine, queue));
}

void method_queue_extend(struct engine *engine, struct session *session,
                         const struct request *request)
{
    const struct done_part *part = &request->done;
    if (!check_part(engine, part) ||
        texts_refused(engine, items_count(part) * request->progress.len,
                      items_count(part) * request->progress.len)) {
        return;
    }
    if (request->lease_us == 0) {
        refuse_param(engine, "lease", "`lease` must be more than 0");
        return;
    }
    if (!is_one(part)) {
        answer_each(engine, session, part, extend_one, SLICE("extended"),
                    false);
        return;
    }
    struct job *job = leased(engine, session, part->one.id, part->one.token);
    if (job == NULL) {
        refuse_stale(engine, part->one.id);
        return;
    }
    extend_one(engine, job, &part->one);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, seconds, "until", wire_time_us(engine, job->rank));
    write_end_object(out);
    answer_end(engine, 0);
}

/* base * factor^(attempt - 1), at most max; a random part of it if wanted. */
static int64_t backoff_us(struct engine *engine, const struct job *job)
{
    const struct queue_terms *terms = &job->set->queue->terms;
    uint32_t attempts = job_attempts(job);
    double attempt = attempts > 0 ? (double)attempts : 1;
    double wait_us = (double)terms->backoff_base_us *
                     pow(terms->backoff_factor, attempt - 1);
    double max_us = (double)terms->backoff_max_us;
    if (terms->backoff_base_us == 0) {
        wait_us = 0; /* however great the factor: 0 * inf is no number */
    } else if (!(wait_us < max_us)) {
        wait_us = max_us;
    }
    if (terms->backoff_jitter > 0) {
        double part = (double)(next_random(engine) >> 11) * 0x1p-53;
        wait_us *= 1 - terms->backoff_jitter * part;
    }
    return (int64_t)ceil(wait_us);
}

/* What a failed try comes to. */
static void fail_job(struct engine *engine, struct job *job,
                     const struct request *request)
{
    int64_t delay_us =
        request->delay_us >= 0 ? request->delay_us : backoff_us(engine, job);
    int64_t max_attempts = job_max_attempts(job);
    bool dead =
        request->dead == 1 || (request->free != 1 && max_attempts > 0 &&
                               (int64_t)job_attempts(job) >= max_attempts);
    engine->counters.failed++;
    if (request->failure.at != NULL) {
        job_set_error(engine, job, request->failure);
    }
    if (request->free == 1) {
        job_set_attempts(engine, job, job_attempts(job) - 1);
    }
    if (dead) {
        job_die(engine, job);
    } else {
        job_back(engine, job, delay_us);
    }
}

void method_queue_fail(struct engine *engine, struct session *session,
                       const struct request *request)
{
    const struct done_item *item = &request->done.one;
    if (request->dead == 1 && (request->free == 1 || request->delay_us >= 0)) {
        refuse_param(engine, "dead",
                     "`dead` means no more tries: without `free` and `delay`");
        return;
    }
    struct job *job = leased(engine, session, item->id, item->token);
    if (job == NULL) {
        refuse_stale(engine, item->id);
        return;
    }
    if (texts_refused(engine, request->failure.len, request->failure.len)) {
        return;
    }
    fail_job(engine, job, request);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(job_state_names[job_state(job)]));
    if (job_state(job) == JOB_DELAYED) {
        WRITE(out, seconds, "due", wire_time_us(engine, job->rank));
    }
    write_end_object(out);
    answer_end(engine, queue_batch(engine, job->set->queue));
}
