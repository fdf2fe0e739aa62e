/*
 * Ready jobs with limits: each runs only with a permit of all the semaphores
 * that it names.
 *
 * Those of a queue that name the same ones stand in one set, since what keeps
 * one of them from running keeps all. A set stands in a lane, which the queue
 * has for each semaphore that is to be waited for:
 *
 *   queue --- lane (of a semaphore) --- set (of its limits) --- jobs
 *
 * and a lane stands in one of two places:
 *
 *   OPEN    among the open lanes of its queue, by its first job: there is a
 *           permit, or was when the lane was looked at last
 *   CLOSED  in the line of its semaphore: there is none
 *
 * Whoever looks for a job closes an open lane whose semaphore has no permit,
 * and moves a set to the lane of another semaphore if that is what it lacks. A
 * permit that frees opens the first lane in line, whose queue is served, and
 * the next one only if there is a permit still. So a permit costs as much as is
 * handed out for it, however many queues and jobs wait, and a get as much as
 * there are lanes of its queue that were closed since the last one.
 */
#ifndef SYNCD_ENGINE_LIMITED_H
#define SYNCD_ENGINE_LIMITED_H

#include "daemon/engine/job.h"

struct lane;
struct semaphore;

/* The jobs of one queue with the same limits. There as long as one is in it. */
struct limited_set {
    struct job_set set;        /* first: a sweep frees it through this */
    struct semaphore **limits; /* owned */
    size_t limits_count;
    struct lane *lane;
    RB_ENTRY(limited_set) by_limits; /* in the queue */
    RB_ENTRY(limited_set) by_first;  /* in the lane */
    int64_t first_rank;              /* of its first job, when it was put */
    uint64_t first_id;               /* there */
};

RB_HEAD(limited_sets, limited_set);
RB_HEAD(lane_sets, limited_set);

/* The sets of one queue that wait for one semaphore, or would. There as long as
 * a set is in it. */
struct lane {
    struct queue *queue;
    struct semaphore *semaphore;
    struct lane_sets sets;
    struct limited_set *first; /* of them */
    bool open;
    RB_ENTRY(lane) by_semaphore;    /* in the queue */
    RB_ENTRY(lane) by_first;        /* among its open ones */
    TAILQ_ENTRY(lane) of_semaphore; /* in its line, if it is closed */
};

RB_HEAD(lanes, lane);
RB_HEAD(open_lanes, lane);
TAILQ_HEAD(lane_line, lane);

/* Where that job stands in that state, if no stage holds it: among the ready
 * ones its limits count. */
struct job_set *limited_set_of(struct queue *queue, const struct job *job,
                               enum job_state state);

/* A job came into the set or left it. It is freed if that was the last one. */
void limited_changed(struct job_set *set);

/* The sets of the queue; NULL at the end. */
struct limited_set *limited_first(const struct queue *queue);
struct limited_set *limited_next(struct limited_set *limited);

/* Takes it out of its queue; its jobs are the caller's to deal with. */
void limited_unlink(struct limited_set *limited);

/* The first ready job that may run as far as permits go; NULL: there is none,
 * and all lanes are closed. */
struct job *limited_first_ready(struct queue *queue);

/* The ready job that is first in order, permits or not, but for those that
 * were found to lack one. */
const struct job *limited_first_look(const struct queue *queue);

/* The semaphore may have a permit again. */
void limited_freed(struct engine *engine, struct semaphore *semaphore);

/* It is gone. */
void limited_forget(struct engine *engine, struct semaphore *semaphore);

/* For engine_check: of the queue's sets, how many stand in its lanes. */
size_t limited_in_lanes(const struct queue *queue);

/* Opens every lane of the queue for which there is a permit; false: there was
 * none. */
bool limited_wake_queue(struct engine *engine, struct queue *queue);

/* The same for the queue that is first in the line of a freed semaphore, which
 * is to be settled then. NULL: there is none. */
struct queue *limited_wake_one(struct engine *engine);

#endif
