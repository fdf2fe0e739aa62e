/*
 * The disk fails at the n-th call, for every n: what was answered done is there
 * afterwards, a failed batch is wholly absent, one in doubt is there as a whole
 * or not at all. So it is when the daemon starts again on the same machine,
 * after a power cut, and when the power is cut while the restarted daemon
 * recovers: what a failed sync left in the page cache alone is no help then.
 *
 *     store_faults [STRIDE [SEED]]      of the large script; 1: every call
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"
#include "tests/store/ram_disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Small batches, so that every operation can be made to fail; or large ones,
 * so that the log is brought into the database between them. */
struct script {
    struct model_terms terms;
    int batches;
    size_t body_len; /* of one job in each batch; 0: none */
    unsigned stride; /* from one n to the next */
};

static const struct script small = {{12, 3, 300}, 5, 0, 1};
static struct script large = {{12, 3, 300}, 9, 700000, 1009};

static uint64_t seed = 1;

/* One run of a script, and what must be there afterwards. */
struct faulty_run {
    struct test_dir dir;
    struct ram_disk *disk;
    struct ram_disk *copy; /* after a restart, */
    struct ram_disk *cut;  /* after a power cut */
    struct random random;
    struct model done;  /* with every batch that was answered done */
    struct model doubt; /* with the one in doubt, too */
    bool in_doubt;
    bool low;
    bool no_room;
    unsigned n; /* the call that fails */
};

/* The batch, with a large job added. */
static struct batch *next_batch(const struct script *script,
                                struct random *random, uint64_t number,
                                const char *body)
{
    struct batch *batch = model_batch(random, &script->terms, number);
    if (script->body_len > 0) {
        struct row_changes *jobs = &batch->changes[ROW_job];
        struct row_job *row = mem_alloc((jobs->rows_count + 1) * sizeof(*row));
        memcpy(row, jobs->rows, jobs->rows_count * sizeof(*row));
        mem_free((void *)(uintptr_t)jobs->rows);
        struct row_job *added = &row[jobs->rows_count++];
        memcpy(added, kind_row(ROW_job)->absent, sizeof(*added));
        added->id = 1000 + number;
        added->body = (struct slice){mem_strndup(body, script->body_len),
                                     script->body_len};
        jobs->rows = row;
    }
    return batch;
}

/* False: nothing more may be submitted. */
static bool note(struct faulty_run *run, const struct batch *batch,
                 enum store_status status)
{
    switch (status) {
    case STORE_DONE_LOW:
        run->low = true;
        model_apply(&run->done, batch);
        return true;
    case STORE_DONE:
        model_apply(&run->done, batch);
        return true;
    case STORE_NO_ROOM:
        run->no_room = true;
        return false;
    case STORE_FAILED:
        return false;
    case STORE_IN_DOUBT:
        break;
    }
    run->in_doubt = true;
    model_copy(&run->doubt, &run->done);
    model_apply(&run->doubt, batch);
    return false;
}

static void run_script(struct faulty_run *run, const struct script *script)
{
    struct store_error error;
    struct store *store = open_on(run->disk, &run->dir, &error);
    assert_int_equal(store == NULL, error.text[0] != '\0');
    if (store == NULL) {
        return;
    }
    char *body = mem_alloc(script->body_len + 1);
    memset(body, 'b', script->body_len + 1);
    struct random random = {5};
    bool going = true;
    for (int i = 1; i <= script->batches && going; i++) {
        struct batch *batch = next_batch(script, &random, (uint64_t)i, body);
        going = note(run, batch, submit_wait(store, batch).status);
        if (run->no_room) {
            assert_int_equal(submit_wait(store, batch).status, STORE_NO_ROOM);
        } else if (!going) { /* from then on nothing is written */
            assert_int_equal(submit_wait(store, batch).status, STORE_FAILED);
        }
        model_batch_free(batch);
    }
    if (going) {
        enum store_status status = probe_wait(store).status;
        assert_true(status == STORE_DONE || status == STORE_FAILED);
    }
    store_close(store);
    mem_free(body);
}

