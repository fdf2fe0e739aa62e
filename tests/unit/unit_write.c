/* write.h: every kind of value, and the commas between them. */
#include "proto/write.h"

#include "proto/scan.h"
#include "tests/unit/exact.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define T(literal)                     \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static void assert_out(struct out *out, struct slice expected)
{
    if (!slice_equal((struct slice){out->at, out->len}, expected)) {
        fail_msg("<%.*s>, not <%.*s>", (int)out->len, out->at,
                 (int)expected.len, expected.at);
    }
    out_fini(out);
}

static void test_commas(void **state)
{
    struct out out;
    (void)state;
    out_init(&out);
    write_begin_object(&out);
    WRITE(&out, integer, "a", 1);
    write_key(&out, SLICE("b"));
    write_begin_array(&out);
    write_integer(&out, -2);
    write_flag(&out, true);
    write_string(&out, SLICE("["));
    write_string(&out, SLICE("x,"));
    write_begin_array(&out);
    write_end_array(&out);
    write_begin_object(&out);
    write_end_object(&out);
    write_begin_object(&out);
    WRITE(&out, flag, "c", false);
    write_end_object(&out);
    write_json(&out, SLICE("{ \"q\" : 1 }"));
    write_json(&out, SLICE("null"));
    write_number(&out, 0.5);
    write_seconds(&out, 1500000);
    write_end_array(&out);
    WRITE(&out, string, "d", SLICE(""));
    write_end_object(&out);
    out_byte(&out, '\n');
    write_begin_array(&out);
    write_end_array(&out);
    assert_out(&out, SLICE("{\"a\":1,\"b\":[-2,true,\"[\",\"x,\",[],{},"
                           "{\"c\":false},{ \"q\" : 1 },null,0.5,1.5],"
                           "\"d\":\"\"}\n[]"));
}

static void test_bytes(void **state)
{
    struct out out;
    (void)state;
    out_init(&out);
    out_bytes(&out, SLICE(""));
    assert_int_equal(out.len, 0);
    out_bytes(&out, SLICE("ab"));
    out_bytes(&out, SLICE("\0c"));
    out_byte(&out, '{');
    assert_out(&out, SLICE("ab\0c{"));
    out_reserve(&out, 100000);
    assert_true(out.cap >= 100000);
    char *before = out.at;
    for (int i = 0; i < 100000; i++) {
        out_byte(&out, 'x');
    }
    assert_ptr_equal(out.at, before);
    out_fini(&out);
    assert_null(out.at);
    out_fini(&out);
}

