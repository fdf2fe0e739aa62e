/*
 * Opening: what is made, what is refused and how it is told, and how a file of
 * an older version becomes one of the newest.
 */
#include "tests/store/fixture.h"

#include "daemon/store/database.h"
#include "daemon/store/page_sum.h"
#include "proto/memory.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_told(const struct store_error *error, const char *what)
{
    if (strstr(error->text, what) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error->text, what);
    }
}

static void assert_refused(const struct test_dir *dir, const char *what)
{
    struct store_error error;
    open_refused(dir, &error);
    assert_told(&error, what);
}

/* A store with one queue in it, closed. */
static void make_store(const struct test_dir *dir, struct model *model)
{
    struct row_queue queue = test_queue();
    struct batch batch = batch_of(1, ROW_queue, &queue, 1);
    struct store *store = open_sqlite(dir);
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    store_close(store);
    model_init(model);
    model_apply(model, &batch);
}

/* ---- Cases ---- */

static void assert_mode(const struct test_dir *dir, const char *name)
{
    struct stat info;
    assert_int_equal(stat(test_path(dir, name), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void test_modes(void **state)
{
    (void)state;
    struct test_dir dir;
    struct batch batch = {.number = 1};
    test_dir_make(&dir);
    mode_t mask = umask(0);
    struct store *store = open_sqlite(&dir);
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    assert_mode(&dir, "syncd.db");
    assert_mode(&dir, "syncd.db-wal");
    assert_mode(&dir, "syncd.db.lock");
    assert_mode(&dir, "syncd.reserve");
    store_close(store);
    (void)umask(mask);
    assert_int_not_equal(access(test_path(&dir, "syncd.db-wal"), F_OK), 0);
    test_dir_remove(&dir);
}

static void test_taken(void **state)
{
    (void)state;
    struct test_dir dir;
    char pid[40];
    test_dir_make(&dir);
    struct store *store = open_sqlite(&dir);
    struct batch batch = {.number = 1};
    (void)snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
    assert_refused(&dir, pid);
    assert_refused(&dir, "in use by another syncd");
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_error error = {""};
        struct store *second =
            store_sqlite_open(dir.path, &executor_inline, &error);
        _exit(second == NULL && strstr(error.text, pid) != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(submit_wait(store, &batch).status, STORE_DONE);
    store_close(store);
    store = open_sqlite(&dir);
    store_close(store);
    test_dir_remove(&dir);
}

/* Another program may have it open, without a lock file. */
static void test_open_elsewhere(void **state)
{
    (void)state;
    struct test_dir dir;
    struct model model;
    int ready[2];
    int stop[2];
    char byte = 0;
    test_dir_make(&dir);
    make_store(&dir, &model);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(stop), 0);
    (void)fflush(NULL);
    pid_t child = fork(); /* locks are a process's */
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db = NULL;
        (void)close(stop[1]);
        if (sqlite3_open(test_path(&dir, "syncd.db"), &db) != SQLITE_OK ||
            sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE",
                         NULL, NULL, NULL) != SQLITE_OK ||
            write(ready[1], "r", 1) != 1) {
            _exit(1);
        }
        _exit(read(stop[0], &byte, 1) == 0 ? 0 : 1);
    }
    (void)close(stop[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_refused(&dir, "is open in another program");
    (void)close(stop[1]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
    assert_loads(&dir, &model);
    model_fini(&model);
    test_dir_remove(&dir);
}

static void test_newer(void **state)
{
    (void)state;
    struct test_dir dir;
    struct model model;
    test_dir_make(&dir);
    make_store(&dir, &model);
    run_sql(&dir, true, "PRAGMA user_version=99");
    size_t len = 0;
    size_t len_after = 0;
    char *before = test_file_read(test_path(&dir, "syncd.db"), &len);
    assert_refused(&dir, "made by a newer syncd (schema version 99");
    char *after = test_file_read(test_path(&dir, "syncd.db"), &len_after);
    assert_int_equal(len, len_after);
    assert_memory_equal(before, after, len);
    struct stat info; /* nor is anything written to the log */
    assert_true(stat(test_path(&dir, "syncd.db-wal"), &info) != 0 ||
                info.st_size == 0);
    mem_free(before);
    mem_free(after);
    model_fini(&model);
    test_dir_remove(&dir);
}

static void test_not_ours(void **state)
{
    (void)state;
    struct test_dir dir;
    static const char text[] = "This is a text, and not even a short one: "
                               "longer than the header of a database, which "
                               "has a hundred bytes and a magic of its own.";
    test_dir_make(&dir);
    test_file_write(test_path(&dir, "syncd.db"), text, sizeof(text));
    assert_refused(&dir, "is not a database");
    assert_int_equal(unlink(test_path(&dir, "syncd.db")), 0);
    run_sql(&dir, false, "CREATE TABLE t(x)");
    assert_refused(&dir, "is a database of another program");
    run_sql(&dir, false, "PRAGMA user_version=1");
    assert_refused(&dir, "is a database of another program");
    run_sql(&dir, false, "PRAGMA application_id=7");
    assert_refused(&dir, "is a database of another program");
    char *ours = sql_version(-1);
    run_sql(&dir, false, ours);
    sqlite3_free(ours);
    assert_refused(&dir, "is a database of another program");
    assert_int_equal(unlink(test_path(&dir, "syncd.db")), 0);
    assert_int_equal(mkdir(test_path(&dir, "syncd.db"), 0700), 0);
    assert_refused(&dir, "syncd.db: Is a directory");
    assert_int_equal(rmdir(test_path(&dir, "syncd.db")), 0);
    assert_int_equal(mkfifo(test_path(&dir, "syncd.db"), 0600), 0);
    assert_refused(&dir, "is not a regular file");
    assert_int_equal(unlink(test_path(&dir, "syncd.db")), 0);
    assert_int_equal(mkfifo(test_path(&dir, "syncd.db-wal"), 0600), 0);
    assert_refused(&dir, "syncd.db-wal is not a regular file");
    test_dir_remove(&dir);
}

static void test_wrong_dir(void **state)
{
    (void)state;
    struct test_dir dir;
    struct test_dir below;
    test_dir_make(&dir);
    (void)snprintf(below.path, sizeof(below.path), "%.200s/none", dir.path);
    assert_refused(&below, "No such file or directory");
    test_file_write(below.path, "x", 1);
    assert_refused(&below, "Not a directory");
    assert_int_equal(chmod(dir.path, 0), 0);
    (void)fflush(NULL);
    pid_t child = fork(); /* root may do everything: as nobody */
    assert_true(child >= 0);
    if (child == 0) {
        struct store_error error = {""};
        if (geteuid() == 0 && seteuid(65534) != 0) {
            _exit(2);
        }
        struct store *store =
            store_sqlite_open(dir.path, &executor_inline, &error);
        _exit(store == NULL && strstr(error.text, "Permission denied") != NULL
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(dir.path, 0700), 0);
    struct store_error error = {""};
    assert_null(
        store_sqlite_open_vfs(dir.path, "nonesuch", &executor_inline, &error));
    assert_told(&error, "SQLite has no VFS nonesuch");
    test_dir_remove(&dir);
}

/* Rows and tables that syncd does not write. */
static void test_contents(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        const char *told;
    } cases[] = {
        {"CREATE TABLE more(x)", "its tables are not"},
        {"CREATE INDEX i ON job(queue)", "its tables are not"},
        {"DROP TABLE session", "its tables are not"},
        {"ALTER TABLE job ADD COLUMN more TEXT", "its tables are not"},
        {"ALTER TABLE job RENAME COLUMN key TO kee", "its tables are not"},
        {"DELETE FROM store", "malformed"},
        {"INSERT INTO store VALUES(2,0,0)", "malformed"},
        {"INSERT INTO job(id) VALUES(0)", "job 0: id"},
        {"INSERT INTO job(id) VALUES(-4)", "job -4: id"},
        {"INSERT INTO job(id,queue) VALUES(9,-1)", "job 9: queue"},
        {"INSERT INTO job(id,queue) VALUES(9,'x')", "job 9: queue"},
        {"INSERT INTO job(id,queue) VALUES(9,1.5)", "job 9: queue"},
        {"INSERT INTO job(id,body) VALUES(9,x'00')", "job 9: body"},
        {"INSERT INTO job(id,priority) VALUES(9,'1')", "job 9: priority"},
        {"INSERT INTO job(id,priority) VALUES(9,1)", "job 9: priority"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_dir dir;
        struct model model;
        struct model loaded;
        struct store_error error;
        test_dir_make(&dir);
        make_store(&dir, &model);
        run_sql(&dir, true, cases[i].sql);
        assert_false(try_load(&dir, &loaded, &error));
        assert_told(&error, cases[i].told);
        assert_told(&error, "keep a copy, then restore a backup");
        model_fini(&loaded);
        model_fini(&model);
        test_dir_remove(&dir);
    }
}

static bool refuse(void *arg, enum row_kind kind, const void *row)
{
    (void)arg;
    (void)kind;
    (void)row;
    return false;
}

static void test_refused_row(void **state)
{
    (void)state;
    struct test_dir dir;
    struct model model;
    struct store_error error = {""};
    test_dir_make(&dir);
    make_store(&dir, &model);
    struct store *store = open_sqlite(&dir);
    assert_int_equal(store_load(store, refuse, NULL, &error), -1);
    assert_told(&error, "queue 3: it contradicts other rows");
    store_close(store);
    assert_loads(&dir, &model);
    model_fini(&model);
    test_dir_remove(&dir);
}

/* ---- Versions ---- */

/* A file of version 1 as it was first made, without sums on its pages. If this
 * fails because rows.def changed: a migration is missing. (Before the first
 * release version_1.sql may be mended instead.) */
static void test_version_1(void **state)
{
    (void)state;
    struct test_dir dir;
    struct model model;
    test_dir_make(&dir);
    version_1_model(&model);
    make_version_1(&dir);
    assert_loads(&dir, &model); /* adds the sums */
    assert_loads(&dir, &model);
    assert_mode(&dir, "syncd.db");
    assert_int_not_equal(access(test_path(&dir, "syncd.db.new"), F_OK), 0);
    model_fini(&model);
    test_dir_remove(&dir);
}

/* What `.dump` saves of the newest version is taken in, too. */
static void test_dump(void **state)
{
    (void)state;
    struct test_dir dir;
    struct model model;
    test_dir_make(&dir);
    run_sql(&dir, false, sql_store);
    for (int k = 0; k < ROW_KINDS; k++) {
        assert_refused(&dir, "is a database of another program");
        char *create = sql_create(kind_row((enum row_kind)k));
        run_sql(&dir, false, create);
        sqlite3_free(create);
    }
    model_init(&model);
    assert_loads(&dir, &model);
    model_fini(&model);
    make_store(&dir, &model);
    assert_loads(&dir, &model);
    model_fini(&model);
    test_dir_remove(&dir);
}

/* A file without sums whose tree is broken is not taken in. */
static void test_broken_salvage(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    make_version_1(&dir);
    size_t len = 0;
    char *bytes = test_file_read(test_path(&dir, "syncd.db"), &len);
    assert_true(len > 4096);
    memset(bytes + len - 4096, 0x55, 64);
    test_file_write(test_path(&dir, "syncd.db"), bytes, len);
    mem_free(bytes);
    assert_refused(&dir, "is damaged");
    test_dir_remove(&dir);
}

/* An older version, made from the newest: the last kind of rows and the last
 * column of jobs are not there yet. */
struct older {
    char *make;    /* by sqlite3_mprintf, as the next one */
    char *migrate; /* to the newest */
    struct model model;
};

static void older_init(struct older *older)
{
    const struct kind_row *job = kind_row(ROW_job);
    const struct kind_row *last = kind_row((enum row_kind)(ROW_KINDS - 1));
    const struct column_row *column = &job->columns[job->columns_count - 1];
    assert_true((int)ROW_job != ROW_KINDS - 1);
    sqlite3_str *make = sqlite3_str_new(NULL);
    sqlite3_str_appendf(make, "%s;", sql_store);
    for (int k = 0; k < ROW_KINDS - 1; k++) {
        char *create = sql_create(kind_row((enum row_kind)k));
        sqlite3_str_appendf(make, "%s;", create);
        sqlite3_free(create);
    }
    char *version = sql_version(1);
    sqlite3_str_appendf(make,
                        "ALTER TABLE job DROP COLUMN %s; %s;"
                        "INSERT INTO job(id,queue,body) VALUES(5,1,'7')",
                        column->name, version);
    sqlite3_free(version);
    older->make = sqlite3_str_finish(make);
    char *create = sql_create(last);
    older->migrate =
        sqlite3_mprintf("ALTER TABLE job ADD COLUMN %s %s; %s", column->name,
                        sql_type(column->type), create);
    sqlite3_free(create);
    struct row_job row;
    memcpy(&row, job->absent, sizeof(row));
    row.id = 5;
    row.queue = 1;
    row.body = SLICE("7");
    model_init(&older->model);
    model_put(&older->model, ROW_job, &row);
}

static void older_fini(struct older *older)
{
    sqlite3_free(older->make);
    sqlite3_free(older->migrate);
    model_fini(&older->model);
}

/* Opens with these migrations and loads; false: refused. */
static bool migrate(const struct test_dir *dir, const char *vfs,
                    const struct older *older, const char *sql,
                    struct store_error *error)
{
    const char *const steps[] = {NULL, "SELECT 1", sql};
    const struct sql_migrations migrations = {steps, 3};
    struct model loaded;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/syncd.db", dir->path);
    *error = (struct store_error){""};
    struct database *db = database_open(path, vfs, &migrations, error);
    if (db == NULL) {
        assert_true(error->text[0] != '\0');
        return false;
    }
    model_init(&loaded);
    bool read = database_load(db, model_load, &loaded, error) == 0;
    assert_true(!read || model_equal(&loaded, &older->model));
    assert_int_equal(read, error->text[0] == '\0');
    model_fini(&loaded);
    database_close(db, true);
    return read;
}

static void test_migration(void **state)
{
    (void)state;
    struct test_dir dir;
    struct older older;
    struct store_error error;
    test_dir_make(&dir);
    older_init(&older);
    run_sql(&dir, true, older.make);
    assert_false(migrate(&dir, NULL, &older, "CREATE TABLE job(x)", &error));
    assert_told(&error, "already exists");
    assert_false(migrate(&dir, NULL, &older, "SELECT 1", &error));
    assert_told(&error, "its tables are not");
    assert_true(migrate(&dir, NULL, &older, older.migrate, &error));
    assert_true(migrate(&dir, NULL, &older, "SELECT 1/0 FROM none", &error));
    older_fini(&older);
    test_dir_remove(&dir);
}

struct migration {
    struct ram_disk *disk;
    struct ram_disk *cut;
    struct random random;
    const struct older *older;
    struct test_dir dir;
};

static bool migrate_on(struct migration *m, struct ram_disk *disk)
{
    struct store_error error;
    return migrate(&m->dir, ram_disk_name(disk), m->older, m->older->migrate,
                   &error);
}

/* The power is cut here: the next opening completes it. */
static void on_migration_call(void *arg)
{
    struct migration *m = arg;
    for (int i = 0; i < 3; i++) {
        ram_disk_power_cut(m->cut, m->disk, &m->random);
        assert_true(migrate_on(m, m->cut));
    }
}

/* Each call of a migration fails, once or from then on, and the power is cut
 * at each; the next opening completes it. */
static void test_migration_faults(void **state)
{
    (void)state;
    struct older older;
    struct migration m = {.random = {1}, .older = &older};
    test_dir_make(&m.dir);
    older_init(&older);
    run_sql(&m.dir, true, older.make);
    size_t len = 0;
    char *file = test_file_read(test_path(&m.dir, "syncd.db"), &len);
    m.disk = ram_disk_new("migrated");
    m.cut = ram_disk_new("cut");
    bool failed = true;
    unsigned n = 0;
    for (; failed || n < 2; n++) { /* 0: the power is cut instead */
        ram_disk_clear(m.disk);
        ram_disk_write(m.disk, "syncd.db", (struct slice){file, len});
        ram_disk_watch(m.disk, n == 0 ? on_migration_call : NULL, &m);
        ram_disk_fail(m.disk, n == 0 ? RAM_NONE : RAM_ERROR, n, n % 2 == 0);
        (void)migrate_on(&m, m.disk);
        failed = ram_disk_failed(m.disk);
        ram_disk_watch(m.disk, NULL, NULL);
        ram_disk_fail(m.disk, RAM_NONE, 0, false);
        assert_true(migrate_on(&m, m.disk));
    }
    assert_true(n > 50);
    ram_disk_free(m.disk);
    ram_disk_free(m.cut);
    mem_free(file);
    older_fini(&older);
    test_dir_remove(&m.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_open_elsewhere),
        cmocka_unit_test(test_newer),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_wrong_dir),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_refused_row),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_dump),
        cmocka_unit_test(test_broken_salvage),
        cmocka_unit_test(test_migration),
        cmocka_unit_test(test_migration_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
