/*
 * queue.get: hands jobs out, each under a lease.
 *
 * All jobs of one answer bear one token. A ready job may be handed out while
 * its put is still being written: its id cannot be given out again, and its
 * producer has no answer yet. Whatever else about it is not on disk yet (that
 * it failed before, say) the answer waits for.
 */
#include "daemon/engine/core.h"

/* What a get wants, from a request or from a waiter. */
struct want {
    const struct reply_to *to;
    struct queue *queues[NAME_LIST_MAX];
    size_t queues_count;
    size_t max;
    int64_t lease_us; /* -1: the job's */
    bool take;
    bool detached;
    struct slice finished; /* JSON of `finished`; absent */
    uint64_t batch;        /* that it depends on; 0: none */
};

/* Bytes a job takes in an answer beside its texts, at most. */
#define JOB_JSON_BYTES 400

/* The first of all the queues' first jobs: by priority, then by arrival. */
static struct job *first_of(struct engine *engine, const struct want *want)
{
    struct job *first = NULL;
    for (size_t i = 0; i < want->queues_count; i++) {
        struct job *job = queue_next(engine, want->queues[i]);
        if (job != NULL &&
            (first == NULL || job->rank < first->rank ||
             (job->rank == first->rank && job->id < first->id))) {
            first = job;
        }
    }
    return first;
}

static struct lease *lease_new(struct engine *engine, const struct want *want,
                               struct job *job, uint64_t token)
{
    struct session *session = want->to->session;
    struct lease *lease = spares_take(&engine->spares, sizeof(*lease));
    *lease = (struct lease){
        .job = job,
        .token = token,
        .length_us = want->lease_us >= 0 ? want->lease_us : job_lease_us(job),
        .began_us = engine->now_us,
        .uid = session->peer.uid,
        .session = want->detached ? NULL : session,
    };
    (void)lease_keep(engine, lease);
    lease_link(engine, lease);
    return lease;
}

