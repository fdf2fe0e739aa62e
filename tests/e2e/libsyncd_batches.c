/*
 * libsyncd and a real daemon: events, barriers, and batches in stages.
 */
#include "libsyncd_daemon.h"

#include "client/libsyncd/syncd.h"

#include <pthread.h>

static void refused(int status, const char *name)
{
    assert_int_equal(status, SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), name);
    assert_string_equal(syncd_error_reason(), "");
}

static void broken(int status, const char *reason)
{
    assert_int_equal(status, SYNCD_BROKEN);
    assert_string_equal(syncd_error_name(), "broken");
    assert_string_equal(syncd_error_reason(), reason);
    assert_true(*syncd_error_text() != '\0');
}

/* Until so many wait for what a show method tells of. */
static void await_waiters(struct syncd *s, const char *method,
                          const char *params, const char *waiters)
{
    for (;;) {
        char *shown = NULL;
        ok(syncd_call(s, method, params, &shown));
        bool there = strstr(shown, waiters) != NULL;
        free(shown);
        if (there) {
            return;
        }
        (void)usleep(1000);
    }
}

/* A call in a thread of its own. */
struct party {
    struct syncd *s;
    const char *name;
    uint64_t parties;
    bool action;
    double timeout;
    int status;
    struct syncd_round round;
    char reason[32];
    pthread_t thread;
};

static void *event_wait(void *arg)
{
    struct party *party = arg;
    party->status = syncd_event_wait(party->s, party->name, party->timeout);
    return NULL;
}

static void *barrier_wait(void *arg)
{
    struct party *party = arg;
    party->status =
        syncd_barrier_wait(party->s, party->name, party->parties, party->action,
                           party->timeout, &party->round);
    (void)snprintf(party->reason, sizeof(party->reason), "%s",
                   syncd_error_reason());
    return NULL;
}

static void begin(struct party *party, void *(*run)(void *arg))
{
    CHECK(pthread_create(&party->thread, NULL, run, party) == 0);
}

static void end(struct party *party)
{
    CHECK(pthread_join(party->thread, NULL) == 0);
}

static void test_event(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct party party = {.s = s, .name = "e", .timeout = SYNCD_FOREVER};
    assert_int_equal(syncd_event_wait(s, "e", 0), SYNCD_TIMEOUT);
    assert_int_equal(syncd_event_wait(s, "e", 0.00001), SYNCD_TIMEOUT);
    begin(&party, event_wait);
    await_waiters(s, "event.show", "{\"event\":\"e\"}", "\"waiters\":1");
    ok(syncd_event_set(s, "e"));
    ok(syncd_event_clear(s, "e"));
    end(&party);
    ok(party.status);
    assert_int_equal(syncd_event_wait(s, "e", 0), SYNCD_TIMEOUT);
    ok(syncd_event_set(s, "e"));
    ok(syncd_event_wait(s, "e", SYNCD_FOREVER));
    refused(syncd_event_set(s, "batch/b/a"), "forbidden");
    assert_int_equal(syncd_event_set(s, ""), SYNCD_E_ARGUMENT);
    syncd_close(s);
}

static void test_after(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    const char *after[] = {"one", "two"};
    const char *limits[] = {"few"};
    struct syncd_terms terms = SYNCD_TERMS;
    terms.after = after;
    terms.after_count = 2;
    terms.limits = limits;
    terms.limits_count = 1;
    refused(syncd_put(s, "held", text_of("1"), &terms, 0, NULL), "not_found");
    ok(syncd_call(s, "semaphore.declare", "{\"semaphore\":\"few\",\"value\":1}",
                  NULL));
    struct syncd_text bodies[] = {text_of("1"), text_of("2")};
    ok(syncd_put_many(s, "held", bodies, 2, &terms, 0, NULL));
    struct syncd_job *job = NULL;
    ok(syncd_event_set(s, "one"));
    assert_int_equal(syncd_get(s, "held", 0, &job), SYNCD_TIMEOUT);
    ok(syncd_event_set(s, "two"));
    ok(syncd_get(s, "held", SYNCD_FOREVER, &job));
    assert_null(job->batch);
    struct syncd_job *none = NULL;
    assert_int_equal(syncd_get(s, "held", 0, &none), SYNCD_TIMEOUT);
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    ok(syncd_get(s, "held", SYNCD_FOREVER, &job));
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
    terms.batch = "b";
    assert_int_equal(syncd_put(s, "held", text_of("1"), &terms, 0, NULL),
                     SYNCD_E_ARGUMENT);
    syncd_close(s);
}

#define PARTIES 3
#define ROUNDS  1000

struct rounds {
    struct syncd *s;
    pthread_mutex_t lock;
    unsigned counts[ROUNDS]; /* under the lock: calls that were in that round */
    unsigned indexes[ROUNDS]; /* and a bit for each index */
    unsigned acts;
    unsigned wrong;
};

/* What only a barrier makes right: who is in round n + 1 has seen all of round
 * n. The one that acts is alone. */
