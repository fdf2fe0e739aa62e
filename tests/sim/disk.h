/*
 * The simulated disk: the rows of every kind that are durable at this moment.
 *
 * It knows rows by kind_row() alone and copies them with their texts, so a new
 * kind or column needs nothing here. A batch is applied whole, at the moment
 * the simulation says that it reached the disk; what was not applied is what a
 * crash loses.
 */
#ifndef SYNCD_TESTS_SIM_DISK_H
#define SYNCD_TESTS_SIM_DISK_H

#include "daemon/store/row.h"
#include "daemon/store/store.h"
#include "proto/write.h"

struct disk {
    void *trees[ROW_KINDS]; /* tsearch(3) of owned rows, by id */
    size_t counts[ROW_KINDS];
};

void disk_init(struct disk *disk);
void disk_fini(struct disk *disk);

/*
 * Applies a batch. False, with a sentence in `why`: the batch breaks the rules
 * of row.h (a row twice in it; gone without ever having been there).
 */
bool disk_apply(struct disk *disk, const struct batch *batch,
                struct store_error *why);

/* The engine time that the last row of counters tells; 0: there is none. */
int64_t disk_clock_us(const struct disk *disk);

/* Gives every row to `each`, in the order a store does; false if refused. */
bool disk_load(const struct disk *disk, store_each *each, void *arg);

/* A batch as text, a line a row: for traces, and to see whether it changed. */
void disk_describe(const struct batch *batch, struct out *out);

#endif
