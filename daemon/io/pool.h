/*
 * Threads for what would hold the loop up: store commits, large messages.
 *
 * Work is taken up in the order it came in. The queue is a ring of a fixed
 * size; pool_try says no when it is full, and its caller does the work itself
 * or later. Work hands its result back by itself (uv_async_send), and what
 * passes between the threads is owned by the piece of work.
 *
 * A thread that has done a piece looks for the next one before it sleeps
 * (look.h): a producer that waits for its commit comes again within that time.
 */
#ifndef SYNCD_IO_POOL_H
#define SYNCD_IO_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/store/store.h"

typedef void pool_work(void *arg);

struct pool;

/* NULL if the threads cannot be had. `waiting_max`: pieces not yet begun. */
struct pool *pool_new(size_t threads, size_t waiting_max);

/* Ends the work that was queued, then the threads. NULL is fine. */
void pool_free(struct pool *pool);

/* False: the queue is full. */
bool pool_try(struct pool *pool, pool_work *work, void *arg);

/* The pool as the store sees it. One place of the queue is kept free for it,
 * so that a commit never has to wait behind the refusal of something else. */
struct executor pool_executor(struct pool *pool);

#endif
