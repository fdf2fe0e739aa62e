/*
 * The hash of the tables: SipHash-1-3 (Aumasson and Bernstein, 2012) under a
 * key that no client knows, so that nobody can choose names, ids or keys that
 * all come to stand in one bucket; a multiplication for numbers that no client
 * chooses.
 *
 * Include it instead of <uthash.h>, which it sets up. Nothing visible may
 * depend on the order of a hash table: uthash walks one in the order of
 * insertion.
 */
#ifndef SYNCD_PROTO_HASH_H
#define SYNCD_PROTO_HASH_H

#include "proto/check.h"
#include "proto/memory.h"

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t a;
    uint64_t b;
};

/*
 * The key of this process: once, before the first table is made, and never
 * changed from then on. That it is global is the one exception to the rule: it
 * changes no result, only how long it takes, and uthash has no place for it.
 * Without it (tests, the simulator) the key is zero.
 */
void hash_set_key(struct hash_key key);

uint64_t hash_bytes(struct hash_key key, const void *at, size_t len);

/* Under the key of this process. */
unsigned hash_of(const void *at, size_t len);

/* An odd number, another for each key: by the high half of a product with it,
 * numbers that a client can choose are scattered. */
uint64_t hash_multiplier(void);

#define HASH_FUNCTION(at, len, value) ((value) = hash_of((at), (len)))
#define uthash_malloc(size)           mem_alloc(size)
#define uthash_free(at, size)         mem_free(at)
#define uthash_fatal(text)            check_failed(text, __FILE__, __LINE__, __func__)
#include <uthash.h>

/* Numbers that we give out ourselves, or the system (users, groups): nobody can
 * choose them so that they collide, so a multiplication will do. */
static inline unsigned hash_number(uint64_t number)
{
    return (unsigned)(number * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

/* As HASH_FIND and HASH_ADD, by such a number; a table has one of both kinds.
 */
#define HASH_FIND_NUMBER(handle, table, number, found)              \
    HASH_FIND_BYHASHVALUE(handle, table, &(number), sizeof(number), \
                          hash_number(number), found)
#define HASH_ADD_NUMBER(handle, table, member, item)                    \
    HASH_ADD_BYHASHVALUE(handle, table, member, sizeof((item)->member), \
                         hash_number((item)->member), item)

#endif
