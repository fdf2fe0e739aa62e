/*
 * The write-ahead log as a file: blocks are made ahead of it, and a batch
 * reaches it in one write.
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"
#include "tests/store/ram_disk.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB ((off_t)1024)

static off_t log_size(const struct test_dir *dir)
{
    struct stat info;
    assert_int_equal(stat(test_path(dir, "syncd.db-wal"), &info), 0);
    assert_true(info.st_blocks * 512 >= info.st_size); /* no holes */
    return info.st_size;
}

static void put(struct store *store, uint64_t number, size_t body_len)
{
    struct row_job job;
    char *body = mem_alloc(body_len);
    memset(body, 'b', body_len);
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = number;
    job.body = (struct slice){body, body_len};
    struct batch batch = batch_of(number, ROW_job, &job, 1);
    batch.bytes = body_len;
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    mem_free(body);
}

/* In steps that double, as far as the log goes; it is used over and over. */
static void test_ahead(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    struct store *store = open_sqlite(&dir);
    uint64_t number = 0;
    while (number < 5) {
        put(store, ++number, 100);
        assert_int_equal(log_size(&dir), 256 * KIB);
    }
    off_t sizes = 1;
    for (off_t size = 256 * KIB; number < 400;) {
        put(store, ++number, 10000);
        off_t now = log_size(&dir);
        assert_true(now == size || now == 2 * size || now == 5120 * KIB);
        sizes += now != size;
        size = now;
    }
    assert_int_equal(sizes, 6);
    store_close(store);
    assert_int_not_equal(access(test_path(&dir, "syncd.db-wal"), F_OK), 0);
    test_dir_remove(&dir);
}

/* What is written of a log until it is synced. */
struct writes {
    struct ram_disk *disk;
    unsigned calls;
};

static void on_call(void *arg)
{
    ((struct writes *)arg)->calls++;
}

static void test_one_write(void **state)
{
    (void)state;
    struct test_dir dir;
    struct store_error error;
    test_dir_make(&dir);
    struct writes writes = {.disk = ram_disk_new("log")};
    struct store *store = open_on(writes.disk, &dir, &error);
    assert_non_null(store);
    put(store, 1, 100);
    ram_disk_watch(writes.disk, on_call, &writes);
    put(store, 2, 100);
    assert_int_equal(writes.calls, 2); /* and the sync */
    ram_disk_watch(writes.disk, NULL, NULL);
    store_close(store);
    ram_disk_free(writes.disk);
    test_dir_remove(&dir);
}

/* No room to make it longer: it goes on without, and nothing else is given up.
 */
static void test_no_room(void **state)
{
    (void)state;
    struct test_dir dir;
    struct store_error error;
    test_dir_make(&dir);
    struct ram_disk *disk = ram_disk_new("log");
    struct store *store = open_on(disk, &dir, &error);
    assert_non_null(store);
    ram_disk_fail(disk, RAM_FULL, 3, false);
    put(store, 1, 100);
    assert_true(ram_disk_failed(disk));
    assert_true(ram_disk_read(disk, "syncd.db-wal").len < 65536);
    assert_int_equal(access(test_path(&dir, "syncd.reserve"), F_OK), 0);
    store_close(store);
    ram_disk_free(disk);
    test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_one_write),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
