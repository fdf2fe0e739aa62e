/*
 * libsyncd and a real daemon: calls for many jobs at once, finishing with the
 * next get, and calls that are not waited for.
 */
#include "libsyncd_daemon.h"

#include "client/libsyncd/syncd.h"

#include <sched.h>

/* Puts so many, whose bodies are 0, 1, ... */
static void put_numbers(struct syncd *s, const char *queue, size_t count)
{
    struct syncd_text bodies[100];
    char texts[100][24];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%zu", i);
        bodies[i] = text_of(texts[i]);
    }
    ok(syncd_put_many(s, queue, bodies, count, NULL, 0, NULL));
}

/* Is this, with its value, in what the daemon tells of it? */
static void expect_member(struct syncd *s, const char *method,
                          const char *params, const char *member)
{
    char *result = NULL;
    ok(syncd_call(s, method, params, &result));
    if (strstr(result, member) == NULL) {
        print_error("no %s in %s\n", member, result);
    }
    assert_non_null(strstr(result, member));
    free(result);
}

/* Requests by method: so many more than *before, which becomes as many. */
static long requests_since(struct syncd *s, const char *method, long *before)
{
    char *result = NULL;
    char member[32];
    ok(syncd_call(s, "server.stats", NULL, &result));
    (void)snprintf(member, sizeof(member), "\"%s\":", method);
    const char *found = strstr(result, member);
    long count = found == NULL ? 0 : strtol(found + strlen(member), NULL, 10);
    free(result);
    long more = count - *before;
    *before = count;
    return more;
}

/* --- finishing with the next get ----------------------------------------- */

static void test_next(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    long gets = 0;
    long dones = 0;
    put_numbers(s, "next", 10);
    (void)requests_since(s, "queue.get", &gets);
    (void)requests_since(s, "queue.done", &dones);
    struct syncd_job *job = NULL;
    bool stale = true;
    for (int i = 0; i < 10; i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%d", i);
        ok(syncd_next(s, "next", 0, &job, "\"fine\"", &stale));
        assert_string_equal(job->body, number);
        assert_false(stale);
    }
    assert_int_equal(requests_since(s, "queue.get", &gets), 10);
    assert_int_equal(requests_since(s, "queue.done", &dones), 0);
    assert_int_equal(syncd_join(s, "next", 0, NULL), SYNCD_TIMEOUT);
    assert_int_equal(syncd_next(s, "next", 0, &job, NULL, &stale),
                     SYNCD_TIMEOUT);
    assert_null(job);
    assert_false(stale);
    ok(syncd_join(s, "next", 0, NULL));
    assert_int_equal(syncd_next(s, "next", 0.01, &job, NULL, NULL),
                     SYNCD_TIMEOUT);
    syncd_close(s);
}

static void test_next_keeps_result(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd_terms terms = SYNCD_TERMS;
    terms.keep_done = 100;
    uint64_t id = 0;
    ok(syncd_put(s, "kept", text_of("1"), &terms, 0, &id));
    struct syncd_job *job = NULL;
    ok(syncd_next(s, "kept", 0, &job, NULL, NULL));
    assert_int_equal(syncd_next(s, "kept", 0, &job, "{\"a\":[1.0]}", NULL),
                     SYNCD_TIMEOUT);
    char params[64];
    (void)snprintf(params, sizeof(params), "{\"id\":%llu}",
                   (unsigned long long)id);
    expect_member(s, "job.show", params, "\"result\":{\"a\":[1.0]}");
    syncd_close(s);
}

static void test_next_stale(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    put_numbers(s, "stale", 2);
    struct syncd_job *job = NULL;
    bool stale = false;
    ok(syncd_next(s, "stale", 0, &job, NULL, NULL));
    ok(syncd_done(s, job, NULL));
    ok(syncd_next(s, "stale", 0, &job, NULL, &stale));
    assert_true(stale);
    assert_string_equal(job->body, "1");
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    syncd_close(s);
}

/* What is refused has finished nothing, and *job is still there for it. */
static void test_next_refused(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    put_numbers(s, "refused", 1);
    struct syncd_job *job = NULL;
    ok(syncd_next(s, "refused", 0, &job, NULL, NULL));
    const struct syncd_job *same = job;
    assert_int_equal(syncd_next(s, "refused", 0, &job, "no json", NULL),
                     SYNCD_E_ARGUMENT);
    assert_int_equal(syncd_next(s, "", 0, &job, NULL, NULL), SYNCD_E_ARGUMENT);
    syncd_interrupt(s);
    assert_int_equal(syncd_next(s, "refused", SYNCD_FOREVER, &job, NULL, NULL),
                     SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "cancelled");
    syncd_uninterrupt(s);
    assert_ptr_equal(job, same);
    bool stale = true;
    assert_int_equal(syncd_next(s, "refused", 0, &job, NULL, &stale),
                     SYNCD_TIMEOUT);
    assert_false(stale);
    syncd_close(s);
}

