/* message.h: the envelope of requests, batches, and replies. */
#include "proto/message.h"

#include "proto/limits.h"
#include "tests/unit/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define T(literal)                     \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

/* A line in a block of its own, decoded. */
struct decoded {
    struct arena arena;
    struct slice line;
    struct request request;
    struct complaint why;
    enum message_kind kind;
};

static void decode(struct decoded *d, struct slice line)
{
    arena_init(&d->arena);
    d->line = exact(line);
    d->kind = message_decode(d->line, &d->arena, &d->request, &d->why);
    /* What came of it is told in one way only. */
    assert_int_equal(d->kind == MESSAGE_BAD, d->why.error != ERROR_NONE);
    assert_int_equal(d->request.id.json.at == NULL, d->request.id.key == 0);
    if (d->kind == MESSAGE_BAD) {
        assert_true(d->why.message[0] != '\0');
        assert_true(scan_utf8(slice_of(d->why.message)));
    }
}

static void decoded_free(struct decoded *d)
{
    exact_free(d->line);
    arena_fini(&d->arena);
}

#define V "\"jsonrpc\":\"2.0\","

static void test_requests(void **state)
{
    static const struct {
        struct slice line;
        enum method method;
        struct slice id; /* "": a notification */
    } rows[] = {
        {T("{" V "\"id\":1,\"method\":\"server.info\"}"), METHOD_server_info,
         T("1")},
        {T("{" V "\"id\":1,\"method\":\"server.info\",\"params\":{}}"),
         METHOD_server_info, T("1")},
        {T("{\"params\":{},\"method\":\"server.info\",\"id\":1," V "\"id\":1}"),
         METHODS, T("")},
        {T(" { \"method\" : \"queue.join\" , \"params\" : { \"queue\" : \"q\" "
           "} , \"id\" : \"x\" , \"jsonrpc\" : \"2.0\" } \t"),
         METHOD_queue_join, T("\"x\"")},
        {T("{\"params\":{\"queue\":\"q\"},\"id\":-7," V
           "\"method\":\"queue.join\"}"),
         METHOD_queue_join, T("-7")},
        {T("{" V "\"method\":\"server.info\"}"), METHOD_server_info, T("")},
        {T("{" V "\"id\":9007199254740992,\"method\":\"server.info\"}"),
         METHOD_server_info, T("9007199254740992")},
        {T("{" V "\"id\":-9007199254740992,\"method\":\"server.info\"}"),
         METHOD_server_info, T("-9007199254740992")},
        {T("{" V "\"id\":0,\"method\":\"server.info\"}"), METHOD_server_info,
         T("0")},
        {T("{" V "\"id\":\"\",\"method\":\"server.info\"}"), METHOD_server_info,
         T("\"\"")},
        {T("{" V "\"id\":\"\\u0000\\ud800\",\"method\":\"server.info\"}"),
         METHOD_server_info, T("\"\\u0000\\ud800\"")},
        {T("{\"\\u006asonrpc\":\"2\\u002e0\",\"i\\u0064\":5,"
           "\"\\u006dethod\":\"server\\u002einfo\",\"p\\u0061rams\":{}}"),
         METHOD_server_info, T("5")},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct decoded d;
        decode(&d, rows[i].line);
        if (rows[i].method == METHODS) {
            assert_int_equal(d.kind, MESSAGE_BAD);
        } else {
            assert_int_equal(d.kind, MESSAGE_REQUEST);
            assert_int_equal(d.request.method, rows[i].method);
            assert_true(slice_equal(d.request.id.json, rows[i].id));
            assert_int_equal(d.request.notification, rows[i].id.len == 0);
        }
        decoded_free(&d);
    }
}

