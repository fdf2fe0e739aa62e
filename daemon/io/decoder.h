/*
 * Decodes large lines in the pool, so that they do not hold the loop up.
 *
 * A line is copied and belongs to its piece of work from then on; the piece
 * knows its connection by id alone. Meanwhile the connection is neither read
 * nor served, which keeps its requests in their order.
 */
#ifndef SYNCD_IO_DECODER_H
#define SYNCD_IO_DECODER_H

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <uv.h>

#include "proto/message.h"

/* A line from this length on is decoded in the pool. What is shorter takes less
 * than 3 ms even if it is all brackets, and mostly a tenth of that, so that a
 * copy and two threads that wake each other would cost more. */
#define DECODER_LINE_MIN ((size_t)1 << 20)

struct server;

struct decoded {
    uint64_t conn;
    struct decoder *decoder;
    char *bytes; /* owned; `line` is a slice of it */
    struct slice line;
    struct arena arena;
    enum message_kind kind;
    struct request request; /* in `bytes` and `arena` */
    struct complaint why;
    TAILQ_ENTRY(decoded) link;
};

TAILQ_HEAD(decoded_list, decoded);

struct decoder {
    struct server *server;
    uv_async_t wake;
    pthread_mutex_t lock; /* of `finished` */
    struct decoded_list finished;
};

void decoder_init(struct decoder *decoder, struct server *server);

/* False: the pool is busy; decode it on the spot. */
bool decoder_try(struct decoder *decoder, uint64_t conn, struct slice line);

/* Gives what is finished to its connections, which are ready again. */
void decoder_take(struct decoder *decoder);

/* The loop must run once more; the pool has ended. */
void decoder_close(struct decoder *decoder);

void decoded_free(struct decoded *decoded); /* NULL is fine */

#endif
