/*
 * Queues: making, finding, settling, forgetting. Their methods are in
 * queue_methods.c; putting and getting have files of their own.
 */
#include "daemon/engine/core.h"

#include <math.h>

#define IDLE_US ((int64_t)3600 * 1000000)

const struct queue_terms queue_terms_default = {
    .capacity = 10000,
    .max_bytes = 0,
    .concurrency = 0,
    .lifo = false,
    .lease_us = 60 * 1000000,
    .max_attempts = 5,
    .backoff_base_us = 1000000,
    .backoff_factor = 2,
    .backoff_max_us = (int64_t)300 * 1000000,
    .backoff_jitter = 0,
    .keep_done_us = 0,
    .durable = true,
};

struct queue *queue_find(const struct engine *engine, struct slice name)
{
    struct named *named = names_find(&engine->queues, name);
    return named == NULL ? NULL : CONTAINER_OF(named, struct queue, named);
}

struct queue *queue_of_id(const struct engine *engine, uint64_t id)
{
    struct queue *queue;
    HASH_FIND_NUMBER(by_id, engine->queues_by_id, id, queue);
    return queue;
}

static struct job_set *new_set(struct queue *queue, enum job_state state)
{
    struct job_set *set = mem_alloc(sizeof(*set));
    job_set_init(set, queue, state);
    return set;
}

static struct queue *queue_new(struct engine *engine, uint64_t id,
                               const struct queue_terms *terms)
{
    struct queue *queue = mem_zalloc(sizeof(*queue));
    queue->id = id;
    queue->terms = *terms;
    queue->created_at_us = engine->now_us;
    queue->idle_since_us = engine->now_us;
    queue->timer.kind = TIMER_QUEUE;
    queue->counts_of_all = engine->counts;
    TAILQ_INIT(&queue->held_sets);
    TAILQ_INIT(&queue->moving);
    RB_INIT(&queue->limited);
    RB_INIT(&queue->lanes);
    RB_INIT(&queue->open_lanes);
    waiter_list_init(&queue->putters);
    waiter_list_init(&queue->getters);
    waiter_list_init(&queue->joiners);
    for (size_t i = 0; i < JOB_STATES; i++) {
        queue->sets[i] = new_set(queue, (enum job_state)i);
    }
    HASH_ADD_NUMBER(by_id, engine->queues_by_id, id, queue);
    return queue;
}

/* Within reach under its name. */
static void publish(struct engine *engine, struct queue *queue,
                    struct slice name)
{
    names_add(engine, &engine->queues, &queue->named, name,
              account_at_hand(engine));
    timer_arm(&engine->timers, &queue->timer, later(engine->now_us, IDLE_US));
}

struct queue *queue_use(struct engine *engine, struct slice name)
{
    struct queue *queue = queue_find(engine, name);
    if (queue != NULL) {
        return queue;
    }
    if (names_full(engine, &engine->queues, name, "queues")) {
        return NULL;
    }
    queue = queue_new(engine, next_object_id(engine), &queue_terms_default);
    publish(engine, queue, name);
    return queue;
}

void queue_set_order(struct queue *queue, bool lifo)
{
    queue->terms.lifo = lifo;
    queue->sets[JOB_READY]->lifo = lifo; /* it is empty */
}

/* What queue.declare lets through. */
static bool terms_plausible(const struct row_queue *row)
{
    return row->lease_us > 0 && row->capacity >= 0 && row->max_bytes >= 0 &&
           row->concurrency >= 0 && row->max_attempts >= 0 &&
           row->backoff_base_us >= 0 && row->backoff_max_us >= 0 &&
           row->keep_done_us >= 0 && isfinite(row->backoff_factor) &&
           row->backoff_factor >= 1 && row->backoff_jitter >= 0 &&
           row->backoff_jitter <= 1;
}

bool queue_load(struct engine *engine, const struct row_queue *row)
{
    struct queue_terms terms = {
        .capacity = row->capacity,
        .max_bytes = row->max_bytes,
        .concurrency = row->concurrency,
        .lifo = row->lifo != 0,
        .lease_us = row->lease_us,
        .max_attempts = row->max_attempts,
        .backoff_base_us = row->backoff_base_us,
        .backoff_factor = row->backoff_factor,
        .backoff_max_us = row->backoff_max_us,
        .backoff_jitter = row->backoff_jitter,
        .keep_done_us = row->keep_done_us,
        .durable = true,
    };
    if (row->id == 0 || row->id >= engine->object_ids.next ||
        row->name.at == NULL || !terms_plausible(row) ||
        queue_of_id(engine, row->id) != NULL ||
        (row->deleted == 0 && queue_find(engine, row->name) != NULL)) {
        return false;
    }
    struct queue *queue = queue_new(engine, row->id, &terms);
    queue->created_at_us = row->created_at_us;
    queue->declared = row->declared != 0;
    queue->paused = row->paused != 0;
    queue->closed = row->closed != 0;
    queue->saved.on_disk = true;
    queue->deleted = row->deleted != 0;
    if (queue->deleted) {
        queue->named.name = slice_copy(row->name);
    } else {
        publish(engine, queue, row->name);
        names_own(engine, &queue->named, row->uid);
    }
    return true;
}

