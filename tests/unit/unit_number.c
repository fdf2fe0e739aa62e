/* Numbers of JSON: whole ones, seconds, and the nearest double. */
#include "proto/limits.h"
#include "proto/scan.h"
#include "proto/write.h"
#include "tests/unit/exact.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void test_integer(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"0.000", true, 0},
        {"0e999999999999999999999", true, 0},
        {"1", true, 1},
        {"-1", true, -1},
        {"5.0", true, 5},
        {"1e3", true, 1000},
        {"1E+3", true, 1000},
        {"1.5e1", true, 15},
        {"1500e-2", true, 15},
        {"100e-2", true, 1},
        {"0.001e3", true, 1},
        {"10203040506070", true, 10203040506070},
        {"1.0203e4", true, 10203},
        {"1.000000000000000000000000000000", true, 1},
        {"100000000000000000000000000000e-29", true, 1},
        {"0.00000000000000000000000000001e29", true, 1},
        {"9007199254740991", true, 9007199254740991},
        {"9007199254740992", true, 9007199254740992},
        {"-9007199254740992", true, -9007199254740992},
        {"90071992547409920e-1", true, 9007199254740992},
        {"9.007199254740992e15", true, 9007199254740992},
        {"9007199254740993", false, 0},
        {"-9007199254740993", false, 0},
        {"9007199254740992.1", false, 0},
        {"9007199254740992.0000000000000000000001", false, 0},
        {"18446744073709551616", false, 0},
        {"123456789012345678901234567890", false, 0},
        {"1e16", false, 0},
        {"1e17", false, 0},
        {"1e400", false, 0},
        {"1e99999999999999999999999", false, 0},
        {"1e-99999999999999999999999", false, 0},
        {"0.5", false, 0},
        {"1e-1", false, 0},
        {"1.00000000000000000000000000001", false, 0},
        {"0.1e0", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice copy = exact(slice_of(rows[i].text));
        int64_t value = 0;
        if (scan_integer(copy, &value) != rows[i].whole ||
            (rows[i].whole && value != rows[i].value)) {
            fail_msg("%s: %lld", rows[i].text, (long long)value);
        }
        exact_free(copy);
    }
}

static void test_seconds(void **state)
{
    static const struct {
        const char *text;
        int64_t us; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"0.0", 0},
        {"-0.0e5", 0},
        {"0e5", 0},
        {"0e-999999999999999999999", 0},
        {"1", 1000000},
        {"60", 60000000},
        {"0.1", 100000},
        {"2.3", 2300000},
        {"0.3", 300000},
        {"1.1", 1100000},
        {"4.35", 4350000},
        {"0.000001", 1},
        {"1e-5", 10},
        {"1e-6", 1},
        {"1e-7", 1},
        {"1e-9", 1},
        {"1e-300", 1},
        {"1e-99999999999999999999", 1},
        {"0.0000010", 1},
        {"0.0000011", 2},
        {"0.00000100000000000000000000000001", 2},
        {"1.0000000000000000000000000000", 1000000},
        {"1.0000001", 1000001},
        {"1.0000000000000000000000000001", 1000001},
        {"123.456789", 123456789},
        {"123.4567890", 123456789},
        {"123.4567891", 123456790},
        {"1e3", 1000000000},
        {"1.5e0", 1500000},
        {"1e10", 10000000000000000},
        {"10000000000", 10000000000000000},
        {"9999999999.999999", 9999999999999999},
        {"9999999999.9999999", 10000000000000000},
        {"10000000000.0000", 10000000000000000},
        {"10000000000.0000000000000000000000001", -1},
        {"10000000000.000001", -1},
        {"10000000001", -1},
        {"1e11", -1},
        {"1e17", -1},
        {"1e308", -1},
        {"1e999", -1},
        {"1e99999999999999999999", -1},
        {"123456789012345678901234567890", -1},
        {"-1", -1},
        {"-1e-300", -1},
        {"-0.0000001", -1},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice copy = exact(slice_of(rows[i].text));
        int64_t us = 0;
        bool read = scan_seconds(copy, &us);
        if (read != (rows[i].us >= 0) || (read && us != rows[i].us)) {
            fail_msg("%s: %lld", rows[i].text, (long long)us);
        }
        exact_free(copy);
    }
}

/* What the daemon writes as seconds reads back as the same microseconds. */
static void test_seconds_round_trip(void **state)
{
    struct out out;
    uint64_t x = 1;
    (void)state;
    out_init(&out);
    for (int i = 0; i < 20000; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t us = (int64_t)((x >> 10) % 10000000000000001U) >> i % 50;
        int64_t back = -1;
        out.len = 0;
        write_seconds(&out, us);
        assert_true(scan_seconds((struct slice){out.at, out.len}, &back));
        assert_int_equal(back, us);
    }
    out_fini(&out);
}