static void check(struct faulty_run *run, struct ram_disk *disk,
                  const char *when)
{
    struct model loaded;
    struct store_error error;
    if (!try_load_on(disk, &run->dir, &loaded, &error)) {
        fail_msg("call %u, %s: %s", run->n, when, error.text);
    }
    if (!model_equal(&loaded, &run->done) &&
        !(run->in_doubt && model_equal(&loaded, &run->doubt))) {
        fail_msg("call %u, %s: something is lost or half there", run->n, when);
    }
    model_fini(&loaded);
}

/* Cuts the power at one call of a recovery. */
struct cut {
    struct faulty_run *run;
    uint64_t countdown;
};

static void on_recovery_call(void *arg)
{
    struct cut *cut = arg;
    if (--cut->countdown == 0) {
        ram_disk_power_cut(cut->run->cut, cut->run->copy, &cut->run->random);
    }
}

/* The disk works again: the daemon starts, with what the machine has in mind,
 * or without. */
static void check_run(struct faulty_run *run)
{
    ram_disk_fail(run->disk, RAM_NONE, 0, false);
    ram_disk_power_cut(run->cut, run->disk, &run->random);
    check(run, run->cut, "power cut");
    ram_disk_copy(run->copy, run->disk);
    check(run, run->copy, "restart");
    unsigned calls = ram_disk_calls(run->copy);
    for (int i = 0; i < 2; i++) {
        struct cut cut = {run, 1 + random_below(&run->random, calls)};
        ram_disk_copy(run->copy, run->disk);
        ram_disk_watch(run->copy, on_recovery_call, &cut);
        check(run, run->copy, "restart");
        check(run, run->cut, "power cut while it recovers");
    }
}

/* Makes the n-th call fail, from 1 on, until there is none. */
static void fail_each(const struct script *script, enum ram_fault fault,
                      bool ever)
{
    struct faulty_run run = {.random = {seed}, .n = 1};
    bool failed = true;
    bool low = false;
    bool doubt = false;
    test_dir_make(&run.dir);
    run.disk = ram_disk_new("faulty");
    run.copy = ram_disk_new("copy");
    run.cut = ram_disk_new("cut");
    for (; failed; run.n += script->stride) {
        run.in_doubt = run.low = run.no_room = false;
        model_init(&run.done);
        model_init(&run.doubt);
        ram_disk_clear(run.disk);
        ram_disk_fail(run.disk, fault, run.n, ever);
        run_script(&run, script);
        failed = ram_disk_failed(run.disk);
        low = low || run.low;
        doubt = doubt || run.in_doubt;
        check_run(&run);
        model_fini(&run.done);
        model_fini(&run.doubt);
    }
    print_message("%u calls; every %u. of them failed\n", run.n,
                  script->stride);
    assert_true(run.n > 40);
    if (script->stride == 1) {
        assert_int_equal(low, fault == RAM_FULL && !ever);
        assert_int_equal(doubt, fault == RAM_ERROR);
    }
    ram_disk_free(run.disk);
    ram_disk_free(run.copy);
    ram_disk_free(run.cut);
    test_dir_remove(&run.dir);
}

static void test_error_once(void **state)
{
    (void)state;
    fail_each(&small, RAM_ERROR, false);
    fail_each(&large, RAM_ERROR, false);
}

static void test_error_for_ever(void **state)
{
    (void)state;
    fail_each(&small, RAM_ERROR, true);
    fail_each(&large, RAM_ERROR, true);
}

static void test_full_once(void **state)
{
    (void)state;
    fail_each(&small, RAM_FULL, false);
    fail_each(&large, RAM_FULL, false);
}

static void test_full_for_ever(void **state)
{
    (void)state;
    fail_each(&small, RAM_FULL, true);
    fail_each(&large, RAM_FULL, true);
}