struct row_queue queue_row(const struct engine *engine,
                           const struct queue *queue)
{
    const struct queue_terms *terms = &queue->terms;
    return (struct row_queue){
        .id = queue->id,
        .name = queue->named.name,
        .uid = account_uid(engine, queue->named.owner),
        .declared = queue->declared,
        .created_at_us = queue->created_at_us,
        .capacity = terms->capacity,
        .max_bytes = terms->max_bytes,
        .lifo = terms->lifo,
        .concurrency = terms->concurrency,
        .lease_us = terms->lease_us,
        .max_attempts = terms->max_attempts,
        .backoff_base_us = terms->backoff_base_us,
        .backoff_factor = terms->backoff_factor,
        .backoff_max_us = terms->backoff_max_us,
        .backoff_jitter = terms->backoff_jitter,
        .keep_done_us = terms->keep_done_us,
        .paused = queue->paused,
        .closed = queue->closed,
        .deleted = queue->deleted,
    };
}

void queue_save(struct engine *engine, struct queue *queue)
{
    if (!queue->saved.on_disk) {
        queue_changed(engine, queue);
    }
}

bool queue_is_durable(const struct engine *engine, const struct queue *queue)
{
    return queue->terms.durable && !engine->options.forgetful;
}

uint64_t queue_batch(const struct engine *engine, const struct queue *queue)
{
    return queue_is_durable(engine, queue) ||
                   queue->forgets_in > engine->changes.done
               ? change_batch_seen(engine)
               : change_batch_numbers(engine);
}

uint64_t queue_seen(const struct engine *engine, const struct queue *queue)
{
    return queue_is_durable(engine, queue) ? sweep_seen(engine, queue->swept_by)
                                           : queue_batch(engine, queue);
}

void queue_changed(struct engine *engine, struct queue *queue)
{
    if (queue_is_durable(engine, queue)) {
        change_mark(engine, ROW_queue, queue, &queue->saved);
    }
}

size_t queue_count(const struct queue *queue, enum job_state state)
{
    return queue->counts[state];
}

size_t queue_unfinished(const struct queue *queue)
{
    return queue_count(queue, JOB_HELD) + queue_count(queue, JOB_DELAYED) +
           queue_count(queue, JOB_READY) + queue_count(queue, JOB_RUNNING);
}

bool queue_is_through(const struct queue *queue)
{
    return queue_unfinished(queue) == 0 && queue->sweeps == 0;
}

size_t queue_bytes(const struct queue *queue)
{
    return queue->bytes;
}

bool queue_has_room(const struct queue *queue, size_t jobs, size_t bytes)
{
    const struct queue_terms *terms = &queue->terms;
    size_t count =
        queue_count(queue, JOB_DELAYED) + queue_count(queue, JOB_READY);
    return (terms->capacity == 0 || count + jobs <= (size_t)terms->capacity) &&
           (terms->max_bytes == 0 ||
            queue_bytes(queue) + bytes <= (size_t)terms->max_bytes);
}

/* Whose job it is if that batch is cancelled; else NULL. */
static struct batch_object *cancelled_batch(const struct job *job)
{
    const struct stage *stage =
        job_extra_of(job) != NULL ? job_extra_of(job)->stage : NULL;
    return stage != NULL && stage->batch->cancelled ? stage->batch : NULL;
}

struct job *queue_next(struct engine *engine, struct queue *queue)
{
    int64_t concurrency = queue->terms.concurrency;
    if (queue->paused || queue->deleted ||
        (concurrency > 0 &&
         queue_count(queue, JOB_RUNNING) >= (size_t)concurrency)) {
        return NULL;
    }
    struct job *job;
    struct batch_object *batch;
    while ((job = limited_first_ready(queue)) != NULL &&
           (batch = cancelled_batch(job)) != NULL) {
        sweep_cancel_job(engine, batch, job);
    }
    return job;
}

