/*
 * What each user has of the daemon, and how much it may have.
 *
 * Whatever takes up room is charged to somebody: jobs with all that belongs to
 * them and objects with a name to the user who made them (their rows say who,
 * so that a restart changes nothing), requests that wait and connections to the
 * user who sent them. Everything is counted where it comes and goes, at no cost
 * that grows. The first account is of those who have no quota: root, the
 * daemon's own user, and admins.
 */
#ifndef SYNCD_ENGINE_ACCOUNT_H
#define SYNCD_ENGINE_ACCOUNT_H

#include "daemon/engine/containers.h"
#include "proto/slice.h"

struct complaint;
struct engine;
struct out;
struct peer;

/* The index of the first account. */
#define ACCOUNT_EXEMPT 0

struct account {
    uint32_t index; /* in accounts.at */
    uint32_t uid;
    size_t connections;
    size_t waiters;
    size_t waiting_bytes; /* of their requests */
    size_t memory;        /* of jobs, bytes */
    size_t objects;
    UT_hash_handle by_uid;
};

struct accounts {
    struct account **at; /* owned, as they are; never fewer */
    uint32_t count;
    struct account *by_uid;
};

void accounts_init(struct accounts *accounts);
void accounts_fini(struct accounts *accounts);

/* The index of a user's account, made if there is none; of a peer it depends
 * on what it may do. */
uint32_t account_of_uid(struct engine *engine, uint32_t uid);
uint32_t account_of_peer(struct engine *engine, const struct peer *peer);

/* Whose the request at hand is; ACCOUNT_EXEMPT if there is none. */
uint32_t account_at_hand(const struct engine *engine);

/* As rows keep it: 0 for those without a quota. */
uint32_t account_uid(const struct engine *engine, uint32_t index);

/* Would so many more objects be too much for that account? Why. */
bool account_lacks_objects(const struct engine *engine, uint32_t index,
                           size_t objects, struct complaint *why);

/* Would so many more bytes of jobs, or objects, be too much for the user of the
 * request at hand? Then it was refused with `limit`. */
bool account_refused_memory(struct engine *engine, size_t bytes);
bool account_refused_objects(struct engine *engine, size_t objects);

/* `users` of server.stats: all of them for those without a quota, else one's
 * own. */
void accounts_write(const struct engine *engine, struct out *out);

#endif
