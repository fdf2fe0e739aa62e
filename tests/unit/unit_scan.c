/* scan.h: what is JSON and what is not, to the byte. */
#include "proto/scan.h"

#include "proto/limits.h"
#include "tests/unit/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A text with NUL bytes in it is written as T("..."). */
#define T(literal)                     \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static const struct slice valid[] = {
    T("0"),
    T("-0"),
    T("-0.0e-0"),
    T("10"),
    T("1.5"),
    T("1E5"),
    T("1e+05"),
    T("123456789012345678901234567890.123456789E+999999"),
    T("true"),
    T("false"),
    T("null"),
    T("\"\""),
    T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABCD\\uabcd\""),
    T("\"\\ud83d\\ude00\""),
    T("\"\\ud800\""),         /* lone surrogates, escaped */
    T("\"\\udfff\\ud800x\""), /* are as good as any other text */
    T("\"\x7f\""),
    T("\"\xC2\x80\xDF\xBF\""),
    T("\"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\""),
    T("\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""),
    T("[]"),
    T("{}"),
    T(" \t\r\n[ \t\r\n] \t\r\n"),
    T("{ \"\" : 1 }"),
    T("{\"a\":1,\"a\":2}"), /* repeats are the reader's business */
    T("[[],[[]],{},{\"a\":[]}]"),
    T("[1,\"a\",true,null,{\"b\":[false]}]"),
    T("[ 1 , 2 ]"),
    T("{ \"a\" : { \"b\" : [ { } ] } }"),
};

static const struct slice invalid[] = {
    T(""),
    T(" "),
    T("\0"),
    T("nul"),
    T("nulL"),
    T("nullx"),
    T("True"),
    T("truefalse"),
    T("NaN"),
    T("Infinity"),
    T("-"),
    T("-a"),
    T("+1"),
    T("01"),
    T("-01"),
    T("1."),
    T(".5"),
    T("1.e5"),
    T("1e"),
    T("1e+"),
    T("1e5.5"),
    T("0x10"),
    T("1 2"),
    T("1,"),
    T("\""),
    T("\"a"),
    T("'a'"),
    T("a"),
    T("\"\\\""),
    T("\"\\"),
    T("\"\\x41\""),
    T("\"\\\0\""),
    T("\"\\u\""),
    T("\"\\u12\""),
    T("\"\\u12g4\""),
    T("\"\\u123"),
    T("\"\\u-123\""),
    T("\"\\U0041\""),
    T("\"\x00\""),
    T("\"\x1f\""),
    T("\"\t\""),
    T("\"\n\""),
    T("\"\x80\""),
    T("\"\xBF\""),
    T("\"\xC0\x80\""), /* overlong */
    T("\"\xC1\xBF\""),
    T("\"\xC2\""),
    T("\"\xC2"),
    T("\"\xC2\x41\""),
    T("\"\xC2\xC2\""),
    T("\"\xE0\x9F\xBF\""),
    T("\"\xE1\x80\""),
    T("\"\xE1\x80"),
    T("\"\xE1\x80\xC0\""),
    T("\"\xED\xA0\x80\""), /* a surrogate */
    T("\"\xED\xBF\xBF\""),
    T("\"\xF0\x8F\xBF\xBF\""),
    T("\"\xF0\x90\x80\""),
    T("\"\xF0\x90\x80"),
    T("\"\xF4\x90\x80\x80\""), /* beyond U+10FFFF */
    T("\"\xF5\x80\x80\x80\""),
    T("\"\xFE\""),
    T("\"\xFF\xFF\""),
    T("\xEF\xBB\xBF{}"), /* a byte order mark */
    T("\xC2\xA0"
      "1"), /* white space, but not JSON's */
    T("\f1"),
    T("\v1"),
    T("1\0"),
    T("["),
    T("]"),
    T("{"),
    T("}"),
    T("[}"),
    T("{]"),
    T("[1}"),
    T("{\"a\":1]"),
    T("[,]"),
    T("[1,]"),
    T("[,1]"),
    T("[1,,2]"),
    T("[1 2]"),
    T("[1:2]"),
    T("[[]"),
    T("[]]"),
    T("{,}"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{\"a\" 1}"),
    T("{\"a\",1}"),
    T("{\"a\":1,}"),
    T("{,\"a\":1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{a:1}"),
    T("{1:1}"),
    T("{null:1}"),
    T("{\"a\"::1}"),
    T("{\"\x80\":1}"),
    T("{\"a\\\":1}"),
    T("{}{}"),
    T("[] //"),
    T("/**/1"),
    T("[1]\n[2]"),
};

/* All members, and what is in them, one by one; false: not JSON. */
static bool walk(struct scan_members members)
{
    while (scan_begin(&members)) {
        if (members.kind == SCAN_OBJECT || members.kind == SCAN_ARRAY) {
            struct scan_members inner = scan_inside(&members);
            while (scan_next(&inner)) {
                assert_true(inner.value.len > 0);
            }
            if (!scan_leave(&members, &inner)) {
                return false;
            }
        } else if (!scan_skip(&members)) {
            return false;
        }
    }
    return !members.bad;
}

/* Every way of reading it agrees. */
static void assert_json(struct slice text, bool expected)
{
    struct slice copy = exact(text);
    struct scan scan = {copy.at, copy.at + copy.len};
    struct slice value;
    size_t at = 0;
    if (scan_valid(copy) != expected) {
        fail_msg("scan_valid is wrong about <%.*s>", (int)text.len, text.at);
    }
    const char *fault = scan_fault(copy, &at);
    assert_int_equal(fault == NULL, expected);
    assert_true(at <= copy.len);
    enum scan_kind kind = scan_value(&scan, &value);
    assert_int_equal(kind != SCAN_BAD && scan_at_end(&scan), expected);
    if (kind == SCAN_OBJECT || kind == SCAN_ARRAY || kind == SCAN_BAD) {
        struct scan_members members = scan_members(copy, 1);
        assert_int_equal(walk(members), expected);
        while (scan_next(&members)) {
        }
        assert_int_equal(!members.bad, expected);
        assert_false(scan_next(&members)); /* and remains so */
    }
    exact_free(copy);
}

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        assert_json(valid[i], true);
    }
}

