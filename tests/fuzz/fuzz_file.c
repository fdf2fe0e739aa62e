/*
 * A database file of whatever contents, and its log: the store refuses it with
 * a sentence, or opens it and loads rows, which the engine refuses or takes.
 * What was loaded once is the same the next time.
 *
 * An input's first byte: 1: the sums of all pages are made right, so that what
 * lies behind them is reached; 2: its second half is the log.
 */
#include "daemon/engine/engine.h"
#include "daemon/store/database.h"
#include "daemon/store/page_sum.h"
#include "daemon/store/store.h"

#include "proto/check.h"
#include "proto/memory.h"
#include "tests/fuzz/fuzz.h"
#include "tests/store/ram_disk.h"

#include <string.h>

#define NOW_US INT64_C(1000000000000000)

static struct ram_disk *disk;

/* As the file says; 0: nothing that SQLite would take. */
static size_t page_bytes(const char *file, size_t len)
{
    if (len < 100) {
        return 0;
    }
    size_t bytes =
        (size_t)(unsigned char)file[16] << 8 | (size_t)(unsigned char)file[17];
    return bytes >= 512 && (bytes & (bytes - 1)) == 0 ? bytes : 0;
}

static void mend_sums(char *file, size_t len)
{
    size_t page = page_bytes(file, len);
    for (size_t at = 0; page > 0 && at + page <= len; at += page) {
        uint64_t sum = page_sum_of((const unsigned char *)file + at, page,
                                   (sqlite3_int64)at);
        memcpy(file + at + page - sizeof(sum), &sum, sizeof(sum));
    }
}

static bool load_row(void *arg, enum row_kind kind, const void *row)
{
    return engine_load(arg, kind, row);
}

/* The digest of what is in the file; 0: it was refused. */
static uint64_t load(void)
{
    struct store_error error = {""};
    struct database *database =
        database_open("syncd.db", ram_disk_name(disk), &sql_migrations, &error);
    CHECK((database == NULL) == (error.text[0] != '\0'));
    if (database == NULL) {
        return 0;
    }
    struct engine_options options = engine_options_default;
    uint64_t digest = 0;
    options.started_at_us = NOW_US;
    struct engine *engine = engine_new(&options);
    if (database_load(database, load_row, engine, &error) == 0) {
        engine_loaded(engine, NOW_US);
        engine_check(engine);
        digest = engine_digest(engine) | 1;
    } else {
        CHECK(error.text[0] != '\0');
    }
    engine_free(engine);
    database_close(database, true);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    if (disk == NULL) {
        disk = ram_disk_new("fuzzed");
    }
    char *file = mem_strndup((const char *)data + 1, size - 1);
    size_t log = (data[0] & 2) != 0 ? (size - 1) / 2 : 0;
    size_t len = size - 1 - log;
    if ((data[0] & 1) != 0) {
        mend_sums(file, len);
    }
    /* Without sums it would be saved to a copy, which is a real file. */
    if (len <= 20 || file[20] == PAGE_SUM_BYTES) {
        ram_disk_clear(disk);
        ram_disk_write(disk, "syncd.db", (struct slice){file, len});
        if (log > 0) {
            ram_disk_write(disk, "syncd.db-wal",
                           (struct slice){file + len, log});
        }
        uint64_t digest = load();
        CHECK(digest == 0 || load() == digest);
    }
    mem_free(file);
    return 0;
}
