#include "daemon/engine/core.h"

/* Names what a sweep has done, in its answer. */
static struct slice result_key(enum sweep_kind kind)
{
    switch (kind) {
    case SWEEP_PURGE:
    case SWEEP_DELETE:
        return SLICE("removed");
    case SWEEP_RETRY:
    case SWEEP_MEND:
        return SLICE("retried");
    case SWEEP_CANCEL:
        return SLICE("cancelled");
    case SWEEP_RELEASE:
    case SWEEP_AFTER:
    case SWEEP_LEASES:
        break;
    }
    CHECK(false);
    return (struct slice){0};
}

static void answer(struct engine *engine, struct waiter *waiter)
{
    struct out *out = waiter_begin(engine, waiter);
    write_begin_object(out);
    write_key(out, waiter->u.sweep.key);
    write_integer(out, (int64_t)waiter->u.sweep.jobs);
    write_end_object(out);
    waiter_reply(engine, waiter, change_batch_seen(engine));
}

/* Beyond every batch. */
#define SEEN_BY_SWEEP (UINT64_C(1) << 63)

static struct sweep *sweep_of(const struct engine *engine, uint64_t serial)
{
    struct sweep *sweep;
    HASH_FIND_NUMBER(by_serial, engine->sweeps_by_serial, serial, sweep);
    return sweep;
}

uint64_t sweep_seen(const struct engine *engine, uint64_t serial)
{
    return sweep_of(engine, serial) == NULL ? change_batch_seen(engine)
                                            : SEEN_BY_SWEEP | serial;
}

struct held *sweep_held(const struct engine *engine, uint64_t seen)
{
    if ((seen & SEEN_BY_SWEEP) == 0) {
        return NULL;
    }
    struct sweep *sweep = sweep_of(engine, seen & ~SEEN_BY_SWEEP);
    CHECK(sweep != NULL);
    return &sweep->held;
}

/* Its jobs count under another state from now on; of the doomed, under none. */
static void recount(struct job_set *set, bool doomed, enum job_state state)
{
    job_set_count(set, set->count, set->bytes, false);
    set->doomed = doomed;
    set->moving = !doomed;
    set->state = state;
    job_set_count(set, set->count, set->bytes, true);
}

/* What is known to all already goes before what somebody has asked for, however
 * long that takes; else the first comes first. */
static void join_line(struct engine *engine, struct sweep *sweep)
{
    bool urgent = sweep->kind == SWEEP_AFTER || sweep->kind == SWEEP_LEASES;
    if (!urgent) {
        TAILQ_INSERT_TAIL(&engine->sweeps, sweep, entry);
        return;
    }
    if (engine->urgent_last == NULL) {
        TAILQ_INSERT_HEAD(&engine->sweeps, sweep, entry);
    } else {
        TAILQ_INSERT_AFTER(&engine->sweeps, engine->urgent_last, sweep, entry);
    }
    engine->urgent_last = sweep;
}

static void leave_line(struct engine *engine, struct sweep *sweep)
{
    if (engine->urgent_last == sweep) {
        engine->urgent_last = TAILQ_PREV(sweep, sweeps, entry);
    }
    TAILQ_REMOVE(&engine->sweeps, sweep, entry);
}

static struct sweep *sweep_alloc(struct engine *engine, enum sweep_kind kind)
{
    struct sweep *sweep = mem_zalloc(sizeof(*sweep));
    sweep->kind = kind;
    sweep->serial = ++engine->sweep_serial;
    held_init(&sweep->held);
    HASH_ADD_NUMBER(by_serial, engine->sweeps_by_serial, serial, sweep);
    join_line(engine, sweep);
    return sweep;
}

static void sweep_free(struct engine *engine, struct sweep *take_sweep)
{
    HASH_DELETE(by_serial, engine->sweeps_by_serial, take_sweep);
    leave_line(engine, take_sweep);
    if (take_sweep->event != NULL) {
        take_sweep->event->sweep = NULL;
    }
    if (take_sweep->set != NULL && take_sweep->set->moving) {
        TAILQ_REMOVE(&take_sweep->queue->moving, take_sweep, of_queue);
    }
    mem_free(take_sweep->session);
    mem_free(take_sweep->set);
    held_fini(&take_sweep->held);
    mem_free(take_sweep);
}

