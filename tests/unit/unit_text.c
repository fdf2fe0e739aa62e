/* Strings: what is UTF-8, and what is left when escapes are undone. */
#include "proto/scan.h"

#include "proto/write.h"
#include "tests/unit/exact.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define T(literal)                     \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

/* Every byte by itself, and every pair and its place in a sequence, against
 * the definition. */
static void test_utf8(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x110000; c += c < 0x1000 ? 1 : 0x35) {
        char text[4];
        size_t len = 0;
        if (c < 0x80) {
            text[len++] = (char)c;
        } else if (c < 0x800) {
            text[len++] = (char)(0xC0 + c / 0x40);
        } else if (c < 0x10000) {
            text[len++] = (char)(0xE0 + c / 0x1000);
            text[len++] = (char)(0x80 + c / 0x40 % 0x40);
        } else {
            text[len++] = (char)(0xF0 + c / 0x40000);
            text[len++] = (char)(0x80 + c / 0x1000 % 0x40);
            text[len++] = (char)(0x80 + c / 0x40 % 0x40);
        }
        if (c >= 0x80) {
            text[len++] = (char)(0x80 + c % 0x40);
        }
        struct slice copy = exact((struct slice){text, len});
        assert_int_equal(scan_utf8(copy), c < 0xD800 || c > 0xDFFF);
        for (size_t cut = 1; cut < len; cut++) {
            assert_false(scan_utf8((struct slice){copy.at, len - cut}));
            assert_false(scan_utf8((struct slice){copy.at + cut, len - cut}));
        }
        exact_free(copy);
    }
    assert_true(scan_utf8(SLICE("")));
    assert_true(scan_utf8(SLICE("\0\n\x7f")));
    for (unsigned first = 0x80; first < 0x100; first++) {
        char pair[3] = {(char)first, (char)0x80, 'a'};
        bool two = first >= 0xC2 && first <= 0xDF;
        assert_false(scan_utf8((struct slice){pair, 1}));
        assert_int_equal(scan_utf8((struct slice){pair, 2}), two);
        assert_int_equal(scan_utf8((struct slice){pair, 3}), two);
    }
}

static void test_text(void **state)
{
    static const struct {
        struct slice json;
        struct slice text;
        bool lone;
    } rows[] = {
        {T("\"\""), T(""), false},
        {T("\"abc\""), T("abc"), false},
        {T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), T("\"\\/\b\f\n\r\t"), false},
        {T("\"a\\u0000b\""), T("a\0b"), false},
        {T("\"\\u0041\\u00e4\\u20AC\""), T("A\xC3\xA4\xE2\x82\xAC"), false},
        {T("\"\\ud83d\\ude00!\""), T("\xF0\x9F\x98\x80!"), false},
        {T("\"\\uDBFF\\uDFFF\""), T("\xF4\x8F\xBF\xBF"), false},
        {T("\"\\ud83d\""), T("\xEF\xBF\xBD"), true},
        {T("\"\\ud83dx\""), T("\xEF\xBF\xBDx"), true},
        {T("\"\\ud83d\\n\""), T("\xEF\xBF\xBD\n"), true},
        {T("\"\\ude00\\ud83d\""), T("\xEF\xBF\xBD\xEF\xBF\xBD"), true},
        {T("\"\\ud83d\\ud83d\\ude00\""), T("\xEF\xBF\xBD\xF0\x9F\x98\x80"),
         true},
        {T("\"\\ude00\\ude00\""), T("\xEF\xBF\xBD\xEF\xBF\xBD"), true},
        {T("\"\\ud83d\\u0041\""),
         T("\xEF\xBF\xBD"
           "A"),
         true},
        {T("\"\\ufffd\""), T("\xEF\xBF\xBD"), false},
        {T("\"\\\\ud800\""), T("\\ud800"), false},
    };
    struct arena arena;
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice copy = exact(rows[i].json);
        assert_true(scan_valid(copy));
        struct slice text = scan_text(copy, &arena);
        assert_true(slice_equal(text, rows[i].text));
        assert_non_null(text.at);
        assert_int_equal(scan_lone_surrogate(copy), rows[i].lone);
        exact_free(copy);
    }
    /* Without escapes nothing is copied. */
    struct slice plain = SLICE("\"abc\"");
    assert_ptr_equal(scan_text(plain, &arena).at, plain.at + 1);
    arena_fini(&arena);
}

/* What write_string writes is JSON, and reads back as it was. */
static void test_text_of_every_byte(void **state)
{
    struct arena arena;
    struct out out;
    char all[128];
    (void)state;
    arena_init(&arena);
    out_init(&out);
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (char)i;
    }
    write_string(&out, (struct slice){all, sizeof(all)});
    struct slice json = {out.at, out.len};
    assert_true(scan_valid(json));
    assert_true(slice_equal(scan_text(json, &arena),
                            ((struct slice){all, sizeof(all)})));
    out_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_every_byte),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
