#include "daemon/engine/core.h"

/* How many the object has; NULL: nobody asks. */
static size_t *count_of(const struct hold *hold)
{
    switch (hold->kind) {
    case HOLD_LOCK:
        return &((struct lock *)hold->object)->holds_count;
    case HOLD_PERMITS:
        return &((struct semaphore *)hold->object)->holds_count;
    case HOLD_GIVEN_UP:
    case HOLD_KINDS:
        break;
    }
    return NULL;
}

static void count_hold(struct engine *engine, const struct hold *hold,
                       size_t by)
{
    size_t *of_object = count_of(hold);
    if (of_object != NULL) {
        *of_object += by;
    }
    if (hold->charged) {
        engine->accounts.at[hold->account]->objects += by;
    }
}

struct hold *hold_new(struct engine *engine, enum hold_kind kind,
                      struct session *session, void *object,
                      struct holds *of_object, uint64_t token, size_t count)
{
    struct hold *hold = mem_zalloc(sizeof(*hold));
    hold->kind = kind;
    hold->session = session;
    hold->object = object;
    hold->token = token;
    hold->count = count;
    hold->since_us = engine->now_us;
    hold->account = session_account(engine, session);
    hold->charged =
        kind == HOLD_PERMITS || (kind == HOLD_LOCK && !TAILQ_EMPTY(of_object));
    count_hold(engine, hold, 1);
    TAILQ_INSERT_TAIL(of_object, hold, of_object);
    TAILQ_INSERT_TAIL(&session->holds, hold, of_session);
    if (session->grace_us > 0) {
        hold->id = next_object_id(engine);
    }
    return hold;
}

static int holder_compare(const struct hold *a, const struct hold *b)
{
    if (a->session != b->session) {
        return a->session->id < b->session->id ? -1 : 1;
    }
    return a->token < b->token ? -1 : a->token > b->token;
}

TREE_GENERATE(hold_holders, hold, by_holder, holder_compare)

struct hold *holders_find(const struct hold_holders *holders,
                          struct session *session, uint64_t token)
{
    struct hold key = {.session = session, .token = token};
    struct hold_holders tree = *holders; /* only read */
    return RB_FIND(hold_holders, &tree, &key);
}

struct hold *holders_first(const struct hold_holders *holders,
                           struct session *session)
{
    struct hold key = {.session = session};
    struct hold_holders tree = *holders; /* only read */
    struct hold *hold = RB_NFIND(hold_holders, &tree, &key);
    return hold != NULL && hold->session == session ? hold : NULL;
}

void holders_add(struct hold_holders *holders, struct hold *hold)
{
    const struct hold *before = holders_first(holders, hold->session);
    size_t held = before == NULL ? 0 : before->held_in_all;
    CHECK(RB_INSERT(hold_holders, holders, hold) == NULL);
    holders_first(holders, hold->session)->held_in_all = held + hold->count;
}

void holders_give_back(struct hold_holders *holders, struct hold *hold,
                       size_t count)
{
    CHECK(hold->count >= count);
    hold->count -= count;
    holders_first(holders, hold->session)->held_in_all -= count;
}

void holders_remove(struct hold_holders *holders, struct hold *hold)
{
    size_t held = holders_first(holders, hold->session)->held_in_all;
    RB_REMOVE(hold_holders, holders, hold);
    struct hold *first = holders_first(holders, hold->session);
    if (first != NULL) {
        first->held_in_all = held - hold->count;
    }
}

void hold_changed(struct engine *engine, struct hold *hold)
{
    if (hold->session->kept) {
        change_mark(engine, ROW_hold, hold, &hold->saved);
    }
}

void hold_end(struct engine *engine, struct hold *take_hold,
              struct holds *of_object)
{
    count_hold(engine, take_hold, (size_t)-1);
    TAILQ_REMOVE(of_object, take_hold, of_object);
    TAILQ_REMOVE(&take_hold->session->holds, take_hold, of_session);
    change_gone(engine, ROW_hold, take_hold->id, &take_hold->saved);
    mem_free(take_hold);
}

void hold_release(struct engine *engine, struct hold *hold)
{
    switch (hold->kind) {
    case HOLD_LOCK:
        lock_hold_release(engine, hold);
        break;
    case HOLD_PERMITS:
        semaphore_hold_release(engine, hold);
        break;
    case HOLD_GIVEN_UP:
        given_up_end(engine, hold);
        break;
    case HOLD_KINDS:
        CHECK(false);
    }
}

