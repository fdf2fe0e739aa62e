/*
 * Deadlocks among locks: waits that would never end.
 *
 * Every request that waits for a lock is found here by its owner. A wait closes
 * a cycle when the holder of the lock, or somebody inside it (an owner waits
 * for its descendants), waits for a lock whose holder is the one that wants to
 * wait now or an ancestor of it, be it over others in between.
 */
#ifndef SYNCD_ENGINE_DEADLOCK_H
#define SYNCD_ENGINE_DEADLOCK_H

#include "daemon/engine/lock.h"

/* Waits for locks, by owner. */
RB_HEAD(owner_tree, waiter);

void deadlock_remember(struct engine *engine, struct waiter *waiter);
void deadlock_forget(struct engine *engine, struct waiter *waiter);

/* Would `owner` close a cycle by waiting for `lock`? Then the request at hand
 * was refused with the cycle. */
bool deadlock_refuse(struct engine *engine, struct lock *lock,
                     struct slice owner);

#endif
