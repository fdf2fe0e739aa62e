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

void users_closed(struct users *users, struct user *user)
{
    CHECK(user->connections > 0);
    if (--user->connections == 0) {
        CHECK(user->input == 0 && user->unsent == 0);
        HASH_DEL(users->by_uid, user);
        mem_free(user);
    }
}
