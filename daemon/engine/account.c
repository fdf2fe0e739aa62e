#include "daemon/engine/account.h"

#include <stdio.h>

#include "daemon/engine/core.h"

/* Users told by server.stats. */
#define USERS_SHOWN_MAX 1000

static void add(struct accounts *accounts, uint32_t uid)
{
    struct account *account = mem_zalloc(sizeof(*account));
    account->uid = uid;
    account->index = accounts->count;
    accounts->at = mem_realloc(accounts->at, (accounts->count + 1) *
                                                 sizeof(struct account *));
    accounts->at[accounts->count++] = account;
}

void accounts_init(struct accounts *accounts)
{
    *accounts = (struct accounts){0};
    add(accounts, 0); /* ACCOUNT_EXEMPT */
}

void accounts_fini(struct accounts *accounts)
{
    HASH_CLEAR(by_uid, accounts->by_uid);
    for (uint32_t i = 0; i < accounts->count; i++) {
        const struct account *account = accounts->at[i];
        CHECK(account->memory == 0 && account->objects == 0 &&
              account->waiters == 0 && account->waiting_bytes == 0 &&
              account->connections == 0);
        mem_free(accounts->at[i]);
    }
    mem_free(accounts->at);
}

uint32_t account_of_uid(struct engine *engine, uint32_t uid)
{
    struct accounts *accounts = &engine->accounts;
    struct account *account;
    if (uid == 0) {
        return ACCOUNT_EXEMPT;
    }
    HASH_FIND_NUMBER(by_uid, accounts->by_uid, uid, account);
    if (account == NULL) {
        add(accounts, uid);
        account = accounts->at[accounts->count - 1];
        HASH_ADD_NUMBER(by_uid, accounts->by_uid, uid, account);
    }
    return account->index;
}

uint32_t account_of_peer(struct engine *engine, const struct peer *peer)
{
    return peer->access != NULL && peer->access->everything
               ? ACCOUNT_EXEMPT
               : account_of_uid(engine, peer->uid);
}

uint32_t account_at_hand(const struct engine *engine)
{
    const struct session *session = engine->current.session;
    return session == NULL ? ACCOUNT_EXEMPT : session->account;
}

uint32_t account_uid(const struct engine *engine, uint32_t index)
{
    return engine->accounts.at[index]->uid;
}

static void complain_quota(const struct account *account, const char *what,
                           const char *limit, size_t value,
                           struct complaint *why)
{
    complain(why, ERROR_limit,
             "user %u has as much as it may of %s (%s is %zu): let some of it "
             "be finished or removed first",
             account->uid, what, limit, value);
    (void)snprintf(why->limit, sizeof(why->limit), "%s", limit);
    why->value = (int64_t)value;
}

bool account_refused_memory(struct engine *engine, size_t bytes)
{
    uint32_t index = account_at_hand(engine);
    const struct account *account = engine->accounts.at[index];
    size_t most = engine->options.user_memory_max;
    if (index == ACCOUNT_EXEMPT || account->memory + bytes <= most) {
        return false;
    }
    struct complaint why;
    complain_quota(account, "the memory for jobs", "max_user_memory", most,
                   &why);
    reply_error(engine, &engine->current.to, &why);
    return true;
}

bool account_lacks_objects(const struct engine *engine, uint32_t index,
                           size_t objects, struct complaint *why)
{
    const struct account *account = engine->accounts.at[index];
    size_t most = engine->options.user_objects_max;
    if (index == ACCOUNT_EXEMPT || account->objects + objects <= most) {
        return false;
    }
    complain_quota(account, "queues, locks, permits and the like",
                   "max_user_objects", most, why);
    return true;
}

bool account_refused_objects(struct engine *engine, size_t objects)
{
    struct complaint why;
    if (!account_lacks_objects(engine, account_at_hand(engine), objects,
                               &why)) {
        return false;
    }
    reply_error(engine, &engine->current.to, &why);
    return true;
}

static void account_write(struct out *out, const struct account *account,
                          bool exempt)
{
    write_begin_object(out);
    WRITE(out, integer, "uid", account->uid);
    WRITE(out, flag, "exempt", exempt);
    WRITE(out, integer, "connections", (int64_t)account->connections);
    WRITE(out, integer, "waiting_requests", (int64_t)account->waiters);
    WRITE(out, integer, "waiting_bytes", (int64_t)account->waiting_bytes);
    WRITE(out, integer, "memory_bytes", (int64_t)account->memory);
    WRITE(out, integer, "objects", (int64_t)account->objects);
    write_end_object(out);
}

static bool has_something(const struct account *account)
{
    return account->connections + account->waiters + account->memory +
               account->objects >
           0;
}

void accounts_write(const struct engine *engine, struct out *out)
{
    const struct accounts *accounts = &engine->accounts;
    uint32_t own = account_at_hand(engine);
    size_t shown = 0;
    write_key(out, SLICE("users"));
    write_begin_array(out);
    for (uint32_t i = 0; i < accounts->count && shown < USERS_SHOWN_MAX; i++) {
        if (own == ACCOUNT_EXEMPT ? has_something(accounts->at[i]) : i == own) {
            account_write(out, accounts->at[i], i == ACCOUNT_EXEMPT);
            shown++;
        }
    }
    write_end_array(out);
}
