/*
 * Power cuts at every call of a scripted run, several kinds of damage at each:
 * what was acknowledged is there, and what is there is what some prefix of the
 * batches made, to the last column.
 *
 *     store_crash [DAMAGES [SEED [STRIDE]]]    STRIDE: of the large script
 *
 * The script runs once. Before each of its calls the disk is looked at as a
 * power cut would leave it (ram_disk.h), DAMAGES times, and another store is
 * opened on that. There, too, the power may be cut while it recovers, or the
 * disk fail; and what was recovered must be of use.
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"
#include "tests/store/ram_disk.h"

#include <stdlib.h>
#include <string.h>

#define BATCHES_MAX 64

/* What a run is made of. */
struct script {
    struct model_terms terms;
    int parts;       /* times it is opened */
    int batches;     /* of a part; their number is at most BATCHES_MAX */
    unsigned stride; /* from one point to the next */
};

/* Small batches come into the database when it is closed, and, after a disk
 * that was full, with every batch; large ones because the log is long. */
static const struct script small = {{12, 3, 300}, 3, 7, 1};
static struct script large = {{40, 12, 50000}, 2, 12, 83};

struct run {
    const struct script *script;
    unsigned damages;         /* at each point */
    struct test_dir dir;      /* of the lock and the reserve: real files */
    struct test_dir spare;    /* the same of the other stores */
    struct ram_disk *disk;    /* of the script */
    struct ram_disk *image;   /* what a power cut left */
    struct ram_disk *scratch; /* a copy of it, to do something to */
    struct ram_disk *second;  /* what the next power cut left */
    struct random random;
    struct model after[BATCHES_MAX + 1];
    int submitted;
    int acknowledged;
    unsigned calls;
    unsigned images;
    unsigned there;  /* images with a batch that was not acknowledged */
    unsigned twice;  /* images after a second power cut */
    unsigned failed; /* recoveries on a disk that fails */
};

/* ---- What may be there ---- */

/* Which batch was the last? */
static int which(struct run *run, const struct model *model)
{
    int last = run->submitted;
    while (last >= run->acknowledged &&
           !model_equal(model, &run->after[last])) {
        last--;
    }
    if (last < run->acknowledged) {
        fail_msg("call %u, image %u: not as after batch %d or %d", run->calls,
                 run->images, run->acknowledged, run->submitted);
    }
    return last;
}

static int recovered(struct run *run, struct ram_disk *disk)
{
    struct model loaded;
    struct store_error error;
    if (!try_load_on(disk, &run->spare, &loaded, &error)) {
        fail_msg("call %u, image %u: %s", run->calls, run->images, error.text);
    }
    int last = which(run, &loaded);
    model_fini(&loaded);
    return last;
}

/* How many calls does that take? */
static unsigned calls_of_recovery(struct run *run)
{
    ram_disk_copy(run->scratch, run->image);
    ram_disk_fail(run->scratch, RAM_NONE, 0, false);
    (void)recovered(run, run->scratch);
    return ram_disk_calls(run->scratch);
}

/* ---- Trouble while it recovers ---- */

struct second_cut {
    struct run *run;
    uint64_t countdown;
};

static void on_recovery_call(void *arg)
{
    struct second_cut *cut = arg;
    if (--cut->countdown == 0) {
        ram_disk_power_cut(cut->run->second, cut->run->scratch,
                           &cut->run->random);
    }
}

/* The power is cut at some call of the recovery of `scratch`. */
static void cut_again(struct run *run, unsigned calls)
{
    struct second_cut cut = {run, 1 + random_below(&run->random, calls)};
    ram_disk_power_cut(run->second, run->scratch, &run->random);
    ram_disk_watch(run->scratch, on_recovery_call, &cut);
    (void)recovered(run, run->scratch);
    ram_disk_watch(run->scratch, NULL, NULL);
    (void)recovered(run, run->second);
    run->twice++;
}

/* The disk fails at some call of it, once or from then on; what it serves all
 * the same is right. Then the daemon is started again: on the same machine, on
 * which the power may be cut meanwhile. */
static void fail_and_recover(struct run *run, unsigned calls)
{
    struct model loaded;
    struct store_error error;
    uint64_t how = random_next(&run->random);
    ram_disk_fail(run->scratch, how % 2 == 0 ? RAM_ERROR : RAM_FULL,
                  1 + (unsigned)random_below(&run->random, calls),
                  how / 2 % 2 == 0);
    if (try_load_on(run->scratch, &run->spare, &loaded, &error)) {
        (void)which(run, &loaded);
    }
    model_fini(&loaded);
    run->failed += ram_disk_failed(run->scratch);
    ram_disk_fail(run->scratch, RAM_NONE, 0, false);
    if (how / 4 % 2 == 0) {
        (void)recovered(run, run->scratch);
    } else {
        cut_again(run, calls);
    }
}

