/*
 * Text in a heap block of exactly its length, without a NUL: so that the
 * sanitizer sees the first byte that is read beyond it.
 */
#ifndef SYNCD_TESTS_UNIT_EXACT_H
#define SYNCD_TESTS_UNIT_EXACT_H

#include "proto/memory.h"
#include "proto/slice.h"

/* Freed with exact_free. */
static inline struct slice exact(struct slice text)
{
    char *copy = mem_alloc(text.len);
    if (text.len > 0) {
        memcpy(copy, text.at, text.len);
    }
    return (struct slice){copy, text.len};
}

static inline void exact_free(struct slice text)
{
    mem_free((char *)text.at); /* ours: it came from exact */
}

#endif
