/*
 * The system calls that the store makes itself fail, one by one: it refuses to
 * open and says what could not be done, or does without, and never loses what
 * it has acknowledged.
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"
#include "tests/store/fail_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one failing call makes of an opening. */
struct call {
    const char *name;
    unsigned n;
    int error;
    const char *told; /* NULL: it goes on */
};

/* Opens a store of version 1 and closes it again while that call fails; then
 * all is there, whatever came of it. */
static void open_failing(const struct call *call)
{
    struct test_dir dir;
    struct model model;
    struct store_error error = {""};
    test_dir_make(&dir);
    make_version_1(&dir);
    version_1_model(&model);
    calls_fail(call->name, call->n, call->error, false);
    struct store *store = store_sqlite_open(dir.path, &executor_inline, &error);
    bool failed = calls_mend();
    store_close(store);
    assert_true(failed);
    assert_int_equal(store == NULL, call->told != NULL);
    if (call->told != NULL && strstr(error.text, call->told) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", call->name, error.text,
                 call->told);
    }
    assert_loads(&dir, &model);
    model_fini(&model);
    test_dir_remove(&dir);
}

static void test_told(void **state)
{
    (void)state;
    static const struct call calls[] = {
        {"open", 1, EMFILE, "cannot open the data directory"},
        {"openat", 1, ENOSPC, "cannot make the lock file"},
        {"flock", 1, ENOLCK, "cannot lock"},
        {"flock", 1, EWOULDBLOCK, "is in use by another syncd"},
        {"pwrite", 1, ENOSPC, NULL}, /* who holds the lock */
        {"ftruncate", 1, EIO, NULL}, /* the same */
        {"openat", 2, EMFILE, "cannot open"},
        {"fstat", 1, EIO, "is not a regular file"},
        {"fsync", 1, EIO, "cannot sync the data directory"},
        {"fsync", 1, EINVAL, NULL}, /* a file system that has no such sync */
        {"open", 2, ENOSPC, "cannot make"}, /* the copy that has sums */
        {"open", 3, EMFILE, "cannot write"},
        {"fsync", 2, EIO, "cannot write"},
        {"rename", 1, EACCES, "cannot rename"},
        {"open", 4, EMFILE, "cannot write"}, /* the directory's new names */
        {"fsync", 3, EIO, "cannot write"},
        {"openat", 3, ENOSPC, NULL}, /* the reserve */
        {"posix_fallocate", 1, ENOSPC, NULL},
        {"ftruncate", 2, EIO, NULL},
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        open_failing(&calls[i]);
    }
}

static void test_path_too_long(void **state)
{
    (void)state;
    char path[PATH_MAX + 1];
    struct store_error error = {""};
    memset(path, '/', PATH_MAX);
    path[PATH_MAX] = '\0';
    assert_null(store_sqlite_open(path, &executor_inline, &error));
    assert_non_null(strstr(error.text, "path is too long"));
}

/* Somebody holds the lock who has not said who it is. */
static void test_unknown_holder(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "none\n", "-7\n"};
    struct test_dir dir;
    struct store_error error;
    test_dir_make(&dir);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *path = test_path(&dir, "syncd.db.lock");
        test_file_write(path, texts[i], strlen(texts[i]));
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        open_refused(&dir, &error);
        assert_non_null(strstr(error.text, "in use by another syncd: stop"));
        assert_int_equal(close(fd), 0);
    }
    test_dir_remove(&dir);
}

/* Others were here before: what is in the way is told, and left. */
static void test_in_the_way(void **state)
{
    (void)state;
    struct test_dir dir;
    struct store_error error;
    test_dir_make(&dir);
    assert_int_equal(symlink("elsewhere", test_path(&dir, "syncd.db.lock")), 0);
    open_refused(&dir, &error);
    assert_non_null(strstr(error.text, "cannot make the lock file"));
    assert_int_equal(unlink(test_path(&dir, "syncd.db.lock")), 0);
    make_version_1(&dir);
    assert_int_equal(mkdir(test_path(&dir, "syncd.db.new"), 0700), 0);
    open_refused(&dir, &error);
    assert_non_null(strstr(error.text, "syncd.db.new: Is a directory"));
    test_dir_remove(&dir);
}

/* ---- The reserve ---- */

static off_t reserve_bytes(const struct test_dir *dir)
{
    struct stat info;
    return stat(test_path(dir, "syncd.reserve"), &info) == 0 ? info.st_size : 0;
}

