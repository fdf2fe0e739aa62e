/*
 * The interface of every store: where batches are made durable.
 *
 * A store keeps rows (row.h) and knows nothing of what they mean. It loads them
 * once, at the start, and from then on is given one batch after the other: a
 * batch is one transaction, all of it or nothing. It is asynchronous: submit
 * returns at once, and the answer comes later, from any thread, exactly once
 * and in order; the next batch is submitted after it. So an engine on another
 * machine that commits by consensus fits behind the same interface.
 *
 * A store does its blocking work where the executor runs it (in the daemon:
 * the worker pool; in tests: on the spot). Open, load and close block.
 */
#ifndef SYNCD_STORE_STORE_H
#define SYNCD_STORE_STORE_H

#include "daemon/store/row.h"

enum store_status {
    STORE_DONE,     /* it is durable */
    STORE_DONE_LOW, /* it is durable, but the disk is full: the reserve was
                       given up for it; free something, put nothing */
    STORE_NO_ROOM,  /* nothing of it is durable, since the disk is full and the
                       reserve used up: submit it once more, when there may be
                       room; no other before it */
    STORE_FAILED,   /* nothing of it is durable, nor will be: stop */
    STORE_IN_DOUBT  /* unknown whether it is durable: stop; a restart tells */
};

/* Why something could not be done: a sentence for the log. */
struct store_error {
    char text[400];
};

void store_error_set(struct store_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs work(arg) once, now or later, on any thread. */
struct executor {
    void (*run)(void *context, void (*work)(void *arg), void *arg);
    void *context;
};

/* Runs it on the spot. */
extern const struct executor executor_inline;

/* `why` is valid during the call, and empty unless it failed. */
typedef void store_done(void *arg, enum store_status status, const char *why);

/* One row, loaded; false stops the loading (the row makes no sense). */
typedef bool store_each(void *arg, enum row_kind kind, const void *row);

struct store_ops;

/* The head of every store. */
struct store {
    const struct store_ops *ops;
};

struct store_ops {
    const char *name; /* "sqlite", "memory" */
    int (*load)(struct store *, store_each *each, void *arg,
                struct store_error *error);
    void (*submit)(struct store *, const struct batch *batch, store_done *done,
                   void *arg);
    void (*probe)(struct store *, store_done *done, void *arg);
    void (*close)(struct store *);
};

/*
 * Gives every row there is to `each`, kind by kind in the order of rows.def,
 * each kind by id. 0, or -1 with `error` set: damaged, unreadable, or refused
 * by `each`. Once, before the first submit.
 */
static inline int store_load(struct store *store, store_each *each, void *arg,
                             struct store_error *error)
{
    return store->ops->load(store, each, arg, error);
}

/*
 * Makes a batch durable; the batch stays unchanged until `done` is called.
 * Batches of one opening are numbered 1, 2, 3, ...: any other number is a
 * broken CHECK. After STORE_FAILED or STORE_IN_DOUBT every further batch is
 * answered STORE_FAILED.
 */
static inline void store_submit(struct store *store, const struct batch *batch,
                                store_done *done, void *arg)
{
    store->ops->submit(store, batch, done, arg);
}

/* After STORE_DONE_LOW: is there room again? STORE_DONE: yes, and the reserve
 * is back; STORE_DONE_LOW: no. Never while a batch is under way. */
static inline void store_probe(struct store *store, store_done *done, void *arg)
{
    store->ops->probe(store, done, arg);
}

/* Waits for nothing: call it when the last batch was answered. NULL is fine. */
static inline void store_close(struct store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

/* Keeps nothing. */
struct store *store_memory_open(const struct executor *executor);

/* From here on SQLite's memory comes from memory.h; before it is first used. */
void store_sqlite_take_memory(void);

/*
 * `dir`/syncd.db, made if it is not there; one process at a time (a second one
 * is refused). NULL with `error` set: no such directory, not allowed, taken,
 * damaged, or made by a newer version.
 */
struct store *store_sqlite_open(const char *dir,
                                const struct executor *executor,
                                struct store_error *error);

/* The same over the SQLite VFS of that name (NULL: the default one), so that a
 * test can make the n-th call of it fail. */
struct store *store_sqlite_open_vfs(const char *dir, const char *vfs,
                                    const struct executor *executor,
                                    struct store_error *error);

#endif
