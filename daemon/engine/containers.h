/*
 * The containers of the engine: libbsd's lists and red-black trees, uthash.
 *
 * RB_GENERATE_STATIC does not compile on Debian (it wants BSD's __unused), so
 * trees are generated through the internal macro with GCC's attribute. uthash's
 * own answer to a failed allocation is exit(); ours is in proto/memory.h.
 */
#ifndef SYNCD_ENGINE_CONTAINERS_H
#define SYNCD_ENGINE_CONTAINERS_H

#include "proto/check.h"
#include "proto/memory.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stddef.h>

#define uthash_malloc(size)   mem_alloc(size)
#define uthash_free(at, size) mem_free(at)
#define uthash_fatal(text)    check_failed(text, __FILE__, __LINE__, __func__)
#include <uthash.h>

#define TREE_GENERATE(name, type, entry, compare)    \
    RB_GENERATE_INTERNAL(name, type, entry, compare, \
                         static inline __attribute__((__unused__)))

/* The struct whose member `at` points to. */
#define CONTAINER_OF(at, type, member) \
    ((type *)(void *)((char *)(at)-offsetof(type, member)))

#endif