/* A closed queue and an interrupt are told apart from a timeout. */
static void test_next_closed(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    put_numbers(s, "closed", 1);
    struct syncd_job *job = NULL;
    ok(syncd_next(s, "closed", 0, &job, NULL, NULL));
    ok(syncd_call(s, "queue.close", "{\"queue\":\"closed\"}", NULL));
    assert_int_equal(syncd_next(s, "closed", SYNCD_FOREVER, &job, NULL, NULL),
                     SYNCD_CLOSED);
    assert_null(job);
    assert_int_equal(syncd_next(s, "closed", SYNCD_FOREVER, &job, NULL, NULL),
                     SYNCD_CLOSED);
    syncd_close(s);
}

static void test_next_many(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    put_numbers(s, "nexts", 30);
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    size_t stale = 9;
    ok(syncd_next_many(s, "nexts", 10, 0, &jobs, &count, &stale));
    assert_int_equal(count, 10);
    assert_int_equal(stale, 0);
    ok(syncd_done(s, jobs[0], NULL));
    struct syncd_failure back = SYNCD_FAILURE;
    back.free = true;
    back.delay = 0;
    ok(syncd_fail_as(s, jobs[3], &back));
    syncd_job_free(jobs[3]);
    jobs[3] = NULL;
    ok(syncd_extend_many(s, jobs, count, &stale));
    assert_int_equal(stale, 1);
    ok(syncd_next_many(s, "nexts", 100, 0, &jobs, &count, &stale));
    assert_int_equal(stale, 1);
    assert_int_equal(count, 21);
    assert_string_equal(jobs[0]->body, "3");
    assert_int_equal(syncd_next_many(s, "nexts", 100, 0, &jobs, &count, &stale),
                     SYNCD_TIMEOUT);
    assert_null(jobs);
    assert_int_equal(count, 0);
    assert_int_equal(stale, 0);
    ok(syncd_join(s, "nexts", 0, NULL));
    syncd_close(s);
}

/* --- many ----------------------------------------------------------------- */

static void test_put_jobs(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd_terms keyed = SYNCD_TERMS;
    struct syncd_terms first = SYNCD_TERMS;
    keyed.key = "once";
    first.priority = -1;
    const struct syncd_new_job jobs[] = {{text_of("1"), NULL},
                                         {text_of("2"), &keyed},
                                         {text_of("3"), &keyed},
                                         {text_of("4"), &first}};
    uint64_t ids[4] = {0};
    ok(syncd_put_jobs(s, "each", jobs, 4, 0, ids));
    assert_int_equal(ids[1], ids[2]);
    assert_true(ids[0] < ids[1] && ids[1] < ids[3]);
    struct syncd_job **got = NULL;
    size_t count = 0;
    ok(syncd_get_many(s, "each", 9, 0, &got, &count));
    assert_int_equal(count, 3);
    assert_string_equal(got[0]->body, "4");
    assert_string_equal(got[2]->key, "once");
    const char *results[3] = {NULL, "[]", NULL};
    size_t stale = 9;
    ok(syncd_done_results(s, got, results, count, &stale));
    assert_int_equal(stale, 0);
    results[1] = "[";
    assert_int_equal(syncd_done_results(s, got, results, count, &stale),
                     SYNCD_E_ARGUMENT);
    syncd_jobs_free(got, count);
    syncd_close(s);
}

