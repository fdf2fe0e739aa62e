/* nearest.h: what somebody probably meant. */
#include "proto/nearest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_nearest(void **state)
{
    static const char *const names[] = {"queue.put", "queue.get", "queue.list",
                                        "job.list",  "id",        "max",
                                        "capacity"};
    static const struct {
        const char *word;
        const char *name; /* NULL: none is near */
    } rows[] = {
        {"queue.putt", "queue.put"},
        {"queue.pt", "queue.put"},
        {"queue.upt", "queue.put"},
        {"queueput", "queue.put"},
        {"queue.get", "queue.get"},
        {"jobs.list", "job.list"},
        {"Capacity", "capacity"},
        {"capactiy", "capacity"},
        {"idd", "id"},
        {"di", "id"},
        {"mx", "max"},
        {"", NULL},
        {"x", NULL},
        {"xy", NULL},
        {"lock.acquire", NULL},
        {"min", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nearest nearest = nearest_to(slice_of(rows[i].word));
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            nearest_offer(&nearest, names[j]);
        }
        if (rows[i].name == NULL) {
            assert_null(nearest.name);
        } else {
            assert_non_null(nearest.name);
            assert_string_equal(nearest.name, rows[i].name);
        }
    }
}

static void test_long_words(void **state)
{
    char word[1000];
    (void)state;
    memset(word, 'a', sizeof(word));
    for (size_t len = 0; len < sizeof(word); len++) {
        struct nearest nearest = nearest_to((struct slice){word, len});
        nearest_offer(&nearest, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        nearest_offer(&nearest, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_int_equal(nearest.name != NULL, len >= 29 && len <= 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
