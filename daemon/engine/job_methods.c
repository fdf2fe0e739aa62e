/* The methods of single jobs, and lists of them. */
#include "daemon/engine/core.h"

static void write_consumer(struct out *out, const struct lease *lease)
{
    write_key(out, SLICE("consumer"));
    write_begin_object(out);
    const struct session *session = lease->session;
    if (session != NULL) {
        WRITE(out, integer, "session", (int64_t)session->id);
        if (session->client.at != NULL) {
            WRITE(out, string, "client", session->client);
        }
        if (session->conn != 0) {
            WRITE(out, integer, "pid", session->peer.pid);
        }
    }
    WRITE(out, integer, "uid", lease->uid);
    WRITE(out, integer, "token", (int64_t)lease->token);
    WRITE(out, flag, "detached", session == NULL);
    write_end_object(out);
}

static void write_text(struct out *out, struct slice key, struct slice json)
{
    if (json.at != NULL) {
        write_key(out, key);
        write_json(out, json);
    }
}

void write_stage_of(struct out *out, const struct job *job)
{
    const struct stage *stage = job_extra_of(job)->stage;
    if (stage != NULL) {
        WRITE(out, string, "batch", stage->batch->named.name);
        WRITE(out, string, "stage", stage->name);
    }
}

static void write_extra(const struct engine *engine, struct out *out,
                        const struct job_extra *extra)
{
    if (extra->key.at != NULL) {
        WRITE(out, string, "key", extra->key);
    }
    write_text(out, SLICE("progress"), extra->progress);
    write_text(out, SLICE("result"), extra->result);
    write_text(out, SLICE("error"), extra->error);
    if (extra->finished_at_us > 0) {
        WRITE(out, seconds, "finished_at",
              wire_time_us(engine, extra->finished_at_us));
    }
}

void job_write(const struct engine *engine, struct out *out,
               const struct job *job)
{
    enum job_state state = job_state(job);
    const struct job_extra *extra = job_extra_of(job);
    write_begin_object(out);
    WRITE(out, integer, "id", (int64_t)job->id);
    WRITE(out, string, "queue", job->set->queue->named.name);
    WRITE(out, string, "state", slice_of(job_state_names[state]));
    WRITE(out, number, "priority", job_priority(job));
    WRITE(out, integer, "attempts", job_attempts(job));
    WRITE(out, integer, "crashes", extra == NULL ? 0 : extra->crashes);
    WRITE(out, seconds, "put_at", wire_time_us(engine, job->put_at_us));
    WRITE(out, json, "body", ((struct slice){job->body, job->body_len}));
    if (state == JOB_DELAYED) {
        WRITE(out, seconds, "due", wire_time_us(engine, job->rank));
    }
    if (state == JOB_RUNNING) {
        WRITE(out, seconds, "until", wire_time_us(engine, job->rank));
        write_consumer(out, job_lease(job));
    }
    if (job_extra_of(job) != NULL) {
        write_stage_of(out, job);
        write_extra(engine, out, job_extra_of(job));
    }
    write_end_object(out);
}

/* The job named, or NULL: refused. One in a queue that is closed to the client
 * is as good as not there. */
static struct job *job_wanted(struct engine *engine, uint64_t id)
{
    struct job *job = job_find(engine, id);
    if (job == NULL ||
        !access_sees(engine, KIND_queue, job->set->queue->named.name)) {
        refuse_about(
            engine, ERROR_not_found, "id",
            "there is no job %llu (any more): a finished job is kept only "
            "with `keep_done`",
            (unsigned long long)id);
        return NULL;
    }
    return job;
}

void method_job_show(struct engine *engine, struct session *session,
                     const struct request *request)
{
    (void)session;
    const struct job *job = job_wanted(engine, request->job);
    if (job != NULL) {
        job_write(engine, answer_begin(engine), job);
        answer_end(engine, job->set->moving
                               ? sweep_seen(engine, job->set->queue->swept_by)
                               : change_batch_seen(engine));
    }
}

static bool is_listed(const struct engine *engine, const struct job *job,
                      const struct queue *queue, int state)
{
    return !job->set->doomed && (queue == NULL || job->set->queue == queue) &&
           (state < 0 || job_state(job) == (enum job_state)state) &&
           access_sees(engine, KIND_queue, job->set->queue->named.name);
}

