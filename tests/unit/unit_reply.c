/* Replies: as they are written, and as a client reads them. */
#include "proto/limits.h"
#include "proto/message.h"
#include "tests/unit/exact.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define T(literal)                     \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

#define V "\"jsonrpc\":\"2.0\","

static void nest(struct out *out, int levels)
{
    for (int i = 0; i < levels; i++) {
        out_byte(out, '[');
    }
    for (int i = 0; i < levels; i++) {
        out_byte(out, ']');
    }
}

static void test_replies(void **state)
{
    struct out out;
    struct arena arena;
    struct reply reply;
    (void)state;
    out_init(&out);
    arena_init(&arena);
    message_begin_result(&out, SLICE("\"x\""));
    write_begin_object(&out);
    WRITE(&out, json, "body", SLICE("[0.10, \"\\u0000\"]"));
    write_end_object(&out);
    message_end(&out);
    struct slice line = {out.at, out.len};
    assert_true(
        slice_equal(line, SLICE("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":"
                                "{\"body\":[0.10, \"\\u0000\"]}}\n")));
    assert_true(message_read_reply(line, &arena, &reply));
    assert_int_equal(reply.error, ERROR_NONE);
    assert_true(slice_equal(reply.id, SLICE("\"x\"")));
    assert_true(
        slice_equal(reply.result, SLICE("{\"body\":[0.10, \"\\u0000\"]}")));
    assert_null(reply.message.at);
    assert_null(reply.data.at);
    arena_fini(&arena);
    out_fini(&out);
}

static void test_error_replies(void **state)
{
    struct out out;
    struct arena arena;
    (void)state;
    out_init(&out);
    arena_init(&arena);
    for (enum error i = ERROR_NONE + 1; i < ERRORS; i++) {
        struct complaint why;
        struct reply reply;
        complain(&why, i, "a \"sentence\" of %d words\n", 4);
        (void)strcpy(why.param, "jobs[3].key");
        (void)strcpy(why.limit, "capacity");
        why.value = -5;
        why.data = SLICE("\"reason\":\"x\",\"cycle\":[1,2]");
        out.len = 0;
        message_error(&out, (struct slice){0}, &why);
        struct slice line = {out.at, out.len};
        assert_int_equal(line.at[line.len - 1], '\n');
        assert_true(message_read_reply(line, &arena, &reply));
        assert_int_equal(reply.error, i);
        assert_true(slice_equal(reply.id, SLICE("null")));
        assert_null(reply.result.at);
        assert_true(
            slice_equal(reply.message, SLICE("a \"sentence\" of 4 words\n")));
        json_t *json = json_loadb(line.at, line.len, 0, NULL);
        json_t *error = json_object_get(json, "error");
        json_t *data = json_object_get(error, "data");
        assert_int_equal(json_object_size(json), 3);
        assert_int_equal(json_object_size(error), 3);
        assert_int_equal(json_integer_value(json_object_get(error, "code")),
                         error_row(i)->code);
        assert_string_equal(json_string_value(json_object_get(data, "name")),
                            error_row(i)->name);
        assert_int_equal(json_is_true(json_object_get(data, "retryable")),
                         error_row(i)->retryable);
        assert_string_equal(json_string_value(json_object_get(data, "param")),
                            "jobs[3].key");
        assert_string_equal(json_string_value(json_object_get(data, "limit")),
                            "capacity");
        assert_int_equal(json_integer_value(json_object_get(data, "value")),
                         -5);
        assert_int_equal(json_array_size(json_object_get(data, "cycle")), 2);
        assert_int_equal(json_object_size(data), 7);
        json_decref(json);
        arena_reset(&arena);
    }
    out_fini(&out);
    arena_fini(&arena);
}

static void test_read_reply(void **state)
{
    static const struct {
        struct slice line;
        bool ok;
        enum error error;
    } rows[] = {
        {T("{" V "\"id\":1,\"result\":null}"), true, ERROR_NONE},
        {T("{" V "\"id\":1,\"result\":{},\"more\":1}"), true, ERROR_NONE},
        {T("{\"result\":{},\"id\":\"a\",\"jsonrpc\":\"2.0\"}\r\n"), true,
         ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":{\"code\":-32001,\"message\":\"full\"}}"),
         true, ERROR_queue_full},
        {T("{" V "\"id\":1,\"error\":{\"code\":-32001,\"message\":\"full\","
           "\"data\":7}}"),
         true, ERROR_queue_full},
        {T("{" V "\"id\":null,\"error\":{\"code\":-32700,\"message\":\"\"}}"),
         true, ERROR_parse_error},
        {T("{" V "\"id\":1,\"error\":{\"code\":5,\"message\":\"?\"}}"), true,
         ERROR_internal},
        {T("{" V "\"id\":1,\"error\":{\"code\":4294934595,\"message\":\"?\"}}"),
         true, ERROR_internal},
        {T(""), false, ERROR_NONE},
        {T("[]"), false, ERROR_NONE},
        {T("7"), false, ERROR_NONE},
        {T("{"), false, ERROR_NONE},
        {T("{}"), false, ERROR_NONE},
        {T("{\"id\":1,\"result\":1}"), false, ERROR_NONE},
        {T("{\"jsonrpc\":\"1.0\",\"id\":1,\"result\":1}"), false, ERROR_NONE},
        {T("{" V "\"result\":1}"), false, ERROR_NONE},
        {T("{" V "\"id\":1}"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":"
           "\"\"}}"),
         false, ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":null}"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":[]}"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":{}}"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":{\"code\":1}}"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":{\"message\":\"x\"}}"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"error\":{\"code\":1.5,\"message\":\"x\"}}"), false,
         ERROR_NONE},
        {T("{" V "\"id\":1,\"result\":1} x"), false, ERROR_NONE},
        {T("{" V "\"id\":1,\"result\":[}"), false, ERROR_NONE},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct arena arena;
        struct reply reply;
        struct slice copy = exact(rows[i].line);
        arena_init(&arena);
        if (message_read_reply(copy, &arena, &reply) != rows[i].ok) {
            fail_msg("%.*s", (int)copy.len, copy.at);
        }
        if (rows[i].ok) {
            assert_int_equal(reply.error, rows[i].error);
            assert_null(reply.data.at);
        }
        arena_fini(&arena);
        exact_free(copy);
    }
}

/* The deepest body that can be put can be read back from a page of a list. */
static void test_replies_are_deeper(void **state)
{
    struct out out;
    struct arena arena;
    struct reply reply;
    (void)state;
    out_init(&out);
    arena_init(&arena);
    out_byte(&out, '[');
    message_begin_result(&out, SLICE("1"));
    out_bytes(&out, SLICE("{\"jobs\":[{\"body\":"));
    nest(&out, JSON_DEPTH_MAX - 2);
    out_bytes(&out, SLICE("}]}}"));
    struct slice line = {out.at + 1, out.len - 1};
    assert_true(message_read_reply(line, &arena, &reply));
    out_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_error_replies),
        cmocka_unit_test(test_read_reply),
        cmocka_unit_test(test_replies_are_deeper),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
