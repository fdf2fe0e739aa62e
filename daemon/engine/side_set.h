/*
 * Side sets: jobs of a queue that stand apart from its set of their state.
 *
 *   held   by a stage of a batch that has not come yet: released all at once,
 *          by one change of the batch
 *   parked a ready job that needs a permit of a semaphore that has none: so it
 *          does not hold up the ready jobs behind it
 *
 * One for each pair of a queue and a stage or semaphore, made when it is first
 * needed. They count under their state like all others.
 */
#ifndef SYNCD_ENGINE_SIDE_SET_H
#define SYNCD_ENGINE_SIDE_SET_H

#include "daemon/engine/job.h"

struct semaphore;
struct stage;

struct side_set {
    struct job_set set;          /* first: a sweep frees it through this */
    struct stage *stage;         /* of a held one, else NULL */
    struct semaphore *semaphore; /* of a parked one, else NULL */
    TAILQ_ENTRY(side_set) of_queue;
    TAILQ_ENTRY(side_set) of_other; /* the stage or semaphore */
};

TAILQ_HEAD(side_sets, side_set);

/* The set for that pair. */
struct job_set *side_set_held(struct queue *queue, struct stage *stage);
struct job_set *side_set_parked(struct queue *queue,
                                struct semaphore *semaphore);

/* Takes it out of both lists; its jobs are the caller's to deal with. */
void side_set_unlink(struct side_set *side);

/* Unlinks and frees it if no job is in it. */
void side_set_drop_if_empty(struct side_set *side);

#endif
