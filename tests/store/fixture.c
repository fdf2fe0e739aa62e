#include "tests/store/fixture.h"

#include "daemon/store/page_sum.h"
#include "proto/memory.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What the tests put there at most. */
#define ROOM_BYTES ((uint64_t)512 << 20)

/* Memory is enough for all that is tested here, and much faster. */
static const char *parent_dir(void)
{
    static const char memory[] = "/dev/shm";
    const char *given = getenv("TMPDIR");
    struct statvfs room;
    if (given != NULL) {
        return given;
    }
    return access(memory, W_OK) == 0 && statvfs(memory, &room) == 0 &&
                   (uint64_t)room.f_bavail * room.f_frsize >= ROOM_BYTES
               ? memory
               : "/tmp";
}

void test_dir_make(struct test_dir *dir)
{
    (void)snprintf(dir->path, sizeof(dir->path), "%s/syncd-store-XXXXXX",
                   parent_dir());
    assert_non_null(mkdtemp(dir->path));
}

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_dir_remove(const struct test_dir *dir)
{
    assert_int_equal(nftw(dir->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *test_path(const struct test_dir *dir, const char *name)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", dir->path, name);
    return path;
}

char *test_file_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    *len = (size_t)size;
    char *bytes = mem_alloc(*len);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

void test_file_write(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

void test_dir_copy(const struct test_dir *from, const struct test_dir *to)
{
    static const char *const names[] = {"syncd.db", "syncd.db-wal",
                                        "syncd.db-journal"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = 0;
        char *bytes = test_file_read(test_path(from, names[i]), &len);
        if (bytes != NULL) {
            test_file_write(test_path(to, names[i]), bytes, len);
        } else {
            (void)unlink(test_path(to, names[i]));
        }
        mem_free(bytes);
    }
}

/* An answer that may come on another thread. */
struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    int answers; /* under the mutex, as what follows */
    struct answer answer;
};

static void answered(void *arg, enum store_status status, const char *why)
{
    struct waiting *w = arg;
    (void)pthread_mutex_lock(&w->mutex);
    w->answers++;
    w->answer.status = status;
    (void)snprintf(w->answer.why, sizeof(w->answer.why), "%s", why);
    (void)pthread_cond_signal(&w->came);
    (void)pthread_mutex_unlock(&w->mutex);
}

static struct answer wait_for(struct store *store, const struct batch *batch)
{
    struct waiting w = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                        .came = PTHREAD_COND_INITIALIZER};
    if (batch != NULL) {
        store_submit(store, batch, answered, &w);
    } else {
        store_probe(store, answered, &w);
    }
    (void)pthread_mutex_lock(&w.mutex);
    while (w.answers == 0) {
        (void)pthread_cond_wait(&w.came, &w.mutex);
    }
    assert_int_equal(w.answers, 1);
    struct answer answer = w.answer;
    (void)pthread_mutex_unlock(&w.mutex);
    bool failed = answer.status == STORE_FAILED ||
                  answer.status == STORE_IN_DOUBT ||
                  answer.status == STORE_NO_ROOM;
    assert_int_equal(answer.why[0] != '\0', failed);
    return answer;
}

struct answer submit_wait(struct store *store, const struct batch *batch)
{
    return wait_for(store, batch);
}

struct answer probe_wait(struct store *store)
{
    return wait_for(store, NULL);
}

struct store *open_sqlite(const struct test_dir *dir)
{
    struct store_error error = {""};
    struct store *store =
        store_sqlite_open(dir->path, &executor_inline, &error);
    if (store == NULL) {
        fail_msg("%s", error.text);
    }
    return store;
}

void open_refused(const struct test_dir *dir, struct store_error *error)
{
    *error = (struct store_error){""};
    assert_null(store_sqlite_open(dir->path, &executor_inline, error));
    assert_true(error->text[0] != '\0');
}

struct batch batch_of(uint64_t number, enum row_kind kind, const void *rows,
                      size_t count)
{
    struct batch batch = {.number = number};
    batch.changes[kind].rows = rows;
    batch.changes[kind].rows_count = count;
    return batch;
}

/* With the database's name on the disk, as data_dir.c leaves it. */
struct store *open_on(struct ram_disk *disk, const struct test_dir *dir,
                      struct store_error *error)
{
    if (ram_disk_read(disk, "syncd.db").at == NULL) {
        ram_disk_write(disk, "syncd.db", SLICE(""));
    }
    *error = (struct store_error){""};
    return store_sqlite_open_vfs(dir->path, ram_disk_name(disk),
                                 &executor_inline, error);
}

/* Loads from a store that could be opened, and closes it. */
static bool load_and_close(struct store *store, struct model *model,
                           struct store_error *error)
{
    model_init(model);
    bool loaded =
        store != NULL && store_load(store, model_load, model, error) == 0;
    store_close(store);
    assert_int_equal(loaded, error->text[0] == '\0');
    return loaded;
}

bool try_load(const struct test_dir *dir, struct model *model,
              struct store_error *error)
{
    *error = (struct store_error){""};
    return load_and_close(store_sqlite_open(dir->path, &executor_inline, error),
                          model, error);
}

bool try_load_on(struct ram_disk *disk, const struct test_dir *dir,
                 struct model *model, struct store_error *error)
{
    return load_and_close(open_on(disk, dir, error), model, error);
}

static void assert_same(bool could_load, struct model *take_loaded,
                        const struct store_error *error,
                        const struct model *model)
{
    if (!could_load) {
        fail_msg("%s", error->text);
    }
    assert_true(model_equal(take_loaded, model));
    model_fini(take_loaded);
}

void assert_loads(const struct test_dir *dir, const struct model *model)
{
    struct model loaded;
    struct store_error error;
    bool could_load = try_load(dir, &loaded, &error);
    assert_same(could_load, &loaded, &error, model);
}

void assert_loads_on(struct ram_disk *disk, const struct test_dir *dir,
                     const struct model *model)
{
    struct model loaded;
    struct store_error error;
    bool could_load = try_load_on(disk, dir, &loaded, &error);
    assert_same(could_load, &loaded, &error, model);
}

/* ---- SQL past the store ---- */

static void must_exec(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s: %s", sql, why);
    }
}