/* What is refused: with which error, about what, and under which id. */
static const struct {
    struct slice line;
    enum error error;
    const char *id;    /* "": none, the reply's is null */
    const char *says;  /* is in the message */
    const char *param; /* data.param */
} refused[] = {
    /* Not JSON. */
    {T(""), ERROR_parse_error, "", "ends too early", ""},
    {T("{"), ERROR_parse_error, "", "not JSON", ""},
    {T("{\"id\":1"), ERROR_parse_error, "", "", ""},
    {T("{\"id\":1}}"), ERROR_parse_error, "", "follows", ""},
    {T("{" V "\"id\":1,\"method\":\"server.info\"} x"), ERROR_parse_error, "",
     "follows", ""},
    {T("{" V "\"id\":1,\"method\":\"server.info\",}"), ERROR_parse_error, "",
     "", ""},
    {T("{" V "\"id\":01,\"method\":\"server.info\"}"), ERROR_parse_error, "",
     "", ""},
    {T("{" V "\"id\":1,\"method\":\"queue.join\",\"params\":{\"queue\":\"\xff"
       "\"}}"),
     ERROR_parse_error, "", "UTF-8", ""},
    {T("{" V "\"id\":1,\"method\":\"queue.join\",\"params\":{\"queue\":\"a"
       "\x01\"}}"),
     ERROR_parse_error, "", "control", ""},
    /* What is no JSON counts more than what else is wrong with it. */
    {T("{" V "\"id\":1,\"method\":\"queue.join\",\"params\":{\"queue\":1,"
       "\"timeout\":tru}}"),
     ERROR_parse_error, "", "", ""},
    {T("{\"id\":null,\"method\":1,\"params\":[}"), ERROR_parse_error, "", "",
     ""},
    {T("[1,2"), ERROR_parse_error, "", "", ""},
    {T("[1,2]]"), ERROR_parse_error, "", "", ""},
    {T("nope"), ERROR_parse_error, "", "", ""},
    {T("\0"), ERROR_parse_error, "", "", ""},
    /* JSON, but not a request. */
    {T("[]"), ERROR_invalid_request, "", "empty batch", ""},
    {T(" [ ] "), ERROR_invalid_request, "", "empty batch", ""},
    {T("1"), ERROR_invalid_request, "", "object", ""},
    {T("\"x\""), ERROR_invalid_request, "", "object", ""},
    {T("null"), ERROR_invalid_request, "", "object", ""},
    {T("{}"), ERROR_invalid_request, "", "jsonrpc", ""},
    {T("{\"id\":3}"), ERROR_invalid_request, "3", "jsonrpc", ""},
    {T("{\"id\":3,\"method\":\"server.info\"}"), ERROR_invalid_request, "3",
     "`jsonrpc` is missing", ""},
    {T("{\"jsonrpc\":\"1.0\",\"id\":3,\"method\":\"server.info\"}"),
     ERROR_invalid_request, "3", "2.0", ""},
    {T("{\"jsonrpc\":2.0,\"id\":3,\"method\":\"server.info\"}"),
     ERROR_invalid_request, "3", "2.0", ""},
    {T("{" V "\"id\":3}"), ERROR_invalid_request, "3", "`method` is missing",
     ""},
    {T("{" V "\"id\":3,\"method\":7}"), ERROR_invalid_request, "3", "`method`",
     ""},
    {T("{" V "\"method\":7}"), ERROR_invalid_request, "", "`method`", ""},
    {T("{" V "\"id\":null,\"method\":\"server.info\"}"), ERROR_invalid_request,
     "", "`id`", ""},
    {T("{" V "\"id\":1.0,\"method\":\"server.info\"}"), ERROR_invalid_request,
     "", "`id`", ""},
    {T("{" V "\"id\":1e3,\"method\":\"server.info\"}"), ERROR_invalid_request,
     "", "`id`", ""},
    {T("{" V "\"id\":true,\"method\":\"server.info\"}"), ERROR_invalid_request,
     "", "`id`", ""},
    {T("{" V "\"id\":[1],\"method\":\"server.info\"}"), ERROR_invalid_request,
     "", "`id`", ""},
    {T("{" V "\"id\":{\"id\":1},\"method\":\"server.info\"}"),
     ERROR_invalid_request, "", "`id`", ""},
    {T("{" V "\"id\":9007199254740993,\"method\":\"server.info\"}"),
     ERROR_invalid_request, "", "`id`", ""},
    {T("{" V "\"id\":-9007199254740993,\"method\":\"server.info\"}"),
     ERROR_invalid_request, "", "`id`", ""},
    {T("{" V "\"id\":123456789012345678901234567890,\"method\":\"server.info\""
       "}"),
     ERROR_invalid_request, "", "`id`", ""},
    {T("{" V "\"id\":1,\"id\":2,\"method\":\"server.info\"}"),
     ERROR_invalid_request, "", "`id` is given twice", ""},
    {T("{" V V "\"id\":1,\"method\":\"server.info\"}"), ERROR_invalid_request,
     "1", "`jsonrpc` is given twice", ""},
    {T("{" V "\"method\":\"server.info\",\"method\":\"server.info\",\"id\":1}"),
     ERROR_invalid_request, "1", "`method` is given twice", ""},
    {T("{" V "\"method\":\"server.info\",\"params\":{},\"params\":{},"
       "\"id\":1}"),
     ERROR_invalid_request, "1", "`params` is given twice", ""},
    {T("{" V "\"id\":1,\"method\":\"server.info\",\"extra\":[{}]}"),
     ERROR_invalid_request, "1", "`extra`", ""},
    {T("{" V "\"id\":1,\"method\":\"server.info\",\"ID\":1}"),
     ERROR_invalid_request, "1", "`ID`", ""},
    {T("{" V "\"id\":1,\"method\":\"server.info\",\"params\":1}"),
     ERROR_invalid_request, "1", "`params`", ""},
    {T("{" V "\"id\":1,\"method\":\"server.info\",\"params\":null}"),
     ERROR_invalid_request, "1", "`params`", ""},
    /* Before complaints about method or parameters, wherever it stands. */
    {T("{" V "\"method\":\"nope\",\"id\":1,\"extra\":1}"),
     ERROR_invalid_request, "1", "`extra`", ""},
    {T("{\"method\":\"queue.join\",\"params\":{\"queue\":1},\"id\":1}"),
     ERROR_invalid_request, "1", "`jsonrpc`", ""},
    {T("{" V "\"method\":\"queue.join\",\"params\":{\"queue\":1},\"id\":null}"),
     ERROR_invalid_request, "", "`id`", ""},
    {T("{" V "\"method\":\"queue.join\",\"params\":[1],\"id\":null}"),
     ERROR_invalid_request, "", "`id`", ""},
    /* No such method. */
    {T("{" V "\"id\":1,\"method\":\"queue.putt\"}"), ERROR_method_not_found,
     "1", "no method queue.putt; did you mean queue.put?", ""},
    {T("{" V "\"id\":1,\"method\":\"queue.ptu\",\"params\":{\"x\":1}}"),
     ERROR_method_not_found, "1", "did you mean queue.put?", ""},
    {T("{" V "\"params\":{\"x\":1},\"method\":\"nothing\",\"id\":\"z\"}"),
     ERROR_method_not_found, "\"z\"", "rpc.discover", ""},
    {T("{" V "\"id\":1,\"method\":\"\"}"), ERROR_method_not_found, "1", "", ""},
    {T("{" V "\"id\":1,\"method\":\"\\u0000\\n\\ud800\"}"),
     ERROR_method_not_found, "1", "", ""},
    {T("{" V "\"id\":1,\"method\":\"Queue.put\"}"), ERROR_method_not_found, "1",
     "did you mean queue.put?", ""},
    /* Parameters: params.c has a test of its own for each type. */
    {T("{" V "\"id\":1,\"method\":\"server.info\",\"params\":[]}"),
     ERROR_invalid_params, "1", "by name", ""},
    {T("{" V "\"id\":1,\"method\":\"queue.join\",\"params\":[\"q\"]}"),
     ERROR_invalid_params, "1", "by name", ""},
    {T("{" V "\"params\":[\"q\"],\"id\":1,\"method\":\"queue.join\"}"),
     ERROR_invalid_params, "1", "by name", ""},
    {T("{" V "\"id\":1,\"method\":\"queue.join\"}"), ERROR_invalid_params, "1",
     "`queue` is missing", "queue"},
    {T("{" V "\"id\":1,\"method\":\"queue.join\",\"params\":{}}"),
     ERROR_invalid_params, "1", "`queue` is missing", "queue"},
    {T("{" V "\"method\":\"queue.join\",\"params\":{\"queue\":1},\"id\":5}"),
     ERROR_invalid_params, "5", "`queue` is a name", "queue"},
    {T("{\"params\":{\"queue\":1},\"id\":5,\"method\":\"queue.join\",\"jsonrpc"
       "\":\"2.0\"}"),
     ERROR_invalid_params, "5", "`queue` is a name", "queue"},
    {T("{" V "\"id\":1,\"method\":\"server.info\",\"params\":{\"queue\":\"q\"}"
       "}"),
     ERROR_invalid_params, "1", "no parameters", "queue"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        struct decoded d;
        decode(&d, refused[i].line);
        if (d.kind != MESSAGE_BAD || d.why.error != refused[i].error ||
            strstr(d.why.message, refused[i].says) == NULL ||
            strcmp(d.why.param, refused[i].param) != 0 ||
            !slice_equal(d.request.id.json, slice_of(refused[i].id))) {
            fail_msg("%.*s: error %d, %s (%s), id %.*s",
                     (int)refused[i].line.len, refused[i].line.at, d.why.error,
                     d.why.message, d.why.param, (int)d.request.id.json.len,
                     d.request.id.json.at);
        }
        /* Only a sound envelope can be told to be a notification. */
        assert_int_equal(d.request.notification,
                         d.request.id.json.at == NULL &&
                             (d.why.error == ERROR_method_not_found ||
                              d.why.error == ERROR_invalid_params));
        decoded_free(&d);
    }
}

