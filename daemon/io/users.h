/*
 * What each user takes up of the shell: connections, what was read of lines
 * that have no end yet, and replies that are not read. (What takes up room in
 * the engine is counted there: daemon/engine/account.h.)
 *
 * A user is there as long as one of its connections is; one that had to rest
 * when the last of them closed stays until it has connected and gone once more:
 * who connects anew owes what he owed.
 */
#ifndef SYNCD_IO_USERS_H
#define SYNCD_IO_USERS_H

#include <bsd/sys/queue.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/io/gather.h" /* uthash, set up */

/* Bytes of unfinished lines of one user; one more is told so and closed, if
 * its own line is longer than a usual one. */
#define USER_INPUT_MAX  ((size_t)256 << 20)
#define USER_INPUT_LINE ((size_t)64 << 10)

/* Replies that a user's connections do not read, bytes; beyond that its
 * requests get `limit`. One connection may have a large reply; thousands may
 * not. */
#define USER_UNSENT_MAX ((size_t)256 << 20)

struct user {
    uint32_t uid;
    size_t unsent; /* replies, bytes */
    size_t connections;
    size_t input;          /* room of their input buffers, bytes */
    int64_t rest_until_us; /* so long its large messages wait (share.h) */
    int64_t owed_us;       /* work for which it will rest; 0: none */
    TAILQ_ENTRY(user) owing_link; /* of a list in struct share, if it owes */
    UT_hash_handle hh;
};

TAILQ_HEAD(user_list, user);

struct users {
    struct user *by_uid;
};

/* How many connections the user has. */
size_t users_connections(const struct users *users, uint32_t uid);

/* One more. */
struct user *users_connected(struct users *users, uint32_t uid);

/* One less; the user may be gone. */
void users_closed(struct users *users, struct user *user, int64_t now_us);

/* At the end; nobody is connected. */
void users_fini(struct users *users);

#endif