void queue_touch(struct engine *engine, struct queue *queue)
{
    if (!queue->touched) {
        queue->touched = true;
        TAILQ_INSERT_TAIL(&engine->touched, queue, of_touched);
    }
}

static bool is_idle(const struct queue *queue)
{
    if (queue->putters.count + queue->getters.count + queue->joiners.count +
            queue->sweeps >
        0) {
        return false;
    }
    for (size_t i = 0; i < JOB_STATES; i++) {
        if (queue->counts[i] > 0) {
            return false;
        }
    }
    return true;
}

/* Gets whose queues are all closed and empty have nothing to wait for. Those of
 * several queues end with the last of these: so it is enough to look at them
 * when a queue has come to that. */
static void end_getters(struct engine *engine, struct queue *queue)
{
    struct waiter_link *link, *next;
    TAILQ_FOREACH_SAFE (link, &queue->getters.line, entry, next) {
        if (get_is_over(link->waiter)) {
            waiter_refuse(engine, link->waiter, ERROR_queue_closed,
                          "the queue is closed, and nothing is left in it");
        }
    }
}

/* Is the first get in line one of several queues? */
static bool first_wants_more(const struct queue *queue)
{
    const struct waiter *waiter = waiter_first(&queue->getters);
    return waiter != NULL && waiter->links_count > 1;
}

/* Has a batch changed, so that a stage may pass before anybody else is served?
 */
static bool batches_wait(const struct engine *engine)
{
    return !TAILQ_EMPTY(&engine->batches_touched);
}

