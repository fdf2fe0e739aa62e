/*
 * Group commit: the one bridge between the engine and the store.
 *
 * At most one piece of work is with the store. While it is, changes pile up in
 * the engine; when it is answered they make the next batch. So under load a
 * batch is as large as what came in during one fsync, and at rest a change
 * goes to the disk at once.
 *
 * Clients that wait for their answers would fall into two halves that way, one
 * being written while the other asks again, with twice as many fsyncs as are
 * needed, and rows written of jobs that are finished a moment later. So when a
 * batch is answered, the next one is gathered: it is cut when as many requests
 * wait for it as waited before, which is at once if there was one; or when none
 * has come for half the time that a commit takes; or after GATHER_US_MAX. If
 * they stay away, so many more batches are cut without that, twice as many each
 * time, up to GATHER_SKIP_MAX.
 *
 * When the disk is full the engine is told, and refuses what would add to it.
 * Whether there is room again is asked when somebody asks for anything, at most
 * once a second. A batch for which there is no room at all is tried again as
 * often; meanwhile nobody is answered who waits for the disk.
 */
#ifndef SYNCD_IO_COMMIT_H
#define SYNCD_IO_COMMIT_H

#include <pthread.h>
#include <uv.h>

#include "daemon/store/store.h"

struct server;

#define GATHER_US_MAX   5000
#define GATHER_SKIP_MAX 63

enum commit_work { COMMIT_NONE, COMMIT_BATCH, COMMIT_PROBE };

struct commit {
    struct server *server;
    uv_async_t wake;
    enum commit_work work; /* with the store */
    int64_t since_us;      /* when it was given to it */
    uint64_t answered;     /* pieces of work so far */

    bool gathering;          /* the next batch: */
    size_t expected;         /* so many answers will wait for it */
    size_t held;             /* so many do */
    int64_t gather_since_us; /* the last batch was answered */
    int64_t held_since_us;   /* the last request came that waits */
    int64_t patience_us;     /* so long none may come */
    unsigned skip;           /* batches that are cut without that: still, */
    unsigned skips;          /* and when they stayed away last */

    bool full;                 /* the disk; the engine knows */
    bool stuck;                /* there was no room for the batch: */
    const struct batch *batch; /* the engine's */
    bool probe_wanted;         /* somebody asked for something */
    int64_t probed_at_us;      /* so the batch that was stuck */

    pthread_mutex_t lock; /* of the answer, which another thread writes */
    bool has_answer;
    enum store_status status;
    struct store_error why;
};

void commit_init(struct commit *commit, struct server *server);

/* Tells the engine what the store has answered, if it has. */
void commit_take_answer(struct commit *commit);

/* Gives the store what is dirty, if it is idle. */
void commit_next(struct commit *commit);

/* When commit_next must be called at the latest; DEADLINE_NEVER: need not. */
int64_t commit_deadline_us(const struct commit *commit);

/* Nothing is with the store, nor waits to be. */
bool commit_is_idle(const struct commit *commit);

/* The loop must run once more before `commit` goes; no work is under way. */
void commit_close(struct commit *commit);

#endif
