/* What a client may take of what all have in common, and who has to wait. */
#include "daemon/io/share.h"

#include "daemon/io/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SMALL 100
#define LARGE ((size_t)1 << 20)

/* A server with a quiet client and a heavy one, each of a user of its own. */
struct stage {
    struct server *server;
    struct user users[2];
    struct connection quiet;
    struct connection heavy;
};

static int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    stage->server = calloc(1, sizeof(*stage->server));
    stage->server->now_us = 5000000;
    share_init(&stage->server->share);
    stage->quiet.server = stage->heavy.server = stage->server;
    stage->quiet.user = &stage->users[0];
    stage->heavy.user = &stage->users[1];
    stage->quiet.heavy_us = stage->heavy.heavy_us = INT64_MIN / 2;
    stage->heavy.frame.end = REST_LINE;
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    free(stage->server);
    free(stage);
    return 0;
}

/* A request that is answered at once, of so many jobs, in so many bytes. */
static void ask(struct connection *c, size_t jobs, size_t bytes)
{
    struct request request = request_absent;
    request.bodies.count = jobs;
    c->fresh = true;
    share_begin(c);
    share_request(c, &request, bytes);
    share_served(c, bytes);
}

/* One thing at a time, as often as makes one quiet. */
static void be_quiet(struct stage *stage)
{
    for (int i = 0; i < QUIET_TIMES; i++) {
        ask(&stage->quiet, 0, SMALL);
    }
}

/* So long the connection rests from now on; 0: it does not. */
static int64_t rest_us(const struct connection *c)
{
    int64_t until_us;
    return share_rests(c, &until_us) ? until_us - c->server->now_us : 0;
}

/* What is in the open batch is written, in no time but as if in so much. */
static void write_batch(struct stage *stage, int64_t took_us)
{
    share_cut(stage->server, true);
    share_written(stage->server, took_us);
}

static void fill_batch(struct stage *stage)
{
    ask(&stage->heavy, 128, BATCH_HEAVY_BYTES);
}

static void test_batch_is_shared(void **state)
{
    struct stage *stage = *state;
    fill_batch(stage);
    assert_false(share_is_used(stage->server)); /* among themselves */
    assert_int_equal(share_sweep_rows(stage->server), 0);
    be_quiet(stage);
    assert_true(share_is_used(stage->server));
    assert_true(share_stalls(&stage->heavy));
    assert_false(share_stalls(&stage->quiet));
    assert_int_equal(share_sweep_rows(stage->server), BATCH_SWEEP_ROWS);
    share_cut(stage->server, true);
    assert_false(share_is_used(stage->server));
    fill_batch(stage);
    assert_true(share_is_used(stage->server));
    stage->server->now_us += SHARE_US; /* nobody quiet is there any more */
    assert_false(share_is_used(stage->server));
    assert_false(share_stalls(&stage->heavy));
}

/* A fifth of the disk's time is for who is heavy. */
static void test_disk_is_shared(void **state)
{
    struct stage *stage = *state;
    fill_batch(stage);
    write_batch(stage, 700);
    assert_int_equal(rest_us(&stage->heavy), 0); /* among themselves */
    be_quiet(stage);
    write_batch(stage, 700);
    assert_int_equal(rest_us(&stage->heavy), 0); /* it had no part in that */
    fill_batch(stage);
    share_cut(stage->server, true);
    fill_batch(stage); /* into the next one */
    share_written(stage->server, 700);
    assert_int_equal(rest_us(&stage->heavy), 700 * PACE_FACTOR);
    share_cut(stage->server, false); /* it was refused */
    assert_int_equal(rest_us(&stage->quiet), 0);
    stage->server->now_us += 700 * PACE_FACTOR;
    assert_int_equal(rest_us(&stage->heavy), 0);
    fill_batch(stage);
    write_batch(stage, 100 * PACE_BATCH_US);
    assert_int_equal(rest_us(&stage->heavy), PACE_BATCH_US * PACE_FACTOR);
    stage->server->stopping = true;
    assert_int_equal(rest_us(&stage->heavy), 0);
}

