#include "daemon/engine/room.h"

#include "daemon/engine/core.h"

#define NO_ROOM                                                              \
    "the disk is full, so nothing new can be kept: free some room; what is " \
    "there can be taken, finished and deleted"

static adds_row *const adds[METHODS] = {
    [METHOD_queue_put] = queue_put_adds,
    [METHOD_queue_declare] = queue_declare_adds,
    [METHOD_queue_pause] = queue_flag_adds,
    [METHOD_queue_resume] = queue_flag_adds,
    [METHOD_queue_close] = queue_flag_adds,
    [METHOD_queue_open] = queue_flag_adds,
    [METHOD_lock_acquire] = lock_acquire_adds,
    [METHOD_semaphore_declare] = semaphore_declare_adds,
    [METHOD_semaphore_acquire] = semaphore_acquire_adds,
    [METHOD_event_set] = event_set_adds,
    [METHOD_barrier_wait] = barrier_wait_adds,
    [METHOD_barrier_abort] = barrier_abort_adds,
    [METHOD_batch_create] = batch_create_adds,
};

bool room_is_spent(const struct engine *engine)
{
    return engine->full && engine->full_left <= 0;
}

void room_spend(struct engine *engine, size_t bytes)
{
    if (engine->full) {
        engine->full_left -= (int64_t)bytes;
    }
}

void room_give(struct engine *engine, size_t bytes)
{
    if (engine->full) {
        engine->full_left += (int64_t)bytes;
        if (engine->full_left > FULL_BYTES_MAX) {
            engine->full_left = FULL_BYTES_MAX;
        }
    }
}

/* Must its outcome be kept, so that it does nothing twice? See is_redone. */
static bool needs_outcome(const struct request *request)
{
    bool drains = request->method == METHOD_queue_done ||
                  request->method == METHOD_queue_fail ||
                  request->method == METHOD_queue_get;
    return (method_row(request->method)->traits &
            (TRAIT_DURABLE | TRAIT_GRANTS)) != 0 &&
           (!drains || request->take == 1);
}

/* Could its outcome only be kept in place of nothing? A get that takes bodies
 * along could be too much beside any. */
static bool outcome_adds(const struct engine *engine,
                         const struct session *session,
                         const struct request *request)
{
    return session->kept && !request->notification && room_is_spent(engine) &&
           needs_outcome(request) &&
           (session->outcomes_count == 0 || request->take == 1);
}

bool room_refused(struct engine *engine)
{
    struct session *session = engine->current.session;
    const struct request *request = engine->current.request;
    if (!engine->full) {
        return false;
    }
    adds_row *const adds_one = adds[request->method];
    if (adds_one != NULL && adds_one(engine, session, request)) {
        refuse(engine, ERROR_unavailable, "%s", NO_ROOM);
        return true;
    }
    if (outcome_adds(engine, session, request)) {
        refuse(engine, ERROR_unavailable,
               "the disk is full, so the outcome of this could not be kept: "
               "open a new session, which keeps none until there is room");
        return true;
    }
    return false;
}

bool room_refused_texts(struct engine *engine, size_t bytes)
{
    if (!engine->full || bytes == 0 || (int64_t)bytes <= engine->full_left) {
        return false;
    }
    refuse(engine, ERROR_unavailable,
           "the disk is full: send this without `result`, `error` and "
           "`progress`, or when there is room again");
    return true;
}

/* The last first: what one of them leaves goes to those that are left. */
static void refuse_waiters(struct engine *engine, struct waiter_list *list,
                           bool (*is_refused)(const struct waiter *waiter))
{
    struct waiter_link *link, *next;
    TAILQ_FOREACH_REVERSE_SAFE(link, &list->line, waiter_line, entry, next)
    {
        if (is_refused(link->waiter)) {
            waiter_refuse(engine, link->waiter, ERROR_unavailable, "%s",
                          NO_ROOM);
        }
    }
}

/* What a condition.wait wants back takes the place of what it gave up. */
static bool lock_adds(const struct waiter *waiter)
{
    return waiter->session->kept && !waiter->u.lock.condition;
}

static bool permits_add(const struct waiter *waiter)
{
    return waiter->session->kept && waiter->u.semaphore.held;
}

static void refuse_all(struct engine *engine)
{
    struct named *named, *next;
    for (named = names_from(&engine->queues, SLICE(""), false); named != NULL;
         named = names_next(named)) {
        waiter_refuse_all(engine,
                          &CONTAINER_OF(named, struct queue, named)->putters,
                          ERROR_unavailable, NO_ROOM);
    }
    for (named = names_from(&engine->locks, SLICE(""), false); named != NULL;
         named = next) {
        next = names_next(named);
        refuse_waiters(engine,
                       &CONTAINER_OF(named, struct lock, named)->waiters,
                       lock_adds);
    }
    for (named = names_from(&engine->semaphores, SLICE(""), false);
         named != NULL; named = names_next(named)) {
        refuse_waiters(engine,
                       &CONTAINER_OF(named, struct semaphore, named)->waiters,
                       permits_add);
    }
}

void room_changed(struct engine *engine, bool full)
{
    if (engine->options.forgetful || engine->full == full) {
        return;
    }
    engine->full = full;
    engine->full_left = FULL_BYTES_MAX;
    if (full) {
        refuse_all(engine);
    }
}