void run_sql(const struct test_dir *dir, bool summed, const char *sql)
{
    struct page_sum *vfs = summed ? page_sum_new(NULL) : NULL;
    sqlite3 *db = NULL;
    int spare = PAGE_SUM_BYTES;
    assert_int_equal(sqlite3_open_v2(test_path(dir, "syncd.db"), &db,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     summed ? page_sum_name(vfs) : NULL),
                     SQLITE_OK);
    if (summed) {
        assert_int_equal(sqlite3_file_control(
                             db, "main", SQLITE_FCNTL_RESERVE_BYTES, &spare),
                         SQLITE_OK);
        must_exec(db, "PRAGMA page_size=8192; PRAGMA locking_mode=EXCLUSIVE");
    }
    must_exec(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    page_sum_free(vfs);
}

static char *read_text(const char *path)
{
    size_t len = 0;
    char *bytes = test_file_read(path, &len);
    assert_non_null(bytes);
    char *text = mem_strndup(bytes, len);
    mem_free(bytes);
    return text;
}

/* version_1.sql lies beside the tests, where they run. */
void make_version_1(const struct test_dir *dir)
{
    char *sql = read_text("version_1.sql");
    run_sql(dir, false, sql);
    mem_free(sql);
}

struct row_queue test_queue(void)
{
    struct row_queue queue;
    memcpy(&queue, kind_row(ROW_queue)->absent, sizeof(queue));
    queue.id = 3;
    queue.name = SLICE("mail");
    return queue;
}

void version_1_model(struct model *model)
{
    struct row_queue queue = test_queue();
    struct row_job job;
    model_init(model);
    queue.capacity = 10000;
    queue.backoff_factor = 2;
    model_put(model, ROW_queue, &queue);
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = 17;
    job.queue = 3;
    job.put_at_us = INT64_C(1700000000000000);
    job.body = SLICE("{\"to\":\"ada@example.org\"}");
    job.priority = -1.5;
    job.key = SLICE("");
    model_put(model, ROW_job, &job);
}
