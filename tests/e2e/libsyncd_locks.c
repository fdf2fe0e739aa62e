/*
 * libsyncd and locks, semaphores and conditions, with a real daemon: what is
 * held over its restart, and what a holder learns when it is lost.
 */
#include "libsyncd_daemon.h"

#include "client/libsyncd/syncd.h"

#include <pthread.h>

static void refused(int status, const char *name)
{
    assert_int_equal(status, SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), name);
}

/* So many requests wait at the daemon. */
static void await_waiting(struct syncd *s, int count)
{
    char gauge[48];
    bool there = false;
    (void)snprintf(gauge, sizeof(gauge), "\"waiting_requests\":%d,", count);
    while (!there) {
        char *stats = NULL;
        ok(syncd_call(s, "server.stats", NULL, &stats));
        there = strstr(stats, gauge) != NULL;
        free(stats);
    }
}

static void test_lock(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *a = daemon_open(&daemon, -1);
    struct syncd *b = daemon_open(&daemon, -1);
    uint64_t first = 0;
    uint64_t token = 7;
    ok(syncd_lock(a, "l", NULL, SYNCD_FOREVER, &first));
    assert_true(first > 0);
    assert_int_equal(syncd_lock(b, "l", NULL, 0, &token), SYNCD_TIMEOUT);
    assert_int_equal(syncd_lock(b, "l", NULL, 0.001, NULL), SYNCD_TIMEOUT);
    assert_int_equal(token, 7);
    refused(syncd_unlock(b, "l", 0), "stale_token");
    refused(syncd_unlock(a, "l", first + 1), "stale_token");
    ok(syncd_unlock(b, "l", first)); /* whoever has the token may */
    ok(syncd_lock(b, "l", NULL, 0, &token));
    assert_true(token > first);
    ok(syncd_unlock(b, "l", 0));
    refused(syncd_unlock(b, "l", 0), "stale_token");
    assert_int_equal(syncd_lock(a, "", NULL, 0, NULL), SYNCD_E_ARGUMENT);
    assert_int_equal(syncd_lock(a, "a\nb", NULL, 0, NULL), SYNCD_E_ARGUMENT);
    /* Closed, it holds nothing. */
    ok(syncd_lock(a, "l", NULL, 0, NULL));
    syncd_close(a);
    ok(syncd_lock(b, "l", NULL, 0, NULL));
    syncd_close(b);
    daemon_free(&daemon);
}

static void test_owners(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *s = daemon_open(&daemon, -1);
    const struct syncd_lock_terms a = {.owner = "a", .reentrant = true};
    const struct syncd_lock_terms inner = {.owner = "a/1", .reentrant = true};
    const struct syncd_lock_terms plain = {.owner = "a/1",
                                           .refuse_deadlock = true};
    const struct syncd_lock_terms other = {.owner = "b", .reentrant = true};
    const struct syncd_lock_terms bad = {.owner = ""};
    uint64_t token = 0;
    uint64_t again = 0;
    ok(syncd_lock(s, "l", &a, 0, &token));
    ok(syncd_lock(s, "l", &inner, 0, &again));
    assert_true(token == again);
    assert_int_equal(syncd_lock(s, "l", &other, 0, NULL), SYNCD_TIMEOUT);
    refused(syncd_lock(s, "l", &plain, SYNCD_FOREVER, NULL), "deadlock");
    assert_non_null(strstr(syncd_error_data(), "\"holds\":\"l\""));
    assert_int_equal(syncd_lock(s, "l", &bad, 0, NULL), SYNCD_E_ARGUMENT);
    ok(syncd_unlock(s, "l", token));
    assert_int_equal(syncd_lock(s, "l", &other, 0, NULL), SYNCD_TIMEOUT);
    ok(syncd_unlock(s, "l", token));
    ok(syncd_lock(s, "l", &other, 0, NULL));
    syncd_close(s);
    daemon_free(&daemon);
}

static void test_semaphore(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *a = daemon_open(&daemon, -1);
    struct syncd *b = daemon_open(&daemon, -1);
    uint64_t two = 0;
    uint64_t one = 0;
    refused(syncd_sem_acquire(a, "s", 1, SYNCD_DECLARED, 0, NULL), "not_found");
    ok(syncd_sem_acquire(a, "s", 2, 3, 0, &two));
    ok(syncd_sem_acquire(a, "s", 1, SYNCD_DECLARED, 0, &one));
    assert_true(one > two);
    assert_int_equal(syncd_sem_acquire(b, "s", 1, 9, 0, NULL), SYNCD_TIMEOUT);
    refused(syncd_sem_release(b, "s", 1, 0), "over_release");
    refused(syncd_sem_release(a, "s", 2, one), "over_release");
    ok(syncd_sem_release(a, "s", 1, one));
    ok(syncd_sem_acquire(b, "s", 1, SYNCD_DECLARED, 0, NULL));
    ok(syncd_sem_declare(a, "s", 4, true));
    ok(syncd_sem_acquire(b, "s", 1, SYNCD_DECLARED, 0, NULL));
    refused(syncd_sem_declare(a, "s", 4, false), "conflict");
    assert_int_equal(syncd_sem_declare(a, "s", UINT64_MAX, true),
                     SYNCD_E_ARGUMENT);
    /* A counter: who releases need not have acquired; a token is a hold. */
    ok(syncd_sem_declare(a, "n", 0, false));
    ok(syncd_sem_release(b, "n", 2, 0));
    ok(syncd_sem_acquire(a, "n", 1, SYNCD_DECLARED, 0, NULL));
    ok(syncd_sem_acquire(a, "n", 1, SYNCD_DECLARED, 0, &one));
    assert_int_equal(syncd_sem_acquire(b, "n", 1, SYNCD_DECLARED, 0, NULL),
                     SYNCD_TIMEOUT);
    syncd_close(a);
    ok(syncd_sem_acquire(b, "n", 1, SYNCD_DECLARED, 0, NULL));
    ok(syncd_sem_acquire(b, "s", 2, SYNCD_DECLARED, 0, NULL));
    syncd_close(b);
    daemon_free(&daemon);
}