static void test_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        assert_json(invalid[i], false);
    }
}

/* A valid text cut off anywhere is not valid, unless it is a number or what
 * was cut off is white space. */
static void test_cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        struct slice text = valid[i];
        struct scan scan = {text.at, text.at + text.len};
        struct slice value;
        if (scan_value(&scan, &value) == SCAN_NUMBER) {
            continue;
        }
        size_t begin = (size_t)(value.at - text.at);
        for (size_t len = 0; len < begin + value.len; len++) {
            assert_json((struct slice){text.at, len}, false);
        }
    }
}

/* Whatever is not plain is found at each place of a block, whatever stands
 * around it. */
static void test_blocks(void **state)
{
    static const struct {
        struct slice text;
        bool valid;
    } odd[] = {
        {T("\xC3\xA4"), true},
        {T("\xE2\x82\xAC"), true},
        {T("\xF0\x9F\x98\x80"), true},
        {T("\\n"), true},
        {T("\\u00e4"), true},
        {T("\x1f"), false},
        {T("\x00"), false},
        {T("\x80"), false},
        {T("\xC3"), false},
        {T("\xE2\x82"), false},
        {T("\xF0\x9F\x98"), false},
        {T("\xED\xA0\x80"), false},
        {T("\xFF"), false},
        {T("\\"), true}, /* escapes an x */
        {T("\""), false},
        {T("\n"), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        for (size_t before = 0; before < 40; before++) {
            for (size_t after = 1; after < 40; after += 13) {
                char text[128];
                size_t len = 0;
                text[len++] = '"';
                memset(text + len, 'n', before);
                len += before;
                memcpy(text + len, odd[i].text.at, odd[i].text.len);
                len += odd[i].text.len;
                memset(text + len, 'n', after);
                len += after;
                text[len++] = '"';
                assert_json((struct slice){text, len}, odd[i].valid);
            }
        }
    }
}

static struct slice nested(char *text, int levels, const char *open,
                           const char *core, const char *close)
{
    size_t len = 0;
    for (int i = 0; i < levels; i++) {
        len += (size_t)sprintf(text + len, "%s", open);
    }
    len += (size_t)sprintf(text + len, "%s", core);
    for (int i = 0; i < levels; i++) {
        len += (size_t)sprintf(text + len, "%s", close);
    }
    return (struct slice){text, len};
}

static void test_depth(void **state)
{
    static char text[100000];
    (void)state;
    for (int levels = JSON_DEPTH_MAX - 2; levels < JSON_DEPTH_MAX + 3;
         levels++) {
        bool ok = levels <= JSON_DEPTH_MAX;
        assert_json(nested(text, levels, "[", "", "]"), ok);
        assert_json(nested(text, levels, "{\"a\":", "1", "}"), ok);
        assert_json(nested(text, levels - 1, "[", "{}", "]"), ok);
        assert_json(nested(text, levels - 1, " [ ", "[1,[]]", " ] "),
                    levels + 1 <= JSON_DEPTH_MAX);
        assert_json(nested(text, levels - 1, "[[],", "1", "]"), ok);
    }
    struct slice deep = nested(text, 20000, "[", "", "");
    size_t at = 0;
    assert_string_equal(scan_fault(deep, &at), "more than 64 levels");
    assert_int_equal(at, JSON_DEPTH_MAX);
    assert_false(scan_valid(deep));
}

/* A value whose depth is told counts from there. */
static void test_depth_of_members(void **state)
{
    char text[1000];
    (void)state;
    for (int depth = -60; depth <= JSON_DEPTH_MAX + 1; depth++) {
        int levels = JSON_DEPTH_MAX - depth + 1;
        for (int more = 0; more < 2 && levels + more > 0; more++) {
            struct slice value = nested(text, levels + more, "[", "", "]");
            struct scan_members members = scan_members(value, depth);
            assert_int_equal(walk(members), more == 0);
            while (scan_next(&members)) {
            }
            assert_int_equal(members.bad, more == 1);
        }
    }
}

static void test_fault(void **state)
{
    static const struct {
        struct slice text;
        size_t at;
    } rows[] = {
        {T(""), 0},           {T("[1,]"), 3},       {T("{\"a\":tru}"), 8},
        {T("[\"a\nb\"]"), 3}, {T("[\"a\\q\"]"), 3}, {T("[\"\\u12x4\"]"), 6},
        {T("[\"\xC3\"]"), 2}, {T("[1 2]"), 3},      {T("1 2"), 2},
        {T("{\"a\" 1}"), 5},  {T("{1:1}"), 1},      {T("[1.x]"), 3},
        {T("\"abc"), 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t at = 999;
        assert_non_null(scan_fault(rows[i].text, &at));
        assert_int_equal(at, rows[i].at);
    }
}

static void test_values_one_behind_another(void **state)
{
    struct slice text = SLICE(" 1 [2,{}]\t\"x\"null{} ");
    static const char *const expected[] = {"1", "[2,{}]", "\"x\"", "null",
                                           "{}"};
    static const enum scan_kind kinds[] = {SCAN_NUMBER, SCAN_ARRAY, SCAN_STRING,
                                           SCAN_NULL, SCAN_OBJECT};
    struct scan scan = {text.at, text.at + text.len};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct slice value;
        assert_false(scan_at_end(&scan));
        assert_int_equal(scan_value(&scan, &value), kinds[i]);
        assert_int_equal(scan_kind_of(value), kinds[i]);
        assert_true(slice_equal(value, slice_of(expected[i])));
    }
    assert_true(scan_at_end(&scan));
    assert_int_equal(scan_kind_of((struct slice){0}), SCAN_BAD);
}

static void test_members(void **state)
{
    struct slice text =
        SLICE(" { \"a\" : 1 , \"\\u0062\\\"\":[ 2 ], \"\":\"x\" } ");
    struct scan_members m = scan_members(text, 1);
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_true(scan_next(&m));
    assert_true(slice_equal(m.key, SLICE("a")));
    assert_true(slice_equal(m.value, SLICE("1")));
    assert_int_equal(m.kind, SCAN_NUMBER);
    assert_true(scan_next(&m));
    assert_true(slice_equal(m.key, SLICE("\\u0062\\\"")));
    assert_true(slice_equal(scan_key_text(m.key, &arena), SLICE("b\"")));
    assert_true(slice_equal(m.value, SLICE("[ 2 ]")));
    assert_int_equal(m.kind, SCAN_ARRAY);
    assert_true(scan_next(&m));
    assert_int_equal(m.key.len, 0);
    assert_non_null(m.key.at);
    assert_true(slice_equal(m.value, SLICE("\"x\"")));
    assert_false(scan_next(&m));
    assert_false(m.bad);
    arena_fini(&arena);
}

static void test_members_of_an_array(void **state)
{
    struct scan_members m = scan_members(SLICE("[ 1 , {} ]"), 1);
    (void)state;
    assert_true(scan_next(&m));
    assert_null(m.key.at);
    assert_true(scan_next(&m));
    assert_null(m.key.at);
    assert_int_equal(m.kind, SCAN_OBJECT);
    assert_false(scan_next(&m));
    assert_false(m.bad);
}

static void test_members_of_no_container(void **state)
{
    static const char *const texts[] = {"", " ", "1", "\"a\"", "null", "]"};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct scan_members m = scan_members(slice_of(texts[i]), 1);
        assert_true(m.bad);
        assert_false(scan_next(&m));
        assert_true(m.bad);
    }
}