static void test_notifications_refused(void **state)
{
    static const struct slice lines[] = {
        T("{" V "\"method\":\"nope\"}"),
        T("{" V "\"method\":\"queue.join\"}"),
        T("{" V "\"method\":\"queue.join\",\"params\":[]}"),
    };
    (void)state;
    for (size_t i = 0; i < ROWS(lines); i++) {
        struct decoded d;
        decode(&d, lines[i]);
        assert_int_equal(d.kind, MESSAGE_BAD);
        assert_true(d.request.notification);
        decoded_free(&d);
    }
}

/* The id's length counts as text, not as it is escaped. */
static void test_long_ids(void **state)
{
    static const char *const units[] = {"a", "\\u0041", "\\n", "\xC3\xA4",
                                        "\\u00e4"};
    static const size_t bytes[] = {1, 1, 1, 2, 2};
    (void)state;
    for (size_t i = 0; i < ROWS(units); i++) {
        for (size_t len = RPC_ID_BYTES_MAX - 2; len <= RPC_ID_BYTES_MAX + 2;
             len += bytes[i]) {
            struct out out;
            struct decoded d;
            out_init(&out);
            out_bytes(&out,
                      SLICE("{" V "\"method\":\"server.info\",\"id\":\""));
            for (size_t n = 0; n < len; n += bytes[i]) {
                out_bytes(&out, slice_of(units[i]));
            }
            out_bytes(&out, SLICE("\"}"));
            decode(&d, (struct slice){out.at, out.len});
            assert_int_equal(d.kind == MESSAGE_REQUEST,
                             len <= RPC_ID_BYTES_MAX);
            decoded_free(&d);
            out_fini(&out);
        }
    }
}