static void test_put_jobs_refused(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd_terms staged = SYNCD_TERMS;
    struct syncd_terms late = SYNCD_TERMS;
    staged.batch = "b";
    staged.stage = "one";
    late.delay = 1e11;
    struct syncd_new_job jobs[] = {{text_of("1"), NULL}, {text_of("2"), NULL}};
    jobs[1].terms = &staged;
    assert_int_equal(syncd_put_jobs(s, "wrong", jobs, 2, 0, NULL),
                     SYNCD_E_ARGUMENT);
    jobs[1].terms = &late;
    assert_int_equal(syncd_put_jobs(s, "wrong", jobs, 2, 0, NULL),
                     SYNCD_E_ARGUMENT);
    jobs[1] = (struct syncd_new_job){text_of("no"), NULL};
    assert_int_equal(syncd_put_jobs(s, "wrong", jobs, 2, 0, NULL),
                     SYNCD_E_ARGUMENT);
    assert_non_null(strstr(syncd_error_text(), "number 2"));
    ok(syncd_put_jobs(s, "wrong", NULL, 0, 0, NULL));
    const char *stages[] = {"one"};
    ok(syncd_batch_create(s, "b", stages, 1, false, NULL));
    jobs[0] = (struct syncd_new_job){text_of("1"), &staged};
    jobs[1] = (struct syncd_new_job){text_of("2"), &staged};
    ok(syncd_put_jobs(s, "wrong", jobs, 2, 0, NULL));
    expect_member(s, "batch.show", "{\"batch\":\"b\"}", "\"ready\":2");
    syncd_close(s);
}

/* --- without waiting ------------------------------------------------------ */

#define BEGUN 100

static void test_begin(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd_pending *pending[BEGUN];
    for (int i = 0; i < BEGUN; i++) {
        char params[64];
        (void)snprintf(params, sizeof(params),
                       "{\"queue\":\"begun\",\"body\":%d}", i);
        ok(syncd_call_begin(s, "queue.put", params, &pending[i]));
    }
    struct syncd_pending *get = NULL;
    ok(syncd_call_begin(s, "queue.get", "{\"queue\":\"later\"}", &get));
    for (int i = 0; i < BEGUN; i++) {
        ok(syncd_call_end(pending[i], NULL));
    }
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    ok(syncd_get_many(s, "begun", BEGUN, 0, &jobs, &count));
    assert_int_equal(count, BEGUN);
    for (int i = 0; i < BEGUN; i++) {
        assert_int_equal(strtol(jobs[i]->body, NULL, 10), i);
    }
    ok(syncd_done_many(s, jobs, count, NULL));
    syncd_jobs_free(jobs, count);
    assert_false(syncd_call_ended(get));
    ok(syncd_put(s, "later", text_of("7"), NULL, 0, NULL));
    while (!syncd_call_ended(get)) {
        (void)sched_yield();
    }
    char *result = NULL;
    ok(syncd_call_end(get, &result));
    assert_non_null(strstr(result, "\"body\":7"));
    free(result);
    syncd_close(s);
}

static void test_begin_refused(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd_pending *pending = NULL;
    assert_int_equal(syncd_call_begin(s, "queue.get", "[]", &pending),
                     SYNCD_E_ARGUMENT);
    ok(syncd_call_begin(s, "queue.show", "{\"queue\":\"none\"}", &pending));
    assert_int_equal(syncd_call_end(pending, NULL), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "not_found");
    ok(syncd_call_begin(s, "queue.get", "{\"queue\":\"idle\"}", &pending));
    syncd_interrupt(s);
    assert_int_equal(syncd_call_end(pending, NULL), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "cancelled");
    pending = NULL;
    assert_int_equal(
        syncd_call_begin(s, "queue.get", "{\"queue\":\"idle\"}", &pending),
        SYNCD_E_REPLY);
    assert_null(pending);
    syncd_close(s);
}

/* Begun before a crash, ended after it: carried out once. */
static void test_begin_restart(void **state)
{
    struct daemon *daemon = *state;
    struct syncd *s = daemon_open(daemon, 0);
    struct syncd_pending *pending[BEGUN];
    for (int i = 0; i < BEGUN; i++) {
        ok(syncd_call_begin(s, "queue.put", "{\"queue\":\"crash\",\"body\":0}",
                            &pending[i]));
    }
    assert_true(daemon_stop(daemon, SIGKILL));
    daemon_start(daemon);
    for (int i = 0; i < BEGUN; i++) {
        ok(syncd_call_end(pending[i], NULL));
    }
    expect_member(s, "queue.show", "{\"queue\":\"crash\"}", "\"ready\":100");
    syncd_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_next_keeps_result),
        cmocka_unit_test(test_next_stale),
        cmocka_unit_test(test_next_refused),
        cmocka_unit_test(test_next_closed),
        cmocka_unit_test(test_next_many),
        cmocka_unit_test(test_put_jobs),
        cmocka_unit_test(test_put_jobs_refused),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_begin_refused),
        cmocka_unit_test(test_begin_restart),
    };
    return cmocka_run_group_tests(tests, daemon_begin_group, daemon_end_group);
}
