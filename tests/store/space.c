/*
 * A real file system that is full: needs root, to mount a small one in a mount
 * namespace of our own; skipped otherwise.
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_BYTES ((size_t)200 << 10)

/* A small file system, or false with the reason printed. */
static bool mount_small(struct test_dir *dir, const char *options)
{
    test_dir_make(dir);
    if (unshare(CLONE_NEWNS) == 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", dir->path, "tmpfs", 0, options) == 0) {
        return true;
    }
    print_message("skipped: cannot mount a small file system: %s\n",
                  strerror(errno));
    test_dir_remove(dir);
    return false;
}

static void unmount_small(const struct test_dir *dir)
{
    assert_int_equal(umount(dir->path), 0);
    test_dir_remove(dir);
}

/* Another program takes all the room that is left, but for `spare` bytes. */
static void fill_up(const struct test_dir *dir, off_t spare)
{
    int fd = open(test_path(dir, "filler"), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    off_t size = 0;
    while (posix_fallocate(fd, size, 65536) == 0) {
        size += 65536;
    }
    assert_true(size > spare);
    assert_int_equal(ftruncate(fd, size - spare), 0);
    assert_int_equal(close(fd), 0);
}

/* Jobs with large bodies, and what is there of them. */
struct load {
    struct test_dir dir;
    struct store *store;
    struct model model;
    char *body; /* owned */
    uint64_t number;
    uint64_t first; /* of the jobs that are there */
    uint64_t next;
};

static void load_open(struct load *load)
{
    load->store = open_sqlite(&load->dir);
    load->number = 0;
}

static void load_begin(struct load *load)
{
    load->body = mem_alloc(BODY_BYTES);
    memset(load->body, 'b', BODY_BYTES);
    load->first = load->next = 1;
    model_init(&load->model);
    load_open(load);
}

static void load_end(struct load *load)
{
    store_close(load->store);
    assert_loads(&load->dir, &load->model);
    model_fini(&load->model);
    mem_free(load->body);
    unmount_small(&load->dir);
}

static enum store_status submit(struct load *load, struct batch *batch)
{
    batch->number = ++load->number;
    struct answer answer = submit_wait(load->store, batch);
    if (answer.status == STORE_FAILED || answer.status == STORE_IN_DOUBT) {
        fail_msg("%s", answer.why);
    }
    model_apply(&load->model, batch);
    return answer.status;
}

static enum store_status put(struct load *load)
{
    struct row_job job;
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = load->next++;
    job.body = (struct slice){load->body, BODY_BYTES};
    struct batch batch = batch_of(0, ROW_job, &job, 1);
    batch.bytes = BODY_BYTES;
    return submit(load, &batch);
}

static enum store_status finish(struct load *load)
{
    uint64_t id = load->first++;
    struct batch batch = {0};
    batch.changes[ROW_job].gone = &id;
    batch.changes[ROW_job].gone_count = 1;
    return submit(load, &batch);
}

/* Jobs fill the disk; done one by one they make room again, five times. */
static void test_full_of_jobs(void **state)
{
    (void)state;
    struct load load = {.number = 0};
    if (!mount_small(&load.dir, "size=24m")) {
        skip();
    }
    load_begin(&load);
    for (int round = 0; round < 5; round++) {
        int puts = 0;
        while (put(&load) == STORE_DONE) {
            puts++;
            assert_true(puts < 200);
        }
        print_message("full with %d jobs\n", (int)(load.next - load.first));
        assert_true(puts > 10);
        assert_int_equal(probe_wait(load.store).status, STORE_DONE_LOW);
        while (load.first < load.next) {
            assert_int_equal(finish(&load), STORE_DONE_LOW);
        }
        assert_int_equal(probe_wait(load.store).status, STORE_DONE);
        if (round == 2) {
            store_close(load.store);
            load_open(&load);
        }
    }
    load_end(&load);
}

/* Another program fills the disk; what frees room goes on all the while. */
static void test_full_of_others(void **state)
{
    (void)state;
    struct load load = {.number = 0};
    if (!mount_small(&load.dir, "size=40m")) {
        skip();
    }
    load_begin(&load);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(put(&load), STORE_DONE);
    }
    fill_up(&load.dir, 0);
    enum store_status status = STORE_DONE;
    while (load.first < load.next) {
        status = finish(&load);
    }
    (void)status;
    while ((status = put(&load)) == STORE_DONE) {
        assert_true(load.next < 400);
    }
    assert_int_equal(status, STORE_DONE_LOW);
    assert_int_equal(finish(&load), STORE_DONE_LOW);
    /* The filler takes what the reserve left. */
    assert_int_equal(unlink(test_path(&load.dir, "filler")), 0);
    assert_int_equal(probe_wait(load.store).status, STORE_DONE);
    assert_int_equal(put(&load), STORE_DONE);
    load_end(&load);
}

/* Full from the start: what is there is served, nothing is to be put. */
static void test_full_at_start(void **state)
{
    (void)state;
    struct load load = {.number = 0};
    if (!mount_small(&load.dir, "size=24m")) {
        skip();
    }
    load_begin(&load);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(put(&load), STORE_DONE);
    }
    store_close(load.store);
    assert_int_equal(unlink(test_path(&load.dir, "syncd.reserve")), 0);
    fill_up(&load.dir, (off_t)3 << 20);
    load_open(&load);
    while (load.first + 5 < load.next) {
        assert_int_equal(finish(&load), STORE_DONE_LOW);
    }
    assert_int_equal(probe_wait(load.store).status, STORE_DONE_LOW);
    store_close(load.store);
    load_open(&load);
    assert_int_equal(finish(&load), STORE_DONE_LOW);
    assert_int_equal(unlink(test_path(&load.dir, "filler")), 0);
    assert_int_equal(probe_wait(load.store).status, STORE_DONE);
    assert_int_equal(put(&load), STORE_DONE);
    load_end(&load);
}

/* Not even room for an empty database: refused, with the reason. */
static void test_no_room_at_all(void **state)
{
    (void)state;
    struct test_dir dir;
    struct store_error error;
    if (!mount_small(&dir, "size=1m")) {
        skip();
    }
    fill_up(&dir, 0);
    open_refused(&dir, &error);
    assert_non_null(strstr(error.text, "no room on the disk"));
    assert_int_equal(unlink(test_path(&dir, "filler")), 0);
    struct store *store = open_sqlite(&dir);
    struct batch batch = {.number = 1};
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE_LOW);
    store_close(store);
    unmount_small(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_of_jobs),
        cmocka_unit_test(test_full_of_others),
        cmocka_unit_test(test_full_at_start),
        cmocka_unit_test(test_no_room_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
