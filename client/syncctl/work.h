/*
 * work: what its threads share.
 *
 *   slots    one thread each: takes a job, runs the command, tells the outcome
 *   keeper   one thread: has the leases of all running commands begin anew
 *   signals  one thread: first signal, drain; second, give back; third, exit
 *
 * 1 `stage` only grows. From DRAINING on no job is taken (one that the daemon
 *   had granted already is given back), from ENDING on every command is ended.
 * 2 A slot is `active` exactly while a command runs for a job that is ours;
 * only then is the lease extended.
 */
#ifndef SYNCCTL_WORK_H
#define SYNCCTL_WORK_H

#include "client/libsyncd/syncd.h"
#include "client/syncctl/child.h"
#include "client/syncctl/command.h"
#include "client/syncctl/signals.h"
#include "proto/arena.h"

enum {
    WORK_JOBS,
    WORK_TIMEOUT,
    WORK_KILL_AFTER,
    WORK_LINE_BUFFER,
    WORK_RESULT,
    WORK_ONCE,
    WORK_UNTIL_EMPTY,
    WORK_UNTIL_CLOSED,
    WORK_LEASE,
    WORK_OPTIONS
};

/* How often the keeper looks at the slots at least, seconds. */
#define WORK_LOOK_SECONDS 1.0

enum work_stage { STAGE_WORKING, STAGE_DRAINING, STAGE_ENDING };

struct work;

/* A job taken: slices of `reply`, or of the arena. */
struct job {
    char *reply; /* owned; from free() */
    struct arena arena;
    uint64_t id;
    uint64_t token;
    int64_t attempt;
    double lease; /* seconds */
    struct slice queue;
    struct slice body;  /* JSON */
    struct slice text;  /* of the body */
    struct slice batch; /* absent: none */
    struct slice stage;
};

struct slot {
    struct work *work;
    unsigned number; /* from 1 */
    pthread_t thread;
    struct child_control control;
    struct out done; /* params of a queue.done that is not told yet, or empty */
    uint64_t done_id; /* that job */

    /* Under the work's lock. */
    bool active;
    uint64_t id;
    uint64_t token;
    uint64_t losses;  /* of sessions, when it was taken */
    double extend_at; /* monotonic seconds */
    double lease;     /* seconds */
};

struct work {
    const struct invocation *invocation;
    struct syncd *s;
    struct slot *slots;
    size_t slots_count;
    atomic_int stage;
    pthread_mutex_t gate; /* of the outputs */
    struct signals signals;

    pthread_mutex_t lock; /* for all below, and the slots' leases */
    pthread_cond_t changed;
    bool ended; /* no slot runs any more: for the keeper */
    int status; /* the exit status, from the first that has one to give */
    bool told_broken;
};

/* The exit status, if none was given before. */
void work_set_status(struct work *work, int status);

/* Take no more; commands go on. True: nobody had said so before. */
bool work_drain(struct work *work);

static inline bool work_goes_on(struct work *work)
{
    return atomic_load(&work->stage) == STAGE_WORKING;
}

/* Is this answer nothing but the end of waiting that we asked for? */
bool work_was_interrupted(int answer);

/* As ask_call; again when an interrupt cut it short, or a lost session: for
 * calls that do not wait. */
int work_call(struct work *work, const char *method, struct out *take_params,
              char **result);

/* Takes up to `max` jobs: *reply has them. False: there is nothing to take any
 * more, and work_drain was called. */
bool work_take(struct work *work, size_t max, char **reply);

/* The same in the message that finishes jobs, as `done` says, without waiting
 * for one. SYNCD_E_REPLY: it has finished nothing. */
int work_finish_and_take(struct work *work, size_t max, const struct out *done,
                         char **reply);

/* Does the reply have any? */
bool work_has_jobs(const char *reply);

/* Of what it finished, was something ours no more? */
bool work_has_stale(const char *reply);

/* A slot's thread: slot.c. */
void *slot_main(void *slot);

/* The keeper's thread: keep.c. */
void *keep_main(void *work);

/* Without a command: prints bodies and finishes them. work_print.c. */
int work_print(struct work *work);

#endif
