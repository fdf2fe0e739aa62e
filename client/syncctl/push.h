/*
 * The inside of put --lines: what its threads share.
 *
 * Two threads and two chunks: one reads lines and fills a chunk, the other puts
 * the chunk filled before. The bigger the load, the fuller the chunks get by
 * themselves, and a line that comes alone goes at once. One message is under
 * way at a time, so the order of the lines is the order of the jobs, and what
 * is put after a failure is told by one line's number. A chunk never has more
 * jobs than a quarter of what the queue may hold: it enters whole or not at
 * all, and one as large as the queue would wait until the queue is empty.
 */
#ifndef SYNCCTL_PUSH_H
#define SYNCCTL_PUSH_H

#include "client/syncctl/look.h"
#include "client/syncctl/put.h"
#include "client/syncctl/signals.h"

#include <pthread.h>

/* Most jobs and bytes of a chunk. */
#define PUSH_JOBS_MAX 10000
#define PUSH_BYTES    ((size_t)256 << 10)

/* A message of more than GENTLE_JOBS or GENTLE_BYTES that takes so long, beside
 * PUSH_JOB_SECONDS for each of its jobs, was made to rest by the daemon since
 * it held up others, or waited for room: the next GENTLE_TIMES are no larger
 * than that, which costs nobody a millisecond. */
#define GENTLE_JOBS      400
#define GENTLE_BYTES     ((size_t)64 << 10)
#define GENTLE_TIMES     64
#define SLOW_SECONDS     0.02
#define PUSH_JOB_SECONDS 3e-6

struct chunk {
    struct out json; /* the bodies, with commas */
    size_t *begins;  /* of body i in json; room for PUSH_JOBS_MAX */
    size_t *ends;
    uint64_t *lines;  /* its number */
    uint64_t *behind; /* how far the input was read with it, bytes */
    size_t count;
};

struct push {
    const struct invocation *invocation;
    struct syncd *s;
    size_t jobs_max;  /* of a chunk, by the queue's capacity */
    size_t bytes_max; /* by its max_bytes */
    int wake_fd;      /* interrupted: for the reader's poll */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    struct chunk chunks[2];
    struct chunk *filling;
    bool ended; /* nothing more is read */
    bool stop;  /* interrupted, or the sender failed */
    uint64_t jobs_put;
    uint64_t line_put;    /* the last line that is put */
    uint64_t bytes_put;   /* of the input, up to its end */
    double call_began_at; /* monotonic seconds; 0: no call under way */
    int status;           /* of the sender */
    uint64_t line_bad;    /* can never be put as it is; 0: none */

    /* The reader's own. */
    uint64_t line; /* the last line that was read */
    uint64_t read; /* bytes of the input, up to its end */
    struct out input;

    /* The sender's own. */
    unsigned gentle; /* so many small messages, still */

    uint64_t input_bytes; /* of a regular file; 0: nobody knows */

    /* The progress thread's own. */
    struct look look;
    double shown_at;
    uint64_t shown;
    double rate;
};

/* What a chunk may have, by the queue as it is now; a queue that is not there
 * yet will have the default terms. */
void push_measure(struct push *push);

/* The sender's thread: push_send.c. */
void *push_send(void *push);

/* Reads standard input to its end, or until it is time to stop: push_read.c. */
void push_read(struct push *push, struct signals *signals);

#endif