static uint64_t key_of(const char *id)
{
    char line[256];
    struct decoded d;
    int len = snprintf(line, sizeof(line),
                       "{" V "\"method\":\"server.info\",\"id\":%s}", id);
    decode(&d, (struct slice){line, (size_t)len});
    assert_int_equal(d.kind, MESSAGE_REQUEST);
    uint64_t key = d.request.id.key;
    decoded_free(&d);
    return key;
}

static void test_keys_of_ids(void **state)
{
    (void)state;
    assert_true(key_of("1") == key_of("1"));
    assert_true(key_of("1") != key_of("\"1\""));
    assert_true(key_of("12345678") != key_of("12345679"));
    assert_true(key_of("\"abcdefgh\"") != key_of("\"abcdefg\""));
    assert_true(key_of("\"abcdefghijklmnop\"") !=
                key_of("\"abcdefghijklmnoq\""));
    assert_true(key_of("\"\"") != key_of("\"\\u0000\""));
    /* Ids that count up spread over the low bits. */
    bool seen[256] = {false};
    size_t count = 0;
    for (int i = 0; i < 1024; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%d", i);
        uint64_t low = key_of(id) & 255;
        count += !seen[low];
        seen[low] = true;
    }
    assert_true(count > 200);
}

static void nest(struct out *out, int levels)
{
    for (int i = 0; i < levels; i++) {
        out_byte(out, '[');
    }
    for (int i = 0; i < levels; i++) {
        out_byte(out, ']');
    }
}

