/*
 * libsyncd and a real daemon: the life of jobs, the errors, many threads.
 */
#include "libsyncd_daemon.h"

#include "client/libsyncd/syncd.h"

#include <pthread.h>
#include <sched.h>

static void declare(struct syncd *s, const char *params)
{
    ok(syncd_call(s, "queue.declare", params, NULL));
}

static void test_life(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    static const char body[] = "{ \"n\": 0.10, \"big\": 12345678901234567890, "
                               "\"z\": \"\\u0000\", \"\": [ ] }";
    uint64_t id = 0;
    ok(syncd_put(s, "life", text_of(body), NULL, SYNCD_FOREVER, &id));
    struct syncd_job *job = NULL;
    ok(syncd_get(s, "life", SYNCD_FOREVER, &job));
    assert_int_equal(job->id, id);
    assert_string_equal(job->body, body);
    assert_string_equal(job->queue, "life");
    assert_int_equal(job->attempt, 1);
    assert_true(job->lease == 60 && job->until > job->put_at);
    assert_int_equal(syncd_join(s, "life", 0, NULL), SYNCD_TIMEOUT);
    ok(syncd_extend(s, job, "{\"percent\":50}"));
    struct syncd_failure failure = SYNCD_FAILURE;
    failure.error = "\"again\"";
    failure.delay = 0;
    ok(syncd_fail_as(s, job, &failure));
    assert_int_equal(syncd_done(s, job, NULL), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "stale_token");
    syncd_job_free(job);

    ok(syncd_get(s, "life", SYNCD_FOREVER, &job));
    assert_int_equal(job->attempt, 2);
    ok(syncd_done(s, job, "[1]"));
    syncd_job_free(job);
    uint64_t dead = 9;
    ok(syncd_join(s, "life", SYNCD_FOREVER, &dead));
    assert_int_equal(dead, 0);
    syncd_close(s);
}

static void test_dead(void **state)
{
    struct syncd *s = daemon_open(*state, -1);
    struct syncd_terms terms = SYNCD_TERMS;
    terms.max_attempts = 1;
    terms.key = "once";
    uint64_t first = 0;
    uint64_t second = 0;
    ok(syncd_put(s, "dead", text_of("1"), &terms, 0, &first));
    ok(syncd_put(s, "dead", text_of("2"), &terms, 0, &second));
    assert_int_equal(first, second);
    struct syncd_job *job = NULL;
    ok(syncd_get(s, "dead", SYNCD_FOREVER, &job));
    assert_string_equal(job->body, "1");
    assert_string_equal(job->key, "once");
    ok(syncd_fail(s, job, "\"broken\""));
    syncd_job_free(job);
    uint64_t dead = 0;
    ok(syncd_join(s, "dead", SYNCD_FOREVER, &dead));
    assert_int_equal(dead, 1);
    syncd_close(s);
}

static void test_many(void **state)
{
    struct syncd *s = daemon_open(*state, -1);
    struct syncd_text bodies[100];
    char texts[100][16];
    uint64_t ids[100];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%d", i);
        bodies[i] = text_of(texts[i]);
    }
    ok(syncd_put_many(s, "many", bodies, 100, NULL, SYNCD_FOREVER, ids));
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    ok(syncd_get_many(s, "many", 1000, SYNCD_FOREVER, &jobs, &count));
    assert_int_equal(count, 100);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(jobs[i]->id, ids[i]);
        assert_string_equal(jobs[i]->body, texts[i]);
    }
    size_t stale = 9;
    ok(syncd_done_many(s, jobs, count - 1, &stale));
    assert_int_equal(stale, 0);
    ok(syncd_done_many(s, jobs, count, &stale));
    assert_int_equal(stale, 99);
    syncd_jobs_free(jobs, count);
    ok(syncd_join(s, "many", 0, NULL));
    syncd_close(s);
}

