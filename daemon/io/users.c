#include "daemon/io/users.h"

#include "proto/check.h"
#include "proto/memory.h"

static struct user *find(const struct users *users, uint32_t uid)
{
    struct user *user;
    HASH_FIND_NUMBER(hh, users->by_uid, uid, user);
    return user;
}

size_t users_connections(const struct users *users, uint32_t uid)
{
    const struct user *user = find(users, uid);
    return user == NULL ? 0 : user->connections;
}

struct user *users_connected(struct users *users, uint32_t uid)
{
    struct user *user = find(users, uid);
    if (user == NULL) {
        user = mem_zalloc(sizeof(*user));
        user->uid = uid;
        HASH_ADD_NUMBER(hh, users->by_uid, uid, user);
    }
    user->connections++;
    return user;
}

static void forget(struct users *users, struct user *user)
{
    CHECK(user->connections == 0 && user->input == 0 && user->unsent == 0);
    HASH_DEL(users->by_uid, user);
    mem_free(user);
}

void users_closed(struct users *users, struct user *user, int64_t now_us)
{
    CHECK(user->connections > 0);
    user->connections--;
    if (user->connections == 0 && user->owed_us == 0 &&
        user->rest_until_us <= now_us) {
        forget(users, user);
    }
}

void users_fini(struct users *users)
{
    struct user *user;
    struct user *next;
    HASH_ITER (hh, users->by_uid, user, next) {
        forget(users, user);
    }
}
