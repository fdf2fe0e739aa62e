/* glob.h: which names a pattern stands for. */
#include "proto/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_matches(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } rows[] = {
        {"mail", "mail", true},
        {"mail", "mails", false},
        {"mail", "mai", false},
        {"mail", "Mail", false},
        {"*", "", true},
        {"*", "anything / at all", true},
        {"mail-*", "mail-", true},
        {"mail-*", "mail-out", true},
        {"mail-*", "mail", false},
        {"*-mail", "out-mail", true},
        {"*-mail", "out-mail-", false},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
        {"a*b*c", "abbbc", true},
        {"a*b*c", "abbb", false},
        {"**", "x", true},
        {"?", "x", true},
        {"?", "", false},
        {"?", "xy", false},
        {"?", "\xc3\xa4", true},
        {"??", "\xc3\xa4", false},
        {"*?", "\xe2\x82\xac", true},
        {"[abc]", "b", true},
        {"[abc]", "d", false},
        {"[a-c]x", "cx", true},
        {"[a-c]", "-", false},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[]x]", "]", true},
        {"[!a-c]", "d", true},
        {"[!a-c]", "b", false},
        {"[!]]", "]", false},
        {"[!a]", "\xc3\xa4", true},
        {"[a]", "\xc3\xa4", false},
        {"[a*]", "*", true},
        {"\\*", "*", true},
        {"\\*", "x", false},
        {"a\\[b", "a[b", true},
        {"*[0-9]", "job12", true},
        {"*[0-9]", "job", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(glob_fault(slice_of(rows[i].pattern)));
        if (glob_matches(slice_of(rows[i].pattern), slice_of(rows[i].text)) !=
            rows[i].matches) {
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
        }
    }
}

static void test_faults(void **state)
{
    static const char *const wrong[] = {"", "[", "[]", "[!]", "a[bc", "a\\"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_non_null(glob_fault(slice_of(wrong[i])));
    }
}

static void test_literal(void **state)
{
    (void)state;
    assert_int_equal(glob_literal(SLICE("mail-*")), 5);
    assert_int_equal(glob_literal(SLICE("*")), 0);
    assert_int_equal(glob_literal(SLICE("a?")), 1);
    assert_int_equal(glob_literal(SLICE("a\\*")), 1);
    assert_int_equal(glob_literal(SLICE("ab[c]")), 2);
    assert_int_equal(glob_literal(SLICE("abc")), 3);
}

/* A pattern made to backtrack costs no more than the product of both. */
static void test_hostile(void **state)
{
    char pattern[200];
    char text[200];
    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = i + 2 == sizeof(pattern) ? 'b' : 'a';
    }
    memset(text, 'a', sizeof(text));
    for (int i = 0; i < 1000; i++) {
        assert_false(glob_matches((struct slice){pattern, sizeof(pattern)},
                                  (struct slice){text, sizeof(text)}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