/* The n-th call fails while a log is being recovered. */
static void test_recovery(void **state)
{
    (void)state;
    struct test_dir dir;
    struct test_dir spare;
    struct model model;
    struct random random = {9};
    struct store_error error;
    test_dir_make(&dir);
    test_dir_make(&spare);
    model_init(&model);
    struct ram_disk *disk = ram_disk_new("whole");
    struct ram_disk *copy = ram_disk_new("copy");
    struct store *store = open_on(disk, &dir, &error);
    for (uint64_t i = 1; i <= 6; i++) {
        struct batch *batch = model_batch(&random, &small.terms, i);
        assert_int_equal(submit_wait(store, batch).status, STORE_DONE);
        model_apply(&model, batch);
        model_batch_free(batch);
    }
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct model loaded;
        ram_disk_copy(copy, disk);
        ram_disk_fail(copy, RAM_ERROR, n, n % 2 == 0);
        if (try_load_on(copy, &spare, &loaded, &error)) {
            assert_true(model_equal(&loaded, &model));
        }
        failed = ram_disk_failed(copy);
        ram_disk_fail(copy, RAM_NONE, 0, false);
        assert_loads_on(copy, &spare, &model);
        model_fini(&loaded);
    }
    store_close(store);
    ram_disk_free(copy);
    ram_disk_free(disk);
    model_fini(&model);
    test_dir_remove(&spare);
    test_dir_remove(&dir);
}

/* What a full disk does to the reserve, and how it comes back. */
static void use_reserve(enum ram_fault fault)
{
    struct test_dir dir;
    struct stat info;
    struct store_error error;
    struct ram_disk *disk = ram_disk_new("full");
    test_dir_make(&dir);
    struct store *store = open_on(disk, &dir, &error);
    assert_non_null(store);
    assert_int_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    assert_int_equal(info.st_size, 8 << 20);
    assert_true(info.st_blocks * 512 >= info.st_size); /* no holes */
    assert_int_equal(info.st_mode & 0777, 0600);
    struct batch batch = {.number = 1};
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    ram_disk_fail(disk, fault, 1, false);
    batch.number++;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE_LOW);
    assert_int_not_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    batch.number++;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE_LOW);
    assert_int_equal(probe_wait(store).status, STORE_DONE);
    assert_int_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    batch.number++;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    ram_disk_fail(disk, fault, 1, true);
    batch.number++;
    struct answer answer = submit_wait(store, &batch);
    assert_int_equal(answer.status, STORE_NO_ROOM);
    assert_non_null(strstr(answer.why, "no room on the disk"));
    assert_int_equal(submit_wait(store, &batch).status, STORE_NO_ROOM);
    ram_disk_fail(disk, RAM_NONE, 0, false);
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE_LOW);
    assert_int_equal(probe_wait(store).status, STORE_DONE);
    store_close(store);
    ram_disk_free(disk);
    test_dir_remove(&dir);
}

static void test_reserve(void **state)
{
    (void)state;
    use_reserve(RAM_FULL);
}

static void test_quota(void **state)
{
    (void)state;
    use_reserve(RAM_QUOTA);
}

/* The reserve follows the largest batch. */
static void test_reserve_grows(void **state)
{
    (void)state;
    struct test_dir dir;
    struct stat info;
    test_dir_make(&dir);
    struct store *store = open_sqlite(&dir);
    size_t len = (size_t)6 << 20;
    char *body = mem_alloc(len);
    memset(body, 'b', len);
    struct row_job job;
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = 1;
    job.body = (struct slice){body, len};
    struct batch batch = batch_of(1, ROW_job, &job, 1);
    batch.bytes = len;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    assert_int_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    assert_true(info.st_size >= (off_t)(2 * len));
    batch = (struct batch){.number = 2};
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    store_close(store);
    store = open_sqlite(&dir); /* forgets it */
    assert_int_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    assert_int_equal(info.st_size, 8 << 20);
    store_close(store);
    mem_free(body);
    test_dir_remove(&dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_once),
        cmocka_unit_test(test_error_for_ever),
        cmocka_unit_test(test_full_once),
        cmocka_unit_test(test_full_for_ever),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_reserve_grows),
    };
    if (argc > 1) {
        large.stride = (unsigned)strtoul(argv[1], NULL, 10);
    }
    if (argc > 2) {
        seed = strtoull(argv[2], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