static int contested_compare(const struct queue *a, const struct queue *b)
{
    if (a->contested_by != b->contested_by) {
        return a->contested_by < b->contested_by ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

TREE_GENERATE(contested, queue, by_contested, contested_compare)

static void contest(struct engine *engine, struct queue *queue)
{
    if (!queue->contested) {
        queue->contested = true;
        queue->contested_by = waiter_first(&queue->getters)->serial;
        RB_INSERT(contested, &engine->contested, queue);
    }
}

static void settle(struct engine *engine, struct queue *queue)
{
    while (!batches_wait(engine) &&
           (put_admit(engine, queue) ||
            (!first_wants_more(queue) && get_serve(engine, queue)))) {
    }
    if (batches_wait(engine)) {
        queue_touch(engine, queue);
        return;
    }
    if (first_wants_more(queue) && queue_next(engine, queue) != NULL) {
        contest(engine, queue);
        return;
    }
    if (queue_is_through(queue)) {
        struct waiter *waiter;
        while ((waiter = waiter_first(&queue->joiners)) != NULL) {
            join_answer(engine, waiter, true);
        }
        if (queue->closed && !queue->over) {
            end_getters(engine, queue);
        }
    }
    queue->over = queue->closed && queue_is_through(queue);
    queue->idle_since_us = engine->now_us;
}

/* The first in the line for memory, if what its first put needs is free. */
static bool touch_memory_line(struct engine *engine)
{
    struct queue *queue = TAILQ_FIRST(&engine->memory_line);
    if (queue == NULL || !put_memory_fits(engine, queue)) {
        return false;
    }
    queue_leave_memory_line(engine, queue);
    queue_touch(engine, queue);
    return true;
}

void queue_join_memory_line(struct engine *engine, struct queue *queue)
{
    if (!queue->wants_memory) {
        queue->wants_memory = true;
        TAILQ_INSERT_TAIL(&engine->memory_line, queue, of_memory);
    }
}

void queue_leave_memory_line(struct engine *engine, struct queue *queue)
{
    if (queue->wants_memory) {
        queue->wants_memory = false;
        TAILQ_REMOVE(&engine->memory_line, queue, of_memory);
    }
}

/* The get stands at the head of a line and may be served: opens what it might
 * get from its queues. True: there was something, and who is in line before it
 * goes first. */
static bool open_for(struct engine *engine, const struct waiter *waiter)
{
    bool any = false;
    for (size_t i = 0; i < waiter->links_count; i++) {
        struct queue *queue = get_queue(waiter, i);
        if (limited_wake_queue(engine, queue)) {
            queue_touch(engine, queue);
            any = true;
        }
    }
    return any;
}

/* All of its queues have another one at the head of their lines. */
static void serve_several(struct engine *engine, struct queue *queue,
                          const struct waiter *waiter)
{
    for (size_t i = 0; i < waiter->links_count; i++) {
        queue_touch(engine, get_queue(waiter, i));
    }
    (void)get_serve(engine, queue);
}

/*
 * A get of several queues takes what comes first in all of them, and may take
 * it from a queue in which others came before: so those are served first, and
 * then, of all such gets at the head of a line, the one that came first. What
 * has changed since the queue was found contested is seen when it is settled
 * again.
 */
static bool serve_contested(struct engine *engine)
{
    struct queue *queue = RB_MIN(contested, &engine->contested);
    if (queue == NULL) {
        return false;
    }
    RB_REMOVE(contested, &engine->contested, queue);
    queue->contested = false;
    queue_touch(engine, queue);
    const struct waiter *waiter = waiter_first(&queue->getters);
    if (waiter != NULL && waiter->serial == queue->contested_by &&
        !open_for(engine, waiter)) {
        serve_several(engine, queue, waiter);
    }
    return true;
}

/* A permit goes to the queue that is first in line before anybody looks who
 * would pass it; but not while that one waits for its turn. NULL: none is left.
 */
static struct queue *next_to_settle(struct engine *engine)
{
    struct queue *queue = NULL;
    if (RB_EMPTY(&engine->contested)) {
        queue = limited_wake_one(engine);
    }
    if (queue == NULL) {
        queue = TAILQ_FIRST(&engine->touched);
    }
    if (queue != NULL && queue->touched) {
        TAILQ_REMOVE(&engine->touched, queue, of_touched);
        queue->touched = false;
    }
    return queue;
}

void queues_settle(struct engine *engine)
{
    do {
        struct queue *queue;
        batches_settle(engine);
        sweeps_step(engine); /* before anybody is served: what a stage releases
                                is there all at once */
        while (!batches_wait(engine) &&
               (queue = next_to_settle(engine)) != NULL) {
            settle(engine, queue);
        }
    } while (batches_wait(engine) || serve_contested(engine) ||
             touch_memory_line(engine));
}

void queue_timer(struct engine *engine, struct queue *queue)
{
    int64_t due_us = later(queue->idle_since_us, IDLE_US);
    if (queue->declared || queue->paused || queue->closed || !is_idle(queue)) {
        due_us = later(engine->now_us, IDLE_US);
    }
    if (due_us > engine->now_us) {
        timer_arm(&engine->timers, &queue->timer, due_us);
        return;
    }
    queue_forget(engine, queue);
    queue_free(engine, queue);
}

void queue_forget(struct engine *engine, struct queue *queue)
{
    names_unlink(engine, &engine->queues, &queue->named);
    timer_disarm(&engine->timers, &queue->timer);
    queue_leave_memory_line(engine, queue);
    queue->deleted = true;
    if (queue->saved.on_disk) {
        queue_changed(engine, queue); /* first: the answers wait for it */
    }
    waiter_refuse_all(engine, &queue->putters, ERROR_not_found,
                      "the queue was deleted");
    waiter_refuse_all(engine, &queue->getters, ERROR_not_found,
                      "the queue was deleted");
    struct waiter *waiter;
    while ((waiter = waiter_first(&queue->joiners)) != NULL) {
        join_answer(engine, waiter, true);
    }
}

void queue_free(struct engine *engine, struct queue *take_queue)
{
    struct queue *queue = take_queue;
    CHECK(queue->deleted && is_idle(queue) && !queue->contested);
    CHECK(TAILQ_EMPTY(&queue->held_sets) && RB_EMPTY(&queue->limited) &&
          RB_EMPTY(&queue->lanes));
    if (queue->touched) {
        TAILQ_REMOVE(&engine->touched, queue, of_touched);
    }
    HASH_DELETE(by_id, engine->queues_by_id, queue);
    change_gone(engine, ROW_queue, queue->id, &queue->saved);
    for (size_t i = 0; i < JOB_STATES; i++) {
        timer_disarm(&engine->timers, &queue->sets[i]->timer);
        mem_free(queue->sets[i]);
    }
    HASH_CLEAR(by_key, queue->keys);
    change_free(engine, (void *)queue->named.name.at);
    mem_free(queue);
}

struct job_set *queue_take_set(struct engine *engine, struct queue *queue,
                               enum job_state state)
{
    struct job_set *set = queue->sets[state];
    timer_disarm(&engine->timers, &set->timer);
    queue->sets[state] = new_set(queue, state);
    return set;
}

void queue_free_all(struct engine *engine)
{
    struct queue *queue, *next;
    HASH_ITER (by_id, engine->queues_by_id, queue, next) {
        if (!queue->deleted) {
            queue_forget(engine, queue);
        }
        queue_free(engine, queue);
    }
}
