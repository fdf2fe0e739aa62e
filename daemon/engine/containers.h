/*
 * The containers of the engine: libbsd's lists and red-black trees, uthash.
 *
 * RB_GENERATE_STATIC does not compile on Debian (it wants BSD's __unused), so
 * trees are generated through the internal macro with GCC's attribute. uthash
 * comes with the hash and the heap of proto/hash.h.
 */
#ifndef SYNCD_ENGINE_CONTAINERS_H
#define SYNCD_ENGINE_CONTAINERS_H

#include "proto/hash.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stddef.h>

#define TREE_GENERATE(name, type, entry, compare)    \
    RB_GENERATE_INTERNAL(name, type, entry, compare, \
                         static inline __attribute__((__unused__)))

/* The struct whose member `at` points to. */
#define CONTAINER_OF(at, type, member) \
    ((type *)(void *)((char *)(at)-offsetof(type, member)))

#endif
