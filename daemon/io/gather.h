/*
 * Gathers the replies to a batch array until it can be answered as one array.
 *
 * Each element that expects an answer is missing until its reply has come;
 * when all elements were carried out and none is missing, the answer is whole.
 * An array of notifications alone is answered by nothing.
 */
#ifndef SYNCD_IO_GATHER_H
#define SYNCD_IO_GATHER_H

#include "proto/hash.h"
#include "proto/write.h"

struct gather {
    uint64_t number;  /* in its connection, from 1 on */
    size_t missing;   /* replies that have not come */
    bool carried_out; /* all elements were */
    struct out out;   /* "[reply,reply"; empty before the first */
    UT_hash_handle hh;
};

struct gather *gather_new(uint64_t number);
void gather_free(struct gather *gather); /* NULL is fine */

/* Adds a whole line, LF included. */
void gather_add(struct gather *gather, struct slice line);

bool gather_whole(const struct gather *gather);

/* The answer so far as a line; empty if there were no replies. */
struct slice gather_line(struct gather *gather);

#endif
