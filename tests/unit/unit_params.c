/* Parameters: each type, its bounds, and how complaints name them. */
#include "proto/limits.h"
#include "tests/unit/decoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define T(literal)                     \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static void assert_accepted(enum method method, struct slice params)
{
    for (int first = 0; first < 2; first++) {
        struct decoded d;
        decode(&d, method, params, first == 1);
        if (d.kind != MESSAGE_REQUEST) {
            fail_msg("%.*s: %s", (int)params.len, params.at, d.why.message);
        }
        decoded_free(&d);
    }
}

static void assert_refused(enum method method, struct slice params,
                           const char *param, const char *says)
{
    for (int first = 0; first < 2; first++) {
        struct decoded d;
        decode(&d, method, params, first == 1);
        if (d.kind != MESSAGE_BAD || d.why.error != ERROR_invalid_params ||
            strcmp(d.why.param, param) != 0 ||
            strstr(d.why.message, says) == NULL) {
            fail_msg("%.*s: kind %d, error %d, %s: %s", (int)params.len,
                     params.at, d.kind, d.why.error, d.why.param,
                     d.why.message);
        }
        decoded_free(&d);
    }
}

/* What each type takes as its value, and what it does not. */
static const struct {
    enum method method;
    const char *before; /* of the value */
    const char *after;
    const char *param;
    const char *says;
    struct slice good[20];
    struct slice bad[20];
} types[] = {
    {METHOD_queue_show,
     "{\"queue\":",
     "}",
     "queue",
     "`queue` is a name: a string of 1 to 200 bytes",
     {T("\"q\""), T("\" \""), T("\"\\u00e4\""), T("\"\xC3\xA4\""), T("\"a/b\""),
      T("\"\\\"\\\\\""), T("\"\xC2\xA0\""), T("\"\\ufffd\""),
      T("\"\\ud83d\\ude00\"")},
     {T("\"\""), T("1"), T("true"), T("[]"), T("{}"), T("[\"q\"]"),
      T("\"\\u0000\""), T("\"a\\n\""), T("\"\\u001f\""), T("\"\x7f\""),
      T("\"\\u007f\""), T("\"\xC2\x80\""), T("\"\\u0080\""), T("\"x\xC2\x9F\""),
      T("\"\\u009f\""), T("\"\\ud800\""), T("\"a\\udc00b\""),
      T("\"\\ud800\\ud800\"")}},
    {METHOD_queue_list,
     "{\"prefix\":",
     "}",
     "prefix",
     "`prefix` is a string of at most 200 bytes",
     {T("\"\""), T("\"x\"")},
     {T("1"), T("\"\\n\""), T("\"\\udfff\""), T("{}")}},
    {METHOD_queue_put,
     "{\"queue\":\"q\",\"body\":",
     "}",
     "",
     "",
     {T("null"), T("1e999"), T("\"\\u0000\""), T("{\"a\":1,\"a\":2}"), T("[ ]"),
      T("\"\""), T("false"), T("123456789012345678901234567890")},
     {{0}}},
    {METHOD_session_cancel,
     "{\"request\":",
     "}",
     "request",
     "`request` is the id of a request",
     {T("0"), T("-5"), T("9007199254740992"), T("\"\""), T("\"x\"")},
     {T("9007199254740993"), T("1.0"), T("1e1"), T("true"), T("[1]"), T("{}")}},
    {METHOD_job_show,
     "{\"id\":",
     "}",
     "id",
     "`id` is an integer from 1 to 2^53 - 1",
     {T("1"), T("5.0"), T("1e3"), T("9007199254740991"), T("12 ")},
     {T("0"), T("-0"), T("-1"), T("9007199254740992"), T("1.5"), T("1e16"),
      T("\"1\""), T("true"), T("[1]"), T("{\"id\":1}"),
      T("99999999999999999999")}},
    {METHOD_queue_declare,
     "{\"queue\":\"q\",\"capacity\":",
     "}",
     "capacity",
     "`capacity` is an integer from 0 to 2^53 - 1",
     {T("0"), T("-0"), T("5"), T("1e3"), T("9007199254740991")},
     {T("-1"), T("0.5"), T("9007199254740992"), T("\"0\""), T("false")}},
    {METHOD_queue_get,
     "{\"queue\":\"q\",\"max\":",
     "}",
     "max",
     "`max` is an integer from 1 to 2^53 - 1",
     {T("1"), T("100")},
     {T("0"), T("-1"), T("1.5"), T("[1]")}},
    {METHOD_queue_get,
     "{\"queue\":\"q\",\"timeout\":",
     "}",
     "timeout",
     "`timeout` is a number of seconds from 0 to 1e10",
     {T("0"), T("-0"), T("-0.0e3"), T("0.1"), T("1e-9"), T("1e10"), T("60")},
     {T("-1"), T("-1e-99"), T("1e11"), T("1e999"), T("10000000000.1"),
      T("\"5\""), T("true"), T("[]")}},
    {METHOD_queue_put,
     "{\"queue\":\"q\",\"body\":1,\"priority\":",
     "}",
     "priority",
     "`priority` is a finite number",
     {T("0"), T("-1.5"), T("1e308"), T("-1e308"), T("1e-999")},
     {T("1e309"), T("-1e999"), T("\"1\""), T("true"), T("[1]")}},
    {METHOD_queue_declare,
     "{\"queue\":\"q\",\"backoff\":{\"factor\":",
     "}}",
     "backoff.factor",
     "`backoff.factor` is a finite number of at least 1",
     {T("1"), T("1.5"), T("1e300")},
     {T("0"), T("-1"), T("0.999"), T("1e999"), T("\"2\"")}},
    {METHOD_queue_declare,
     "{\"queue\":\"q\",\"backoff\":{\"jitter\":",
     "}}",
     "backoff.jitter",
     "`backoff.jitter` is a number from 0 to 1",
     {T("0"), T("1"), T("0.25"), T("-0")},
     {T("-1"), T("1.0001"), T("1e999"), T("true")}},
    {METHOD_queue_get,
     "{\"queue\":\"q\",\"take\":",
     "}",
     "take",
     "`take` is true or false",
     {T("true"), T("false")},
     {T("1"), T("0"), T("\"true\""), T("[]")}},
    {METHOD_queue_declare,
     "{\"queue\":\"q\",\"order\":",
     "}",
     "order",
     "`order` is one of fifo, lifo",
     {T("\"fifo\""), T("\"lifo\""), T("\"\\u0066ifo\"")},
     {T("\"\""), T("\"FIFO\""), T("\"fif\""), T("\"fifo lifo\""), T("0"),
      T("\"fifo\\u0000\"")}},
    {METHOD_queue_purge,
     "{\"queue\":\"q\",\"states\":",
     "}",
     "states",
     "`states` is a list of at least one of held, delayed, ready",
     {T("[\"dead\"]"), T("[\"held\",\"done\",\"held\"]")},
     {T("[]"), T("\"dead\""), T("{}"), T("{\"dead\":1}"), T("5")}},
    {METHOD_queue_purge,
     "{\"queue\":\"q\",\"states\":[\"dead\",",
     "]}",
     "states[1]",
     "`states[1]` is one of held, delayed, ready, running, done, dead",
     {T("\"ready\"")},
     {T("\"deadly\""), T("\"\""), T("5"), T("[]"), T("null")}},
    {METHOD_queue_get,
     "{\"queues\":",
     "}",
     "queues",
     "`queues` is a list of 1 to 64 names",
     {T("[\"a\"]"), T("[\"a\",\"b\"]")},
     {T("[]"), T("\"a\""), T("{\"a\":1}"), T("5")}},
    {METHOD_queue_get,
     "{\"queues\":[\"a\",\"b\",",
     "]}",
     "queues[2]",
     "`queues[2]` is a name",
     {T("\"c\""), T("\"a\"")},
     {T("\"\""), T("1"), T("null"), T("[\"c\"]"), T("\"\\n\"")}},
    {METHOD_queue_put,
     "{\"queue\":\"q\",\"bodies\":",
     "}",
     "bodies",
     "`bodies` is a list of at least one JSON value",
     {T("[null]"), T("[1,[2],{\"a\":3}]")},
     {T("[]"), T("1"), T("{}"), T("{\"a\":1}"), T("\"x\"")}},
    {METHOD_queue_done,
     "{\"token\":1,\"ids\":",
     "}",
     "ids",
     "`ids` is a list of at least one integer",
     {T("[1]"), T("[1,2,3]"), T("[5.0,1e2]")},
     {T("[]"), T("1"), T("{}"), T("\"1\"")}},
    {METHOD_queue_done,
     "{\"token\":1,\"ids\":[7,8,9,",
     "]}",
     "ids[3]",
     "`ids[3]` is an integer from 1 to 2^53 - 1",
     {T("1")},
     {T("0"), T("-1"), T("1.5"), T("\"1\""), T("null"), T("[1]")}},
    {METHOD_queue_declare,
     "{\"queue\":\"q\",\"backoff\":",
     "}",
     "backoff",
     "`backoff` is an object",
     {T("{}"), T("{\"base\":1,\"max\":2.5}")},
     {T("1"), T("[]"), T("[{}]"), T("\"x\""), T("true")}},
    {METHOD_queue_put,
     "{\"queue\":\"q\",\"jobs\":",
     "}",
     "jobs",
     "`jobs` is a list of at least one object",
     {T("[{\"body\":1}]"), T("[{\"body\":null,\"key\":\"k\"},{\"body\":2}]")},
     {T("[]"), T("{\"body\":1}"), T("1")}},
    {METHOD_queue_put,
     "{\"queue\":\"q\",\"jobs\":[{\"body\":1},",
     "]}",
     "jobs[1]",
     "`jobs[1]` is an object",
     {T("{\"body\":1}")},
     {T("1"), T("[]"), T("null"), T("[{\"body\":1}]")}},
    {METHOD_queue_put,
     "{\"queue\":\"q\",\"jobs\":[{\"body\":1},{\"body\":2,\"key\":",
     "}]}",
     "jobs[1].key",
     "`jobs[1].key` is a name",
     {T("\"k\"")},
     {T("\"\""), T("5"), T("[]")}},
    {METHOD_queue_get,
     "{\"queue\":\"q\",\"done\":{\"jobs\":[{\"id\":1,\"token\":",
     "}]}}",
     "done.jobs[0].token",
     "`done.jobs[0].token` is an integer",
     {T("1")},
     {T("\"\""), T("0"), T("[]")}},
};