/* From now on its jobs count as what they will be. On disk they are that when
 * it is through; but that a queue is deleted, or a stage released, is there at
 * once, with all that follows from it. */
static void take_effect(struct engine *engine, struct sweep *sweep)
{
    struct queue *queue = sweep->queue;
    bool ready = sweep->kind == SWEEP_RETRY || sweep->kind == SWEEP_RELEASE;
    if (sweep->set->moving) {
        TAILQ_REMOVE(&queue->moving, sweep, of_queue);
    }
    recount(sweep->set, !ready, ready ? JOB_READY : sweep->set->state);
    if (sweep->set->moving) {
        TAILQ_INSERT_TAIL(&queue->moving, sweep, of_queue);
    }
    if ((sweep->kind == SWEEP_PURGE || sweep->kind == SWEEP_RETRY) &&
        queue_is_durable(engine, queue)) {
        if (queue->swept_by < sweep->serial) {
            queue->swept_by = sweep->serial;
        }
        if (engine->swept_by < sweep->serial) {
            engine->swept_by = sweep->serial;
        }
    }
}

/* A sweep of a set that is out of its queue. */
static struct sweep *sweep_new(struct engine *engine, enum sweep_kind kind,
                               struct job_set *take_set)
{
    struct sweep *sweep = sweep_alloc(engine, kind);
    sweep->set = take_set;
    sweep->queue = take_set->queue;
    sweep->queue->sweeps++;
    sweep->queue->over = false;
    take_effect(engine, sweep);
    return sweep;
}

static void awaited_by(struct sweep *sweep, struct waiter *waiter)
{
    sweep->waiter = waiter;
    waiter->u.sweep.sweep = sweep;
}

/* What takes its sets out of a queue, one after the other. */
struct taking {
    struct engine *engine;
    struct queue *queue;
    enum sweep_kind kind;
    size_t jobs;
    struct sweep *last; /* NULL: there was nothing to take */
};

static void take_one(struct taking *taking, struct job_set *take_set)
{
    taking->jobs += take_set->count;
    taking->last = sweep_new(taking->engine, taking->kind, take_set);
}

static void take_held_sets(struct taking *taking)
{
    struct side_set *side;
    while ((side = TAILQ_FIRST(&taking->queue->held_sets)) != NULL) {
        side_set_unlink(side);
        take_one(taking, &side->set);
    }
}

static void take_limited_sets(struct taking *taking)
{
    struct limited_set *limited;
    while ((limited = limited_first(taking->queue)) != NULL) {
        limited_unlink(limited);
        take_one(taking, &limited->set);
    }
}

/* Jobs on their way to being ready are purged with the ready ones. */
static void doom_moving(struct taking *taking)
{
    struct sweep *sweep;
    while ((sweep = TAILQ_FIRST(&taking->queue->moving)) != NULL) {
        sweep->kind = SWEEP_PURGE;
        take_effect(taking->engine, sweep);
        taking->jobs += sweep->set->count;
    }
}

static void take_sets(struct taking *taking, unsigned states)
{
    struct queue *queue = taking->queue;
    if ((states & 1U << JOB_READY) != 0) {
        doom_moving(taking);
        take_limited_sets(taking);
    }
    if ((states & 1U << JOB_HELD) != 0) {
        take_held_sets(taking);
    }
    for (size_t i = 0; i < JOB_STATES; i++) {
        if ((states & 1U << i) != 0 && queue->sets[i]->count > 0) {
            take_one(taking,
                     queue_take_set(taking->engine, queue, (enum job_state)i));
        }
    }
}

void sweep_begin(struct engine *engine, struct queue *queue, unsigned states,
                 enum sweep_kind kind)
{
    struct waiter *waiter = waiter_new(engine, WAITER_SWEEP, 0, -1);
    if (waiter == NULL) {
        return;
    }
    if (kind == SWEEP_DELETE) {
        queue_forget(engine, queue);
    }
    struct taking taking = {.engine = engine, .queue = queue, .kind = kind};
    take_sets(&taking, states);
    waiter->u.sweep =
        (struct wait_sweep){.jobs = taking.jobs, .key = result_key(kind)};
    if (taking.last != NULL) {
        awaited_by(taking.last, waiter);
        queue_touch(engine, queue);
        return;
    }
    if (kind == SWEEP_DELETE && queue->sweeps == 0) {
        queue_free(engine, queue);
    }
    answer(engine, waiter);
}