static void test_who_is_quiet(void **state)
{
    struct stage *stage = *state;
    fill_batch(stage);
    for (int i = 1; i < QUIET_TIMES; i++) {
        ask(&stage->quiet, 1, SMALL);
    }
    assert_false(share_is_watched(stage->server)); /* not often enough yet */
    stage->server->now_us += SHARE_US;
    ask(&stage->quiet, 1, SMALL);
    assert_false(share_is_watched(stage->server)); /* nor one soon after the
                                                      other */
    stage->quiet.pending = QUIET_PENDING;
    be_quiet(stage);
    assert_false(share_is_watched(stage->server)); /* many at once */
    stage->quiet.pending = 0;
    be_quiet(stage);
    assert_false(share_is_watched(stage->server)); /* was it just now */
    stage->server->now_us += SHARE_US;
    be_quiet(stage);
    assert_true(share_is_watched(stage->server));
}

/* What takes a millisecond is paid for when it has been written, by all
 * connections of its user, but not with what is small. */
static void test_large_is_paid_for(void **state)
{
    struct stage *stage = *state;
    stage->heavy.heavy_us = INT64_MIN / 2;
    struct connection other = stage->heavy;
    ask(&stage->heavy, 1000000, LARGE);
    write_batch(stage, 1000000);
    assert_int_equal(rest_us(&other), 0); /* nobody else is there */
    be_quiet(stage);
    ask(&stage->heavy, 500, BATCH_HEAVY_BYTES / 2);
    assert_false(share_stalls(&other)); /* it was not large */
    ask(&stage->heavy, 2000, LARGE / 16);
    assert_true(share_stalls(&other)); /* until it has been written */
    other.frame.end = REST_LINE - 1;
    assert_false(share_stalls(&other));
    other.frame.end = REST_LINE;
    share_cut(stage->server, true);
    assert_true(share_stalls(&other));
    assert_false(share_stalls(&stage->quiet));
    share_written(stage->server, 1000);
    assert_false(share_stalls(&other));
    assert_int_equal(rest_us(&other), REST_US_MIN);
    assert_int_equal(rest_us(&stage->quiet), 0);
    other.frame.end = REST_LINE - 1;
    assert_int_equal(rest_us(&other), 0);
    other.frame.end = REST_LINE;
    stage->server->now_us += REST_US_MIN;
    assert_int_equal(rest_us(&other), 0);
}

/* By what is said or by what was seen, whichever is more. */
static void test_how_much_is_paid(void **state)
{
    struct stage *stage = *state;
    struct connection other = stage->heavy;
    be_quiet(stage);
    ask(&stage->heavy, 20000, LARGE / 16);
    ask(&stage->heavy, 2000, LARGE / 16);
    write_batch(stage, 1000);
    int64_t said_us =
        (20000 * REST_JOB_NS + (int64_t)(LARGE / 16 >> 10) * REST_KIB_NS) /
        1000;
    assert_int_equal(rest_us(&other), said_us * REST_FACTOR);
    ask(&stage->heavy, 2000, LARGE / 16);
    write_batch(stage, 40000);
    assert_int_equal(rest_us(&other), 40000 * REST_FACTOR);
    ask(&stage->heavy, 2000, LARGE / 16);
    write_batch(stage, 2 * REST_US_MAX);
    assert_int_equal(rest_us(&other), REST_US_MAX);
    stage->server->now_us += REST_US_MAX;
    be_quiet(stage);
    ask(&stage->heavy, 2000, LARGE / 16); /* refused: there is no batch */
    share_cut(stage->server, false);
    assert_false(share_stalls(&other));
    assert_int_equal(rest_us(&other), REST_US_MIN);
}

/* How long the heavy client pauses for so much work; 0: it does not. */
static int64_t pause_us(struct stage *stage, int64_t worked_us)
{
    int64_t until_us;
    return share_pauses(&stage->heavy, worked_us, &until_us)
               ? until_us - stage->server->now_us
               : 0;
}

/* Beside somebody quiet a flood has a fifth of the loop, and a second one has
 * to wait for the pause of the first. */
static void test_floods_pause(void **state)
{
    struct stage *stage = *state;
    int64_t until_us;
    fill_batch(stage);
    assert_int_equal(pause_us(stage, 200), 0); /* among themselves */
    be_quiet(stage);
    assert_int_equal(pause_us(stage, 200), 200 * PACE_FACTOR);
    assert_int_equal(pause_us(stage, 200), 400 * PACE_FACTOR);
    assert_false(share_pauses(&stage->quiet, 200, &until_us));
    stage->server->now_us += SHARE_US / 2;
    assert_int_equal(pause_us(stage, 200), 200 * PACE_FACTOR);
    assert_int_equal(pause_us(stage, 2 * REST_US_MAX), REST_US_MAX);
    assert_int_equal(pause_us(stage, 200), REST_US_MAX);
    stage->server->now_us += SHARE_US / 2;
    assert_int_equal(pause_us(stage, 200), 0);
}