static void test_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(types); i++) {
        for (size_t j = 0; j < 40; j++) {
            struct slice value =
                j < 20 ? types[i].good[j] : types[i].bad[j - 20];
            struct out out;
            if (value.at == NULL) {
                continue;
            }
            out_init(&out);
            out_bytes(&out, slice_of(types[i].before));
            out_bytes(&out, value);
            out_bytes(&out, slice_of(types[i].after));
            struct slice params = {out.at, out.len};
            if (j < 20) {
                assert_accepted(types[i].method, params);
            } else {
                assert_refused(types[i].method, params, types[i].param,
                               slice_equal(value, SLICE("null"))
                                   ? types[i].param
                                   : types[i].says);
            }
            out_fini(&out);
        }
    }
}

/* null is never a way to leave something out, but it is a body. */
static void test_null(void **state)
{
    (void)state;
    for (enum method m = 0; m < METHODS; m++) {
        const struct method_row *row = method_row(m);
        for (size_t i = 0; i < row->params_count; i++) {
            const struct field_row *field = field_row(row->params[i].field);
            char params[100];
            int len =
                snprintf(params, sizeof(params), "{\"%s\":null}", field->name);
            if (field->type != FIELD_JSON) {
                assert_refused(m, (struct slice){params, (size_t)len},
                               field->name, "leave it out");
            }
        }
    }
    assert_accepted(METHOD_queue_fail,
                    SLICE("{\"id\":1,\"token\":2,\"error\":null}"));
}

