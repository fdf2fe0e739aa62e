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
static bool ask(struct connection *c, size_t jobs, size_t bytes)
{
    struct request request = request_absent;
    request.bodies.count = jobs;
    c->fresh = true;
    share_begin(c);
    bool quiet = share_request(c, &request, bytes);
    share_served(c, bytes);
    return quiet;
}

/* One thing at a time, as often as makes one quiet. */
static void be_quiet(struct stage *stage, bool waits)
{
    for (int i = 0; i < QUIET_TIMES; i++) {
        if (ask(&stage->quiet, 0, SMALL) && waits) {
            share_waits(&stage->server->share, stage->server->now_us);
        }
    }
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
    be_quiet(stage, true);
    assert_true(share_is_used(stage->server));
    assert_true(share_is_heavy(&stage->heavy));
    assert_false(share_is_heavy(&stage->quiet));
    share_cut(&stage->server->share);
    assert_false(share_is_used(stage->server));
    fill_batch(stage);
    assert_true(share_is_used(stage->server));
    stage->server->now_us += SHARE_US; /* nobody quiet is there any more */
    assert_false(share_is_used(stage->server));
    assert_false(share_is_heavy(&stage->heavy));
}

/* Who only reads does not wait for the disk. */
static void test_readers_share_no_batch(void **state)
{
    struct stage *stage = *state;
    be_quiet(stage, false);
    fill_batch(stage);
    assert_false(share_is_used(stage->server));
    assert_int_equal(share_sweep_rows(stage->server), 0);
    be_quiet(stage, true);
    assert_true(share_is_used(stage->server));
    assert_int_equal(share_sweep_rows(stage->server), BATCH_SWEEP_ROWS);
}

static void test_who_is_quiet(void **state)
{
    struct stage *stage = *state;
    fill_batch(stage);
    for (int i = 1; i < QUIET_TIMES; i++) {
        ask(&stage->quiet, 1, SMALL);
    }
    assert_false(share_is_used(stage->server)); /* not often enough yet */
    stage->server->now_us += SHARE_US;
    fill_batch(stage);
    ask(&stage->quiet, 1, SMALL);
    assert_false(share_is_used(stage->server)); /* nor one after the other */
    stage->quiet.pending = QUIET_PENDING;
    be_quiet(stage, true);
    assert_false(share_is_used(stage->server)); /* many at once */
    stage->quiet.pending = 0;
    be_quiet(stage, true);
    assert_false(share_is_used(stage->server)); /* was it just now */
    stage->server->now_us += SHARE_US;
    fill_batch(stage);
    be_quiet(stage, true);
    assert_true(share_is_used(stage->server));
}

/* What takes a millisecond is paid for, by all connections of its user, but not
 * with what is small. */
static void test_large_is_paid_for(void **state)
{
    struct stage *stage = *state;
    struct connection other = stage->heavy;
    ask(&stage->heavy, 1000000, LARGE);
    assert_false(share_is_resting(&stage->heavy)); /* nobody else is there */
    be_quiet(stage, true);
    ask(&stage->heavy, 500, BATCH_HEAVY_BYTES);
    assert_false(share_is_resting(&stage->heavy)); /* it was not large */
    ask(&stage->heavy, 2000, LARGE / 16);
    assert_true(share_is_resting(&stage->heavy));
    assert_true(share_is_resting(&other));
    assert_false(share_is_resting(&stage->quiet));
    other.frame.end = REST_LINE - 1;
    assert_false(share_is_resting(&other));
    stage->server->now_us += REST_US_MIN;
    assert_true(share_is_resting(&stage->heavy)); /* behind the work itself */
    stage->server->now_us += 2000 + 3 * 64;
    assert_false(share_is_resting(&stage->heavy));
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
    be_quiet(stage, false);
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

/* Short pauses are put off until they are one. */
static void test_short_pauses_are_put_off(void **state)
{
    struct stage *stage = *state;
    fill_batch(stage);
    be_quiet(stage, false);
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
    be_quiet(stage, true);
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
    user->rest_until_us = 70;
    users_closed(&users, user, 50);
    users_fini(&users);
}

/* A service that ends makes nobody wait, nor does a disk without room. */
static void test_exceptions(void **state)
{
    struct stage *stage = *state;
    be_quiet(stage, true);
    ask(&stage->heavy, 2000, LARGE / 16);
    assert_true(share_is_resting(&stage->heavy));
    stage->server->stopping = true;
    assert_false(share_is_resting(&stage->heavy));
    assert_int_equal(pause_us(stage, 1000), 0);
    assert_true(share_is_used(stage->server));
    stage->server->commit.stuck = true;
    assert_false(share_is_used(stage->server));
}

/* For whoever reads alone, by what it takes of the loop. */
static void test_loop_is_paid_for(void **state)
{
    struct stage *stage = *state;
    be_quiet(stage, false);
    ask(&stage->heavy, 2000, LARGE / 16);
    assert_false(share_is_resting(&stage->heavy));
    ask(&stage->heavy, 1000000, 4 * LARGE);
    assert_true(share_is_resting(&stage->heavy));
    assert_true(stage->users[1].rest_until_us <=
                stage->server->now_us + 250000 + REST_US_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batch_is_shared, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_readers_share_no_batch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_quiet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_is_paid_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_loop_is_paid_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_floods_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_short_pauses_are_put_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_drips_pause, set_up, tear_down),
        cmocka_unit_test(test_debt_stays),
        cmocka_unit_test_setup_teardown(test_exceptions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