/* A line of 64 levels is fine, in whatever order its members are read; one of
 * 65 is a parse error that says why. */
static void test_depth(void **state)
{
    static const struct {
        const char *before;
        const char *after;
        int levels;
    } rows[] = {
        {"{" V "\"id\":1,\"method\":\"queue.put\",\"params\":{\"queue\":\"q\","
         "\"body\":",
         "}}", 2},
        {"{\"params\":{\"queue\":\"q\",\"body\":",
         "},\"id\":1,\"method\":\"queue.put\",\"jsonrpc\":\"2.0\"}", 2},
        {"{" V "\"id\":1,\"method\":\"queue.put\",\"params\":{\"queue\":\"q\","
         "\"bodies\":[",
         "]}}", 3},
        {"{" V "\"id\":1,\"method\":\"queue.put\",\"params\":{\"queue\":\"q\","
         "\"jobs\":[{\"body\":",
         "}]}}", 4},
        {"[{" V "\"id\":1,\"method\":\"queue.put\",\"params\":{\"queue\":\"q\""
         ",\"body\":",
         "}}]", 3},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (int levels = 63; levels < 67; levels++) {
            struct out out;
            struct decoded d;
            out_init(&out);
            out_bytes(&out, slice_of(rows[i].before));
            nest(&out, levels - rows[i].levels);
            out_bytes(&out, slice_of(rows[i].after));
            decode(&d, (struct slice){out.at, out.len});
            if (levels <= JSON_DEPTH_MAX) {
                assert_int_equal(d.kind != MESSAGE_BAD, true);
            } else {
                assert_int_equal(d.why.error, ERROR_parse_error);
                assert_non_null(strstr(d.why.message, "64 levels"));
                assert_null(d.request.id.json.at);
            }
            if (d.kind == MESSAGE_BATCH) {
                struct message_batch batch = message_batch(d.line);
                assert_true(message_batch_next(&batch, &d.arena, &d.request,
                                               &d.kind, &d.why));
                assert_int_equal(d.kind, MESSAGE_REQUEST);
                assert_false(message_batch_next(&batch, &d.arena, &d.request,
                                                &d.kind, &d.why));
            }
            decoded_free(&d);
            out_fini(&out);
        }
    }
}