void sweep_resume(struct engine *engine, struct queue *queue)
{
    struct taking taking = {
        .engine = engine, .queue = queue, .kind = SWEEP_DELETE};
    take_sets(&taking, (1U << JOB_STATES) - 1);
    if (queue->sweeps == 0) {
        queue_free(engine, queue);
    }
}

void queue_end(struct engine *engine, struct named *named)
{
    struct queue *queue = CONTAINER_OF(named, struct queue, named);
    queue_forget(engine, queue);
    sweep_resume(engine, queue);
}

void sweep_release(struct engine *engine, struct stage *stage)
{
    struct side_set *side;
    while ((side = TAILQ_FIRST(&stage->held)) != NULL) {
        side_set_unlink(side);
        queue_touch(engine, side->set.queue);
        (void)sweep_new(engine, SWEEP_RELEASE, &side->set);
    }
}

static struct sweep *sweep_batch_new(struct engine *engine,
                                     struct batch_object *batch,
                                     enum sweep_kind kind)
{
    struct sweep *sweep = sweep_alloc(engine, kind);
    sweep->batch = batch;
    sweep->left = batch->stages[0].dead_count;
    batch->sweeps++;
    return sweep;
}

void sweep_batch(struct engine *engine, struct batch_object *batch,
                 enum sweep_kind kind)
{
    struct waiter *waiter = waiter_new(engine, WAITER_SWEEP, 0, -1);
    if (waiter == NULL) {
        return;
    }
    waiter->u.sweep = (struct wait_sweep){.key = result_key(kind)};
    if (kind == SWEEP_CANCEL) {
        if (!batch->cancelled) {
            batch_touch_putters(engine, batch);
        }
        batch->cancelled = true;
        batch_changed(engine, batch);
        batch_touch(engine, batch);
    }
    awaited_by(sweep_batch_new(engine, batch, kind), waiter);
}

void sweep_batch_resume(struct engine *engine, struct batch_object *batch)
{
    (void)sweep_batch_new(engine, batch, SWEEP_CANCEL);
}

void sweep_after(struct engine *engine, struct event_object *event)
{
    struct sweep *sweep = sweep_alloc(engine, SWEEP_AFTER);
    sweep->event = event;
    event->sweep = sweep;
    engine->set_by = sweep->serial;
}

void sweep_leases(struct engine *engine, struct session *take_session)
{
    sweep_alloc(engine, SWEEP_LEASES)->session = take_session;
}

void sweep_forget_waiter(const struct waiter *waiter)
{
    if (waiter->u.sweep.sweep != NULL) {
        waiter->u.sweep.sweep->waiter = NULL;
    }
}

static struct job *next_to_cancel(const struct batch_object *batch)
{
    for (size_t i = 0; i < batch->stages_count; i++) {
        const struct job_extra *extra = TAILQ_FIRST(&batch->stages[i].dead);
        if (extra == NULL) {
            extra = TAILQ_FIRST(&batch->stages[i].jobs);
        }
        if (extra != NULL) {
            return extra->job;
        }
    }
    return NULL;
}

/* Those that stay dead go to the end of their line: each is looked at once. */
static struct job *next_to_mend(struct sweep *sweep)
{
    const struct batch_object *batch = sweep->batch;
    for (; sweep->stage < batch->stages_count; sweep->stage++) {
        const struct stage *stage = &batch->stages[sweep->stage];
        const struct job_extra *extra = TAILQ_FIRST(&stage->dead);
        if (sweep->left > 0 && extra != NULL) {
            sweep->left--;
            return extra->job;
        }
        /* None is left, or those that were counted are gone meanwhile. */
        sweep->left =
            sweep->stage + 1 < batch->stages_count ? stage[1].dead_count : 0;
    }
    return NULL;
}

/* The next job of a batch that this sweep is for; NULL: it is through. */
static struct job *next_of_batch(struct sweep *sweep)
{
    return sweep->kind == SWEEP_CANCEL ? next_to_cancel(sweep->batch)
                                       : next_to_mend(sweep);
}

