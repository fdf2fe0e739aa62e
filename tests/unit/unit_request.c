/* Every member of a request lands where the engine looks for it. */
#include "tests/unit/decoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_values_of_a_put(void **state)
{
    struct decoded d;
    (void)state;
    decode(&d, METHOD_queue_put,
           SLICE("{\"queue\":\"q\\u00e4\",\"body\": [0.10 , \"\\u0000\"] ,"
                 "\"key\":\"k\",\"priority\":-2.5,\"delay\":0.1,\"lease\":30,"
                 "\"max_attempts\":0,\"keep_done\":1e-9,\"timeout\":0}"),
           false);
    const struct request *r = &d.request;
    assert_int_equal(d.kind, MESSAGE_REQUEST);
    assert_int_equal(r->method, METHOD_queue_put);
    assert_true(slice_equal(r->queue, SLICE("q\xC3\xA4")));
    assert_true(slice_equal(r->put.body, SLICE("[0.10 , \"\\u0000\"]")));
    assert_ptr_equal(r->put.body.at, strstr(d.line.at, "[0.10"));
    assert_true(slice_equal(r->put.key, SLICE("k")));
    assert_true(r->put.priority == -2.5);
    assert_int_equal(r->put.delay_us, 100000);
    assert_int_equal(r->put.lease_us, 30000000);
    assert_int_equal(r->put.max_attempts, 0);
    assert_int_equal(r->put.keep_done_us, 1);
    assert_int_equal(r->timeout_us, 0);
    assert_null(r->bodies.at);
    assert_int_equal(r->puts.count, 0);
    assert_int_equal(r->lease_us, -1);
    decoded_free(&d);
}

static void test_values_of_many_puts(void **state)
{
    enum { COUNT = 1000 };
    struct out out;
    struct decoded d;
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        out_init(&out);
        write_begin_object(&out);
        WRITE(&out, string, "queue", SLICE("q"));
        write_key(&out, kind < 2 ? SLICE("jobs") : SLICE("bodies"));
        write_begin_array(&out);
        for (int i = 0; i < COUNT; i++) {
            if (kind < 2) {
                write_begin_object(&out);
                if (i % 3 == 0) {
                    WRITE(&out, seconds, "delay", i);
                }
                WRITE(&out, integer, "body", i);
                write_end_object(&out);
            } else {
                write_integer(&out, i);
            }
        }
        write_end_array(&out);
        write_end_object(&out);
        decode(&d, METHOD_queue_put, (struct slice){out.at, out.len},
               kind % 2 == 1);
        assert_int_equal(d.kind, MESSAGE_REQUEST);
        assert_int_equal(
            kind < 2 ? d.request.puts.count : d.request.bodies.count, COUNT);
        for (int i = 0; i < COUNT; i++) {
            char body[16];
            (void)snprintf(body, sizeof(body), "%d", i);
            struct slice got =
                kind < 2 ? d.request.puts.at[i].body : d.request.bodies.at[i];
            assert_true(slice_equal(got, slice_of(body)));
            if (kind < 2) {
                const struct put_item *item = &d.request.puts.at[i];
                assert_int_equal(item->delay_us, i % 3 == 0 ? i : -1);
                assert_int_equal(item->lease_us, -1);
                assert_null(item->key.at);
            }
        }
        decoded_free(&d);
        out_fini(&out);
    }
}

static void test_values_of_a_get(void **state)
{
    struct decoded d;
    const struct request *r = &d.request;
    (void)state;
    decode(&d, METHOD_queue_get,
           SLICE("{\"queues\":[\"a\",\"\\u0062\"],\"max\":7,\"lease\":2.5,"
                 "\"take\":true,\"detached\":false,\"timeout\":1e10,"
                 "\"done\":{\"jobs\":[{\"id\":3,\"token\":4,\"result\":null},"
                 "{\"token\":6,\"id\":5}]}}"),
           false);
    assert_int_equal(d.kind, MESSAGE_REQUEST);
    assert_null(r->queue.at);
    assert_int_equal(r->queues.count, 2);
    assert_true(slice_equal(r->queues.at[1], SLICE("b")));
    assert_int_equal(r->max, 7);
    assert_int_equal(r->lease_us, 2500000);
    assert_int_equal(r->take, 1);
    assert_int_equal(r->detached, 0);
    assert_int_equal(r->timeout_us, 10000000000000000);
    assert_true(r->has_done);
    assert_int_equal(r->done.jobs.count, 2);
    assert_int_equal(r->done.jobs.at[0].id, 3);
    assert_int_equal(r->done.jobs.at[0].token, 4);
    assert_true(slice_equal(r->done.jobs.at[0].result, SLICE("null")));
    assert_int_equal(r->done.jobs.at[1].id, 5);
    assert_int_equal(r->done.jobs.at[1].token, 6);
    assert_null(r->done.jobs.at[1].result.at);
    decoded_free(&d);
    decode(&d, METHOD_queue_get, SLICE("{\"queue\":\"q\",\"done\":{}}"), true);
    assert_true(r->has_done);
    decoded_free(&d);
    decode(&d, METHOD_queue_get, SLICE("{\"queue\":\"q\"}"), true);
    assert_false(r->has_done);
    decoded_free(&d);
}

