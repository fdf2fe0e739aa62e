/* The table of pending ids: finds what is in it, wherever the keys stand. */
#include "daemon/engine/pending.h"

#include "proto/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEYS 500

/* Any, and the key of a slot is never 0. */
static uint64_t nth_key(uint64_t n)
{
    return (n + 1) * UINT64_C(0xBF58476D1CE4E5B9) | 1;
}

static void test_added_found_removed(void **state)
{
    struct pending pending;
    (void)state;
    pending_init(&pending);
    for (uint64_t i = 0; i < KEYS; i++) {
        pending_add(&pending, nth_key(i), NULL);
    }
    for (uint64_t i = 0; i < KEYS; i += 2) {
        pending_remove(&pending, nth_key(i));
    }
    for (uint64_t i = 0; i < KEYS; i++) {
        assert_int_equal(pending_find(&pending, nth_key(i)) != NULL, i % 2);
    }
    assert_int_equal(pending.count, KEYS / 2);
    pending_fini(&pending);
}

/* The slot of a key that is alone in a table as large as that of KEYS. */
static size_t place_of(uint64_t key)
{
    struct pending_slot slots[1024] = {{0}};
    struct pending pending = {.slots = slots, .mask = 1023};
    pending_add(&pending, key, NULL);
    return (size_t)(pending_find(&pending, key) - slots);
}

/* Keys that all stand in one place under the key zero. */
static void find_colliding(uint64_t keys[KEYS])
{
    size_t found = 0;
    hash_set_key((struct hash_key){0, 0});
    for (uint64_t i = 0; found < KEYS; i++) {
        uint64_t key = nth_key(i);
        if (place_of(key) == 7) {
            keys[found++] = key;
        }
    }
}

/* How far from the first of them the last one stands, if all are there. */
static size_t longest_run(const uint64_t keys[KEYS])
{
    struct pending pending;
    size_t run = 0;
    size_t longest = 0;
    pending_init(&pending);
    for (size_t i = 0; i < KEYS; i++) {
        pending_add(&pending, keys[i], NULL);
    }
    for (size_t i = 0; i <= pending.mask; i++) {
        run = pending.slots[i].key != 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    pending_fini(&pending);
    return longest;
}

static void test_collisions_need_the_key(void **state)
{
    static uint64_t keys[KEYS];
    (void)state;
    find_colliding(keys);
    /* The measure is one that sees them collide where they do. */
    assert_int_equal(longest_run(keys), KEYS);
    hash_set_key((struct hash_key){UINT64_C(0x2545F4914F6CDD1D), 0});
    assert_in_range(longest_run(keys), 1, KEYS / 4);
    hash_set_key((struct hash_key){0, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_added_found_removed),
        cmocka_unit_test(test_collisions_need_the_key),
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
