/*
 * A naive model of a store: all rows there are, in a list a kind, by id.
 *
 * Batches are made at random from a seed and applied to it, and what a store
 * loads must be equal to it, row by row and column by column. The same seed
 * gives the same batches, so that a run can be replayed.
 */
#ifndef SYNCD_TESTS_STORE_MODEL_H
#define SYNCD_TESTS_STORE_MODEL_H

#include "daemon/store/store.h"

struct model_rows {
    void **rows; /* owned, texts too; ascending ids */
    size_t count;
    size_t cap;
};

struct model {
    struct model_rows kinds[ROW_KINDS];
};

/* What random batches are like. */
struct model_terms {
    uint64_t ids;       /* are below it, but for the largest there is */
    size_t changes_max; /* rows of a batch, of each kind */
    size_t text_max;    /* bytes */
};

struct random {
    uint64_t state;
};

uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound);

void model_init(struct model *model);
void model_fini(struct model *model);
void model_copy(struct model *to, const struct model *from);

/* Puts a copy of the row in, instead of one with the same id. */
void model_put(struct model *model, enum row_kind kind, const void *row);
void model_remove(struct model *model, enum row_kind kind, uint64_t id);

/* Applies a batch. */
void model_apply(struct model *model, const struct batch *batch);

/* A batch of random changes; free it by model_batch_free. */
struct batch *model_batch(struct random *random,
                          const struct model_terms *terms, uint64_t number);
void model_batch_free(struct batch *take_batch);

bool model_equal(const struct model *a, const struct model *b);

/* For store_load: `arg` is the model that is filled. */
bool model_load(void *arg, enum row_kind kind, const void *row);

#endif
