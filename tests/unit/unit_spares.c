/* spares.h: small blocks that were given back, used again. */
#include "proto/memory.h"
#include "proto/spares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KEEPS (SPARE_BYTES_MAX > 0)

#define SIZE_MAX_TRIED 1000
#define BLOCKS         5000

/* Whatever was given back before, what is taken has the size asked for. */
static void test_sizes(void **state)
{
    (void)state;
    struct spares spares = {0};
    for (size_t given = 0; given < SIZE_MAX_TRIED; given += 7) {
        spares_give(&spares, mem_alloc(given));
        for (size_t i = 0; i < 40; i++) {
            size_t size = given < 20 ? i : given - 20 + i;
            char *block = spares_take(&spares, size);
            assert_true(mem_size(block) >= size);
            memset(block, 'x', size);
            spares_give(&spares, block);
        }
    }
    spares_fini(&spares);
}

/* The one given back last is the first to be taken. */
static void test_order(void **state)
{
    (void)state;
    struct spares spares = {0};
    void *blocks[3];
    for (size_t i = 0; i < 3; i++) {
        blocks[i] = spares_take(&spares, 200);
    }
    for (size_t i = 0; i < 3; i++) {
        spares_give(&spares, blocks[i]);
    }
    for (size_t i = 0; KEEPS && i < 3; i++) {
        assert_ptr_equal(spares_take(&spares, 200), blocks[2 - i]);
        assert_int_equal(spares.bytes, (2 - i) * mem_size(blocks[2 - i]));
    }
    for (size_t i = 0; KEEPS && i < 3; i++) {
        mem_free(blocks[i]);
    }
    spares_fini(&spares);
}

static void test_bounds(void **state)
{
    (void)state;
    struct spares spares = {0};
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = mem_alloc(300);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        spares_give(&spares, blocks[i]);
        assert_true(spares.bytes <= SPARE_BYTES_MAX);
    }
    assert_true(!KEEPS || spares.bytes > SPARE_BYTES_MAX / 2);
    spares_fini(&spares);
    assert_int_equal(spares.bytes, 0);
    spares_give(&spares, NULL);
    spares_give(&spares, mem_alloc(100000)); /* to the heap */
    assert_int_equal(spares.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
