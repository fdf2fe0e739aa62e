/*
 * A condition: waits with a lock given up meanwhile, and has it again.
 *
 * The waiter stands in the condition's line until it is notified or its timeout
 * comes, then in the lock's line like any other, with all its levels, and is
 * answered when the lock is its own again. A condition that nobody waits on is
 * not kept.
 */
#ifndef SYNCD_ENGINE_CONDITION_H
#define SYNCD_ENGINE_CONDITION_H

#include "daemon/engine/names.h"
#include "daemon/engine/waiter.h"

struct condition {
    struct named named;
    struct waiter_list waiters;
};

/* Its timeout has come, or it was notified: it wants its lock back. */
void condition_wake(struct engine *engine, struct waiter *waiter,
                    bool notified);

/* The waiter left the condition's line. */
void condition_left(struct engine *engine, struct condition *condition);

#endif
