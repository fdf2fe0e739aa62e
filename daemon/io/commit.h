/*
 * Group commit: the one bridge between the engine and the store.
 *
 * At most one piece of work is with the store. While it is, changes pile up in
 * the engine; when it is answered they make the next batch. So under load a
 * batch is as large as what came in during one fsync, and at rest a change
 * goes to the disk at once.
 *
 * When the disk is full the engine is told, and refuses puts. Whether there is
 * room again is asked when somebody tries to put, at most once a second.
 */
#ifndef SYNCD_IO_COMMIT_H
#define SYNCD_IO_COMMIT_H

#include <pthread.h>
#include <uv.h>

#include "daemon/store/store.h"

struct server;

enum commit_work { COMMIT_NONE, COMMIT_BATCH, COMMIT_PROBE };

struct commit {
    struct server *server;
    uv_async_t wake;
    enum commit_work work; /* with the store */
    int64_t since_us;      /* when it was given to it */
    uint64_t answered;     /* pieces of work so far */
    bool full;             /* the disk; the engine knows */
    bool probe_wanted;     /* somebody tried to put */
    int64_t probed_at_us;

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

/* The loop must run once more before `commit` goes; no work is under way. */
void commit_close(struct commit *commit);

#endif