static void write_job(const struct engine *engine, struct out *out,
                      const struct job *job, uint64_t token, int64_t lease_us,
                      int64_t until_us, uint32_t attempt)
{
    out_reserve(out, job->body_len + JOB_JSON_BYTES);
    write_begin_object(out);
    WRITE(out, integer, "id", (int64_t)job->id);
    WRITE(out, integer, "token", (int64_t)token);
    WRITE(out, string, "queue", job->set->queue->named.name);
    WRITE(out, json, "body", ((struct slice){job->body, job->body_len}));
    WRITE(out, number, "priority", job_priority(job));
    WRITE(out, integer, "attempt", attempt);
    WRITE(out, seconds, "put_at", wire_time_us(engine, job->put_at_us));
    WRITE(out, seconds, "lease", lease_us);
    WRITE(out, seconds, "until", wire_time_us(engine, until_us));
    if (job_extra_of(job) != NULL) {
        if (job_extra_of(job)->key.at != NULL) {
            WRITE(out, string, "key", job_extra_of(job)->key);
        }
        write_stage_of(out, job);
    }
    write_end_object(out);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The batch that its hand-out must wait for; 0: none. It is the one that has
 * what is told, no later one: then the answers to a consumer's gets come in the
 * order in which they were served, unless a job among them has changed. */
static uint64_t told_in(const struct engine *engine, const struct job *job)
{
    uint64_t batch =
        job->saved.changed ? change_batch_of(engine, &job->saved) : 0;
    return job_extra_of(job) != NULL && job_extra_of(job)->stage != NULL
               ? greater(batch, job_extra_of(job)->stage->released_in)
               : batch;
}

static void hand_out(struct engine *engine, const struct want *want,
                     struct out *out, struct job *job, uint64_t token)
{
    struct queue *queue = job->set->queue;
    rate_add(&queue->get_rate, engine->now_us, 1);
    engine->counters.handed_out++;
    if (want->take) {
        job_set_attempts(engine, job, job_attempts(job) + 1);
        write_job(engine, out, job, token, 0, engine->now_us,
                  job_attempts(job));
        job_finish(engine, job, (struct slice){0});
        return;
    }
    struct lease *lease = lease_new(engine, want, job, token);
    int64_t until_us = later(engine->now_us, lease->length_us);
    write_job(engine, out, job, token, lease->length_us, until_us,
              job_attempts(job) + 1);
    job_run(engine, job, lease, until_us);
}

static void write_finished(struct out *out, struct slice finished)
{
    if (finished.at != NULL) {
        WRITE(out, json, "finished", finished);
    }
}

/* As many jobs as are there, up to the maximum; `first` is the first. The
 * batch that the answer must wait for, or 0. */
static uint64_t write_jobs(struct engine *engine, const struct want *want,
                           struct out *out, struct job *first, uint64_t token)
{
    size_t start = out->len;
    uint64_t batch = 0;
    bool finished = false;
    size_t count = 0;
    for (struct job *job = first; job != NULL && count < want->max;
         job = first_of(engine, want), count++) {
        size_t size = job->body_len + JOB_JSON_BYTES;
        if (count > 0 &&
            out->len - start + size > engine->options.message_max) {
            break;
        }
        batch = greater(batch, told_in(engine, job));
        finished = finished ||
                   (want->take && queue_is_durable(engine, job->set->queue));
        hand_out(engine, want, out, job, token);
    }
    return finished ? change_batch_seen(engine)
                    : greater(batch, change_batch_numbers(engine));
}

static void write_served(struct engine *engine, const struct want *want,
                         struct out *out, struct job *first, uint64_t *batch)
{
    uint64_t token = next_token(engine);
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    *batch = write_jobs(engine, want, out, first, token);
    write_end_array(out);
    write_finished(out, want->finished);
    write_end_object(out);
    if (!want->take) {
        session_keep_token(engine, want->to, token, want->finished);
    }
}

/* Begins with the first job that may run; false: there is none. Jobs that are
 * finished by being handed out may end waits of others, whose answers are
 * written meanwhile, and so may those come upon whose batch is being cancelled:
 * then the get's answer is written aside. */
static bool serve(struct engine *engine, const struct want *want,
                  uint64_t *batch)
{
    struct job *first = first_of(engine, want);
    if (first == NULL) {
        return false;
    }
    if (!want->take && TAILQ_EMPTY(&engine->sweeps)) {
        write_served(engine, want, reply_begin(engine, want->to), first, batch);
        return true;
    }
    struct out *aside = &engine->scratch;
    aside->len = 0;
    write_served(engine, want, aside, first, batch);
    write_json(reply_begin(engine, want->to),
               (struct slice){aside->at, aside->len});
    return true;
}

struct queue *get_queue(const struct waiter *waiter, size_t index)
{
    return CONTAINER_OF(waiter->links[index].list, struct queue, getters);
}

static struct want want_of(const struct waiter *waiter)
{
    const struct wait_get *get = &waiter->u.get;
    struct want want = {.to = &waiter->to,
                        .queues_count = waiter->links_count,
                        .max = get->max,
                        .lease_us = get->lease_us,
                        .take = get->take,
                        .detached = get->detached,
                        .finished = get->finished};
    for (size_t i = 0; i < waiter->links_count; i++) {
        want.queues[i] = get_queue(waiter, i);
    }
    return want;
}

bool get_serve(struct engine *engine, struct queue *queue)
{
    struct waiter *waiter = waiter_first(&queue->getters);
    if (waiter == NULL || queue_next(engine, queue) == NULL) {
        return false;
    }
    struct want want = want_of(waiter);
    uint64_t batch;
    CHECK(serve(engine, &want, &batch));
    waiter_reply(engine, waiter, batch);
    return true;
}

static bool all_closed(const struct want *want)
{
    for (size_t i = 0; i < want->queues_count; i++) {
        if (!want->queues[i]->closed || !queue_is_through(want->queues[i])) {
            return false;
        }
    }
    return true;
}

bool get_is_over(const struct waiter *waiter)
{
    struct want want = want_of(waiter);
    return all_closed(&want);
}

static void write_empty(struct out *out, struct slice finished)
{
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    write_end_array(out);
    write_finished(out, finished);
    write_end_object(out);
}

void get_answer_empty(struct engine *engine, struct waiter *take_waiter)
{
    struct slice finished = take_waiter->u.get.finished;
    write_empty(waiter_begin(engine, take_waiter), finished);
    waiter_reply(engine, take_waiter, 0);
}

/* Those of the jobs that bear this token from before the restart. */
static void write_leased(struct engine *engine, struct out *out,
                         const struct session *session, uint64_t token)
{
    const struct lease *lease = lease_loaded_after(engine, token, 0);
    for (; lease != NULL;
         lease = lease_loaded_after(engine, token, lease->job->id)) {
        struct job *job = lease->job;
        if (lease->session != NULL && lease->session != session) {
            continue;
        }
        if (job->set->doomed) {
            job_forget(engine, job);
        } else {
            write_job(engine, out, job, token, lease->length_us, job->rank,
                      job_attempts(job));
        }
    }
}

void get_answer_again(struct engine *engine, const struct reply_to *to,
                      uint64_t token, struct slice finished)
{
    struct out *out = reply_begin(engine, to);
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    write_leased(engine, out, to->session, token);
    write_end_array(out);
    write_finished(out, finished);
    write_end_object(out);
    engine->token_kept = true; /* as it was, for the next time */
    reply_end(engine, to, change_batch_seen(engine));
}

/* Those named; false: refused. */
static bool check_names(struct engine *engine, const struct request *request,
                        struct slices *names)
{
    bool one = request->queue.at != NULL;
    if (one == (request->queues.at != NULL)) {
        refuse_param(engine, "queue", "give one of `queue` and `queues`");
        return false;
    }
    *names = one ? (struct slices){&request->queue, 1} : request->queues;
    CHECK(names->count <= NAME_LIST_MAX);
    for (size_t i = 0; i < names->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (slice_equal(names->at[i], names->at[j])) {
                refuse_param(engine, "queues", "a queue is named twice");
                return false;
            }
        }
    }
    return true;
}

