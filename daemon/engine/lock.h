/*
 * A lock: one owner at a time, handed over in the order of arrival.
 *
 *   free --acquire--> held by an owner, levels 1 .. n --last release--> free,
 *                     or handed to the first in line
 *
 * The owner is a string: the session's own ("#17"), or the one that was given.
 * Owners are paths: who has A/x in hand is inside A. With `reentrant` an owner
 * may take again what it or an ancestor of it holds, passing the line, under
 * the same token. Each level belongs to the session that took it and goes with
 * it. A lock that is free and waited for by nobody is not kept.
 */
#ifndef SYNCD_ENGINE_LOCK_H
#define SYNCD_ENGINE_LOCK_H

#include "daemon/engine/hold.h"
#include "daemon/engine/names.h"
#include "daemon/engine/waiter.h"

/* Waiters for one lock, by user and owner. */
RB_HEAD(reentrant_tree, waiter);

struct lock {
    struct named named;
    struct slice owner; /* owned; absent: free */
    uint64_t token;
    size_t levels;      /* the sum over its holds */
    struct holds holds; /* one a session, the oldest first */
    size_t holds_count;
    struct hold_holders holds_by_holder;
    struct waiter_list waiters;
    uint64_t searched; /* by which search for a cycle (deadlock.c) */
    struct reentrant_tree reentrant; /* of them, those that may pass the line */
};

void lock_hold_release(struct engine *engine, struct hold *hold);
struct hold *lock_load_hold(struct engine *engine, struct session *session,
                            const struct row_hold *row);

/* For conditions: gives up all levels under this token; 0: it is not held so
 * by this session. *owner is a copy, given; *loaded: it was held so before the
 * restart. */
size_t lock_give_up(struct engine *engine, struct slice name,
                    struct session *session, uint64_t token,
                    struct slice *owner, bool *loaded);
/* Puts the waiter, made for it, at the end of the lock's line, or grants. */
void lock_want(struct engine *engine, struct waiter *waiter, struct slice name);

/* The line of a lock moved up: grants as far as can be. */
void lock_settle(struct engine *engine, struct lock *lock);

/* The waiter leaves the lock's line. */
void lock_waiter_left(struct engine *engine, struct waiter *waiter);

/* The answer of a waiter that got nothing. */
void lock_answer_timeout(struct engine *engine, struct waiter *take_waiter);

/* Is `inner` the same owner as `outer`, or inside it? */
bool owner_within(struct slice inner, struct slice outer);

#endif