static void *many_rounds(void *arg)
{
    struct rounds *rounds = arg;
    for (unsigned n = 0; n < ROUNDS; n++) {
        struct syncd_round round = {0};
        int status = syncd_barrier_wait(rounds->s, "many", PARTIES,
                                        n % 100 == 7, SYNCD_FOREVER, &round);
        pthread_mutex_lock(&rounds->lock);
        rounds->wrong += status != SYNCD_OK || round.generation != n;
        if (round.act) {
            rounds->acts++;
            rounds->wrong += rounds->counts[n] != 0;
        }
        rounds->counts[n]++;
        rounds->indexes[n] |= 1U << round.index;
        pthread_mutex_unlock(&rounds->lock);
        if (round.act) {
            status = syncd_barrier_pass(rounds->s, "many", n);
            pthread_mutex_lock(&rounds->lock);
            rounds->wrong += status != SYNCD_OK;
            pthread_mutex_unlock(&rounds->lock);
        }
    }
    return NULL;
}

static void test_rounds(void **state)
{
    static struct rounds rounds;
    pthread_t threads[PARTIES];
    rounds = (struct rounds){.s = daemon_open(*state, -1)};
    CHECK(pthread_mutex_init(&rounds.lock, NULL) == 0);
    for (int i = 0; i < PARTIES; i++) {
        CHECK(pthread_create(&threads[i], NULL, many_rounds, &rounds) == 0);
    }
    for (int i = 0; i < PARTIES; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    assert_int_equal(rounds.wrong, 0);
    assert_int_equal(rounds.acts, ROUNDS / 100);
    for (int n = 0; n < ROUNDS; n++) {
        assert_int_equal(rounds.counts[n], PARTIES);
        assert_int_equal(rounds.indexes[n], (1U << PARTIES) - 1);
    }
    CHECK(pthread_mutex_destroy(&rounds.lock) == 0);
    syncd_close(rounds.s);
}

static void test_broken(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct party party = {
        .s = s, .name = "b", .parties = 3, .timeout = SYNCD_FOREVER};
    begin(&party, barrier_wait);
    await_waiters(s, "barrier.show", "{\"barrier\":\"b\"}", "\"waiters\":1");
    refused(syncd_barrier_wait(s, "b", 2, false, 0, NULL), "conflict");
    broken(syncd_barrier_wait(s, "b", 3, false, 0.00001, NULL), "timeout");
    end(&party);
    assert_int_equal(party.status, SYNCD_BROKEN);
    assert_string_equal(party.reason, "timeout");
    broken(syncd_barrier_wait(s, "b", 1, false, 0, NULL), "timeout");
    ok(syncd_barrier_reset(s, "b"));
    ok(syncd_barrier_wait(s, "b", 1, false, 0, NULL));
    ok(syncd_barrier_abort(s, "b"));
    broken(syncd_barrier_wait(s, "b", 1, false, 0, NULL), "aborted");
    ok(syncd_barrier_reset(s, "b"));
    assert_int_equal(syncd_barrier_wait(s, "b", 1, true, 0, NULL),
                     SYNCD_E_ARGUMENT);
    refused(syncd_barrier_wait(s, "b", 0, false, 0, NULL), "invalid_params");

    /* The action fails: whoever does it aborts. */
    begin(&party, barrier_wait);
    await_waiters(s, "barrier.show", "{\"barrier\":\"b\"}", "\"waiters\":1");
    struct party other = party;
    begin(&other, barrier_wait);
    await_waiters(s, "barrier.show", "{\"barrier\":\"b\"}", "\"waiters\":2");
    struct syncd_round round = {0};
    ok(syncd_barrier_wait(s, "b", 3, true, 0, &round));
    assert_true(round.act);
    assert_int_equal(round.index, 2);
    ok(syncd_barrier_abort(s, "b"));
    end(&party);
    end(&other);
    assert_string_equal(party.reason, "aborted");
    assert_string_equal(other.reason, "aborted");
    assert_int_equal(syncd_barrier_pass(s, "b", round.generation),
                     SYNCD_BROKEN);
    ok(syncd_barrier_reset(s, "b"));

    /* An interrupted party breaks it, too. */
    struct syncd *second = daemon_open(*state, 0);
    other.s = second;
    begin(&party, barrier_wait);
    begin(&other, barrier_wait);
    await_waiters(s, "barrier.show", "{\"barrier\":\"b\"}", "\"waiters\":2");
    syncd_interrupt(second);
    end(&other);
    end(&party);
    assert_int_equal(other.status, SYNCD_E_REPLY);
    assert_string_equal(party.reason, "cancelled");
    syncd_close(second);
    syncd_close(s);
}

/* Takes the next job of a queue, of that stage, and finishes it. */
static void work(struct syncd *s, const char *queue, const char *stage)
{
    struct syncd_job *job = NULL;
    ok(syncd_get(s, queue, SYNCD_FOREVER, &job));
    assert_string_equal(job->stage, stage);
    ok(syncd_done(s, job, NULL));
    syncd_job_free(job);
}

static void test_batch(void **state)
{
    struct syncd *s = daemon_open(*state, 0);
    struct syncd *other = daemon_open(*state, 0);
    const char *stages[] = {"fetch", "save"};
    char *name = NULL;
    ok(syncd_batch_create(s, NULL, stages, 2, false, &name));
    assert_true(*name != '\0');
    ok(syncd_batch_create(s, name, stages, 2, false, NULL));
    refused(syncd_batch_create(s, name, stages, 1, false, NULL), "conflict");
    refused(syncd_batch_create(s, name, stages, 2, true, NULL), "conflict");
    assert_int_equal(syncd_batch_create(s, name, stages, 0, true, NULL),
                     SYNCD_E_ARGUMENT);
    struct syncd_terms terms = SYNCD_TERMS;
    terms.batch = name;
    terms.stage = "fetch";
    ok(syncd_put(s, "px", text_of("1"), &terms, 0, NULL));
    terms.stage = "save";
    ok(syncd_put(s, "px", text_of("2"), &terms, 0, NULL));
    assert_int_equal(syncd_batch_wait(s, name, "fetch", 0), SYNCD_TIMEOUT);
    ok(syncd_batch_seal(s, name));
    refused(syncd_put(other, "px", text_of("3"), &terms, 0, NULL), "conflict");

    struct syncd_job *job = NULL;
    ok(syncd_get(s, "px", SYNCD_FOREVER, &job));
    assert_string_equal(job->batch, name);
    assert_string_equal(job->stage, "fetch");
    terms.from_id = job->id;
    terms.from_token = job->token;
    ok(syncd_put(other, "px", text_of("3"), &terms, 0, NULL));
    struct syncd_failure dead = SYNCD_FAILURE;
    dead.dead = true;
    dead.error = "\"no luck\"";
    ok(syncd_fail_as(s, job, &dead));
    refused(syncd_put(other, "px", text_of("4"), &terms, 0, NULL),
            "stale_token");
    syncd_job_free(job);
    broken(syncd_batch_wait(s, name, NULL, SYNCD_FOREVER), "a job is dead");
    assert_non_null(strstr(syncd_error_data(), "\"error\":\"no luck\""));

    uint64_t count = 9;
    ok(syncd_batch_retry(s, name, &count));
    assert_int_equal(count, 1);
    work(s, "px", "fetch");
    ok(syncd_batch_wait(s, name, "fetch", SYNCD_FOREVER));
    refused(syncd_batch_delete(s, name), "conflict");
    work(s, "px", "save");
    ok(syncd_batch_cancel(s, name, &count));
    assert_int_equal(count, 1);
    broken(syncd_batch_wait(s, name, NULL, SYNCD_FOREVER), "cancelled");
    ok(syncd_batch_wait(s, name, "fetch", 0));
    ok(syncd_batch_delete(s, name));
    refused(syncd_batch_wait(s, name, NULL, 0), "not_found");
    free(name);
    syncd_close(other);
    syncd_close(s);
}

/* Calls that wait go on over a restart; a barrier in use is broken by it. */
static void test_restart(void **state)
{
    struct daemon *daemon = *state;
    struct syncd *s = daemon_open(daemon, 0);
    struct party at_event = {.s = s, .name = "later", .timeout = SYNCD_FOREVER};
    struct party at_barrier = {
        .s = s, .name = "r", .parties = 2, .timeout = SYNCD_FOREVER};
    const char *stages[] = {"only"};
    struct syncd_terms terms = SYNCD_TERMS;
    terms.batch = "over";
    terms.stage = "only";
    ok(syncd_batch_create(s, "over", stages, 1, false, NULL));
    ok(syncd_put(s, "over", text_of("1"), &terms, 0, NULL));
    ok(syncd_batch_seal(s, "over"));
    begin(&at_event, event_wait);
    begin(&at_barrier, barrier_wait);
    await_waiters(s, "event.show", "{\"event\":\"later\"}", "\"waiters\":1");
    await_waiters(s, "barrier.show", "{\"barrier\":\"r\"}", "\"waiters\":1");
    ok(syncd_event_set(s, "disk")); /* and with it the barrier's row */
    assert_true(daemon_stop(daemon, SIGKILL));
    daemon_start(daemon);
    end(&at_barrier);
    assert_int_equal(at_barrier.status, SYNCD_BROKEN);
    assert_string_equal(at_barrier.reason, "restart");
    ok(syncd_barrier_reset(s, "r"));
    work(s, "over", "only");
    ok(syncd_batch_wait(s, "over", NULL, SYNCD_FOREVER));
    ok(syncd_event_set(s, "later"));
    end(&at_event);
    ok(at_event.status);
    syncd_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),  cmocka_unit_test(test_after),
        cmocka_unit_test(test_rounds), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_batch),  cmocka_unit_test(test_restart)};
    return cmocka_run_group_tests(tests, daemon_begin_group, daemon_end_group);
}