/* Those of the queues that are there. */
static void find_queues(struct engine *engine, struct slices names,
                        struct want *want)
{
    want->queues_count = 0;
    for (size_t i = 0; i < names.count; i++) {
        struct queue *queue = queue_find(engine, names.at[i]);
        if (queue != NULL) {
            want->queues[want->queues_count++] = queue;
        }
    }
}

/* All of them; the missing ones are made, for which there is room. */
static void use_queues(struct engine *engine, struct slices names,
                       struct want *want)
{
    want->queues_count = names.count;
    for (size_t i = 0; i < names.count; i++) {
        want->queues[i] = queue_use(engine, names.at[i]);
        CHECK(want->queues[i] != NULL);
    }
}

static bool check_terms(struct engine *engine, const struct request *request)
{
    if (request->lease_us == 0) {
        refuse_param(engine, "lease", "`lease` must be more than 0");
        return false;
    }
    if (request->take == 1 &&
        (request->detached == 1 || request->lease_us >= 0)) {
        refuse_param(engine, "take",
                     "`take` finishes the job, so there is no lease for "
                     "`lease` or `detached`");
        return false;
    }
    return true;
}

/* Nothing is there: waits, or says so. `finished` is given. */
static void wait_for_job(struct engine *engine, const struct request *request,
                         const struct want *want)
{
    struct slice finished = want->finished;
    bool over = all_closed(want);
    if (over && finished.at == NULL) {
        refuse(engine, ERROR_queue_closed,
               "the queue is closed, and nothing is left in it");
        return;
    }
    if (over || request->timeout_us == 0) {
        write_empty(answer_begin(engine), finished);
        answer_end(engine, want->batch);
        mem_free((void *)finished.at);
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_GET, want->queues_count, request->timeout_us);
    if (waiter == NULL) {
        mem_free((void *)finished.at);
        return;
    }
    waiter->batch = want->batch;
    if (finished.at != NULL) {
        session_keep_finished(engine, want->to, finished);
    }
    waiter->u.get = (struct wait_get){.max = want->max,
                                      .lease_us = want->lease_us,
                                      .take = want->take,
                                      .detached = want->detached,
                                      .finished = finished};
    for (size_t i = 0; i < want->queues_count; i++) {
        waiter_join_line(waiter, &want->queues[i]->getters);
    }
}

/* Is it refused, by whatever it may be refused for? Nothing has changed then.
 */
static bool get_refused(struct engine *engine, const struct request *request,
                        const struct want *want, size_t missing)
{
    return names_full_of(engine, &engine->queues, missing, "queues") ||
           (request->has_done && session_finished_before(want->to).at == NULL &&
            finish_refused(engine, &request->done)) ||
           ((request->has_done || missing > 0) && request->timeout_us != 0 &&
            first_of(engine, want) == NULL && waiter_refused(engine));
}

/* Carries out the `done` of a get, once. */
static void finish_first(struct engine *engine, struct session *session,
                         const struct request *request, struct want *want)
{
    struct slice before = session_finished_before(want->to);
    if (before.at != NULL) {
        want->finished = slice_copy(before);
        want->batch = change_batch_seen(engine);
        return;
    }
    want->finished = finish_part(engine, session, &request->done, &want->batch);
}

static size_t most_jobs(const struct request *request)
{
    return request->max < 0              ? 1
           : request->max < GET_JOBS_MAX ? (size_t)request->max
                                         : GET_JOBS_MAX;
}

void method_queue_get(struct engine *engine, struct session *session,
                      const struct request *request)
{
    struct want want = {.to = &engine->current.to,
                        .max = most_jobs(request),
                        .lease_us = request->lease_us,
                        .take = request->take == 1,
                        .detached = request->detached == 1};
    struct slices names;
    if (!check_terms(engine, request) ||
        !check_names(engine, request, &names)) {
        return;
    }
    find_queues(engine, names, &want);
    if (get_refused(engine, request, &want, names.count - want.queues_count)) {
        return;
    }
    if (want.queues_count < names.count) {
        use_queues(engine, names, &want);
    }
    if (request->has_done) {
        finish_first(engine, session, request, &want);
    }
    uint64_t batch;
    queues_settle(engine); /* what `done` made room for goes to others first */
    if (!serve(engine, &want, &batch)) {
        wait_for_job(engine, request, &want);
        return;
    }
    reply_end(engine, want.to, greater(batch, want.batch));
    mem_free((void *)want.finished.at);
}