/* What was recovered can be written to, and that stays. */
static void go_on(struct run *run, int last)
{
    struct store_error error = {""};
    struct model model;
    struct random random = {run->images};
    struct store *store = open_on(run->scratch, &run->spare, &error);
    assert_non_null(store);
    struct batch *batch = model_batch(&random, &run->script->terms, 1);
    assert_int_equal(submit_wait(store, batch).status, STORE_DONE);
    store_close(store);
    model_copy(&model, &run->after[last]);
    model_apply(&model, batch);
    assert_loads_on(run->scratch, &run->spare, &model);
    model_fini(&model);
    model_batch_free(batch);
}

/* ---- Points of the script ---- */

static void check_image(struct run *run)
{
    ram_disk_power_cut(run->image, run->disk, &run->random);
    run->images++;
    ram_disk_copy(run->scratch, run->image);
    int last = recovered(run, run->scratch);
    run->there += last > run->acknowledged;
    uint64_t more = random_below(&run->random, 4);
    if (more == 0) {
        go_on(run, last);
    } else if (more < 3) {
        unsigned calls = calls_of_recovery(run);
        ram_disk_copy(run->scratch, run->image);
        if (more == 1) {
            cut_again(run, calls);
        } else {
            fail_and_recover(run, calls);
        }
    }
}

static void on_call(void *arg)
{
    struct run *run = arg;
    if (run->calls++ % run->script->stride == 0) {
        for (unsigned i = 0; i < run->damages; i++) {
            check_image(run);
        }
    }
}

static enum store_status submit(struct run *run, struct store *store,
                                uint64_t number, struct random *random)
{
    struct batch *batch = model_batch(random, &run->script->terms, number);
    struct model *after = &run->after[run->submitted + 1];
    model_copy(after, &run->after[run->submitted]);
    model_apply(after, batch);
    run->submitted++;
    enum store_status status = submit_wait(store, batch).status;
    assert_true(status == STORE_DONE || status == STORE_DONE_LOW);
    run->acknowledged++;
    model_batch_free(batch);
    return status;
}

/* One opening; if `full`, the disk is full for a moment, and stays low on room
 * until it is asked again. Blocks that are made ahead of the log are done
 * without: where the moment was theirs there is another. */
static void run_part(struct run *run, struct random *random, bool full)
{
    struct store_error error = {""};
    struct store *store = open_on(run->disk, &run->dir, &error);
    bool low = false;
    assert_non_null(store);
    for (int i = 1; i <= run->script->batches; i++) {
        bool last = i == run->script->batches;
        if (full && i >= 2 && !last && !low) {
            ram_disk_fail(run->disk, RAM_FULL, 1, false);
        } else if (full && last) {
            assert_true(low);
            assert_int_equal(probe_wait(store).status, STORE_DONE);
            low = false;
        }
        enum store_status status = submit(run, store, (uint64_t)i, random);
        low = low || (full && i >= 2 && !last && status == STORE_DONE_LOW);
        assert_int_equal(status, low ? STORE_DONE_LOW : STORE_DONE);
    }
    store_close(store);
}

static void run_init(struct run *run, const struct script *script,
                     unsigned damages, uint64_t seed)
{
    *run = (struct run){.script = script, .damages = damages, .random = {seed}};
    test_dir_make(&run->dir);
    test_dir_make(&run->spare);
    run->disk = ram_disk_new("script");
    run->image = ram_disk_new("image");
    run->scratch = ram_disk_new("scratch");
    run->second = ram_disk_new("second");
    model_init(&run->after[0]);
}

static void run_fini(struct run *run)
{
    for (int i = 0; i <= run->submitted; i++) {
        model_fini(&run->after[i]);
    }
    ram_disk_free(run->disk);
    ram_disk_free(run->image);
    ram_disk_free(run->scratch);
    ram_disk_free(run->second);
    test_dir_remove(&run->dir);
    test_dir_remove(&run->spare);
}

static unsigned damages_asked = 1;
static uint64_t seed_asked = 1;

static void run_script(const struct script *script)
{
    struct run run;
    struct random random = {seed_asked};
    run_init(&run, script, damages_asked, seed_asked);
    ram_disk_watch(run.disk, on_call, &run);
    for (int part = 0; part < script->parts; part++) {
        run_part(&run, &random, part == 1);
    }
    print_message("%d batches in %u calls: %u power cuts, %u of them kept a "
                  "batch in flight; %u power cuts and %u errors in recovery\n",
                  run.acknowledged, run.calls, run.images, run.there, run.twice,
                  run.failed);
    assert_true(run.images > 0 && run.twice > 0 && run.failed > 0);
    run_fini(&run);
}

static void test_small(void **state)
{
    (void)state;
    run_script(&small);
}

static void test_large(void **state)
{
    (void)state;
    run_script(&large);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_large),
    };
    if (argc > 1) {
        damages_asked = (unsigned)strtoul(argv[1], NULL, 10);
    }
    if (argc > 2) {
        seed_asked = strtoull(argv[2], NULL, 10);
    }
    if (argc > 3) {
        large.stride = (unsigned)strtoul(argv[3], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