/* What the row says of the object. */
static void write_object(const struct hold *hold, struct row_hold *row)
{
    switch (hold->kind) {
    case HOLD_LOCK: {
        const struct lock *lock = hold->object;
        row->object = lock->named.name;
        row->owner = lock->owner;
        break;
    }
    case HOLD_PERMITS: {
        const struct semaphore *semaphore = hold->object;
        row->object = semaphore->named.name;
        break;
    }
    case HOLD_GIVEN_UP: {
        const struct given_up *given = hold->object;
        row->object = given->lock;
        row->owner = given->owner;
        break;
    }
    case HOLD_KINDS:
        CHECK(false);
    }
}

struct row_hold hold_row(const struct hold *hold)
{
    struct row_hold row = {.id = hold->id,
                           .session = hold->session->id,
                           .kind = hold->kind,
                           .token = hold->token,
                           .count = hold->count,
                           .since_us = hold->since_us};
    write_object(hold, &row);
    return row;
}

bool hold_load(struct engine *engine, const struct row_hold *row)
{
    struct session *session = session_of_id(engine, row->session);
    if (session == NULL || row->object.at == NULL || row->token == 0 ||
        row->token >= engine->tokens.next || row->count == 0 ||
        row->count > (uint64_t)WIRE_INTEGER_MAX || row->kind >= HOLD_KINDS) {
        return false;
    }
    struct hold *hold =
        row->kind == HOLD_LOCK      ? lock_load_hold(engine, session, row)
        : row->kind == HOLD_PERMITS ? semaphore_load_hold(engine, session, row)
                                    : given_up_load(engine, session, row);
    if (hold == NULL) {
        return false;
    }
    hold->id = row->id;
    hold->since_us = row->since_us;
    hold->loaded = true;
    hold->saved.on_disk = true;
    return true;
}

void session_write(struct out *out, const struct session *session)
{
    WRITE(out, integer, "session", (int64_t)session->id);
    if (session->client.at != NULL) {
        WRITE(out, string, "client", session->client);
    }
    if (session->conn != 0) {
        WRITE(out, integer, "pid", session->peer.pid);
    }
    WRITE(out, integer, "uid", session->peer.uid);
    WRITE(out, flag, "away", session->conn == 0);
}

void hold_write(const struct engine *engine, struct out *out,
                const struct hold *hold)
{
    write_begin_object(out);
    session_write(out, hold->session);
    WRITE(out, seconds, "since", wire_time_us(engine, hold->since_us));
    WRITE(out, integer, "token", (int64_t)hold->token);
    WRITE(out, integer, "count", (int64_t)hold->count);
    write_end_object(out);
}

void holds_write(const struct engine *engine, struct out *out,
                 const struct holds *holds, size_t count)
{
    size_t shown = 0;
    const struct hold *hold;
    WRITE(out, integer, "holds", (int64_t)count);
    write_key(out, SLICE("holders"));
    write_begin_array(out);
    TAILQ_FOREACH (hold, holds, of_object) {
        if (shown++ == WAITERS_SHOWN_MAX) {
            break;
        }
        hold_write(engine, out, hold);
    }
    write_end_array(out);
}

void waiter_write(const struct engine *engine, struct out *out,
                  const struct waiter *waiter)
{
    write_begin_object(out);
    session_write(out, waiter->session);
    WRITE(out, seconds, "since", wire_time_us(engine, waiter->since_us));
    if (waiter->kind == WAITER_LOCK) {
        WRITE(out, string, "owner", waiter->u.lock.owner);
    } else if (waiter->kind == WAITER_SEMAPHORE) {
        WRITE(out, integer, "permits", waiter->u.semaphore.permits);
    }
    write_end_object(out);
}

void waiters_write(const struct engine *engine, struct out *out,
                   const struct waiter_list *list)
{
    size_t shown = 0;
    const struct waiter_link *link;
    WRITE(out, integer, "waiters", (int64_t)list->count);
    write_key(out, SLICE("waiting"));
    write_begin_array(out);
    TAILQ_FOREACH (link, &list->line, entry) {
        if (shown++ == WAITERS_SHOWN_MAX) {
            break;
        }
        waiter_write(engine, out, link->waiter);
    }
    write_end_array(out);
}