/* Whoever waits for something else meanwhile goes on after the pause, though
 * that may have come before. */
static void test_pauses_are_kept(void **state)
{
    struct stage *stage = *state;
    struct connection *c = &stage->heavy;
    int64_t until_us;
    assert_false(share_rests(c, &until_us));
    c->rest_until_us = stage->server->now_us + 1000;
    assert_true(share_rests(c, &until_us));
    assert_int_equal(until_us, c->rest_until_us);
    stage->server->now_us += 1000;
    assert_false(share_rests(c, &until_us));
}

/* Short pauses are put off until they are one. */
static void test_short_pauses_are_put_off(void **state)
{
    struct stage *stage = *state;
    fill_batch(stage);
    be_quiet(stage);
    assert_int_equal(pause_us(stage, PACE_FROM_US / PACE_FACTOR - 1), 0);
    assert_int_equal(pause_us(stage, 1), PACE_FROM_US);
}

/* A read of so many bytes of a line that has no end yet; until when it pauses,
 * 0: it does not. */
static int64_t drip(struct connection *c, size_t bytes)
{
    int64_t until_us;
    c->unserved = bytes;
    return share_drips(c, &until_us) ? until_us - c->server->now_us : 0;
}

/* Who sends a line in drips is read now and then, while somebody quiet is
 * there, and not at the same time as another one. */
static void test_drips_pause(void **state)
{
    struct stage *stage = *state;
    struct connection *c = &stage->heavy;
    for (int i = 0; i < 2 * DRIPS_MAX; i++) {
        assert_int_equal(drip(c, 1), 0); /* among themselves */
    }
    be_quiet(stage);
    for (int i = 0; i < DRIPS_MAX; i++) {
        assert_int_equal(drip(c, 1), 0);
    }
    assert_int_equal(drip(c, 1), DRIP_US * PACE_FACTOR);
    assert_int_equal(drip(c, DRIP_BYTES - 1), 2 * DRIP_US * PACE_FACTOR);
    assert_int_equal(drip(c, 0), 0);
    assert_int_equal(drip(c, DRIP_BYTES), 0);
    stage->server->stopping = true;
    assert_int_equal(drip(c, 1), 0);
}

/* Who connects anew owes what he owed. */
static void test_debt_stays(void **state)
{
    (void)state;
    struct users users = {NULL};
    struct user *user = users_connected(&users, 1000);
    user->rest_until_us = 50;
    users_closed(&users, user, 49);
    assert_int_equal(users_connections(&users, 1000), 0);
    user = users_connected(&users, 1000);
    assert_int_equal(user->rest_until_us, 50);
    users_closed(&users, user, 50);
    user = users_connected(&users, 1000);
    assert_int_equal(user->rest_until_us, 0);
    user->owed_us = 7; /* what its message takes is being written */
    users_closed(&users, user, 50);
    user = users_connected(&users, 1000);
    assert_int_equal(user->owed_us, 7);
    user->rest_until_us = 70;
    users_closed(&users, user, 50);
    users_fini(&users);
}

/* A service that ends makes nobody wait, nor does a disk without room. */
static void test_exceptions(void **state)
{
    struct stage *stage = *state;
    be_quiet(stage);
    ask(&stage->heavy, 2000, LARGE / 16);
    assert_true(share_stalls(&stage->heavy));
    stage->server->commit.stuck = true;
    assert_false(share_stalls(&stage->heavy));
    write_batch(stage, 1000);
    assert_int_not_equal(rest_us(&stage->heavy), 0);
    stage->server->stopping = true;
    assert_int_equal(rest_us(&stage->heavy), 0);
    assert_int_equal(pause_us(stage, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batch_is_shared, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_disk_is_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_quiet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_is_paid_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_how_much_is_paid, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_floods_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pauses_are_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_short_pauses_are_put_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_drips_pause, set_up, tear_down),
        cmocka_unit_test(test_debt_stays),
        cmocka_unit_test_setup_teardown(test_exceptions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
