/*
 * libsyncd and a real daemon that is killed, stopped, and started again: what
 * was acknowledged is there, what was finished does not come back, what was
 * held is held on, and programs notice nothing but a pause.
 */
#include "libsyncd_daemon.h"

#include "client/libsyncd/syncd.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

/* --- a lease is held on ------------------------------------------------------
 */

/* Works on a job while the daemon is restarted, and calls nothing meanwhile. */
static void hold_over(int signal)
{
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *s = daemon_open(&daemon, 30);
    struct syncd *other = daemon_open(&daemon, 30);
    uint64_t session = syncd_session(s);
    struct syncd_job *job = NULL;
    ok(syncd_put(s, "held", text_of("1"), NULL, 0, NULL));
    ok(syncd_get(s, "held", 0, &job));
    /* Written with the next batch; this one waits for it. */
    ok(syncd_put(s, "other", text_of("1"), NULL, 0, NULL));
    for (int i = 0; i < 3; i++) {
        assert_true(daemon_stop(&daemon, signal));
        daemon_start(&daemon);
        struct syncd_job *same = NULL;
        assert_int_equal(syncd_get(other, "held", 0, &same), SYNCD_TIMEOUT);
    }
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    ok(syncd_join(s, "held", 0, NULL));
    assert_int_equal(syncd_session(s), session);
    syncd_close(s);
    syncd_close(other);
    daemon_free(&daemon);
}

static void test_hold_over_kill(void **state)
{
    (void)state;
    hold_over(SIGKILL);
}

static void test_hold_over_stop(void **state)
{
    (void)state;
    hold_over(SIGTERM);
}

/* --- a call that waits goes on waiting
 * ---------------------------------------- */

static void *get_one(void *context)
{
    struct syncd_job *job = NULL;
    long status = syncd_get(context, "waited", SYNCD_FOREVER, &job);
    if (status != SYNCD_OK) {
        (void)fprintf(stderr, "%s\n", syncd_error_text());
    }
    syncd_job_free(job);
    return (void *)status; /* NOLINT: a small number, not an address */
}

static void await_waiting(struct syncd *s)
{
    for (;;) {
        char *result = NULL;
        int status =
            syncd_call(s, "queue.show", "{\"queue\":\"waited\"}", &result);
        bool waits = status == SYNCD_OK && strstr(result, "\"get\":1") != NULL;
        free(result);
        if (waits) {
            return;
        }
        (void)sched_yield();
    }
}

static void wait_over(int signal)
{
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *s = daemon_open(&daemon, 30);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, get_one, s), 0);
    await_waiting(s);
    assert_true(daemon_stop(&daemon, signal));
    daemon_start(&daemon);
    await_waiting(s);
    ok(syncd_put(s, "waited", text_of("1"), NULL, 0, NULL));
    void *status = NULL;
    assert_int_equal(pthread_join(thread, &status), 0);
    assert_int_equal((long)status, SYNCD_OK);
    syncd_close(s);
    daemon_free(&daemon);
}

static void test_wait_over_kill(void **state)
{
    (void)state;
    wait_over(SIGKILL);
}

static void test_wait_over_stop(void **state)
{
    (void)state;
    wait_over(SIGTERM);
}

/* --- what is lost is told
 * ------------------------------------------------------ */

static void test_memory(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "memory");
    struct syncd *s = daemon_open(&daemon, 30);
    struct syncd *bare = daemon_open(&daemon, -1);
    struct syncd_job *job = NULL;
    ok(syncd_put(s, "lost", text_of("1"), NULL, 0, NULL));
    ok(syncd_get(s, "lost", 0, &job));
    assert_true(daemon_stop(&daemon, SIGKILL));
    daemon_start(&daemon);
    assert_int_equal(syncd_done(s, job, NULL), SYNCD_E_LOST);
    assert_int_equal(syncd_done(s, job, NULL), SYNCD_E_REPLY);
    syncd_job_free(job);
    ok(syncd_put(s, "lost", text_of("2"), NULL, 0, NULL));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(syncd_call(bare, "server.info", NULL, NULL),
                         SYNCD_E_LOST);
    }
    syncd_close(bare);
    syncd_close(s);
    daemon_free(&daemon);
}

/* --- killed under load
 * ----------------------------------------------------------- */

#define KILLS         10
#define PRODUCERS     2
#define CONSUMERS     3
#define ITEMS_MAX     20000
#define ITEMS_BETWEEN 50