static void test_missing(void **state)
{
    (void)state;
    for (enum method m = 0; m < METHODS; m++) {
        const struct method_row *row = method_row(m);
        const char *missing = NULL;
        for (size_t i = row->params_count; i > 0; i--) {
            if (row->params[i - 1].required) {
                missing = field_row(row->params[i - 1].field)->name;
            }
        }
        if (missing == NULL) {
            assert_accepted(m, SLICE("{}"));
        } else {
            assert_refused(m, SLICE("{}"), missing, "is missing");
        }
    }
    assert_refused(METHOD_queue_put,
                   SLICE("{\"queue\":\"q\",\"jobs\":[{\"body\":1},{}]}"),
                   "jobs[1].body", "`jobs[1].body` is missing");
    assert_refused(METHOD_session_open, SLICE("{\"resume\":{\"session\":1}}"),
                   "resume.secret", "missing");
}

static void test_given_twice(void **state)
{
    (void)state;
    assert_refused(METHOD_queue_show,
                   SLICE("{\"queue\":\"a\",\"queue\":\"b\"}"), "queue",
                   "`queue` is given twice");
    assert_refused(METHOD_queue_show,
                   SLICE("{\"queue\":\"a\",\"qu\\u0065ue\":\"a\"}"), "queue",
                   "twice");
    assert_refused(METHOD_queue_put,
                   SLICE("{\"queue\":\"q\",\"body\":null,\"body\":1}"), "body",
                   "twice");
    assert_refused(
        METHOD_queue_put,
        SLICE("{\"queue\":\"q\",\"jobs\":[{\"body\":1},{\"body\":1,\"key\":"
              "\"k\",\"body\":2}]}"),
        "jobs[1].body", "twice");
}

