#include "daemon/engine/core.h"

#include <stdarg.h>
#include <stdio.h>

void waiter_list_init(struct waiter_list *list)
{
    TAILQ_INIT(&list->line);
    list->count = 0;
}

struct waiter *waiter_first(const struct waiter_list *list)
{
    const struct waiter_link *link = TAILQ_FIRST(&list->line);
    return link == NULL ? NULL : link->waiter;
}

/* The user's share, over all of its connections. */
static bool too_many_of_user(const struct engine *engine,
                             const struct session *session, size_t size,
                             struct complaint *why)
{
    const struct account *account = engine->accounts.at[session->account];
    const struct engine_options *options = &engine->options;
    bool count = account->waiters >= options->user_pending_max;
    if (session->account == ACCOUNT_EXEMPT ||
        (!count &&
         account->waiting_bytes + size <= options->user_memory_max / 4)) {
        return false;
    }
    complain(why, ERROR_limit,
             "user %u has %zu requests that wait, of %zu bytes, over all of "
             "its connections: wait for answers before sending more",
             session->peer.uid, account->waiters, account->waiting_bytes);
    (void)snprintf(why->limit, sizeof(why->limit), "%s",
                   count ? "max_user_pending" : "max_user_memory");
    why->value =
        (int64_t)(count ? options->user_pending_max : options->user_memory_max);
    return true;
}

/* All waiters together may hold a quarter of what the jobs may. */
static bool too_many(struct engine *engine, const struct session *session,
                     size_t size, struct complaint *why)
{
    const struct engine_options *options = &engine->options;
    if (session->waiters_count >= options->pending_max) {
        complain(why, ERROR_limit,
                 "%zu requests of this connection wait already: read their "
                 "answers first",
                 session->waiters_count);
        (void)snprintf(why->limit, sizeof(why->limit), "max_pending");
        why->value = (int64_t)options->pending_max;
        return true;
    }
    if (session->waiters_bytes + size > options->pending_bytes_max ||
        engine->waiting_bytes + size > options->memory_max / 4) {
        complain(why, ERROR_limit,
                 "the requests that wait are too large together: wait for "
                 "answers before sending more");
        (void)snprintf(why->limit, sizeof(why->limit), "max_pending_bytes");
        why->value = (int64_t)options->pending_bytes_max;
        return true;
    }
    return too_many_of_user(engine, session, size, why);
}

bool waiter_refused(struct engine *engine)
{
    const struct current *current = &engine->current;
    struct complaint why;
    if (!too_many(engine, current->session, current->size, &why)) {
        return false;
    }
    reply_error(engine, &current->to, &why);
    return true;
}

struct waiter *waiter_new(struct engine *engine, enum waiter_kind kind,
                          size_t links_max, int64_t timeout_us)
{
    const struct current *current = &engine->current;
    struct session *session = current->session;
    size_t size = current->size;
    if (waiter_refused(engine)) {
        return NULL;
    }
    struct waiter *waiter =
        mem_zalloc(sizeof(*waiter) + links_max * sizeof(waiter->links[0]));
    waiter->kind = kind;
    waiter->to = current->to;
    waiter->to.id.json = slice_copy(current->to.id.json);
    waiter->session = session;
    waiter->size = size;
    waiter->serial = ++engine->waiter_serial;
    waiter->since_us = engine->now_us;
    waiter->timer.kind = TIMER_WAITER;
    if (timeout_us >= 0) {
        timer_arm(&engine->timers, &waiter->timer,
                  later(engine->now_us, timeout_us));
    }
    TAILQ_INSERT_TAIL(&session->waiters, waiter, of_session);
    session->waiters_count++;
    session->waiters_bytes += size;
    engine->waiting_bytes += size;
    engine->waiters_count++;
    waiter->account = session->account;
    engine->accounts.at[waiter->account]->waiters++;
    engine->accounts.at[waiter->account]->waiting_bytes += size;
    if (waiter->to.id.key != 0) {
        pending_add(&session->pending, waiter->to.id.key, waiter);
    }
    return waiter;
}

void waiter_join_line(struct waiter *waiter, struct waiter_list *list)
{
    struct waiter_link *link = &waiter->links[waiter->links_count++];
    link->waiter = waiter;
    link->list = list;
    TAILQ_INSERT_TAIL(&list->line, link, entry);
    list->count++;
}

static void free_content(struct engine *engine, struct waiter *waiter)
{
    switch (waiter->kind) {
    case WAITER_PUT:
        put_discard(engine, &waiter->u.put);
        break;
    case WAITER_GET:
        mem_free((void *)waiter->u.get.finished.at);
        break;
    case WAITER_SWEEP:
        sweep_forget_waiter(waiter);
        break;
    case WAITER_LOCK:
        lock_waiter_left(engine, waiter);
        break;
    case WAITER_SEMAPHORE:
        semaphore_waiter_left(engine, waiter);
        break;
    case WAITER_EVENT:
        event_left(engine, waiter->u.event);
        break;
    case WAITER_CONDITION:
        mem_free((void *)waiter->u.condition.owner.at);
        mem_free((void *)waiter->u.condition.lock.at);
        given_up_left(engine, waiter->u.condition.given_up);
        condition_left(engine, waiter->u.condition.condition);
        break;
    case WAITER_BARRIER:
    case WAITER_BATCH:
    case WAITER_JOIN:
    case WAITER_JOB:
    case WAITER_KINDS:
        break;
    }
}

void waiter_leave_lines(struct waiter *waiter)
{
    for (size_t i = 0; i < waiter->links_count; i++) {
        struct waiter_link *link = &waiter->links[i];
        TAILQ_REMOVE(&link->list->line, link, entry);
        link->list->count--;
    }
    waiter->links_count = 0;
}

