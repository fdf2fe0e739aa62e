/*
 * Small blocks of memory that were given back, to be used again while they are
 * in the processor's cache.
 *
 * A heap would do: but glibc's keeps seven of a size at hand and merges the
 * rest with their neighbours, from which it cuts them again where they are
 * cold. Beside a million waiting jobs that was a third of the work of a cycle.
 * Heaps that are better at this (jemalloc, mimalloc, tcmalloc) take 5 to 10
 * bytes more a waiting job, since their sizes lie further apart.
 *
 * What is kept is bounded by SPARE_BYTES_MAX. With AddressSanitizer nothing is
 * kept, so that it sees what is used after it was given back.
 */
#ifndef SYNCD_PROTO_SPARES_H
#define SYNCD_PROTO_SPARES_H

#include <stddef.h>

/* Classes of 16 bytes; what is larger goes to the heap. */
#define SPARE_CLASSES 40

/* gcc says it by a macro, clang by a feature. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SPARE_BYTES_MAX ((size_t)0)
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SPARE_BYTES_MAX ((size_t)0)
#endif
#ifndef SPARE_BYTES_MAX
#define SPARE_BYTES_MAX ((size_t)512 << 10)
#endif

struct spare;

/* All zero: empty. Of one thread. */
struct spares {
    struct spare *last[SPARE_CLASSES]; /* given back last, of each class */
    size_t bytes;                      /* of all of them, at least */
};

/* Gives all of it to the heap. */
void spares_fini(struct spares *spares);

/* As mem_alloc; the block may also be given to mem_free. */
void *spares_take(struct spares *spares, size_t size);

/* As mem_free: of any block of mem_alloc or spares_take; NULL is fine. */
void spares_give(struct spares *spares, void *take_block);

#endif
