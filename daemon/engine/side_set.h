/*
 * Side sets: the jobs of a queue that are held by a stage of a batch that has
 * not come yet. They stand apart from the other held ones, so that they are
 * released all at once, by one change of the batch.
 *
 * One for each pair of a queue and a stage, there as long as a job is in it.
 * They count under their state like all others.
 */
#ifndef SYNCD_ENGINE_SIDE_SET_H
#define SYNCD_ENGINE_SIDE_SET_H

#include "daemon/engine/job.h"

struct stage;

struct side_set {
    struct job_set set; /* first: a sweep frees it through this */
    struct stage *stage;
    TAILQ_ENTRY(side_set) of_queue;
    TAILQ_ENTRY(side_set) of_stage;
    RB_ENTRY(side_set) by_queue; /* in the stage */
};

TAILQ_HEAD(side_sets, side_set);
RB_HEAD(side_set_tree, side_set);

/* The set for that pair. */
struct job_set *side_set_held(struct queue *queue, struct stage *stage);

/* Takes it out of both lists; its jobs are the caller's to deal with. */
void side_set_unlink(struct side_set *side);

/* A job left it: it is freed if that was the last one. */
void side_set_left(struct job_set *set);

#endif