/* The queues that it waited for were watched until now. */
static void note_watched(struct engine *engine, struct waiter *waiter)
{
    for (size_t i = 0; waiter->kind == WAITER_GET && i < waiter->links_count;
         i++) {
        get_queue(waiter, i)->idle_since_us = engine->now_us;
    }
    if (waiter->kind == WAITER_JOIN) {
        waiter->u.join->idle_since_us = engine->now_us;
    }
}

/* The one way out of everything it stands in. */
static void leave(struct engine *engine, struct waiter *waiter)
{
    note_watched(engine, waiter);
    waiter_leave_lines(waiter);
    timer_disarm(&engine->timers, &waiter->timer);
    TAILQ_REMOVE(&waiter->session->waiters, waiter, of_session);
    waiter->session->waiters_count--;
    waiter->session->waiters_bytes -= waiter->size;
    engine->waiting_bytes -= waiter->size;
    engine->waiters_count--;
    engine->accounts.at[waiter->account]->waiters--;
    engine->accounts.at[waiter->account]->waiting_bytes -= waiter->size;
    struct pending_slot *slot =
        pending_find(&waiter->session->pending, waiter->to.id.key);
    if (slot != NULL && slot->waiter == waiter) {
        pending_remove(&waiter->session->pending, waiter->to.id.key);
    }
    free_content(engine, waiter);
    mem_free((void *)waiter->to.id.json.at);
    mem_free(waiter);
}

/* It goes without having been served: who stood with it in a line may be
 * concerned. */
static void give_up(struct engine *engine, struct waiter *waiter,
                    const char *why)
{
    if (waiter->kind == WAITER_PUT) {
        queue_touch(engine, waiter->u.put.queue);
    } else if (waiter->kind == WAITER_BARRIER) {
        barrier_left(engine, waiter, why);
    }
}

struct out *waiter_begin(struct engine *engine, struct waiter *waiter)
{
    return reply_begin(engine, &waiter->to);
}

void waiter_reply(struct engine *engine, struct waiter *take_waiter,
                  uint64_t batch)
{
    if (batch < take_waiter->batch) {
        batch = take_waiter->batch;
    }
    reply_end(engine, &take_waiter->to, batch);
    leave(engine, take_waiter);
}

/* A get that has finished jobs cannot be refused any more: it has done
 * something. It gets an empty list, and what became of them. */
static bool answer_finished(struct engine *engine, struct waiter *waiter)
{
    if (waiter->kind != WAITER_GET || waiter->u.get.finished.at == NULL) {
        return false;
    }
    get_answer_empty(engine, waiter);
    return true;
}

void waiter_refuse_with(struct engine *engine, struct waiter *take_waiter,
                        const struct complaint *why)
{
    give_up(engine, take_waiter, error_row(why->error)->name);
    if (!answer_finished(engine, take_waiter)) {
        reply_error(engine, &take_waiter->to, why);
        leave(engine, take_waiter);
    }
}

void waiter_refuse(struct engine *engine, struct waiter *take_waiter,
                   enum error error, const char *format, ...)
{
    struct complaint why = {.error = error};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why.message, sizeof(why.message), format, args);
    va_end(args);
    waiter_refuse_with(engine, take_waiter, &why);
}

void waiter_drop(struct engine *engine, struct waiter *take_waiter)
{
    give_up(engine, take_waiter, "a party is gone");
    leave(engine, take_waiter);
}

void waiter_timed_out(struct engine *engine, struct waiter *take_waiter)
{
    give_up(engine, take_waiter, "timeout");
    switch (take_waiter->kind) {
    case WAITER_PUT:
        waiter_refuse(engine, take_waiter, ERROR_queue_full,
                      "the queue had no room within the timeout: try again "
                      "later, wait longer, or give it more capacity");
        break;
    case WAITER_GET:
        get_answer_empty(engine, take_waiter);
        break;
    case WAITER_JOIN:
        join_answer(engine, take_waiter, false);
        break;
    case WAITER_JOB:
        job_answer_wait(engine, take_waiter);
        break;
    case WAITER_LOCK:
        lock_answer_timeout(engine, take_waiter);
        break;
    case WAITER_SEMAPHORE:
        semaphore_answer_timeout(engine, take_waiter);
        break;
    case WAITER_EVENT:
        event_answer_wait(engine, take_waiter, false);
        break;
    case WAITER_BARRIER:
        barrier_refuse(engine, take_waiter, "timeout");
        break;
    case WAITER_CONDITION:
        condition_wake(engine, take_waiter, false);
        break;
    case WAITER_BATCH:
        batch_answer_timeout(engine, take_waiter);
        break;
    case WAITER_SWEEP: /* has no timeout */
    case WAITER_KINDS:
        CHECK(false);
    }
}

void waiter_cancel(struct engine *engine, struct waiter *take_waiter)
{
    waiter_refuse(engine, take_waiter, ERROR_cancelled,
                  "ended by session.cancel");
}

void waiter_shut_down(struct engine *engine, struct waiter *take_waiter)
{
    if (take_waiter->kind == WAITER_BARRIER) {
        barrier_left(engine, take_waiter, "restart");
        barrier_refuse(engine, take_waiter, "restart");
        return;
    }
    waiter_refuse(engine, take_waiter, ERROR_unavailable,
                  "the daemon shuts down: connect again and send it again");
}

void waiter_refuse_all(struct engine *engine, struct waiter_list *list,
                       enum error error, const char *text)
{
    struct waiter *waiter;
    while ((waiter = waiter_first(list)) != NULL) {
        waiter_refuse(engine, waiter, error, "%s", text);
    }
}
