/* The pool: all work is done, once, whether somebody looks for it or sleeps. */
#include "daemon/io/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* What the work counts, and who waits for that. */
struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done;
    bool held; /* work waits as long as it is */
};

static void tally_init(struct tally *tally)
{
    *tally = (struct tally){.done = 0};
    pthread_mutex_init(&tally->lock, NULL);
    pthread_cond_init(&tally->changed, NULL);
}

static void tally_fini(struct tally *tally)
{
    pthread_cond_destroy(&tally->changed);
    pthread_mutex_destroy(&tally->lock);
}

static void tally_hold(struct tally *tally, bool held)
{
    pthread_mutex_lock(&tally->lock);
    tally->held = held;
    pthread_cond_broadcast(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

static void tally_wait(struct tally *tally, size_t done)
{
    pthread_mutex_lock(&tally->lock);
    while (tally->done < done) {
        pthread_cond_wait(&tally->changed, &tally->lock);
    }
    assert_int_equal(tally->done, done);
    pthread_mutex_unlock(&tally->lock);
}

static void count(void *arg)
{
    struct tally *tally = arg;
    pthread_mutex_lock(&tally->lock);
    while (tally->held) {
        pthread_cond_wait(&tally->changed, &tally->lock);
    }
    tally->done++;
    pthread_cond_broadcast(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

/* One piece after the other, at once or a while later: the thread is at work,
 * looks for more, or sleeps. */
static void test_one_by_one(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally);
    struct pool *pool = pool_new(2, 4);
    for (size_t i = 1; i <= 20000; i++) {
        assert_true(pool_try(pool, count, &tally));
        tally_wait(&tally, i);
        for (volatile size_t k = 0; k < i % 64 * 1000; k++) {
        }
    }
    pool_free(pool);
    tally_fini(&tally);
}

/* Two at a time: one for who looks, one for who sleeps. */
static void test_two_by_two(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally);
    struct pool *pool = pool_new(2, 4);
    for (size_t i = 2; i <= 20000; i += 2) {
        assert_true(pool_try(pool, count, &tally));
        assert_true(pool_try(pool, count, &tally));
        tally_wait(&tally, i);
    }
    pool_free(pool);
    tally_fini(&tally);
}

/* The last place is the store's; what was queued is done before the end. */
static void test_full(void **state)
{
    (void)state;
    struct tally tally;
    tally_init(&tally);
    struct pool *pool = pool_new(1, 4);
    struct executor executor = pool_executor(pool);
    tally_hold(&tally, true);
    size_t queued = 0;
    while (pool_try(pool, count, &tally)) {
        queued++;
    }
    assert_in_range(queued, 4, 5);
    executor.run(executor.context, count, &tally);
    tally_hold(&tally, false);
    pool_free(pool);
    assert_int_equal(tally.done, queued + 1);
    tally_fini(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_two_by_two),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