struct waiting {
    struct syncd *s;
    uint64_t token;
    uint64_t losses;
    int status;
};

static void *wait_at_condition(void *context)
{
    struct waiting *waiting = context;
    waiting->status = syncd_condition_wait(waiting->s, "c", "l", SYNCD_FOREVER,
                                           &waiting->token);
    return NULL;
}

static void test_condition(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *a = daemon_open(&daemon, -1);
    struct syncd *b = daemon_open(&daemon, -1);
    struct waiting waiting = {.s = a};
    uint64_t woken = 9;
    uint64_t token = 0;
    pthread_t thread;
    ok(syncd_lock(a, "l", NULL, 0, &waiting.token));
    uint64_t first = waiting.token;
    /* At the timeout it has its lock again, under another token. */
    assert_int_equal(syncd_condition_wait(a, "c", "l", 0, &waiting.token),
                     SYNCD_TIMEOUT);
    assert_true(waiting.token > first);
    refused(syncd_condition_wait(a, "c", "l", 0, &first), "stale_token");
    assert_int_equal(pthread_create(&thread, NULL, wait_at_condition, &waiting),
                     0);
    ok(syncd_lock(b, "l", NULL, SYNCD_FOREVER, &token));
    ok(syncd_condition_notify(b, "c", 1, &woken));
    assert_int_equal(woken, 1);
    ok(syncd_condition_notify(b, "c", SYNCD_ALL, &woken));
    assert_int_equal(woken, 0);
    ok(syncd_unlock(b, "l", token));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waiting.status, SYNCD_OK);
    assert_true(waiting.token > token);
    ok(syncd_unlock(a, "l", waiting.token));
    syncd_close(a);
    syncd_close(b);
    daemon_free(&daemon);
}

static void test_over_a_restart(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    struct syncd *a = daemon_open(&daemon, 30);
    struct syncd *b = daemon_open(&daemon, 30);
    struct waiting waiting = {.s = a};
    uint64_t losses = syncd_losses(a);
    uint64_t held = 0;
    uint64_t permits = 0;
    pthread_t thread;
    ok(syncd_lock(a, "held", NULL, 0, &held));
    ok(syncd_sem_acquire(a, "s", 2, 3, 0, &permits));
    ok(syncd_lock(a, "l", NULL, 0, &waiting.token));
    assert_int_equal(pthread_create(&thread, NULL, wait_at_condition, &waiting),
                     0);
    await_waiting(b, 1);
    assert_true(daemon_stop(&daemon, SIGKILL));
    daemon_start(&daemon);
    /* A restart wakes whoever waits at a condition. */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waiting.status, SYNCD_OK);
    assert_int_equal(syncd_lock(b, "held", NULL, 0, NULL), SYNCD_TIMEOUT);
    assert_int_equal(syncd_lock(b, "l", NULL, 0, NULL), SYNCD_TIMEOUT);
    assert_int_equal(syncd_sem_acquire(b, "s", 2, SYNCD_DECLARED, 0, NULL),
                     SYNCD_TIMEOUT);
    assert_int_equal(syncd_wait_lost(a, losses, 0), SYNCD_TIMEOUT);
    ok(syncd_unlock(a, "l", waiting.token));
    ok(syncd_unlock(a, "held", held));
    ok(syncd_sem_release(a, "s", 2, permits));
    syncd_close(a);
    syncd_close(b);
    daemon_free(&daemon);
}

static void *stand_guard(void *context)
{
    struct waiting *waiting = context;
    waiting->status =
        syncd_wait_lost(waiting->s, waiting->losses, SYNCD_FOREVER);
    return NULL;
}

/* The guard, the next call, and the release: each tells of the loss. */
static void test_lost(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "memory");
    struct syncd *s = daemon_open(&daemon, 30);
    uint64_t losses = syncd_losses(s);
    struct waiting guard = {.s = s, .losses = losses};
    uint64_t token = 0;
    pthread_t thread;
    ok(syncd_lock(s, "l", NULL, 0, &token));
    assert_int_equal(syncd_wait_lost(s, 0, 0.001), SYNCD_TIMEOUT);
    assert_int_equal(pthread_create(&thread, NULL, stand_guard, &guard), 0);
    assert_true(daemon_stop(&daemon, SIGKILL));
    daemon_start(&daemon);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(guard.status, SYNCD_E_LOST);
    assert_int_equal(syncd_wait_lost(s, losses, SYNCD_FOREVER), SYNCD_E_LOST);
    assert_int_equal(syncd_unlock(s, "l", token), SYNCD_E_LOST);
    refused(syncd_unlock(s, "l", token), "stale_token");
    ok(syncd_lock(s, "l", NULL, 0, &token));
    assert_int_equal(syncd_losses(s), 1);
    syncd_close(s);
    daemon_free(&daemon);
}

static void test_guard_is_interrupted(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_new(&daemon, "memory");
    struct syncd *s = daemon_open(&daemon, -1);
    struct waiting guard = {.s = s};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stand_guard, &guard), 0);
    syncd_interrupt(s);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(guard.status, SYNCD_E_REPLY);
    syncd_uninterrupt(s);
    assert_int_equal(syncd_wait_lost(s, 0, 0), SYNCD_TIMEOUT);
    syncd_close(s);
    daemon_free(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_semaphore),
        cmocka_unit_test(test_condition),
        cmocka_unit_test(test_over_a_restart),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_guard_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
