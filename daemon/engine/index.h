/*
 * From id to job: a radix tree of 64-way nodes.
 *
 * Ids are given out in order, so the jobs of a queue that moves are dense in
 * it: about 8 bytes a job, where a hash handle would take 56. Looking up costs
 * one step for every 6 bits of the largest id. It also goes through the ids in
 * their order, which lists need and a hash cannot do.
 */
#ifndef SYNCD_ENGINE_INDEX_H
#define SYNCD_ENGINE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_node;

struct index {
    struct index_node *root; /* owned; the items are not */
    unsigned height;         /* the root covers ids below 64^height */
    size_t count;
};

void index_init(struct index *index);
void index_fini(struct index *index);

/* The id must not be in it yet; nor the item be NULL. */
void index_add(struct index *index, uint64_t id, void *item);

/* The id must be in it. */
void index_remove(struct index *index, uint64_t id);

/* NULL: there is none. */
void *index_find(const struct index *index, uint64_t id);

/* The item with the smallest id greater than `after`; NULL at the end. */
void *index_after(const struct index *index, uint64_t after);

#endif
