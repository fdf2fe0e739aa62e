/*
 * What the tests of stores share: directories of their own, submitting and
 * waiting for the answer, and the stores there are.
 */
#ifndef SYNCD_TESTS_STORE_FIXTURE_H
#define SYNCD_TESTS_STORE_FIXTURE_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/store/model.h"
#include "tests/store/ram_disk.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>

struct test_dir {
    char path[256];
};

void test_dir_make(struct test_dir *dir);
void test_dir_remove(const struct test_dir *dir);

/* dir/name, in a buffer that the next call uses again. */
const char *test_path(const struct test_dir *dir, const char *name);

/* Makes `to` a copy of the database in `from` and its log, as they are. */
void test_dir_copy(const struct test_dir *from, const struct test_dir *to);

/* A whole file, owned by the caller. */
char *test_file_read(const char *path, size_t *len);
void test_file_write(const char *path, const char *bytes, size_t len);

struct answer {
    enum store_status status;
    char why[400];
};

/* Submits and waits for the answer, which comes once. */
struct answer submit_wait(struct store *store, const struct batch *batch);
struct answer probe_wait(struct store *store);

/* Opens the SQLite store, which must succeed, or must not. */
struct store *open_sqlite(const struct test_dir *dir);
void open_refused(const struct test_dir *dir, struct store_error *error);

/* The same over a disk in memory; `dir` is where the lock and the reserve are.
 * NULL with `error` set: refused. */
struct store *open_on(struct ram_disk *disk, const struct test_dir *dir,
                      struct store_error *error);

/* A batch of one kind with nothing gone. */
struct batch batch_of(uint64_t number, enum row_kind kind, const void *rows,
                      size_t count);

/* What the store in `dir` loads must be `model`. */
void assert_loads(const struct test_dir *dir, const struct model *model);

/* Can it be opened and loaded? Fills `model` then, else `error`. */
bool try_load(const struct test_dir *dir, struct model *model,
              struct store_error *error);
bool try_load_on(struct ram_disk *disk, const struct test_dir *dir,
                 struct model *model, struct store_error *error);
void assert_loads_on(struct ram_disk *disk, const struct test_dir *dir,
                     const struct model *model);

/* Runs `sql` on dir/syncd.db as any program would, or with sums. */
void run_sql(const struct test_dir *dir, bool summed, const char *sql);

/* A row like any other. */
struct row_queue test_queue(void);

/* A file of version 1 as it was first made, without sums on its pages, and what
 * is in it. */
void make_version_1(const struct test_dir *dir);
void version_1_model(struct model *model);

#endif
