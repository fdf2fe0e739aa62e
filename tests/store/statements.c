/*
 * SQLite fails at the n-th of its allocations, for every n: a way to make every
 * one of its calls fail, whatever the reason may be in the field. Opening is
 * refused, or a batch has failed or is in doubt; what was acknowledged is
 * there. (In the daemon SQLite's memory never fails: see sqlite_memory.c.)
 *
 *     store_statements [STRIDE]      from one n to the next; 1: every one
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"
#include "tests/store/fail_calls.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static unsigned stride = 13;

/* ---- SQLite's heap ---- */

static sqlite3_mem_methods heap;

static struct {
    unsigned fail_at; /* 0: none */
    unsigned counted;
    bool ever;
} dry;

static bool is_dry(void)
{
    dry.counted++;
    return dry.fail_at > 0 && (dry.counted == dry.fail_at ||
                               (dry.ever && dry.counted > dry.fail_at));
}

static void *on_malloc(int size)
{
    return is_dry() ? NULL : heap.xMalloc(size);
}

static void *on_realloc(void *old, int size)
{
    return is_dry() ? NULL : heap.xRealloc(old, size);
}

static void take_heap(void)
{
    sqlite3_mem_methods ours;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &heap), SQLITE_OK);
    ours = heap;
    ours.xMalloc = on_malloc;
    ours.xRealloc = on_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

/* From now on; as ram_disk_fail. */
static void run_dry(unsigned n, bool ever)
{
    dry.fail_at = n;
    dry.counted = 0;
    dry.ever = ever;
}

/* There is memory again. Was there none? */
static bool refill(void)
{
    bool failed = dry.fail_at > 0 && dry.counted >= dry.fail_at;
    run_dry(0, false);
    return failed;
}

/* ---- Every allocation ---- */

/* What was acknowledged, and what may be there beside it. */
struct truth {
    struct model done;
    struct model doubt;
    bool in_doubt;
    bool failed; /* nothing more is written */
};

static void note(struct truth *truth, enum store_status status,
                 const struct batch *batch)
{
    switch (status) {
    case STORE_DONE:
    case STORE_DONE_LOW:
        model_apply(&truth->done, batch);
        return;
    case STORE_IN_DOUBT:
        truth->in_doubt = true;
        model_copy(&truth->doubt, &truth->done);
        model_apply(&truth->doubt, batch);
        break;
    case STORE_NO_ROOM:
    case STORE_FAILED:
        break;
    }
    truth->failed = true;
}

static void submit_next(struct store *store, struct truth *truth,
                        uint64_t number)
{
    static const struct model_terms terms = {40, 12, 300};
    struct random random = {number};
    if (!truth->failed) {
        struct batch *batch = model_batch(&random, &terms, number);
        note(truth, submit_wait(store, batch).status, batch);
        model_batch_free(batch);
    }
}

/* The disk is full for one batch, and there is no room for a new reserve: what
 * the store can free it frees. Then there is room again. */
static void be_low(struct store *store, struct ram_disk *disk,
                   struct truth *truth)
{
    ram_disk_fail(disk, RAM_FULL, 1, false);
    submit_next(store, truth, 3);
    calls_fail("posix_fallocate", 1, ENOSPC, true);
    enum store_status status = probe_wait(store).status;
    truth->failed = truth->failed || status == STORE_FAILED;
    submit_next(store, truth, 4);
    (void)calls_mend();
    status = probe_wait(store).status;
    assert_int_equal(status, truth->failed ? STORE_FAILED : STORE_DONE);
    submit_next(store, truth, 5);
}

/* Opens, loads, writes and closes. */
static void live(struct ram_disk *disk, const struct test_dir *dir,
                 struct truth *truth)
{
    struct store_error error;
    struct model loaded;
    struct store *store = open_on(disk, dir, &error);
    assert_int_equal(store == NULL, error.text[0] != '\0');
    if (store == NULL) {
        return;
    }
    model_init(&loaded);
    if (store_load(store, model_load, &loaded, &error) != 0) {
        assert_true(error.text[0] != '\0');
    } else {
        assert_true(model_equal(&loaded, &truth->done));
        submit_next(store, truth, 1);
        submit_next(store, truth, 2);
        be_low(store, disk, truth);
    }
    model_fini(&loaded);
    store_close(store);
}

