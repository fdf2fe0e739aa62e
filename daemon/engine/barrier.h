/*
 * A barrier: so many parties meet, and go on together or not at all.
 *
 *          first wait                 last party            (action done)
 *   EMPTY -----------> FILLING ------------------------------> released, EMPTY
 *     ^                 |  ^  \ timeout, death, cancel, abort
 *     |                 v  |   v
 *     +---- reset ---- BROKEN: every later wait is refused
 *
 * Those who wait for one release make a round; the generation counts rounds
 * that were filled. With an action the last party works while its round PASSES:
 * the others stay where they are, their timeouts stopped, and a new round may
 * fill meanwhile. Indexes are the order of arrival.
 *
 * A barrier that is whole and empty is not stored, and remembered only for its
 * generation, as one of the BARRIERS_REMEMBERED that were used last.
 *
 * A barrier in use, or broken, has a row that says no more than that: a restart
 * breaks it, and whoever comes back is told.
 */
#ifndef SYNCD_ENGINE_BARRIER_H
#define SYNCD_ENGINE_BARRIER_H

#include "daemon/engine/change.h"
#include "daemon/engine/names.h"
#include "daemon/engine/waiter.h"

struct round {
    RB_ENTRY(round) entry; /* of those that pass, by generation */
    uint64_t generation;
    struct session *actor; /* who does the action; NULL: it fills */
    uint32_t account;      /* the actor's: it counts as an object of it */
    struct barrier *barrier;
    TAILQ_ENTRY(round) of_actor;
    struct waiter_list waiters;
};

TAILQ_HEAD(rounds, round);
RB_HEAD(round_tree, round);

#define BARRIERS_REMEMBERED 10000

struct barrier {
    struct named named;
    bool unused; /* whole and empty: in the engine's line of those */
    TAILQ_ENTRY(barrier) of_unused;
    uint64_t id; /* of its row; each use has another */
    size_t parties;
    uint64_t generation;       /* of the round that fills */
    const char *broken;        /* why; NULL: it is whole. A constant. */
    struct round *filling;     /* owned; NULL: nobody waits */
    struct round_tree passing; /* owned */
    size_t passing_count;
    struct saved saved;
};

TAILQ_HEAD(barrier_list, barrier);

bool barrier_load(struct engine *engine, const struct row_barrier *row);
struct row_barrier barrier_row(const struct engine *engine,
                               const struct barrier *barrier);

/* A party leaves without being released: the barrier breaks. */
void barrier_left(struct engine *engine, struct waiter *take_waiter,
                  const char *why);
void barrier_refuse(struct engine *engine, struct waiter *take_waiter,
                    const char *reason);
/* The session that works for a round is gone. */
void barrier_actor_gone(struct engine *engine, struct round *round);

/* It is no more; whoever waits gets `broken`. */
void barrier_end(struct engine *engine, struct named *named);

void barriers_free_all(struct engine *engine);

#endif
