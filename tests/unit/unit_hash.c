/* hash.h: SipHash-1-3 as published, under the key that was set. */
#include "proto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* The first vector is the one of the reference implementation (key 00 .. 0f,
 * no message), those under the key zero are what CPython's hash() of bytes
 * gives with PYTHONHASHSEED=0. */
static void test_vectors(void **state)
{
    static const struct {
        struct hash_key key;
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {{0x0706050403020100, 0x0f0e0d0c0b0a0908}, 0, 0xabac0158050fc4dc},
        {{0, 0}, 1, (uint64_t)INT64_C(4644417185603328019)},
        {{0, 0}, 4, (uint64_t)INT64_C(-2030606670787596663)},
        {{0, 0}, 7, (uint64_t)INT64_C(7904145750247929094)},
        {{0, 0}, 10, (uint64_t)INT64_C(-829746140550000655)},
        {{0, 0}, 13, (uint64_t)INT64_C(-7689147164244908826)},
        {{0, 0}, 16, (uint64_t)INT64_C(-7712962755478248686)},
        {{0, 0}, 19, (uint64_t)INT64_C(8842182748088549034)},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(vectors); i++) {
        assert_int_equal(
            hash_bytes(vectors[i].key, "abcdefghijklmnopqrs", vectors[i].len),
            vectors[i].hash);
    }
}

struct entry {
    char name[24];
    UT_hash_handle hh;
};

#define ENTRIES 2000
/* So few bits of the hash that names which share them are soon found. */
#define LOW_BITS 0x3ff

/* Entries that stand in the bucket of this name. */
static unsigned in_bucket(struct entry *table, const char *name)
{
    unsigned bucket;
    HASH_TO_BKT(hash_of(name, strlen(name)), table->hh.tbl->num_buckets,
                bucket);
    return table->hh.tbl->buckets[bucket].count;
}

/* Names chosen to collide under one key are scattered under another. */
static void test_collisions_need_the_key(void **state)
{
    static struct entry entries[ENTRIES];
    struct entry *table = NULL;
    struct hash_key other = {1, 2};
    (void)state;
    for (unsigned i = 0, tried = 0; i < ENTRIES; tried++) {
        struct entry *entry = &entries[i];
        (void)snprintf(entry->name, sizeof(entry->name), "queue-%u", tried);
        i += (hash_bytes((struct hash_key){0, 0}, entry->name,
                         strlen(entry->name)) &
              LOW_BITS) == 0;
    }
    hash_set_key(other);
    for (unsigned i = 0; i < ENTRIES; i++) {
        HASH_ADD_KEYPTR(hh, table, entries[i].name, strlen(entries[i].name),
                        &entries[i]);
    }
    unsigned greatest = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        unsigned count = in_bucket(table, entries[i].name);
        greatest = count > greatest ? count : greatest;
    }
    assert_in_range(greatest, 1, 20);
    HASH_CLEAR(hh, table);
    hash_set_key((struct hash_key){0, 0});
    for (unsigned i = 0; i < ENTRIES; i++) {
        HASH_ADD_KEYPTR(hh, table, entries[i].name, strlen(entries[i].name),
                        &entries[i]);
    }
    /* The measure is one that sees them collide where they do. */
    assert_in_range(in_bucket(table, entries[0].name), ENTRIES / 8, ENTRIES);
    HASH_CLEAR(hh, table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_collisions_need_the_key),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