static void test_full(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd_text bodies[3] = {text_of("1"), text_of("2"), text_of("3")};
    declare(s, "{\"queue\":\"full\",\"capacity\":2}");
    ok(syncd_put_many(s, "full", bodies, 2, NULL, 0, NULL));
    assert_int_equal(syncd_put(s, "full", bodies[2], NULL, 0, NULL),
                     SYNCD_TIMEOUT);
    assert_int_equal(syncd_put(s, "full", bodies[2], NULL, 0.01, NULL),
                     SYNCD_TIMEOUT);
    assert_string_equal(syncd_error_name(), "queue_full");
    assert_int_equal(
        syncd_put_many(s, "full", bodies, 3, NULL, SYNCD_FOREVER, NULL),
        SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "queue_full");

    ok(syncd_call(s, "queue.close", "{\"queue\":\"full\"}", NULL));
    assert_int_equal(syncd_put(s, "full", bodies[2], NULL, 0, NULL),
                     SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "queue_closed");
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    ok(syncd_get_many(s, "full", 5, SYNCD_FOREVER, &jobs, &count));
    ok(syncd_done_many(s, jobs, count, NULL));
    syncd_jobs_free(jobs, count);
    struct syncd_job *job = NULL;
    assert_int_equal(syncd_get(s, "full", SYNCD_FOREVER, &job), SYNCD_CLOSED);
    assert_null(job);
    syncd_close(s);
}

/* What a daemon would end the connection for never reaches it. */
static void test_too_long(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    uint64_t session = syncd_session(s);
    size_t len = (size_t)5 << 20;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, '1', len);
    struct syncd_text text = {body, len};
    assert_int_equal(syncd_put(s, "long", text, NULL, 0, NULL),
                     SYNCD_E_ARGUMENT);
    /* The longest that fits comes back. */
    uint64_t id = 0;
    text.len = ((size_t)4 << 20) - 256;
    ok(syncd_put(s, "long", text, NULL, 0, &id));
    struct syncd_job *job = NULL;
    ok(syncd_get(s, "long", 0, &job));
    assert_int_equal(job->body_len, text.len);
    assert_memory_equal(job->body, body, text.len);
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    free(body);
    /* And so does the deepest. */
    char deep[2 * 62];
    memset(deep, '[', 62);
    memset(deep + 62, ']', 62);
    ok(syncd_put(s, "long", (struct syncd_text){deep, sizeof(deep)}, NULL, 0,
                 NULL));
    ok(syncd_get(s, "long", 0, &job));
    assert_memory_equal(job->body, deep, sizeof(deep));
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    assert_int_equal(syncd_session(s), session);
    syncd_close(s);
}

/* What a session held is free when syncd_close returns. */
static void test_close_frees(void **state)
{
    struct syncd *holder = daemon_open(*state, 0);
    struct syncd *next = daemon_open(*state, -1);
    struct syncd_job *job = NULL;
    for (int i = 0; i < 20; i++) {
        ok(syncd_put(next, "held", text_of("1"), NULL, 0, NULL));
        ok(syncd_get(holder, "held", 0, &job));
        syncd_job_free(job);
        syncd_close(holder);
        ok(syncd_get(next, "held", 0, &job));
        assert_int_equal(job->attempt, 2);
        ok(syncd_done(next, job, NULL));
        syncd_job_free(job);
        holder = daemon_open(*state, 0);
    }
    syncd_close(holder);
    syncd_close(next);
}

static void *get_nothing(void *context)
{
    struct syncd_job *job = NULL;
    long status = syncd_get(context, "nothing", SYNCD_FOREVER, &job);
    if (status == SYNCD_E_REPLY &&
        strcmp(syncd_error_name(), "cancelled") != 0) {
        status = 99;
    }
    return (void *)status; /* NOLINT: a small number, not an address */
}

/* How many wait in a get of the queue. */
static long waiting_gets(struct syncd *s, const char *queue)
{
    char params[64];
    char *result = NULL;
    (void)snprintf(params, sizeof(params), "{\"queue\":\"%s\"}", queue);
    if (syncd_call(s, "queue.show", params, &result) != SYNCD_OK) {
        return 0;
    }
    CHECK(result != NULL);
    const char *waiting = strstr(result, "\"waiting\":{");
    const char *get = waiting == NULL ? NULL : strstr(waiting, "\"get\":");
    CHECK(get != NULL);
    long count = strtol(get + strlen("\"get\":"), NULL, 10);
    free(result);
    return count;
}

