/*
 * A condition: waits with a lock given up meanwhile, and has it again.
 *
 * The waiter stands in the condition's line until it is notified or its timeout
 * comes, then in the lock's line like any other, with all its levels, and is
 * answered when the lock is its own again. A condition that nobody waits on is
 * not kept.
 *
 * Of a session with grace the lock that it gave up is a hold of its own kind
 * until then: after a restart the wait, sent again, knows by it what is to be
 * taken back. It is woken then, because a notify may have come before; and so
 * is the first wait under a lock that is held since before the restart, as that
 * may be a wait sent again of which nothing had come to the disk.
 */
#ifndef SYNCD_ENGINE_CONDITION_H
#define SYNCD_ENGINE_CONDITION_H

#include "daemon/engine/hold.h"
#include "daemon/engine/names.h"
#include "daemon/engine/waiter.h"

struct condition {
    struct named named;
    struct waiter_list waiters;
};

/* What a wait gave up. */
struct given_up {
    struct slice lock;  /* owned: its name */
    struct slice owner; /* owned */
    bool waited;        /* by a request; not yet sent again after a restart */
};

struct hold *given_up_load(struct engine *engine, struct session *session,
                           const struct row_hold *row);
void given_up_end(struct engine *engine, struct hold *take_hold);

/* The waiter that wanted the lock back is gone without it. Only if it is we who
 * go will it be sent again. */
void given_up_left(struct engine *engine, struct hold *hold);

/* Its timeout has come, or it was notified: it wants its lock back. */
void condition_wake(struct engine *engine, struct waiter *waiter,
                    bool notified);

/* The waiter left the condition's line. */
void condition_left(struct engine *engine, struct condition *condition);

#endif
