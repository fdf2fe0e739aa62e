#include "daemon/engine/core.h"

static void answer(struct engine *engine, struct waiter *waiter)
{
    struct out *out = waiter_begin(engine, waiter);
    write_begin_object(out);
    write_key(out,
              waiter->u.sweep.is_retry ? SLICE("retried") : SLICE("removed"));
    write_integer(out, (int64_t)waiter->u.sweep.jobs);
    write_end_object(out);
    waiter_reply(engine, waiter, change_batch_seen(engine));
}

/* Takes one set out of the queue. */
static struct sweep *take_set(struct engine *engine, struct queue *queue,
                              enum job_state state, enum sweep_kind kind)
{
    struct sweep *sweep = mem_zalloc(sizeof(*sweep));
    sweep->kind = kind;
    sweep->queue = queue;
    sweep->set = queue_take_set(engine, queue, state);
    if (kind == SWEEP_RETRY) {
        sweep->set->state = JOB_READY;
        sweep->set->retried = true;
        queue->retrying += sweep->set->count;
    } else {
        sweep->set->doomed = true;
    }
    queue->sweeps++;
    TAILQ_INSERT_TAIL(&engine->sweeps, sweep, entry);
    return sweep;
}

/* Takes all that are not empty; the last one, NULL if there is none. */
static struct sweep *take_sets(struct engine *engine, struct queue *queue,
                               unsigned states, enum sweep_kind kind)
{
    struct sweep *last = NULL;
    for (size_t i = 0; i < JOB_STATES; i++) {
        if ((states & 1U << i) != 0 && queue->sets[i]->count > 0) {
            last = take_set(engine, queue, (enum job_state)i, kind);
        }
    }
    return last;
}

static size_t jobs_in(const struct queue *queue, unsigned states)
{
    size_t count = 0;
    for (size_t i = 0; i < JOB_STATES; i++) {
        count += (states & 1U << i) != 0 ? queue->sets[i]->count : 0;
    }
    return count;
}

void sweep_begin(struct engine *engine, struct queue *queue, unsigned states,
                 enum sweep_kind kind)
{
    struct waiter *waiter = waiter_new(engine, WAITER_SWEEP, 0, -1);
    if (waiter == NULL) {
        return;
    }
    waiter->u.sweep = (struct wait_sweep){.jobs = jobs_in(queue, states),
                                          .is_retry = kind == SWEEP_RETRY};
    if (kind == SWEEP_DELETE) {
        queue_forget(engine, queue);
    }
    struct sweep *last = take_sets(engine, queue, states, kind);
    queue_touch(engine, queue);
    if (last != NULL) {
        last->waiter = waiter;
        return;
    }
    if (kind == SWEEP_DELETE && queue->sweeps == 0) {
        queue_free(engine, queue);
    }
    answer(engine, waiter);
}

void sweep_resume(struct engine *engine, struct queue *queue)
{
    if (take_sets(engine, queue, (1U << JOB_STATES) - 1, SWEEP_DELETE) ==
        NULL) {
        queue_free(engine, queue);
    }
}

void sweep_forget_waiter(struct engine *engine, const struct waiter *waiter)
{
    struct sweep *sweep;
    TAILQ_FOREACH (sweep, &engine->sweeps, entry) {
        if (sweep->waiter == waiter) {
            sweep->waiter = NULL;
        }
    }
}

static void step_one(struct engine *engine, struct sweep *sweep,
                     struct job *job)
{
    if (sweep->kind != SWEEP_RETRY) {
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
    TAILQ_REMOVE(&engine->sweeps, sweep, entry);
    mem_free(sweep->set);
    mem_free(sweep);
    queue->sweeps--;
    if (queue->deleted && queue->sweeps == 0) {
        queue_free(engine, queue);
    }
    if (waiter != NULL) {
        answer(engine, waiter);
    }
}

void sweeps_step(struct engine *engine)
{
    int left = SLICE_JOBS;
    struct sweep *sweep;
    while (left > 0 && (sweep = TAILQ_FIRST(&engine->sweeps)) != NULL) {
        struct job *job = job_set_first(sweep->set);
        if (job == NULL) {
            end(engine, sweep);
        } else {
            step_one(engine, sweep, job);
            left--;
        }
    }
}

void sweep_free_all(struct engine *engine)
{
    struct sweep *sweep;
    while ((sweep = TAILQ_FIRST(&engine->sweeps)) != NULL) {
        CHECK(sweep->set->count == 0);
        sweep->queue->sweeps--;
        TAILQ_REMOVE(&engine->sweeps, sweep, entry);
        mem_free(sweep->set);
        mem_free(sweep);
    }
}