/* scan_inside leaves its parent behind the value, whose slice it completes. */
static void test_inside(void **state)
{
    struct slice text = SLICE("{\"a\": { \"b\" : [1,2 ] } , \"c\":3}");
    struct scan_members m = scan_members(text, 1);
    (void)state;
    assert_true(scan_begin(&m));
    assert_int_equal(m.kind, SCAN_OBJECT);
    struct scan_members inner = scan_inside(&m);
    assert_true(scan_begin(&inner));
    assert_int_equal(inner.depth, 2);
    assert_true(slice_equal(inner.key, SLICE("b")));
    struct scan_members list = scan_inside(&inner);
    int64_t number = 0;
    assert_true(scan_begin(&list));
    assert_true(scan_whole(&list, &number));
    assert_int_equal(number, 1);
    assert_true(scan_begin(&list));
    assert_true(scan_whole(&list, &number));
    assert_int_equal(number, 2);
    assert_false(scan_begin(&list));
    assert_true(scan_leave(&inner, &list));
    assert_true(slice_equal(inner.value, SLICE("[1,2 ]")));
    assert_false(scan_begin(&inner));
    assert_true(scan_leave(&m, &inner));
    assert_true(slice_equal(m.value, SLICE("{ \"b\" : [1,2 ] }")));
    assert_true(scan_next(&m));
    assert_true(slice_equal(m.value, SLICE("3")));
    assert_false(scan_next(&m));
    assert_false(m.bad);
}