static enum store_status submit(struct store *store, uint64_t number,
                                size_t bytes)
{
    struct row_job job;
    char *body = mem_zalloc(bytes + 1);
    memset(body, 'b', bytes + 1);
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = number;
    job.body = (struct slice){body, bytes + 1};
    struct batch batch = batch_of(number, ROW_job, &job, 1);
    batch.bytes = bytes;
    enum store_status status = submit_wait(store, &batch).status;
    mem_free(body);
    return status;
}

/* No room for the reserve, or for more of it: it is low until there is. */
static void test_no_reserve(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    calls_fail("posix_fallocate", 1, ENOSPC, true);
    struct store *store = open_sqlite(&dir);
    assert_int_equal(reserve_bytes(&dir), 0);
    assert_int_equal(submit(store, 1, 1), STORE_DONE_LOW);
    assert_int_equal(probe_wait(store).status, STORE_DONE_LOW);
    assert_true(calls_mend());
    assert_int_equal(probe_wait(store).status, STORE_DONE);
    assert_int_equal(reserve_bytes(&dir), 8 << 20);
    calls_fail("posix_fallocate", 1, ENOSPC, true);
    assert_int_equal(submit(store, 2, (size_t)6 << 20), STORE_DONE_LOW);
    assert_true(calls_mend());
    assert_int_equal(reserve_bytes(&dir), 8 << 20); /* what there was */
    assert_int_equal(probe_wait(store).status, STORE_DONE);
    assert_true(reserve_bytes(&dir) >= 12 << 20);
    store_close(store);
    test_dir_remove(&dir);
}

/* The disk is full, and there is no reserve, or it cannot be given up: nothing
 * of the batch is there. */
static void test_reserve_of_no_use(void **state)
{
    (void)state;
    static const char *const calls[] = {"openat", "unlinkat"};
    for (size_t i = 0; i < 2; i++) {
        struct test_dir dir;
        struct model model;
        struct store_error error;
        struct ram_disk *disk = ram_disk_new("full");
        struct batch batch = {.number = 1};
        test_dir_make(&dir);
        calls_fail(calls[i], i == 0 ? 3 : 1, EACCES, true);
        struct store *store = open_on(disk, &dir, &error);
        assert_int_equal(submit_wait(store, &batch).status,
                         i == 0 ? STORE_DONE_LOW : STORE_DONE);
        ram_disk_fail(disk, RAM_FULL, 1, true);
        assert_int_equal(submit(store, 2, 1), STORE_NO_ROOM);
        assert_int_equal(submit(store, 2, 1), STORE_NO_ROOM);
        assert_true(calls_mend());
        ram_disk_fail(disk, RAM_NONE, 0, false);
        store_close(store);
        model_init(&model);
        assert_loads_on(disk, &dir, &model);
        model_fini(&model);
        ram_disk_free(disk);
        test_dir_remove(&dir);
    }
}

/* ---- Every call ---- */

/* A life with every call in it: a file from before, a reserve that grows and
 * is given up. What was acknowledged goes into `model`. */
static void live(const struct test_dir *dir, struct model *model)
{
    struct store_error error = {""};
    struct random random = {3};
    const struct model_terms terms = {12, 3, 300};
    struct store *store =
        store_sqlite_open(dir->path, &executor_inline, &error);
    assert_int_equal(store == NULL, error.text[0] != '\0');
    for (uint64_t i = 1; i <= 3 && store != NULL; i++) {
        struct batch *batch = model_batch(&random, &terms, i);
        batch->bytes = i * ((size_t)4 << 20);
        enum store_status status = submit_wait(store, batch).status;
        assert_true(status == STORE_DONE || status == STORE_DONE_LOW);
        status = probe_wait(store).status;
        assert_true(status == STORE_DONE || status == STORE_DONE_LOW);
        model_apply(model, batch);
        model_batch_free(batch);
    }
    store_close(store);
}

static void test_every_call(void **state)
{
    (void)state;
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        struct test_dir dir;
        struct model model;
        test_dir_make(&dir);
        make_version_1(&dir);
        version_1_model(&model);
        calls_fail(NULL, n, EIO, n % 2 == 0);
        live(&dir, &model);
        failed = calls_mend();
        assert_loads(&dir, &model);
        assert_true(failed || n > 20);
        model_fini(&model);
        test_dir_remove(&dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_path_too_long),
        cmocka_unit_test(test_unknown_holder),
        cmocka_unit_test(test_in_the_way),
        cmocka_unit_test(test_no_reserve),
        cmocka_unit_test(test_reserve_of_no_use),
        cmocka_unit_test(test_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