static const char *const numbers[] = {
    "0",
    "-0",
    "1",
    "-1.5",
    "0.1",
    "0.3",
    "1e22",
    "1e23",
    "123456789012345678",
    "1.7976931348623157e308",
    "1.7976931348623159e308", /* rounds to infinity */
    "-1e999",
    "1e-999",
    "4.9e-324",
    "2.4703282292062327e-324", /* just below half the smallest: 0 */
    "2.4703282292062328e-324",
    "2.2250738585072011e-308",
    "9007199254740993", /* a tie: to even */
    "9007199254740993.00000000000000000000000000000000000000000001",
    "9007199254740992.99999999999999999999999999999999999999999999",
    "0.500000000000000166533453693773481063544750213623046875",
    "3.518437208883201171875e13",
    "8.881784197001252323389053344726562e-16",
    "100000000000000000000000000000000000000000",
    "0.000000000000000000000000000000000000000123",
    "123e-400000000000000000000",
    "0e400000000000000000000",
    "1e1000000000000000000000000000000000000",
};

/* strtod is the oracle; tests run in the C locale. */
static void assert_number(struct slice text)
{
    char *copy = mem_strndup(text.at, text.len);
    struct slice block = exact(text);
    double expected = strtod(copy, NULL);
    double number = scan_number(block);
    if (expected != number || signbit(expected) != signbit(number)) {
        fail_msg("%.200s: %a, not %a", copy, number, expected);
    }
    exact_free(block);
    mem_free(copy);
}

static void test_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(numbers); i++) {
        assert_number(slice_of(numbers[i]));
    }
}

/* Doubles of every size, written in ways that need all the care there is: 17
 * digits, one more, and exactly half way to the next. */
static void test_number_of_any_bits(void **state)
{
    uint64_t x = 12345;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        static const int precisions[] = {16, 20, 14, 3};
        char text[64];
        double number;
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&number, &x, sizeof(number));
        if (isfinite(number)) {
            int len =
                snprintf(text, sizeof(text), "%.*e", precisions[i % 4], number);
            assert_number((struct slice){text, (size_t)len});
        }
    }
}

static void test_number_half_way(void **state)
{
    static char text[2000];
    uint64_t x = 99;
    (void)state;
    for (int i = 0; i < 300; i++) {
        double number;
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = x >> 1; /* not negative */
        memcpy(&number, &bits, sizeof(number));
        if (!isfinite(number) || number > 1e300) {
            continue;
        }
        double next = nextafter(number, INFINITY);
        long double middle = ((long double)number + (long double)next) / 2;
        int len = snprintf(text, sizeof(text), "%.800Le", middle);
        struct slice all = {text, (size_t)len};
        assert_number(all);
        /* The same with a tail of zeros, and one digit behind those, which
         * decides the tie. */
        char *e = strchr(text, 'e');
        char tail[16];
        assert_non_null(e);
        assert_true(strlen(e) < sizeof(tail));
        memcpy(tail, e, strlen(e) + 1);
        memset(e, '0', 500);
        memcpy(e + 500, tail, strlen(tail) + 1);
        assert_number(slice_of(text));
        e[499] = '1';
        assert_number(slice_of(text));
    }
}

static void test_long_numbers(void **state)
{
    enum { LEN = 100000 };
    char *text = mem_alloc(LEN + 32);
    int64_t value;
    (void)state;
    memset(text, '9', LEN);
    assert_true(isinf(scan_number((struct slice){text, LEN})));
    assert_false(scan_integer((struct slice){text, LEN}, &value));
    (void)sprintf(text + LEN, "e-%d", LEN - 3);
    struct slice shifted = slice_of(text);
    assert_true(scan_number(shifted) == 1000);
    assert_false(scan_integer(shifted, &value));
    assert_true(scan_seconds(shifted, &value));
    assert_int_equal(value, 1000000000);
    memset(text, '0', LEN);
    text[1] = '.';
    text[LEN - 1] = '7';
    (void)sprintf(text + LEN, "e%d", LEN - 2);
    struct slice small = slice_of(text);
    assert_true(scan_number(small) == 7);
    assert_true(scan_integer(small, &value));
    assert_int_equal(value, 7);
    mem_free(text);
}

/* Neither reading nor writing asks the locale for its decimal point. */
static void test_locale(void **state)
{
    struct out out;
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
        skip(); /* this machine has no locale with a decimal comma */
    }
    assert_int_equal(localeconv()->decimal_point[0], ',');
    out_init(&out);
    write_number(&out, 0.1);
    write_number(&out, 1.5e300);
    write_seconds(&out, 1500000);
    assert_true(
        slice_equal((struct slice){out.at, out.len}, SLICE("0.1,1.5e300,1.5")));
    assert_true(scan_number(SLICE("123456789012345678.5")) ==
                123456789012345680.0);
    assert_true(scan_number(SLICE("0.1")) == 0.1);
    out_fini(&out);
    (void)setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_seconds_round_trip),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_number_of_any_bits),
        cmocka_unit_test(test_number_half_way),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