void method_job_list(struct engine *engine, struct session *session,
                     const struct request *request)
{
    (void)session;
    size_t limit;
    if (!page_limit(engine, request, &limit)) {
        return;
    }
    struct queue *queue = NULL; /* of all */
    if (request->queue.at != NULL) {
        queue = queue_wanted(engine, request->queue);
        if (queue == NULL) {
            return;
        }
    }
    uint64_t last = request->after_id;
    struct job *job = index_after(&engine->jobs, last);
    struct out *out = answer_begin(engine);
    size_t start = out->len;
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    for (size_t seen = 0; job != NULL && limit > 0 && seen < PAGE_SCAN_MAX &&
                          out->len - start < engine->options.message_max / 2;
         seen++) {
        if (is_listed(engine, job, queue, request->state)) {
            job_write(engine, out, job);
            limit--;
        }
        last = job->id;
        job = index_after(&engine->jobs, last);
    }
    write_end_array(out);
    if (job != NULL) {
        WRITE(out, integer, "next", (int64_t)last);
    }
    write_end_object(out);
    answer_end(engine, sweep_seen(engine, queue == NULL ? engine->swept_by
                                                        : queue->swept_by));
}

static void write_outcome(struct out *out, const struct job *job)
{
    enum job_state state = job_state(job);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(job_state_names[state]));
    if (job_extra_of(job) != NULL && state == JOB_DONE) {
        write_text(out, SLICE("result"), job_extra_of(job)->result);
    }
    if (job_extra_of(job) != NULL && state == JOB_DEAD) {
        write_text(out, SLICE("error"), job_extra_of(job)->error);
    }
    write_end_object(out);
}

void job_answer_wait(struct engine *engine, struct waiter *take_waiter)
{
    const struct job *job = take_waiter->u.job;
    write_outcome(waiter_begin(engine, take_waiter), job);
    waiter_reply(engine, take_waiter, queue_batch(engine, job->set->queue));
}

void job_answer_cancelled(struct engine *engine, struct waiter *take_waiter)
{
    struct out *out = waiter_begin(engine, take_waiter);
    write_begin_object(out);
    WRITE(out, string, "state", SLICE("cancelled"));
    write_end_object(out);
    waiter_reply(engine, take_waiter, change_batch_seen(engine));
}

void method_job_wait(struct engine *engine, struct session *session,
                     const struct request *request)
{
    (void)session;
    struct job *job = job_wanted(engine, request->job);
    if (job == NULL) {
        return;
    }
    enum job_state state = job_state(job);
    if (state == JOB_DONE || state == JOB_DEAD || request->timeout_us == 0) {
        write_outcome(answer_begin(engine), job);
        answer_end(engine, change_batch_seen(engine));
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_JOB, 1, request->timeout_us);
    if (waiter != NULL) {
        waiter->u.job = job;
        waiter_join_line(waiter, &job_extra(engine, job)->waiters);
    }
}

static void answer_retried(struct engine *engine, size_t count)
{
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, integer, "retried", (int64_t)count);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}

static void retry_one(struct engine *engine, uint64_t id)
{
    struct job *job = job_wanted(engine, id);
    if (job == NULL) {
        return;
    }
    if (job_state(job) != JOB_DEAD) {
        refuse(engine, ERROR_conflict,
               "job %llu is %s: only a dead job can "
               "be retried",
               (unsigned long long)id, job_state_names[job_state(job)]);
        return;
    }
    if (job_key_taken(engine, job)) {
        refuse(engine, ERROR_conflict,
               "an unfinished job bears the key of job %llu by now",
               (unsigned long long)id);
        return;
    }
    job_revive(engine, job);
    answer_retried(engine, 1);
}

void method_job_retry(struct engine *engine, struct session *session,
                      const struct request *request)
{
    (void)session;
    if ((request->job != 0) == (request->queue.at != NULL)) {
        refuse_param(engine, "id", "give one of `id` and `queue`");
        return;
    }
    if (request->job != 0) {
        retry_one(engine, request->job);
        return;
    }
    struct queue *queue = queue_wanted(engine, request->queue);
    if (queue == NULL) {
        return;
    }
    sweep_begin(engine, queue, 1U << JOB_DEAD, SWEEP_RETRY);
}

void method_job_cancel(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    struct job *job = job_wanted(engine, request->job);
    if (job == NULL) {
        return;
    }
    const char *state = job_state_names[job_state(job)];
    engine->counters.cancelled++;
    job_remove(engine, job);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(state));
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}
