#include "daemon/engine/lock.h"

#include "daemon/engine/core.h"
#include "daemon/engine/deadlock.h"

#include <stdio.h>
#include <stdlib.h>

static struct lock *lock_of(struct named *named)
{
    return CONTAINER_OF(named, struct lock, named);
}

static struct lock *lock_find(const struct engine *engine, struct slice name)
{
    struct named *named = names_find(&engine->locks, name);
    return named == NULL ? NULL : lock_of(named);
}

/* It counts for whoever waits for it until somebody holds it. */
static struct lock *lock_use(struct engine *engine, struct slice name,
                             uint32_t account)
{
    struct lock *lock = lock_find(engine, name);
    if (lock == NULL) {
        lock = mem_zalloc(sizeof(*lock));
        TAILQ_INIT(&lock->holds);
        waiter_list_init(&lock->waiters);
        names_add(engine, &engine->locks, &lock->named, name, account);
    }
    return lock;
}

static bool is_held(const struct lock *lock)
{
    return lock->levels > 0;
}

/* What nobody holds or waits for is not kept. */
static void lock_drop_if_unused(struct engine *engine, struct lock *lock)
{
    if (!is_held(lock) && lock->waiters.count == 0) {
        names_remove(engine, &engine->locks, &lock->named);
        mem_free(lock);
    }
}

bool owner_within(struct slice inner, struct slice outer)
{
    return slice_equal(inner, outer) ||
           (inner.len > outer.len && slice_begins(inner, outer) &&
            inner.at[outer.len] == '/');
}

static int reentrant_compare(const struct waiter *a, const struct waiter *b)
{
    uint32_t user = a->session->peer.uid;
    uint32_t other = b->session->peer.uid;
    if (user != other) {
        return user < other ? -1 : 1;
    }
    int order = slice_order(a->u.lock.owner, b->u.lock.owner);
    if (order != 0) {
        return order;
    }
    return a->serial < b->serial ? -1 : a->serial > b->serial;
}

TREE_GENERATE(reentrant_tree, waiter, u.lock.by_user, reentrant_compare)

static struct hold *hold_of(const struct lock *lock, struct session *session)
{
    return holders_first(&lock->holds_by_holder, session);
}

/* The session takes `levels` of it, as this owner if it was free. */
static void take(struct engine *engine, struct lock *lock,
                 struct session *session, struct slice owner, size_t levels)
{
    if (!is_held(lock)) {
        CHECK(lock->owner.at == NULL);
        lock->owner = slice_copy(owner);
        lock->token = next_token(engine);
        names_charge(engine, &lock->named, session_account(engine, session));
    }
    struct hold *hold = hold_of(lock, session);
    if (hold == NULL) {
        hold = hold_new(engine, HOLD_LOCK, session, lock, &lock->holds,
                        lock->token, levels);
        holders_add(&lock->holds_by_holder, hold);
    } else {
        hold->count += levels;
    }
    lock->levels += levels;
    hold_changed(engine, hold);
}

/* Is it held by this user? Tokens and owners of others are good for nothing. */
static bool is_held_by_user(const struct lock *lock,
                            const struct session *session)
{
    return session_is_of(session, TAILQ_FIRST(&lock->holds)->session->peer.uid);
}

/* May this owner have it now, whoever waits? */
static bool may_reenter(const struct lock *lock, const struct session *session,
                        struct slice owner, bool reentrant)
{
    return reentrant && is_held(lock) && owner_within(owner, lock->owner) &&
           is_held_by_user(lock, session);
}

/* What a grant waits for: the row of the hold, and a fresh token. */
static uint64_t grant_batch(const struct engine *engine,
                            const struct session *session)
{
    return session->kept ? change_batch_seen(engine)
                         : change_batch_numbers(engine);
}

static void write_acquired(struct out *out, const struct lock *lock)
{
    write_begin_object(out);
    WRITE(out, flag, "acquired", true);
    WRITE(out, integer, "token", (int64_t)lock->token);
    WRITE(out, integer, "count", (int64_t)lock->levels);
    write_end_object(out);
}