static void test_whole(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } rows[] = {
        {"[0]", true, 0},
        {"[7 ]", true, 7},
        {"[-7]", true, -7},
        {"[123456789012345]", true, 123456789012345},
        {"[9007199254740992]", true, 9007199254740992},
        {"[9007199254740993]", false, 0},
        {"[5.0]", true, 5},
        {"[1e3]", true, 1000},
        {"[5.5]", false, 0},
        {"[\"5\"]", false, 0},
        {"[true]", false, 0},
        {"[[5]]", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice copy = exact(slice_of(rows[i].text));
        struct scan_members m = scan_members(copy, 1);
        int64_t value = 0;
        assert_true(scan_begin(&m));
        assert_int_equal(scan_whole(&m, &value), rows[i].whole);
        assert_int_equal(rows[i].whole ? value : 0, rows[i].value);
        /* What was none has not been read. */
        assert_true(rows[i].whole || scan_skip(&m));
        assert_false(scan_next(&m));
        assert_false(m.bad);
        exact_free(copy);
    }
    static const char *const bad[] = {"[01]", "[5", "[5x]", "[-]", "[1e]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice copy = exact(slice_of(bad[i]));
        struct scan_members m = scan_members(copy, 1);
        int64_t value;
        if (scan_begin(&m) && scan_whole(&m, &value)) {
            assert_false(scan_begin(&m));
        }
        assert_true(m.bad);
        exact_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_of_members),
        cmocka_unit_test(test_fault),
        cmocka_unit_test(test_values_one_behind_another),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_members_of_an_array),
        cmocka_unit_test(test_members_of_no_container),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