/* The state of an item, as its producer and consumers know it. */
struct load {
    struct syncd *s;
    sem_t progress; /* one for each item put */
    atomic_bool stop;
    atomic_int put[PRODUCERS];              /* items acknowledged */
    atomic_int done[PRODUCERS * ITEMS_MAX]; /* times acknowledged as done */
    atomic_int again;                       /* handed out again after that */
    atomic_int wrong;
};

struct worker {
    pthread_t thread;
    struct load *load;
    int number;
};

static void complain_once(struct load *load, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, syncd_error_text());
    atomic_fetch_add(&load->wrong, 1);
    for (int i = 0; i < KILLS * ITEMS_BETWEEN; i++) {
        (void)sem_post(&load->progress); /* or the test would wait for ever */
    }
}

static void *put_items(void *context)
{
    struct worker *worker = context;
    struct load *load = worker->load;
    for (int i = 0; i < ITEMS_MAX && !atomic_load(&load->stop); i++) {
        char body[16];
        (void)snprintf(body, sizeof(body), "%d",
                       worker->number * ITEMS_MAX + i);
        if (syncd_put(load->s, "load", text_of(body), NULL, SYNCD_FOREVER,
                      NULL) != SYNCD_OK) {
            complain_once(load, "put");
            return NULL;
        }
        atomic_store(&load->put[worker->number], i + 1);
        (void)sem_post(&load->progress);
    }
    return NULL;
}

static void *finish_items(void *context)
{
    struct worker *worker = context;
    struct load *load = worker->load;
    struct syncd_job *job = NULL;
    int status;
    while ((status = syncd_get(load->s, "load", SYNCD_FOREVER, &job)) ==
           SYNCD_OK) {
        long item = strtol(job->body, NULL, 10);
        if (atomic_load(&load->done[item]) > 0) {
            atomic_fetch_add(&load->again, 1);
        }
        if (syncd_done(load->s, job, NULL) == SYNCD_OK) {
            atomic_fetch_add(&load->done[item], 1);
        } else if (strcmp(syncd_error_name(), "stale_token") != 0) {
            complain_once(load, "done");
        }
        syncd_job_free(job);
    }
    if (status != SYNCD_CLOSED) {
        complain_once(load, "get");
    }
    return NULL;
}

/* Lets the load go on for some items more. */
static void await_progress(struct load *load)
{
    for (int i = 0; i < ITEMS_BETWEEN; i++) {
        (void)sem_wait(&load->progress);
    }
}

static void start_workers(struct load *load, struct worker *workers)
{
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++) {
        workers[i] = (struct worker){.load = load, .number = i};
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL,
                           i < PRODUCERS ? put_items : finish_items,
                           &workers[i]),
            0);
    }
}

static void test_load(void **state)
{
    (void)state;
    struct daemon daemon;
    struct worker workers[PRODUCERS + CONSUMERS];
    struct load *load = calloc(1, sizeof(*load));
    assert_non_null(load);
    assert_int_equal(sem_init(&load->progress, 0, 0), 0);
    daemon_new(&daemon, "sqlite");
    load->s = daemon_open(&daemon, 60);
    ok(syncd_call(load->s, "queue.declare",
                  "{\"queue\":\"load\",\"capacity\":20,\"max_attempts\":0}",
                  NULL));
    start_workers(load, workers);
    for (int i = 0; i < KILLS; i++) {
        await_progress(load);
        (void)daemon_stop(&daemon, i % 3 == 2 ? SIGTERM : SIGKILL);
        daemon_start(&daemon);
    }
    atomic_store(&load->stop, true);
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    uint64_t dead = 0;
    ok(syncd_join(load->s, "load", SYNCD_FOREVER, &dead));
    ok(syncd_call(load->s, "queue.close", "{\"queue\":\"load\"}", NULL));
    for (int i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    assert_int_equal(atomic_load(&load->wrong), 0);
    assert_int_equal(atomic_load(&load->again), 0);
    assert_int_equal(dead, 0);
    for (int i = 0; i < PRODUCERS * ITEMS_MAX; i++) {
        bool was_put = i % ITEMS_MAX < atomic_load(&load->put[i / ITEMS_MAX]);
        assert_int_equal(atomic_load(&load->done[i]), was_put ? 1 : 0);
    }
    syncd_close(load->s);
    daemon_free(&daemon);
    assert_int_equal(sem_destroy(&load->progress), 0);
    free(load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold_over_kill),
        cmocka_unit_test(test_hold_over_stop),
        cmocka_unit_test(test_wait_over_kill),
        cmocka_unit_test(test_wait_over_stop),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