static void grant(struct engine *engine, struct lock *lock,
                  struct waiter *waiter)
{
    struct wait_lock *want = &waiter->u.lock;
    struct session *session = waiter->session;
    take(engine, lock, session, want->owner, want->levels);
    struct out *out = waiter_begin(engine, waiter);
    if (want->condition) {
        write_begin_object(out);
        WRITE(out, flag, "notified", want->notified);
        WRITE(out, integer, "token", (int64_t)lock->token);
        write_end_object(out);
    } else {
        write_acquired(out, lock);
    }
    want->granted = true;
    if (want->given_up != NULL) {
        given_up_end(engine, want->given_up);
    }
    waiter_reply(engine, waiter, grant_batch(engine, session));
}

/* Waiters that a new owner lets in. */
struct entering {
    struct waiter **at; /* owned */
    size_t count;
    size_t cap;
};

static void add_entering(struct entering *entering, struct waiter *waiter)
{
    if (entering->count == entering->cap) {
        entering->cap = entering->cap == 0 ? 16 : 2 * entering->cap;
        entering->at =
            mem_realloc(entering->at, entering->cap * sizeof(struct waiter *));
    }
    entering->at[entering->count++] = waiter;
}

/* Those of one user whose owner is that one, or begins so if not `whole`. */
static void find_range(struct lock *lock, struct entering *entering,
                       uint32_t uid, struct slice owner, bool whole)
{
    struct session session = {.peer.uid = uid};
    struct waiter key = {.session = &session, .u.lock.owner = owner};
    struct waiter *waiter = RB_NFIND(reentrant_tree, &lock->reentrant, &key);
    for (; waiter != NULL && waiter->session->peer.uid == uid &&
           (whole ? slice_equal(waiter->u.lock.owner, owner)
                  : slice_begins(waiter->u.lock.owner, owner));
         waiter = RB_NEXT(reentrant_tree, unused, waiter)) {
        add_entering(entering, waiter);
    }
}

/* Those of one user who are the owner, or inside it. */
static void find_inside(struct lock *lock, struct entering *entering,
                        uint32_t uid)
{
    struct out inside;
    out_init(&inside);
    out_bytes(&inside, lock->owner);
    out_byte(&inside, '/');
    find_range(lock, entering, uid, lock->owner, true);
    find_range(lock, entering, uid, (struct slice){inside.at, inside.len},
               false);
    out_fini(&inside);
}

static int arrival_compare(const void *a, const void *b)
{
    const struct waiter *first = *(struct waiter *const *)a;
    const struct waiter *second = *(struct waiter *const *)b;
    return first->serial < second->serial ? -1 : 1;
}

/* The owner's other waiting reentrant requests, and those inside it, of its
 * user and of root, in the order of their arrival. */
static void grant_reentrant(struct engine *engine, struct lock *lock)
{
    struct entering entering = {0};
    uint32_t uid = TAILQ_FIRST(&lock->holds)->session->peer.uid;
    if (RB_EMPTY(&lock->reentrant)) {
        return;
    }
    find_inside(lock, &entering, uid);
    if (uid != 0) {
        find_inside(lock, &entering, 0);
    }
    if (entering.count > 1) {
        qsort(entering.at, entering.count, sizeof(struct waiter *),
              arrival_compare);
    }
    for (size_t i = 0; i < entering.count; i++) {
        grant(engine, lock, entering.at[i]);
    }
    mem_free(entering.at);
}

void lock_settle(struct engine *engine, struct lock *lock)
{
    struct waiter *waiter = waiter_first(&lock->waiters);
    if (!is_held(lock) && waiter != NULL) {
        grant(engine, lock, waiter);
        grant_reentrant(engine, lock);
    }
    lock_drop_if_unused(engine, lock);
}

void lock_waiter_left(struct engine *engine, struct waiter *waiter)
{
    struct wait_lock *want = &waiter->u.lock;
    if (want->reentrant) {
        RB_REMOVE(reentrant_tree, &want->lock->reentrant, waiter);
    }
    deadlock_forget(engine, waiter);
    mem_free((void *)want->owner.at);
    if (!want->granted) {
        given_up_left(engine, want->given_up);
        lock_drop_if_unused(engine, want->lock);
    }
}

