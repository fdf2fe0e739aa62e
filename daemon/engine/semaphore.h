/*
 * A semaphore: so many permits, given out in the order of arrival.
 *
 * Bounded: permits belong to sessions (holds) and come back when they are
 * released or the session ends; taken never exceeds value, but for a value made
 * smaller since, which takes permits back only as they are released. Unbounded:
 * a counter; release counts up, acquire counts down, and nothing is held, but
 * for what was acquired with `hold`, which is as with a bounded one. The first
 * in line is served first, however many permits it wants, so that it does not
 * starve behind single ones. A semaphore that was declared stays until it is
 * deleted; its row is durable.
 */
#ifndef SYNCD_ENGINE_SEMAPHORE_H
#define SYNCD_ENGINE_SEMAPHORE_H

#include "daemon/engine/hold.h"
#include "daemon/engine/limited.h"
#include "daemon/engine/names.h"
#include "daemon/engine/waiter.h"

struct semaphore {
    struct named named;
    uint64_t id; /* of its row */
    bool bounded;
    int64_t value;   /* permits in all */
    int64_t taken;   /* of them, by sessions and running jobs */
    int64_t running; /* of these, by running jobs */
    struct holds holds;
    size_t holds_count;
    struct hold_tokens holds_by_token;
    struct hold_holders holds_by_holder; /* those of a session, the oldest
                                            first */
    struct waiter_list waiters;
    struct lane_line lanes; /* of ready jobs that wait for a permit */
    bool freed;             /* lanes may have to be opened */
    TAILQ_ENTRY(semaphore) of_freed;
    size_t jobs; /* that name it: it cannot be deleted */
    struct saved saved;
};

TAILQ_HEAD(semaphore_list, semaphore);

struct semaphore *semaphore_find(const struct engine *engine,
                                 struct slice name);

/* Might a job take one? Whoever waits in line goes first. */
bool semaphore_has_permit(const struct semaphore *semaphore);

/* A job runs, and holds a permit; it does not run any more. */
void semaphore_job_began(struct semaphore *semaphore);
void semaphore_job_ended(struct engine *engine, struct semaphore *semaphore);

bool semaphore_load(struct engine *engine, const struct row_semaphore *row);
struct row_semaphore semaphore_row(const struct engine *engine,
                                   const struct semaphore *semaphore);

void semaphore_hold_release(struct engine *engine, struct hold *hold);
struct hold *semaphore_load_hold(struct engine *engine, struct session *session,
                                 const struct row_hold *row);
void semaphore_answer_timeout(struct engine *engine,
                              struct waiter *take_waiter);

/* The waiter left the line: who stood behind it may be next. */
void semaphore_waiter_left(struct engine *engine, struct waiter *waiter);

/* Serves the line as far as permits go. */
void semaphore_settle(struct engine *engine, struct semaphore *semaphore);

/* It is no more, unless jobs name it. */
void semaphore_end(struct engine *engine, struct named *named);

void semaphores_free_all(struct engine *engine);

#endif
