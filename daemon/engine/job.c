/*
 * Moves jobs between their states, and knows what a job is worth and for how
 * long. Nobody else puts a job into a set or takes one out.
 */
#include "daemon/engine/core.h"
#include "daemon/engine/job_place.h"

/* The drawing in job.h. HELD is left and entered by events and stages. */
static const bool moves[JOB_STATES][JOB_STATES] = {
    [JOB_HELD] = {[JOB_DELAYED] = true, [JOB_READY] = true},
    [JOB_DELAYED] = {[JOB_READY] = true},
    [JOB_READY] = {[JOB_RUNNING] = true, [JOB_DONE] = true},
    [JOB_RUNNING] = {[JOB_DELAYED] = true,
                     [JOB_READY] = true,
                     [JOB_DONE] = true,
                     [JOB_DEAD] = true},
    [JOB_DONE] = {false},
    [JOB_DEAD] = {false}, /* job_revive is its one way out */
};

bool job_state_is_unfinished(enum job_state state)
{
    return state != JOB_DONE && state != JOB_DEAD;
}

/* Order of numbers as order of integers: negative ones have their bits turned
 * so that a greater magnitude comes first. */
int64_t job_rank(double priority)
{
    double number = priority + 0.0; /* -0 is 0 */
    int64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

enum job_state job_state(const struct job *job)
{
    return job->set->state;
}

struct queue *job_queue(const struct job *job)
{
    return job->set->queue;
}

double job_priority(const struct job *job)
{
    const struct job_extra *extra = job_extra_of(job);
    return extra == NULL ? 0 : extra->priority;
}

int64_t job_lease_us(const struct job *job)
{
    const struct job_extra *extra = job_extra_of(job);
    return extra != NULL && extra->lease_us >= 0
               ? extra->lease_us
               : job->set->queue->terms.lease_us;
}

int64_t job_max_attempts(const struct job *job)
{
    const struct job_extra *extra = job_extra_of(job);
    return extra != NULL && extra->max_attempts >= 0
               ? extra->max_attempts
               : job->set->queue->terms.max_attempts;
}

int64_t job_keep_done_us(const struct job *job)
{
    const struct job_extra *extra = job_extra_of(job);
    return extra != NULL && extra->keep_done_us >= 0
               ? extra->keep_done_us
               : job->set->queue->terms.keep_done_us;
}

static void unkey(struct queue *queue, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    if (extra != NULL && extra->by_key.tbl != NULL) {
        HASH_DELETE(by_key, queue->keys, extra);
        extra->by_key.tbl = NULL;
    }
}

void job_key(struct queue *queue, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    if (extra != NULL && extra->key.at != NULL && extra->by_key.tbl == NULL) {
        HASH_ADD_KEYPTR(by_key, queue->keys, extra->key.at,
                        (unsigned)extra->key.len, extra);
    }
}

void job_changed(struct engine *engine, struct job *job)
{
    struct queue *queue = job->set->queue;
    if (queue_is_durable(engine, queue)) {
        queue_save(engine, queue);
        change_mark(engine, ROW_job, job, &job->saved);
        job->saved.changed = true;
    }
}

/* The one function that moves a job from state to state. */
static void move(struct engine *engine, struct job *job, enum job_state state,
                 int64_t rank)
{
    struct queue *queue = job->set->queue;
    CHECK(moves[job->set->state][state]);
    CHECK((job_lease(job) != NULL) == (job->set->state == JOB_RUNNING) ||
          state == JOB_RUNNING);
    job_unlink(job);
    if (state != JOB_RUNNING) {
        lease_end(engine, job);
    }
    job_link(engine, job, limited_set_of(queue, job, state), rank);
    if (job_state_is_unfinished(state)) {
        job_key(queue, job);
    } else {
        unkey(queue, job);
    }
    queue_touch(engine, queue);
}

/* Where a job stands that nothing holds. */
static void link_free(struct engine *engine, struct job *job,
                      struct queue *queue, int64_t delay_us)
{
    if (delay_us > 0) {
        job_link(engine, job, queue->sets[JOB_DELAYED],
                 later(engine->now_us, delay_us));
    } else {
        job_link(engine, job, limited_set_of(queue, job, JOB_READY),
                 job_rank(job_priority(job)));
    }
}

/* Where it belongs, by what holds it; ranks of held ones are their priority. */
void job_place(struct engine *engine, struct job *job, struct queue *queue,
               int64_t delay_us)
{
    struct stage *stage =
        job_extra_of(job) == NULL ? NULL : job_extra_of(job)->stage;
    bool by_stage = stage != NULL && stage_is_held(stage);
    if (!by_stage && !job_is_held_by_events(job)) {
        link_free(engine, job, queue, delay_us);
        return;
    }
    job_extra_of(job)->delay_us = delay_us > 0 ? delay_us : 0;
    job_link(engine, job,
             by_stage ? side_set_held(queue, stage) : queue->sets[JOB_HELD],
             job_rank(job_priority(job)));
}

void job_enter(struct engine *engine, struct job *job, struct queue *queue,
               int64_t delay_us, struct stage *stage)
{
    job->id = next_job_id(engine) & JOB_ID_MAX;
    job->put_at_us = engine->now_us;
    index_add(&engine->jobs, job->id, job);
    if (stage != NULL) {
        stage_join(engine, stage, job);
    }
    after_begin(engine, job);
    job_place(engine, job, queue, delay_us);
    job_key(queue, job);
    job_changed(engine, job);
    job->saved.changed = false;
    engine->counters.put++;
    queue_touch(engine, queue);
}

void job_unheld(struct engine *engine, struct job *job)
{
    struct queue *queue = job->set->queue;
    struct stage *stage = job_extra_of(job)->stage;
    CHECK(job->set->state == JOB_HELD || job->set->moving || job->set->doomed);
    if (job->set->doomed) {
        return;
    }
    if (stage == NULL || !stage_is_held(stage)) {
        job_unlink(job);
        job_place(engine, job, queue, job_extra_of(job)->delay_us);
        queue_touch(engine, queue);
    }
    job_changed(engine, job); /* its row names one event less */
}

void job_released(struct engine *engine, struct job *job)
{
    struct queue *queue = job->set->queue;
    CHECK(job->set->moving);
    job_unlink(job);
    job_place(engine, job, queue, job_extra_of(job)->delay_us);
    if (job->set->state == JOB_DELAYED) {
        job_changed(engine, job); /* that it is released its batch tells; since
                              when its delay runs, only its own row can */
    }
    queue_touch(engine, queue);
}

void job_forget(struct engine *engine, struct job *job)
{
    CHECK(job->set->doomed);
    change_gone(engine, ROW_job, job->id, &job->saved);
}

struct job *job_find(struct engine *engine, uint64_t id)
{
    struct job *job = index_find(&engine->jobs, id);
    if (job != NULL && job->set->doomed) {
        job_forget(engine, job);
        return NULL;
    }
    return job != NULL && job_catch_up(engine, job) ? job : NULL;
}

struct job *job_of_key(struct engine *engine, struct queue *queue,
                       struct slice key)
{
    struct job_extra *extra;
    HASH_FIND(by_key, queue->keys, key.at, (unsigned)key.len, extra);
    if (extra == NULL) {
        return NULL;
    }
    if (extra->job->set->doomed) {
        job_forget(engine, extra->job);
        unkey(queue, extra->job); /* it is gone already, but for its memory */
        return NULL;
    }
    return extra->job;
}

void job_run(struct engine *engine, struct job *job, struct lease *take_lease,
             int64_t until_us)
{
    histogram_add(&engine->counters.wait, engine->now_us - job->put_at_us);
    lease_give(job, take_lease);
    job_set_attempts(engine, job, job_attempts(job) + 1);
    for (size_t i = 0;
         job_extra_of(job) != NULL && i < job_extra_of(job)->limits_count;
         i++) {
        semaphore_job_began(job_extra_of(job)->limits[i]);
    }
    move(engine, job, JOB_RUNNING, until_us);
    if (take_lease->kept) {
        job_changed(engine, job);
    }
}

void job_extend(struct engine *engine, struct job *job, int64_t length_us,
                struct slice progress)
{
    struct job_set *set = job->set;
    CHECK(set->state == JOB_RUNNING);
    bool differs = lease_keep(engine, job_lease(job)) ||
                   job_lease(job)->length_us != length_us ||
                   progress.at != NULL;
    job_lease(job)->length_us = length_us;
    job_unlink(job);
    job_link(engine, job, set, later(engine->now_us, length_us));
    if (progress.at != NULL) {
        job_set_progress(engine, job, progress);
    }
    if (differs && job_lease(job)->kept) {
        job_changed(engine, job);
    }
}

void job_back(struct engine *engine, struct job *job, int64_t delay_us)
{
    if (delay_us > 0) {
        move(engine, job, JOB_DELAYED, later(engine->now_us, delay_us));
    } else {
        move(engine, job, JOB_READY, job_rank(job_priority(job)));
    }
    job_changed(engine, job);
}

void job_due(struct engine *engine, struct job *job)
{
    move(engine, job, JOB_READY, job_rank(job_priority(job)));
}

/* Answers everyone who waits for the job to be finished. */
static void answer_waiters(struct engine *engine, struct job *job)
{
    if (job_extra_of(job) == NULL) {
        return;
    }
    struct waiter *waiter;
    while ((waiter = waiter_first(&job_extra_of(job)->waiters)) != NULL) {
        job_answer_wait(engine, waiter);
    }
}

/* Out of everything, and freed. */
void job_vanish(struct engine *engine, struct job *job)
{
    struct queue *queue = job->set->queue;
    enum job_state state = job->set->state;
    unkey(queue, job);
    job_unlink(job);
    if (job_extra_of(job) != NULL && job_extra_of(job)->stage != NULL) {
        stage_leave(engine, job, state);
    }
    lease_end(engine, job);
    index_remove(&engine->jobs, job->id);
    change_gone(engine, ROW_job, job->id, &job->saved);
    if (queue_is_durable(engine, queue)) {
        room_give(engine, job->body_len);
    }
    job_free(engine, job);
    queue_touch(engine, queue);
}

/* It is no party of its stage any more: it has arrived. */
static void arrive(struct engine *engine, struct job *job)
{
    if (job_extra_of(job) != NULL && job_extra_of(job)->stage != NULL) {
        stage_arrive(engine, job, job->set->state);
    }
}

void job_finish(struct engine *engine, struct job *job, struct slice result)
{
    struct queue *queue = job->set->queue;
    int64_t keep_us = job_keep_done_us(job);
    bool awaited =
        job_extra_of(job) != NULL && job_extra_of(job)->waiters.count > 0;
    if (job_lease(job) != NULL) {
        histogram_add(&engine->counters.run,
                      engine->now_us - job_lease(job)->began_us);
    }
    engine->counters.done++;
    rate_add(&queue->done_rate, engine->now_us, 1);
    if (keep_us <= 0 && !awaited) {
        arrive(engine, job);
        job_vanish(engine, job);
        return;
    }
    struct job_extra *extra = job_extra(engine, job);
    job_set_text(engine, job, &extra->result, result);
    extra->finished_at_us = engine->now_us;
    extra->keep_done_us = keep_us;
    arrive(engine, job);
    move(engine, job, JOB_DONE, later(engine->now_us, keep_us));
    if (keep_us <= 0) {
        change_gone(engine, ROW_job, job->id, &job->saved);
        answer_waiters(engine, job);
        job_vanish(engine, job);
        return;
    }
    job_changed(engine, job);
    answer_waiters(engine, job);
}

void job_die(struct engine *engine, struct job *job)
{
    job_extra(engine, job)->finished_at_us = engine->now_us;
    engine->counters.died++;
    move(engine, job, JOB_DEAD, engine->now_us);
    if (job_extra_of(job)->stage != NULL) {
        stage_die(engine, job);
    }
    job_changed(engine, job);
    answer_waiters(engine, job);
}

/* The key of a dead job is free: somebody else may have it by now. */
bool job_key_taken(struct engine *engine, const struct job *job)
{
    const struct job_extra *extra = job_extra_of(job);
    return extra != NULL && extra->key.at != NULL &&
           extra->by_key.tbl == NULL &&
           job_of_key(engine, job->set->queue, extra->key) != NULL;
}

void job_revive(struct engine *engine, struct job *job)
{
    struct queue *queue = job->set->queue;
    CHECK(job->set->state == JOB_DEAD || job->set->moving);
    CHECK(!job_key_taken(engine, job));
    job_set_attempts(engine, job, 0);
    job_extra(engine, job)->finished_at_us = 0;
    job_extra_of(job)->crashes = 0;
    job_unlink(job);
    job_link(engine, job, limited_set_of(queue, job, JOB_READY),
             job_rank(job_priority(job)));
    if (job_extra_of(job)->stage != NULL) {
        stage_revive(engine, job);
    }
    job_key(queue, job);
    job_changed(engine, job);
    queue_touch(engine, queue);
}

void job_stay_dead(struct engine *engine, struct job *job)
{
    struct queue *queue = job->set->queue;
    CHECK(job->set->moving);
    job_unlink(job);
    job_link(engine, job, queue->sets[JOB_DEAD],
             job_extra_of(job)->finished_at_us);
    queue_touch(engine, queue);
}

void job_remove(struct engine *engine, struct job *job)
{
    /* First, so that the answers wait for it. */
    change_gone(engine, ROW_job, job->id, &job->saved);
    if (job_extra_of(job) != NULL) {
        struct waiter *waiter;
        while ((waiter = waiter_first(&job_extra_of(job)->waiters)) != NULL) {
            job_answer_cancelled(engine, waiter);
        }
    }
    job_vanish(engine, job);
}

void job_crashed(struct engine *engine, struct job *job, struct slice why)
{
    if (job->set->doomed) {
        lease_end(engine, job); /* its memory is given back by the sweep */
        return;
    }
    int64_t max_attempts = job_max_attempts(job);
    job_extra(engine, job)->crashes++;
    engine->counters.crashed++;
    job_set_error(engine, job, why);
    if (max_attempts > 0 && (int64_t)job_attempts(job) >= max_attempts) {
        job_die(engine, job);
    } else {
        job_back(engine, job, 0);
    }
}

void job_consumer_gone(struct engine *engine, struct job *job)
{
    job_crashed(engine, job, SLICE("\"its consumer is gone\""));
}