void lock_answer_timeout(struct engine *engine, struct waiter *take_waiter)
{
    CHECK(!take_waiter->u.lock.condition);
    struct out *out = waiter_begin(engine, take_waiter);
    write_begin_object(out);
    WRITE(out, flag, "acquired", false);
    write_end_object(out);
    waiter_reply(engine, take_waiter, 0);
}

/* Gives levels back; at the last one the lock goes to the next in line. */
static void give_back(struct engine *engine, struct lock *lock,
                      struct hold *hold, size_t levels)
{
    CHECK(hold->count >= levels && lock->levels >= levels);
    hold->count -= levels;
    lock->levels -= levels;
    hold_changed(engine, hold);
    if (hold->count == 0) {
        holders_remove(&lock->holds_by_holder, hold);
        hold_end(engine, hold, &lock->holds);
    }
    if (lock->levels == 0) {
        change_free(engine, (void *)lock->owner.at);
        lock->owner = (struct slice){0};
    }
}

void lock_hold_release(struct engine *engine, struct hold *hold)
{
    struct lock *lock = hold->object;
    give_back(engine, lock, hold, hold->count);
    lock_settle(engine, lock);
}

struct hold *lock_load_hold(struct engine *engine, struct session *session,
                            const struct row_hold *row)
{
    if (row->owner.at == NULL) {
        return NULL; /* before there is a lock that nobody holds */
    }
    struct lock *lock =
        lock_use(engine, row->object, session_account(engine, session));
    if (is_held(lock) &&
        (lock->token != row->token || !slice_equal(lock->owner, row->owner) ||
         hold_of(lock, session) != NULL)) {
        return NULL;
    }
    if (!is_held(lock)) {
        lock->owner = slice_copy(row->owner);
        lock->token = row->token;
        names_charge(engine, &lock->named, session_account(engine, session));
    }
    lock->levels += row->count;
    struct hold *hold = hold_new(engine, HOLD_LOCK, session, lock, &lock->holds,
                                 row->token, row->count);
    holders_add(&lock->holds_by_holder, hold);
    return hold;
}

/* The owner of a request: as given, or the session. `room` holds the text. */
#define OWNER_BYTES 32

static struct slice owner_of(const struct session *session, struct slice given,
                             char room[OWNER_BYTES])
{
    if (given.at != NULL) {
        return given;
    }
    (void)snprintf(room, OWNER_BYTES, "#%llu", (unsigned long long)session->id);
    return slice_of(room);
}

static void wait_for_lock(struct engine *engine, const struct request *request,
                          struct lock *lock, struct slice owner)
{
    bool reentrant = request->reentrant == 1;
    if (request->deadlock == DEADLOCK_REFUSE &&
        deadlock_refuse(engine, lock, owner)) {
        return;
    }
    if (account_refused_objects(engine, 1)) {
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_LOCK, 1, request->timeout_us);
    if (waiter == NULL) {
        return;
    }
    waiter->u.lock = (struct wait_lock){.lock = lock,
                                        .owner = slice_copy(owner),
                                        .reentrant = reentrant,
                                        .levels = 1};
    if (reentrant) {
        RB_INSERT(reentrant_tree, &lock->reentrant, waiter);
    }
    deadlock_remember(engine, waiter);
    waiter_join_line(waiter, &lock->waiters);
}

void lock_want(struct engine *engine, struct waiter *waiter, struct slice name)
{
    struct lock *lock = lock_use(engine, name, waiter->account);
    waiter->u.lock.lock = lock;
    deadlock_remember(engine, waiter);
    waiter_join_line(waiter, &lock->waiters);
    lock_settle(engine, lock);
}

bool lock_acquire_adds(const struct engine *engine, struct session *session,
                       const struct request *request)
{
    char room[OWNER_BYTES];
    const struct lock *lock = lock_find(engine, request->lock);
    return session->kept &&
           (lock == NULL || hold_of(lock, session) == NULL ||
            !may_reenter(lock, session, owner_of(session, request->owner, room),
                         request->reentrant == 1));
}