void sweep_cancel_job(struct engine *engine, struct batch_object *batch,
                      struct job *job)
{
    engine->counters.cancelled++;
    batch->removed++;
    job_remove(engine, job);
}

static void step_batch(struct engine *engine, struct sweep *sweep,
                       struct job *job)
{
    if (sweep->kind == SWEEP_CANCEL) {
        sweep_cancel_job(engine, sweep->batch, job);
        return;
    }
    if (job->set->doomed || job_key_taken(engine, job)) {
        /* It is purged, or its key is another's by now. */
        stage_skip_dead(job);
        return;
    }
    job_revive(engine, job);
    if (sweep->waiter != NULL) {
        sweep->waiter->u.sweep.jobs++;
    }
}

static void step_set(struct engine *engine, struct sweep *sweep,
                     struct job *job)
{
    if (sweep->kind == SWEEP_RELEASE) {
        job_released(engine, job);
    } else if (sweep->kind != SWEEP_RETRY) {
        job_remove(engine, job);
    } else if (job_key_taken(engine, job)) {
        job_stay_dead(engine, job);
        if (sweep->waiter != NULL) {
            sweep->waiter->u.sweep.jobs--;
        }
    } else {
        job_revive(engine, job);
    }
}

static void end(struct engine *engine, struct sweep *sweep)
{
    struct queue *queue = sweep->queue;
    struct waiter *waiter = sweep->waiter;
    if (sweep->batch != NULL) {
        sweep->batch->sweeps--;
    }
    if (sweep->kind == SWEEP_CANCEL && waiter != NULL) {
        waiter->u.sweep.jobs = sweep->batch->removed;
        sweep->batch->removed = 0;
    }
    reply_swept(engine, &sweep->held);
    sweep_free(engine, sweep);
    if (queue != NULL && --queue->sweeps == 0) {
        if (queue->deleted) {
            queue_free(engine, queue);
        } else {
            queue_touch(engine, queue); /* who joins it is told now */
        }
    }
    if (waiter != NULL) {
        waiter->u.sweep.sweep = NULL;
        answer(engine, waiter);
    }
}

static bool step_leases(struct engine *engine, struct session *session)
{
    struct lease *lease = TAILQ_FIRST(&session->leases);
    if (lease == NULL) {
        return false;
    }
    job_consumer_gone(engine, lease->job);
    return true;
}

/* One job of the sweep; false: there is none any more. */
static bool step_one(struct engine *engine, struct sweep *sweep)
{
    if (sweep->event != NULL) {
        return after_release_one(engine, sweep->event);
    }
    if (sweep->session != NULL) {
        return step_leases(engine, sweep->session);
    }
    struct job *job =
        sweep->set != NULL ? job_set_first(sweep->set) : next_of_batch(sweep);
    if (job == NULL) {
        return false;
    }
    if (sweep->set != NULL) {
        step_set(engine, sweep, job);
    } else {
        step_batch(engine, sweep, job);
    }
    return true;
}

bool sweeps_are_due(const struct engine *engine)
{
    return !TAILQ_EMPTY(&engine->sweeps) &&
           (engine->sweep_rows == 0 ||
            engine->changes.open_live < engine->sweep_rows);
}

void sweeps_step(struct engine *engine)
{
    while (engine->slice_left > 0 && sweeps_are_due(engine)) {
        struct sweep *sweep = TAILQ_FIRST(&engine->sweeps);
        engine->slice_left--;
        if (!step_one(engine, sweep)) {
            end(engine, sweep);
        }
    }
}

void sweep_finish(struct engine *engine, struct sweep *sweep)
{
    while (step_one(engine, sweep)) {
    }
    end(engine, sweep);
}

void sweep_free_all(struct engine *engine)
{
    struct sweep *sweep;
    while ((sweep = TAILQ_FIRST(&engine->sweeps)) != NULL) {
        CHECK(sweep->set == NULL || sweep->set->count == 0);
        CHECK(sweep->waiter == NULL);
        if (sweep->queue != NULL) {
            sweep->queue->sweeps--;
        }
        sweep_free(engine, sweep);
    }
}