static void check(struct ram_disk *disk, const struct test_dir *dir,
                  const struct truth *truth, unsigned n)
{
    struct model loaded;
    struct store_error error;
    if (!try_load_on(disk, dir, &loaded, &error)) {
        fail_msg("allocation %u: %s", n, error.text);
    }
    if (!model_equal(&loaded, &truth->done) &&
        !(truth->in_doubt && model_equal(&loaded, &truth->doubt))) {
        fail_msg("allocation %u: something is lost or half there", n);
    }
    model_fini(&loaded);
}

/* One life with the n-th allocation failing; false: it did not come to it. */
static bool fail_one(struct ram_disk *disk, const struct test_dir *dir,
                     unsigned n, bool ever)
{
    struct truth truth = {.in_doubt = false};
    model_init(&truth.done);
    model_init(&truth.doubt);
    ram_disk_clear(disk);
    run_dry(n, ever);
    live(disk, dir, &truth);
    bool failed = refill();
    ram_disk_fail(disk, RAM_NONE, 0, false);
    check(disk, dir, &truth, n);
    model_fini(&truth.doubt);
    model_fini(&truth.done);
    return failed;
}

static void fail_each(bool ever)
{
    struct test_dir dir;
    struct ram_disk *disk = ram_disk_new("dry");
    test_dir_make(&dir);
    unsigned n = 1;
    while (fail_one(disk, &dir, n, ever)) {
        n += stride;
    }
    print_message("%u allocations; every %u. of them failed\n", n, stride);
    assert_true(n > 1000);
    ram_disk_free(disk);
    test_dir_remove(&dir);
}

static void test_once(void **state)
{
    (void)state;
    fail_each(false);
}

static void test_for_ever(void **state)
{
    (void)state;
    fail_each(true);
}

/* The same while a file of version 1 is copied to one that has sums. */
static void test_copying(void **state)
{
    (void)state;
    struct model model;
    version_1_model(&model);
    bool failed = true;
    unsigned n = 1;
    for (; failed; n += stride) {
        struct test_dir dir;
        struct store_error error = {""};
        test_dir_make(&dir);
        make_version_1(&dir);
        run_dry(n, n % 2 == 0);
        struct store *store =
            store_sqlite_open(dir.path, &executor_inline, &error);
        failed = refill();
        assert_int_equal(store == NULL, error.text[0] != '\0');
        store_close(store);
        assert_loads(&dir, &model);
        test_dir_remove(&dir);
    }
    assert_true(n > 1000);
    model_fini(&model);
}

/* ---- With the connection in hand ---- */

static sqlite3 *opened; /* the last one */

static int on_open(sqlite3 *db, const char **why, const void *api)
{
    (void)why;
    (void)api;
    opened = db;
    return SQLITE_OK;
}

/* The batch is refused, with the reason, and nothing of it is there. */
static void assert_failed(struct store *store, const struct test_dir *dir,
                          const struct batch *batch, const char *told)
{
    struct model none;
    struct answer answer = submit_wait(store, batch);
    assert_int_equal(answer.status, STORE_FAILED);
    if (strstr(answer.why, told) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", answer.why, told);
    }
    store_close(store);
    model_init(&none);
    assert_loads(dir, &none);
    model_fini(&none);
}

/* A row that is larger than SQLite takes. */
static void test_too_large(void **state)
{
    (void)state;
    struct test_dir dir;
    struct row_job job;
    char body[2000];
    test_dir_make(&dir);
    struct store *store = open_sqlite(&dir);
    (void)sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, 1000);
    memset(body, 'b', sizeof(body));
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = 1;
    job.body = (struct slice){body, sizeof(body)};
    struct batch batch = batch_of(1, ROW_job, &job, 1);
    assert_failed(store, &dir, &batch, "too big");
    test_dir_remove(&dir);
}

/* Somebody else has written: the number before is not the one that we wrote. */
static void test_other_writer(void **state)
{
    (void)state;
    struct test_dir dir;
    struct row_queue queue = test_queue();
    struct batch batch = batch_of(1, ROW_queue, &queue, 1);
    test_dir_make(&dir);
    struct store *store = open_sqlite(&dir);
    assert_int_equal(
        sqlite3_exec(opened, "UPDATE store SET batch=7", NULL, NULL, NULL),
        SQLITE_OK);
    assert_failed(store, &dir, &batch, "is damaged");
    test_dir_remove(&dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),         cmocka_unit_test(test_for_ever),
        cmocka_unit_test(test_copying),      cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_other_writer),
    };
    if (argc > 1) {
        stride = (unsigned)strtoul(argv[1], NULL, 10);
    }
    take_heap();
    (void)sqlite3_auto_extension((void (*)(void))on_open);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