void method_lock_acquire(struct engine *engine, struct session *session,
                         const struct request *request)
{
    char room[OWNER_BYTES];
    struct slice owner = owner_of(session, request->owner, room);
    if (names_full(engine, &engine->locks, request->lock, "locks")) {
        return;
    }
    struct lock *lock =
        lock_use(engine, request->lock, account_at_hand(engine));
    if (!is_held(lock) ||
        may_reenter(lock, session, owner, request->reentrant == 1)) {
        if (is_held(lock) && hold_of(lock, session) == NULL &&
            account_refused_objects(engine, 1)) {
            return;
        }
        CHECK(is_held(lock) || lock->waiters.count == 0);
        take(engine, lock, session, owner, 1);
        write_acquired(answer_begin(engine), lock);
        answer_end(engine, grant_batch(engine, session));
        return;
    }
    if (request->timeout_us == 0) {
        struct out *out = answer_begin(engine);
        write_begin_object(out);
        WRITE(out, flag, "acquired", false);
        write_end_object(out);
        answer_end(engine, 0);
        return;
    }
    wait_for_lock(engine, request, lock, owner);
}

/* The hold that a release is about; NULL: it is not this client's. */
static struct hold *hold_wanted(const struct lock *lock,
                                struct session *session,
                                const struct request *request)
{
    if (lock == NULL || !is_held(lock) || !is_held_by_user(lock, session)) {
        return NULL;
    }
    struct hold *own = hold_of(lock, session);
    if (request->token != 0) {
        if (request->token != lock->token) {
            return NULL;
        }
    } else if (request->owner.at == NULL && own == NULL) {
        return NULL;
    }
    if (request->owner.at != NULL &&
        !owner_within(request->owner, lock->owner)) {
        return NULL;
    }
    return own != NULL ? own : TAILQ_LAST(&lock->holds, holds);
}

void method_lock_release(struct engine *engine, struct session *session,
                         const struct request *request)
{
    struct lock *lock = lock_find(engine, request->lock);
    struct hold *hold = hold_wanted(lock, session, request);
    if (hold == NULL) {
        refuse(engine, ERROR_stale_token,
               "the lock %.*s is not held by you (any more): it was released, "
               "or is another's",
               (int)request->lock.len, request->lock.at);
        return;
    }
    size_t levels = lock->levels - 1;
    give_back(engine, lock, hold, 1);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, integer, "count", (int64_t)levels);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
    lock_settle(engine, lock);
}

size_t lock_give_up(struct engine *engine, struct slice name,
                    struct session *session, uint64_t token,
                    struct slice *owner, bool *loaded)
{
    struct lock *lock = lock_find(engine, name);
    struct hold *hold = lock == NULL ? NULL : hold_of(lock, session);
    if (hold == NULL || lock->token != token || hold->count != lock->levels) {
        return 0;
    }
    size_t levels = hold->count;
    *owner = slice_copy(lock->owner);
    *loaded = hold->loaded;
    give_back(engine, lock, hold, levels);
    lock_settle(engine, lock);
    return levels;
}

static void lock_write(const struct engine *engine, struct out *out,
                       const struct named *named)
{
    const struct lock *lock = CONTAINER_OF(named, const struct lock, named);
    write_begin_object(out);
    WRITE(out, string, "lock", named->name);
    WRITE(out, flag, "held", is_held(lock));
    WRITE(out, integer, "count", (int64_t)lock->levels);
    if (is_held(lock)) {
        WRITE(out, string, "owner", lock->owner);
        WRITE(out, integer, "token", (int64_t)lock->token);
        write_key(out, SLICE("holder"));
        hold_write(engine, out, TAILQ_FIRST(&lock->holds));
        holds_write(engine, out, &lock->holds, lock->holds_count);
    }
    waiters_write(engine, out, &lock->waiters);
    write_end_object(out);
}

void method_lock_show(struct engine *engine, struct session *session,
                      const struct request *request)
{
    (void)session;
    const struct lock *lock = lock_find(engine, request->lock);
    struct lock none = {.named = {.name = request->lock}};
    if (lock == NULL) {
        TAILQ_INIT(&none.holds);
        waiter_list_init(&none.waiters);
        lock = &none;
    }
    lock_write(engine, answer_begin(engine), &lock->named);
    answer_end(engine, change_batch_seen(engine));
}

void method_lock_list(struct engine *engine, struct session *session,
                      const struct request *request)
{
    (void)session;
    names_answer_list(engine, request, &engine->locks, SLICE("locks"),
                      lock_write, NULL);
}
