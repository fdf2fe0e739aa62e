/*
 * What must be made durable: objects whose row changed since the last cut.
 *
 * Every object with a row embeds a `struct saved`. Marking it dirty puts it on
 * the list once; cutting turns the list into a batch. So what changes ten times
 * between two batches is written once, and what is born and gone between two
 * batches is never written at all.
 *
 * A batch that is out points into the objects it was made from. Memory that a
 * row can name is therefore given back through change_free: at once if no batch
 * is out, else when it was answered.
 */
#ifndef SYNCD_ENGINE_CHANGE_H
#define SYNCD_ENGINE_CHANGE_H

#include "daemon/store/row.h"
#include "proto/spares.h"

struct engine;

#define SAVED_BITS 29

struct saved {
    uint32_t at : SAVED_BITS; /* dirty: its place in the list of changes; else
                                 the batch it was last in, its lowest bits */
    uint32_t dirty : 1;       /* it is in the list of changes */
    uint32_t on_disk : 1;     /* its row is, or is in the batch that is out */
    uint32_t changed : 1;     /* of a job: its last change was not its put */
};

struct change {
    void *object; /* whose row is new or changed; NULL: gone */
    uint64_t id;  /* of a row that is gone; 0: nothing is left to do */
    enum row_kind kind;
};

struct row_buffer {
    void *rows; /* owned: array of struct row_<kind> */
    uint64_t *gone;
    size_t rows_cap;
    size_t gone_cap;
};

struct changes {
    struct change *open; /* owned: since the last cut */
    size_t open_count;
    size_t open_cap;
    size_t open_live; /* of these, those that are not undone */
    uint64_t done;    /* the number of the last durable batch */
    bool out;         /* batch done + 1 is under way */
    struct batch batch;
    struct row_buffer buffers[ROW_KINDS];
    void **graves; /* owned: to be freed when the batch was answered */
    size_t graves_count;
    size_t graves_cap;
};

void changes_init(struct changes *changes);
void changes_fini(struct changes *changes, struct spares *spares);

/* Fills the row of an object as it is now; where its `saved` is. */
struct saved *change_fill_row(struct engine *engine, enum row_kind kind,
                              void *object, void *row);

/* The row of `object` is new or changed. Without effect if the store keeps
 * nothing (engine_options.forgetful). */
void change_mark(struct engine *engine, enum row_kind kind, void *object,
                 struct saved *saved);

/* The row is no more; the object may be freed right after (change_free). */
void change_gone(struct engine *engine, enum row_kind kind, uint64_t id,
                 struct saved *saved);

/* It comes again under the same id: if that it is gone stands in the open batch
 * it is not, since no row may be in a batch twice. */
void change_stays(struct engine *engine, enum row_kind kind, uint64_t id,
                  struct saved *saved);

/* spares_give, but not before the batch that is out was answered. */
void change_free(struct engine *engine, void *take_memory);

/* The batch that a change made now will be in. */
uint64_t change_batch_open(const struct engine *engine);

/* The newest batch that must be durable before anybody may see the present
 * state: the open one if it has changes, else the one that is out, else 0. */
uint64_t change_batch_seen(const struct engine *engine);

/* The batch that its last change is in; 0: it is durable. (Once in 2^29
 * batches it may name one for a change that is.) */
uint64_t change_batch_of(const struct engine *engine,
                         const struct saved *saved);

/* See engine_cut. */
const struct batch *change_cut(struct engine *engine);

/* The batch that is out is durable. */
void change_persisted(struct engine *engine);

#endif