static void test_batch(void **state)
{
    struct decoded d;
    struct slice line = SLICE(
        " [ {" V "\"id\":1,\"method\":\"server.info\"} , 5, [], "
        "{" V "\"method\":\"server.info\"},{" V "\"id\":2,\"method\":\"x.y\"},"
        "{\"id\":3},null,{" V "\"method\":\"queue.join\",\"params\":{},"
        "\"id\":4},{" V "\"method\":\"queue.join\",\"params\":{\"queue\":\"q\"}"
        ",\"id\":5} ] ");
    static const struct {
        enum message_kind kind;
        enum error error;
        const char *id;
        bool notification;
    } expected[] = {
        {MESSAGE_REQUEST, ERROR_NONE, "1", false},
        {MESSAGE_BAD, ERROR_invalid_request, "", false},
        {MESSAGE_BAD, ERROR_invalid_request, "", false},
        {MESSAGE_REQUEST, ERROR_NONE, "", true},
        {MESSAGE_BAD, ERROR_method_not_found, "2", false},
        {MESSAGE_BAD, ERROR_invalid_request, "3", false},
        {MESSAGE_BAD, ERROR_invalid_request, "", false},
        {MESSAGE_BAD, ERROR_invalid_params, "4", false},
        {MESSAGE_REQUEST, ERROR_NONE, "5", false},
    };
    (void)state;
    decode(&d, line);
    assert_int_equal(d.kind, MESSAGE_BATCH);
    struct message_batch batch = message_batch(d.line);
    for (size_t i = 0; i < ROWS(expected); i++) {
        assert_true(
            message_batch_next(&batch, &d.arena, &d.request, &d.kind, &d.why));
        assert_int_equal(d.kind, expected[i].kind);
        assert_int_equal(d.why.error, expected[i].error);
        assert_true(slice_equal(d.request.id.json, slice_of(expected[i].id)));
        assert_int_equal(d.request.notification, expected[i].notification);
    }
    assert_true(slice_equal(d.request.queue, SLICE("q")));
    assert_false(
        message_batch_next(&batch, &d.arena, &d.request, &d.kind, &d.why));
    assert_false(
        message_batch_next(&batch, &d.arena, &d.request, &d.kind, &d.why));
    decoded_free(&d);
}

/* Complaints fit, and cut no character in two. */
static void test_complain(void **state)
{
    (void)state;
    for (size_t before = 0; before < 8; before++) {
        char text[1000];
        struct complaint why = {.limit = "old", .param = "old", .value = 3};
        memset(text, 'a', before);
        for (size_t i = before; i + 4 < sizeof(text); i += 4) {
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        }
        complain(&why, ERROR_limit, "%s", text);
        size_t len = strlen(why.message);
        assert_true(len < sizeof(why.message) && len > sizeof(why.message) - 6);
        assert_true(scan_utf8((struct slice){why.message, len}));
        assert_int_equal(why.error, ERROR_limit);
        assert_string_equal(why.limit, "");
        assert_string_equal(why.param, "");
        assert_int_equal(why.value, 0);
    }
    struct complaint why;
    complain(&why, ERROR_conflict, "%d is %s", 5, "five");
    assert_string_equal(why.message, "5 is five");
}

/* A client's own text in a message is repeated in part, whatever it is. */
static void test_quotes(void **state)
{
    static const char *const units[] = {"x",       "\xF0\x9F\x98\x80", "\\n",
                                        "\\u0000", "\\ud800",          "%n%s"};
    static const char *const lines[][2] = {
        {"{" V "\"id\":1,\"method\":\"", "\"}"},
        {"{" V "\"id\":1,\"method\":\"server.info\",\"", "\":1}"},
        {"{" V "\"id\":1,\"method\":\"server.info\",\"params\":{\"", "\":1}}"},
        {"{" V "\"id\":1,\"method\":\"queue.put\",\"params\":{\"jobs\":[{\"",
         "\":1}]}}"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(units) * ROWS(lines); i++) {
        const char *const *line = lines[i / ROWS(units)];
        for (size_t times = 0; times < 300; times += times < 80 ? 1 : 50) {
            struct decoded d;
            struct out out;
            out_init(&out);
            out_bytes(&out, slice_of(line[0]));
            for (size_t n = 0; n < times; n++) {
                out_bytes(&out, slice_of(units[i % ROWS(units)]));
            }
            out_bytes(&out, slice_of(line[1]));
            decode(&d, (struct slice){out.at, out.len});
            assert_int_equal(d.kind, MESSAGE_BAD);
            assert_true(scan_utf8(slice_of(d.why.param)));
            out.len = 0;
            message_error(&out, d.request.id.json, &d.why);
            assert_true(scan_valid((struct slice){out.at, out.len}));
            decoded_free(&d);
            out_fini(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_notifications_refused),
        cmocka_unit_test(test_long_ids),
        cmocka_unit_test(test_keys_of_ids),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_complain),
        cmocka_unit_test(test_quotes),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
