#include "daemon/engine/condition.h"

#include "daemon/engine/core.h"

static struct condition *condition_find(const struct engine *engine,
                                        struct slice name)
{
    struct named *named = names_find(&engine->conditions, name);
    return named == NULL ? NULL : CONTAINER_OF(named, struct condition, named);
}

static struct condition *condition_use(struct engine *engine, struct slice name)
{
    struct condition *condition = condition_find(engine, name);
    if (condition == NULL) {
        condition = mem_zalloc(sizeof(*condition));
        waiter_list_init(&condition->waiters);
        names_add(engine, &engine->conditions, &condition->named, name,
                  account_at_hand(engine));
    }
    return condition;
}

void condition_left(struct engine *engine, struct condition *condition)
{
    if (condition->waiters.count == 0) {
        names_remove(engine, &engine->conditions, &condition->named);
        mem_free(condition);
    }
}

static struct hold *given_up_new(struct engine *engine, struct session *session,
                                 struct slice lock, struct slice owner,
                                 uint64_t token, size_t levels)
{
    struct given_up *given = mem_zalloc(sizeof(*given));
    given->lock = slice_copy(lock);
    given->owner = slice_copy(owner);
    struct hold *hold = hold_new(engine, HOLD_GIVEN_UP, session, given,
                                 &engine->given_up, token, levels);
    holders_add(&engine->given_up_by_holder, hold);
    return hold;
}

struct hold *given_up_load(struct engine *engine, struct session *session,
                           const struct row_hold *row)
{
    return row->owner.at == NULL || holders_find(&engine->given_up_by_holder,
                                                 session, row->token) != NULL
               ? NULL
               : given_up_new(engine, session, row->object, row->owner,
                              row->token, row->count);
}

void given_up_end(struct engine *engine, struct hold *take_hold)
{
    struct given_up *given = take_hold->object;
    holders_remove(&engine->given_up_by_holder, take_hold);
    hold_end(engine, take_hold, &engine->given_up);
    change_free(engine, (void *)given->lock.at);
    change_free(engine, (void *)given->owner.at);
    mem_free(given);
}

void given_up_left(struct engine *engine, struct hold *hold)
{
    if (hold != NULL && !engine->shutting_down) {
        given_up_end(engine, hold);
    }
}

/* What a wait from before the restart gave up; NULL: there was none. */
static struct hold *given_up_find(const struct engine *engine,
                                  struct session *session,
                                  const struct request *request)
{
    struct hold *hold =
        holders_find(&engine->given_up_by_holder, session, request->token);
    const struct given_up *given = hold == NULL ? NULL : hold->object;
    return given != NULL && !given->waited &&
                   slice_equal(given->lock, request->lock)
               ? hold
               : NULL;
}

void condition_wake(struct engine *engine, struct waiter *waiter, bool notified)
{
    struct wait_condition was = waiter->u.condition;
    timer_disarm(&engine->timers, &waiter->timer);
    waiter_leave_lines(waiter);
    condition_left(engine, was.condition);
    waiter->kind = WAITER_LOCK;
    waiter->u.lock = (struct wait_lock){.owner = was.owner,
                                        .levels = was.levels,
                                        .condition = true,
                                        .notified = notified,
                                        .given_up = was.given_up};
    lock_want(engine, waiter, was.lock);
    mem_free((void *)was.lock.at);
}

/* The wait from before the restart, sent again: woken, it wants its lock. */
static void wait_again(struct engine *engine, struct hold *hold)
{
    struct given_up *given = hold->object;
    struct waiter *waiter = waiter_new(engine, WAITER_LOCK, 1, -1);
    if (waiter == NULL) {
        return;
    }
    given->waited = true;
    waiter->u.lock = (struct wait_lock){.owner = slice_copy(given->owner),
                                        .levels = hold->count,
                                        .condition = true,
                                        .notified = true,
                                        .given_up = hold};
    lock_want(engine, waiter, given->lock);
}

void method_condition_wait(struct engine *engine, struct session *session,
                           const struct request *request)
{
    struct hold *before = given_up_find(engine, session, request);
    if (before != NULL) {
        wait_again(engine, before);
        return;
    }
    if (names_full(engine, &engine->conditions, request->condition,
                   "conditions")) {
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_CONDITION, 1, request->timeout_us);
    if (waiter == NULL) {
        return;
    }
    struct wait_condition want = {0};
    bool loaded = false;
    want.levels = lock_give_up(engine, request->lock, session, request->token,
                               &want.owner, &loaded);
    struct condition *condition = condition_use(engine, request->condition);
    want.condition = condition;
    waiter->u.condition = want;
    waiter_join_line(waiter, &condition->waiters);
    if (want.levels == 0) {
        waiter_refuse(engine, waiter, ERROR_stale_token,
                      "the lock is not held by this session under this token, "
                      "all its levels: acquire it first");
        return;
    }
    waiter->u.condition.lock = slice_copy(request->lock);
    if (session->grace_us > 0) {
        struct hold *hold =
            given_up_new(engine, session, request->lock, want.owner,
                         request->token, want.levels);
        ((struct given_up *)hold->object)->waited = true;
        hold_changed(engine, hold);
        waiter->u.condition.given_up = hold;
    }
    if (loaded || request->timeout_us == 0) {
        condition_wake(engine, waiter, loaded);
    }
}

void method_condition_notify(struct engine *engine, struct session *session,
                             const struct request *request)
{
    (void)session;
    struct condition *condition = condition_find(engine, request->condition);
    size_t wanted = request->count < 0 ? 1 : (size_t)request->count;
    size_t woken = 0;
    if (request->all == 1 && request->count >= 0) {
        refuse_param(engine, "all", "give one of `n` and `all`");
        return;
    }
    size_t there = condition == NULL ? 0 : condition->waiters.count;
    if (request->all == 1 || wanted > there) {
        wanted = there;
    }
    for (; woken < wanted; woken++) {
        condition_wake(engine, waiter_first(&condition->waiters), true);
    }
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, integer, "woken", (int64_t)woken);
    write_end_object(out);
    answer_end(engine, 0);
}