static void test_interrupt(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, get_nothing, s), 0);
    }
    while (waiting_gets(s, "nothing") < 4) {
        (void)sched_yield();
    }
    syncd_interrupt(s);
    for (int i = 0; i < 4; i++) {
        void *status = NULL;
        assert_int_equal(pthread_join(threads[i], &status), 0);
        assert_int_equal((long)status, SYNCD_E_REPLY);
    }
    assert_int_equal(waiting_gets(s, "nothing"), 0);
    struct syncd_job *job = NULL;
    assert_int_equal(syncd_get(s, "nothing", SYNCD_FOREVER, &job),
                     SYNCD_E_REPLY);
    syncd_uninterrupt(s);
    ok(syncd_put(s, "nothing", text_of("1"), NULL, SYNCD_FOREVER, NULL));
    ok(syncd_get(s, "nothing", SYNCD_FOREVER, &job));
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    syncd_close(s);
}

/* --- the classic exercise, all of it over one session -------------------- */

#define PRODUCERS 4
#define CONSUMERS 3
#define ITEMS     20

struct exercise {
    struct syncd *s;
    pthread_mutex_t lock;
    int seen[PRODUCERS * ITEMS];
    int wrong;
};

struct producer {
    pthread_t thread;
    struct exercise *exercise;
    int number;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    for (int i = 0; i < ITEMS; i++) {
        char body[16];
        (void)snprintf(body, sizeof(body), "%d", producer->number * ITEMS + i);
        if (syncd_put(producer->exercise->s, "exercise", text_of(body), NULL,
                      SYNCD_FOREVER, NULL) != SYNCD_OK) {
            (void)fprintf(stderr, "put: %s\n", syncd_error_text());
            return NULL;
        }
    }
    return NULL;
}

static void *consume(void *context)
{
    struct exercise *exercise = context;
    struct syncd_job *job = NULL;
    int status;
    while ((status = syncd_get(exercise->s, "exercise", SYNCD_FOREVER, &job)) ==
           SYNCD_OK) {
        long item = strtol(job->body, NULL, 10);
        bool done = syncd_done(exercise->s, job, NULL) == SYNCD_OK;
        (void)pthread_mutex_lock(&exercise->lock);
        exercise->seen[item]++;
        exercise->wrong += !done;
        (void)pthread_mutex_unlock(&exercise->lock);
        syncd_job_free(job);
    }
    (void)pthread_mutex_lock(&exercise->lock);
    exercise->wrong += status != SYNCD_CLOSED;
    (void)pthread_mutex_unlock(&exercise->lock);
    return NULL;
}

static void test_exercise(void **state)
{
    struct exercise exercise = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct producer producers[PRODUCERS];
    pthread_t consumers[CONSUMERS];
    exercise.s = daemon_open(*state, 0);
    declare(exercise.s, "{\"queue\":\"exercise\",\"capacity\":5}");
    for (int i = 0; i < CONSUMERS; i++) {
        assert_int_equal(
            pthread_create(&consumers[i], NULL, consume, &exercise), 0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.exercise = &exercise, .number = i};
        assert_int_equal(
            pthread_create(&producers[i].thread, NULL, produce, &producers[i]),
            0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
    }
    ok(syncd_join(exercise.s, "exercise", SYNCD_FOREVER, NULL));
    ok(syncd_call(exercise.s, "queue.close", "{\"queue\":\"exercise\"}", NULL));
    for (int i = 0; i < CONSUMERS; i++) {
        assert_int_equal(pthread_join(consumers[i], NULL), 0);
    }
    for (int i = 0; i < PRODUCERS * ITEMS; i++) {
        assert_int_equal(exercise.seen[i], 1);
    }
    assert_int_equal(exercise.wrong, 0);
    syncd_close(exercise.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),      cmocka_unit_test(test_dead),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_full),
        cmocka_unit_test(test_too_long),  cmocka_unit_test(test_close_frees),
        cmocka_unit_test(test_interrupt), cmocka_unit_test(test_exercise),
    };
    return cmocka_run_group_tests(tests, daemon_begin_group, daemon_end_group);
}