static void test_string(void **state)
{
    static const struct {
        struct slice text;
        struct slice json;
    } rows[] = {
        {T(""), T("\"\"")},
        {T("abc"), T("\"abc\"")},
        {T("\"\\/"), T("\"\\\"\\\\/\"")},
        {T("\b\f\n\r\t"), T("\"\\b\\f\\n\\r\\t\"")},
        {T("\0\x01\x1f\x7f"), T("\"\\u0000\\u0001\\u001f\x7f\"")},
        {T("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"),
         T("\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"")},
        {T("\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA"),
         T("\"\xE2\x80\xA7\\u2028\\u2029\xE2\x80\xAA\"")},
        {T("a\x80z"), T("\"a\xEF\xBF\xBDz\"")},
        {T("\xC3"), T("\"\xEF\xBF\xBD\"")},
        {T("\xED\xA0\x80"), T("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"")},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice copy = exact(rows[i].text);
        struct out out;
        out_init(&out);
        write_string(&out, copy);
        assert_out(&out, rows[i].json);
        exact_free(copy);
    }
}

/* An odd byte at each place of a block; all of them in a row. */
static void test_string_blocks(void **state)
{
    static const struct slice odd[] = {
        T("\""),       T("\\"),   T("\0"),          T("\x1f"),
        T("\xC3\xA4"), T("\x80"), T("\xE2\x80\xA8")};
    struct arena arena;
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < ROWS(odd); i++) {
        for (size_t before = 0; before < 34; before++) {
            for (size_t times = 0; times < 20; times += 3) {
                struct out text;
                struct out out;
                out_init(&text);
                out_init(&out);
                for (size_t n = 0; n < before; n++) {
                    out_byte(&text, 'a');
                }
                for (size_t n = 0; n < times; n++) {
                    out_bytes(&text, odd[i]);
                }
                struct slice all = {text.at == NULL ? "" : text.at, text.len};
                struct slice copy = exact(all);
                write_string(&out, copy);
                struct slice json = {out.at, out.len};
                assert_true(scan_valid(json));
                struct slice back = scan_text(json, &arena);
                if ((unsigned char)odd[i].at[0] == 0x80) {
                    assert_int_equal(back.len, before + 3 * times);
                } else {
                    assert_true(slice_equal(back, copy));
                }
                exact_free(copy);
                out_fini(&text);
                out_fini(&out);
            }
        }
    }
    arena_fini(&arena);
}

static void test_integer(void **state)
{
    struct out out;
    (void)state;
    out_init(&out);
    for (int64_t power = 1; power < INT64_C(1000000000000000000); power *= 10) {
        for (int64_t near = power - 1; near <= power + 1; near++) {
            char text[64];
            int len = snprintf(text, sizeof(text), "%lld,%lld", (long long)near,
                               (long long)-near);
            out.len = 0;
            write_integer(&out, near);
            write_integer(&out, -near);
            assert_true(slice_equal((struct slice){out.at, out.len},
                                    (struct slice){text, (size_t)len}));
        }
    }
    for (int64_t i = 0; i < 12000; i++) {
        char text[32];
        int len = snprintf(text, sizeof(text), "%lld", (long long)i);
        out.len = 0;
        write_integer(&out, i);
        assert_true(slice_equal((struct slice){out.at, out.len},
                                (struct slice){text, (size_t)len}));
    }
    out.len = 0;
    write_integer(&out, INT64_MIN);
    write_integer(&out, INT64_MAX);
    assert_out(&out, SLICE("-9223372036854775808,9223372036854775807"));
}

static void test_seconds(void **state)
{
    static const struct {
        int64_t us;
        const char *json;
    } rows[] = {
        {0, "0"},
        {1, "0.000001"},
        {10, "0.00001"},
        {100000, "0.1"},
        {999999, "0.999999"},
        {1000000, "1"},
        {1000001, "1.000001"},
        {60000000, "60"},
        {2300000, "2.3"},
        {1700000000123456, "1700000000.123456"},
        {10000000000000000, "10000000000"},
        {-1, "-0.000001"},
        {-1500000, "-1.5"},
        {-2000000, "-2"},
        {INT64_MAX, "9223372036854.775807"},
        {INT64_MIN, "-9223372036854.775808"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct out out;
        out_init(&out);
        write_seconds(&out, rows[i].us);
        assert_out(&out, slice_of(rows[i].json));
    }
}

static void test_number(void **state)
{
    static const struct {
        double number;
        const char *json;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1, "-1"},
        {0.1, "0.1"},
        {-0.5, "-0.5"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {123.456, "123.456"},
        {1e15, "1000000000000000"},
        {9007199254740991, "9007199254740991"},
        {9007199254740992, "9007199254740992"},
        {1e20, "100000000000000000000"},
        {1e21, "1e21"},
        {1.5e21, "1.5e21"},
        {1e300, "1e300"},
        {-1.7976931348623157e308, "-1.7976931348623157e308"},
        {0.000001, "0.000001"},
        {0.0000012345, "0.0000012345"},
        {1e-7, "1e-7"},
        {1.25e-7, "1.25e-7"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1e-323, "9.88131291682493e-324"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct out out;
        out_init(&out);
        write_number(&out, rows[i].number);
        assert_out(&out, slice_of(rows[i].json));
    }
}

/* Whatever the bits, the text is JSON and reads back as the same bits. */
static void test_number_round_trip(void **state)
{
    struct out out;
    uint64_t x = 7;
    (void)state;
    out_init(&out);
    for (int i = 0; i < 30000; i++) {
        double number;
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (i % 3 == 0) {
            number = (double)(int64_t)x / 1024;
        } else {
            memcpy(&number, &x, sizeof(number));
        }
        if (!isfinite(number)) {
            continue;
        }
        out.len = 0;
        write_number(&out, number);
        struct slice json = {out.at, out.len};
        double back = scan_number(json);
        assert_true(scan_valid(json));
        assert_memory_equal(&back, &number, sizeof(number));
        out_byte(&out, '\0');
        assert_true(strtod(out.at, NULL) == number);
        assert_true(out.len <= 26);
    }
    out_fini(&out);
}

/* jansson reads what we write. */
static void test_jansson_reads_it(void **state)
{
    struct out out;
    (void)state;
    out_init(&out);
    write_begin_object(&out);
    WRITE(&out, string, "text",
          SLICE("a\"\\\n\x01\xE2\x80\xA8\xF0\x9F\x98\x80"));
    WRITE(&out, number, "number", 1.5e-9);
    WRITE(&out, integer, "integer", -42);
    WRITE(&out, seconds, "seconds", 1700000000123456);
    write_end_object(&out);
    json_error_t error;
    json_t *json = json_loadb(out.at, out.len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "text")),
                        "a\"\\\n\x01\xE2\x80\xA8\xF0\x9F\x98\x80");
    assert_true(json_number_value(json_object_get(json, "number")) == 1.5e-9);
    assert_int_equal(json_integer_value(json_object_get(json, "integer")), -42);
    assert_true(json_number_value(json_object_get(json, "seconds")) ==
                1700000000.123456);
    json_decref(json);
    out_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_string_blocks),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_number_round_trip),
        cmocka_unit_test(test_jansson_reads_it),
    };
    return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