static void test_values_of_a_done(void **state)
{
    struct decoded d;
    const struct request *r = &d.request;
    (void)state;
    decode(&d, METHOD_queue_done,
           SLICE("{\"id\":9007199254740991,\"token\":5.0,\"result\":{\"a\":1},"
                 "\"ids\":[1,20,300]}"),
           false);
    assert_int_equal(d.kind, MESSAGE_REQUEST);
    assert_int_equal(r->done.one.id, 9007199254740991);
    assert_int_equal(r->done.one.token, 5);
    assert_true(slice_equal(r->done.one.result, SLICE("{\"a\":1}")));
    assert_int_equal(r->done.ids.count, 3);
    assert_int_equal(r->done.ids.at[2], 300);
    assert_false(r->has_done);
    decoded_free(&d);
}

static void test_values_of_a_declare(void **state)
{
    struct decoded d;
    const struct request *r = &d.request;
    (void)state;
    decode(&d, METHOD_queue_declare,
           SLICE("{\"queue\":\"q\",\"order\":\"lifo\",\"durable\":false,"
                 "\"capacity\":0,\"max_bytes\":9007199254740991,"
                 "\"backoff\":{\"jitter\":0.5,\"max\":0}}"),
           true);
    assert_int_equal(d.kind, MESSAGE_REQUEST);
    assert_int_equal(r->order, ORDER_LIFO);
    assert_int_equal(r->durable, 0);
    assert_int_equal(r->capacity, 0);
    assert_int_equal(r->max_bytes, 9007199254740991);
    assert_true(r->backoff.jitter == 0.5 && r->backoff.factor == -1);
    assert_int_equal(r->backoff.max_us, 0);
    assert_int_equal(r->backoff.base_us, -1);
    assert_int_equal(r->concurrency, -1);
    decoded_free(&d);
    decode(&d, METHOD_queue_purge,
           SLICE("{\"queue\":\"q\",\"states\":[\"dead\",\"held\"]}"), false);
    assert_int_equal(r->states, 1U << JOB_DEAD | 1U << JOB_HELD);
    decoded_free(&d);
    decode(&d, METHOD_job_list, SLICE("{\"state\":\"running\",\"after\":7}"),
           false);
    assert_int_equal(r->state, JOB_RUNNING);
    assert_int_equal(r->after_id, 7);
    decoded_free(&d);
    decode(&d, METHOD_queue_list, SLICE("{\"after\":\"\",\"limit\":3}"), false);
    assert_non_null(r->cursor.at);
    assert_int_equal(r->cursor.len, 0);
    assert_int_equal(r->limit, 3);
    decoded_free(&d);
    decode(&d, METHOD_session_cancel, SLICE("{\"request\":\"a\\n\"}"), false);
    assert_true(slice_equal(r->pending, SLICE("\"a\\n\"")));
    decoded_free(&d);
}

/* What is cut off is a parse error, at whatever byte, and nothing is read
 * beyond it. */
static void test_cut_off(void **state)
{
    struct slice line = SLICE(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"queue.get\",\"params\":"
        "{\"queues\":[\"a\",\"b\"],\"max\":10,\"lease\":1.5,\"take\":true,"
        "\"done\":{\"ids\":[1,2],\"jobs\":[{\"id\":1,\"token\":2,\"result\":"
        "\"\\u00e4\xC3\xA4\"}]},\"timeout\":1e3}}");
    (void)state;
    for (size_t len = 0; len <= line.len; len++) {
        struct slice copy = exact((struct slice){line.at, len});
        struct arena arena;
        struct request request;
        struct complaint why;
        arena_init(&arena);
        enum message_kind kind = message_decode(copy, &arena, &request, &why);
        if (len == line.len) {
            assert_int_equal(kind, MESSAGE_REQUEST);
        } else {
            assert_int_equal(kind, MESSAGE_BAD);
            assert_int_equal(why.error, ERROR_parse_error);
            assert_null(request.id.json.at);
        }
        arena_fini(&arena);
        exact_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_a_put),
        cmocka_unit_test(test_values_of_many_puts),
        cmocka_unit_test(test_values_of_a_get),
        cmocka_unit_test(test_values_of_a_done),
        cmocka_unit_test(test_values_of_a_declare),
        cmocka_unit_test(test_cut_off),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
