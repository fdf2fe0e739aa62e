/* When one looks for more before one sleeps, and when not. */
#include "daemon/io/look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Occasions until a look is on. */
static unsigned passed(struct look *look, uint64_t now_ns)
{
    unsigned count = 0;
    while (!look_begin(look, now_ns, LOOK_NS)) {
        count++;
        assert_false(look->on);
        assert_true(count <= LOOK_SKIP_LATE);
    }
    assert_true(look->on);
    return count;
}

/* It was looked for in vain. */
static void miss(struct look *look, uint64_t now_ns)
{
    assert_true(look_on(look, now_ns + LOOK_NS - 1));
    assert_false(look_on(look, now_ns + LOOK_NS));
    assert_false(look->on);
}

static void test_backs_off(void **state)
{
    static const unsigned passes[] = {0, 1, 3, 7, 15, 31, 63, 63};
    (void)state;
    struct look look = {0};
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
        assert_int_equal(passed(&look, 1000), passes[i]);
        miss(&look, 1000);
    }
}

static void test_comes_back(void **state)
{
    static const unsigned passes[] = {15, 7, 3, 1, 0, 0};
    (void)state;
    struct look look = {.skip = 15, .skips = 15};
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
        assert_int_equal(passed(&look, 1000), passes[i]);
        assert_true(look_on(&look, 1000));
        look_end(&look, 1000 + LOOK_NS - 1);
        assert_false(look.on);
    }
}

/* Others had the processor meanwhile: to look was no use. */
static void test_late_is_missed(void **state)
{
    (void)state;
    struct look look = {0};
    assert_true(look_begin(&look, 1000, LOOK_NS));
    look_end(&look, 1000 + LOOK_NS);
    assert_false(look.on);
    assert_int_equal(passed(&look, 1000), 1);
}

/* They had it for a time slice: not soon again. */
static void test_slice_is_missed(void **state)
{
    static const unsigned passes[] = {255, 255, 127, 63};
    (void)state;
    struct look look = {0};
    uint64_t late_ns = 1000 + LOOK_NS + LOOK_LATE_NS;
    assert_true(look_begin(&look, 1000, LOOK_NS));
    assert_false(look_on(&look, late_ns));
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
        assert_int_equal(passed(&look, 1000), passes[i]);
        if (i == 0) {
            miss(&look, 1000);
        } else {
            look_end(&look, 1000);
        }
    }
}

static void test_end_without_a_look(void **state)
{
    (void)state;
    struct look look = {.skip = 3, .skips = 3};
    look_end(&look, 1000);
    assert_false(look_on(&look, 1000));
    assert_int_equal(passed(&look, 1000), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backs_off),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_late_is_missed),
        cmocka_unit_test(test_slice_is_missed),
        cmocka_unit_test(test_end_without_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
