/*
 * A slice: some bytes that belong to somebody else.
 *
 * Passed by value, never NUL-terminated. `at` is NULL in an absent slice, and
 * only there; an empty one has an address and the length 0. Whoever keeps a
 * slice longer than the call it came with copies the bytes.
 */
#ifndef SYNCD_PROTO_SLICE_H
#define SYNCD_PROTO_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *at;
    size_t len;
};

struct slices {
    const struct slice *at;
    size_t count;
};

/* A slice of a string literal or array, without its NUL. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

#endif
