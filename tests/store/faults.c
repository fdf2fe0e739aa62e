/*
 * The disk fails at the n-th operation, for every n: what was answered done is
 * there afterwards, a failed batch is wholly absent, one in doubt is there as a
 * whole or not at all.
 */
#include "tests/store/fixture.h"

#include "daemon/store/database.h"
#include "proto/memory.h"
#include "tests/store/fault_vfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int register_vfs(void **state)
{
    (void)state;
    fault_vfs_register();
    return 0;
}

/* Small batches, so that every operation can be made to fail; or large ones,
 * so that the log is brought into the database between them. */
struct script {
    struct model_terms terms;
    int batches;
    size_t body_len; /* of one job in each batch; 0: none */
    unsigned step;   /* from one n to the next */
};

static const struct script small = {{12, 3, 300}, 5, 0, 1};
static const struct script large = {{12, 3, 300}, 9, 700000, 173};

/* One run of a script, and what must be there afterwards. */
struct faulty_run {
    struct test_dir dir;
    struct model done;  /* with every batch that was answered done */
    struct model doubt; /* with the one in doubt, too */
    bool in_doubt;
    bool low;
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
    struct store_error error = {""};
    struct store *store = store_sqlite_open_vfs(run->dir.path, FAULT_VFS,
                                                &executor_inline, &error);
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
        if (!going) { /* from then on nothing is written */
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

static void check_run(struct faulty_run *run, unsigned n)
{
    struct model loaded;
    struct store_error error;
    if (!try_load(&run->dir, &loaded, &error)) {
        fail_msg("operation %u: %s", n, error.text);
    }
    if (!model_equal(&loaded, &run->done) &&
        !(run->in_doubt && model_equal(&loaded, &run->doubt))) {
        fail_msg("operation %u: something is lost or half there", n);
    }
    model_fini(&loaded);
}

/* Makes the n-th operation fail, from 1 on, until there is none. */
static void fail_each(const struct script *script, enum fault_kind kind,
                      bool ever)
{
    bool fired = true;
    bool low = false;
    bool doubt = false;
    unsigned n = 1;
    for (; fired; n += script->step) {
        struct faulty_run run = {.in_doubt = false};
        test_dir_make(&run.dir);
        model_init(&run.done);
        model_init(&run.doubt);
        fault_vfs_arm(kind, n, ever);
        run_script(&run, script);
        fired = fault_vfs_fired();
        low = low || run.low;
        doubt = doubt || run.in_doubt;
        fault_vfs_arm(kind, 0, false);
        check_run(&run, n);
        model_fini(&run.done);
        model_fini(&run.doubt);
        test_dir_remove(&run.dir);
    }
    assert_true(n > 100);
    assert_int_equal(low, kind == FAULT_FULL && !ever);
    assert_int_equal(doubt, kind == FAULT_ERROR);
}

static void test_error_once(void **state)
{
    (void)state;
    fail_each(&small, FAULT_ERROR, false);
    fail_each(&large, FAULT_ERROR, false);
}

static void test_error_for_ever(void **state)
{
    (void)state;
    fail_each(&small, FAULT_ERROR, true);
    fail_each(&large, FAULT_ERROR, true);
}

static void test_full_once(void **state)
{
    (void)state;
    fail_each(&small, FAULT_FULL, false);
    fail_each(&large, FAULT_FULL, false);
}

static void test_full_for_ever(void **state)
{
    (void)state;
    fail_each(&small, FAULT_FULL, true);
    fail_each(&large, FAULT_FULL, true);
}

/* The n-th operation fails while a log is being recovered. */
static void test_recovery(void **state)
{
    (void)state;
    struct test_dir dir;
    struct test_dir crashed;
    struct model model;
    struct random random = {9};
    test_dir_make(&dir);
    test_dir_make(&crashed);
    model_init(&model);
    struct store *store = open_sqlite(&dir);
    for (uint64_t i = 1; i <= 6; i++) {
        struct batch *batch = model_batch(&random, &small.terms, i);
        assert_int_equal(submit_wait(store, batch).status, STORE_DONE);
        model_apply(&model, batch);
        model_batch_free(batch);
    }
    bool fired = true;
    for (unsigned n = 1; fired; n++) {
        test_dir_copy(&dir, &crashed);
        struct store_error error = {""};
        struct model loaded;
        model_init(&loaded);
        fault_vfs_arm(FAULT_ERROR, n, n % 2 == 0);
        struct store *faulty = store_sqlite_open_vfs(crashed.path, FAULT_VFS,
                                                     &executor_inline, &error);
        if (faulty != NULL) {
            assert_int_equal(store_load(faulty, model_load, &loaded, &error),
                             0);
            assert_true(model_equal(&loaded, &model));
        }
        store_close(faulty);
        fired = fault_vfs_fired();
        fault_vfs_arm(FAULT_ERROR, 0, false);
        assert_loads(&crashed, &model);
        model_fini(&loaded);
    }
    store_close(store);
    model_fini(&model);
    test_dir_remove(&crashed);
    test_dir_remove(&dir);
}

/* What a full disk does to the reserve, and how it comes back. */
static void test_reserve(void **state)
{
    (void)state;
    struct test_dir dir;
    struct stat info;
    struct store_error error = {""};
    test_dir_make(&dir);
    fault_vfs_arm(FAULT_FULL, 0, false);
    struct store *store =
        store_sqlite_open_vfs(dir.path, FAULT_VFS, &executor_inline, &error);
    assert_non_null(store);
    assert_int_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    assert_int_equal(info.st_size, 8 << 20);
    assert_true(info.st_blocks * 512 >= info.st_size); /* no holes */
    assert_int_equal(info.st_mode & 0777, 0600);
    struct batch batch = {.number = 1};
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    fault_vfs_arm(FAULT_FULL, 1, false);
    batch.number++;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE_LOW);
    assert_int_not_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    batch.number++;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE_LOW);
    assert_int_equal(probe_wait(store).status, STORE_DONE);
    assert_int_equal(stat(test_path(&dir, "syncd.reserve"), &info), 0);
    batch.number++;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    fault_vfs_arm(FAULT_FULL, 1, true);
    batch.number++;
    struct answer answer = submit_wait(store, &batch);
    assert_int_equal(answer.status, STORE_FAILED);
    assert_non_null(strstr(answer.why, "no room on the disk"));
    fault_vfs_arm(FAULT_FULL, 0, false);
    store_close(store);
    test_dir_remove(&dir);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_once),
        cmocka_unit_test(test_error_for_ever),
        cmocka_unit_test(test_full_once),
        cmocka_unit_test(test_full_for_ever),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_reserve_grows),
    };
    return cmocka_run_group_tests(tests, register_vfs, NULL);
}