static void test_unknown(void **state)
{
    (void)state;
    assert_refused(METHOD_queue_put, SLICE("{\"queue\":\"q\",\"boddy\":1}"),
                   "boddy", "queue.put takes no `boddy`; did you mean `body`?");
    assert_refused(METHOD_queue_show, SLICE("{\"name\":\"q\"}"), "name",
                   "queue.show takes no `name`, only queue");
    assert_refused(METHOD_queue_show, SLICE("{\"Queue\":\"q\"}"), "Queue",
                   "did you mean `queue`?");
    assert_refused(METHOD_server_info, SLICE("{\"queue\":\"q\"}"), "queue",
                   "server.info takes no parameters");
    assert_refused(METHOD_queue_show, SLICE("{\"\":1}"), "", "takes no ``");
    assert_refused(METHOD_queue_get,
                   SLICE("{\"queue\":\"q\",\"done\":{\"tokens\":1}}"),
                   "done.tokens", "did you mean `token`?");
    assert_refused(METHOD_queue_done,
                   SLICE("{\"jobs\":[{\"id\":1,\"token\":2,\"body\":3}]}"),
                   "jobs[0].body", "only id, token, result");
    /* A parameter of another method is unknown too. */
    assert_refused(METHOD_queue_join, SLICE("{\"queue\":\"q\",\"capacity\":1}"),
                   "capacity", "");
}

/* The first complaint is the one that is told. */
static void test_first_complaint(void **state)
{
    (void)state;
    assert_refused(METHOD_queue_put,
                   SLICE("{\"queue\":1,\"priority\":\"x\",\"nope\":1}"),
                   "queue", "name");
    assert_refused(METHOD_queue_put, SLICE("{\"nope\":1,\"queue\":1}"), "nope",
                   "takes no");
}

static void test_lengths(void **state)
{
    static const struct {
        enum method method;
        const char *before;
        const char *param;
        size_t min;
    } rows[] = {
        {METHOD_queue_show, "{\"queue\":\"", "queue", 1},
        {METHOD_queue_list, "{\"prefix\":\"", "prefix", 0},
        {METHOD_session_open, "{\"client\":\"", "client", 0},
    };
    static const struct {
        const char *text;
        size_t bytes;
    } units[] = {
        {"a", 1},       {"\\u0041", 1},          {"\xC3\xA4", 2},
        {"\\u00e4", 2}, {"\xF0\x9F\x98\x80", 4}, {"\\ud83d\\ude00", 4}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows) * ROWS(units); i++) {
        size_t row = i / ROWS(units);
        size_t unit = i % ROWS(units);
        for (size_t len = 0; len < 260; len += units[unit].bytes) {
            struct out out;
            out_init(&out);
            out_bytes(&out, slice_of(rows[row].before));
            for (size_t n = 0; n < len; n += units[unit].bytes) {
                out_bytes(&out, slice_of(units[unit].text));
            }
            out_bytes(&out, SLICE("\"}"));
            struct slice params = {out.at, out.len};
            if (len >= rows[row].min && len <= NAME_BYTES_MAX) {
                assert_accepted(rows[row].method, params);
            } else {
                assert_refused(rows[row].method, params, rows[row].param,
                               "200 bytes");
            }
            out_fini(&out);
        }
    }
}

static void test_names_max(void **state)
{
    (void)state;
    for (int count = NAME_LIST_MAX - 1; count <= NAME_LIST_MAX + 1; count++) {
        struct out out;
        out_init(&out);
        write_begin_object(&out);
        write_key(&out, SLICE("queues"));
        write_begin_array(&out);
        for (int i = 0; i < count; i++) {
            write_string(&out, SLICE("q"));
        }
        write_end_array(&out);
        write_end_object(&out);
        struct slice params = {out.at, out.len};
        if (count <= NAME_LIST_MAX) {
            assert_accepted(METHOD_queue_get, params);
        } else {
            assert_refused(METHOD_queue_get, params, "queues", "1 to 64");
        }
        out_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),   cmocka_unit_test(test_null),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_given_twice),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_first_complaint),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_names_max),
    };
    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
