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
        names_add(engine, &engine->conditions, &condition->named, name);
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
                                        .notified = notified};
    lock_want(engine, waiter, was.lock);
    mem_free((void *)was.lock.at);
}

void method_condition_wait(struct engine *engine, struct session *session,
                           const struct request *request)
{
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
    want.levels = lock_give_up(engine, request->lock, session, request->token,
                               &want.owner);
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
    if (request->timeout_us == 0) {
        condition_wake(engine, waiter, false);
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
