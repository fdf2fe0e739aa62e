#include "daemon/store/database.h"

#include "daemon/store/connection.h"
#include "daemon/store/log_file.h"
#include "daemon/store/wal_settle.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Rows that one statement inserts: each costs a fifth less than alone. */
#define ROWS_AT_ONCE 8

/* Statements of a kind, each made when it is first needed. */
struct kind_statements {
    sqlite3_stmt **one;  /* owned; [n]: upserts a row with n columns given */
    sqlite3_stmt **many; /* owned; [n]: the same for ROWS_AT_ONCE rows */
    sqlite3_stmt *gone;
    sqlite3_stmt *gone_range;
};

struct database {
    struct connection connection;
    struct kind_statements kinds[ROW_KINDS];
    sqlite3_stmt *begin, *commit, *rollback, *number;
    uint64_t last; /* number of the last batch of this opening */
    size_t log_pages;
    size_t commit_pages;
};

/* ---- Statements ---- */

/* Runs one that gives no rows. */
static int run(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int prepare_upsert(struct database *db, const struct kind_row *kind,
                          size_t columns, int rows, sqlite3_stmt **statement)
{
    return *statement != NULL
               ? SQLITE_OK
               : connection_prepare(&db->connection,
                                    sql_upsert(kind, columns, rows), statement);
}

static int prepare_delete(struct database *db, const struct kind_row *kind,
                          bool range, sqlite3_stmt **statement)
{
    return *statement != NULL
               ? SQLITE_OK
               : connection_prepare(&db->connection, sql_delete(kind, range),
                                    statement);
}

static int prepare_fixed(struct database *db)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } fixed[] = {{sql_begin, &db->begin},
                 {sql_commit, &db->commit},
                 {sql_rollback, &db->rollback},
                 {sql_number, &db->number}};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < 4 && rc == SQLITE_OK; i++) {
        rc = connection_prepare(&db->connection,
                                sqlite3_mprintf("%s", fixed[i].sql),
                                fixed[i].statement);
    }
    return rc;
}

static void finalize_all(struct database *db)
{
    for (int i = 0; i < ROW_KINDS; i++) {
        struct kind_statements *kind = &db->kinds[i];
        size_t columns = kind_row((enum row_kind)i)->columns_count;
        for (size_t n = 0; n <= columns; n++) {
            (void)sqlite3_finalize(kind->one[n]);
            (void)sqlite3_finalize(kind->many[n]);
        }
        (void)sqlite3_finalize(kind->gone);
        (void)sqlite3_finalize(kind->gone_range);
        mem_free(kind->one);
        mem_free(kind->many);
    }
    (void)sqlite3_finalize(db->begin);
    (void)sqlite3_finalize(db->commit);
    (void)sqlite3_finalize(db->rollback);
    (void)sqlite3_finalize(db->number);
}

/* ---- Writing ---- */

static int bind_column(sqlite3_stmt *statement, int at, enum column_type type,
                       const void *value)
{
    switch (type) {
    case COLUMN_U64: {
        uint64_t number = *(const row_u64 *)value;
        CHECK(number <= INT64_MAX);
        return sqlite3_bind_int64(statement, at, (sqlite3_int64)number);
    }
    case COLUMN_I64:
        return sqlite3_bind_int64(statement, at, *(const row_i64 *)value);
    case COLUMN_F64:
        CHECK(!isnan(*(const row_f64 *)value));
        return sqlite3_bind_double(statement, at, *(const row_f64 *)value);
    case COLUMN_TEXT:
        break;
    }
    const row_text *text = value;
    return sqlite3_bind_text64(statement, at, text->at, text->len,
                               SQLITE_STATIC, SQLITE_UTF8);
}

/* The first `columns` of a row, into parameters from `at` on. */
static int bind_row(sqlite3_stmt *statement, int at,
                    const struct kind_row *kind, size_t columns,
                    const char *row)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < columns && rc == SQLITE_OK; i++) {
        const struct column_row *column = &kind->columns[i];
        if (i > 0 && column_absent(kind, i, row)) {
            rc = sqlite3_bind_null(statement, at++);
        } else {
            rc = bind_column(statement, at++, column->type,
                             row + column->offset);
        }
    }
    return rc;
}

/* How many columns of a row are stored: up to the last that is given. */
static size_t columns_given(const struct kind_row *kind, const char *row)
{
    size_t count = kind->columns_count;
    while (count > 1 && column_absent(kind, count - 1, row)) {
        count--;
    }
    return count;
}

/* `rows` rows in a line that have the same number of columns. */
static int upsert(struct database *db, enum row_kind which, size_t columns,
                  int rows, const char *row)
{
    const struct kind_row *kind = kind_row(which);
    struct kind_statements *statements = &db->kinds[which];
    sqlite3_stmt **statement =
        rows > 1 ? &statements->many[columns] : &statements->one[columns];
    int rc = prepare_upsert(db, kind, columns, rows, statement);
    for (int i = 0; i < rows && rc == SQLITE_OK; i++) {
        rc = bind_row(*statement, 1 + i * (int)columns, kind, columns,
                      row + (size_t)i * kind->size);
    }
    return rc == SQLITE_OK ? run(*statement) : rc;
}

static int upsert_all(struct database *db, enum row_kind which,
                      const struct row_changes *changes)
{
    const struct kind_row *kind = kind_row(which);
    const char *row = changes->rows;
    const char *end = row + changes->rows_count * kind->size;
    int rc = SQLITE_OK;
    while (row < end && rc == SQLITE_OK) {
        size_t columns = columns_given(kind, row);
        int alike = 1;
        const char *next = row + kind->size;
        while (alike < ROWS_AT_ONCE && next < end &&
               columns_given(kind, next) == columns) {
            alike++;
            next += kind->size;
        }
        int step = alike == ROWS_AT_ONCE ? alike : 1;
        for (; row < next && rc == SQLITE_OK;
             row += (size_t)step * kind->size) {
            rc = upsert(db, which, columns, step, row);
        }
    }
    return rc;
}

/* The ids from `first` to `last`, all of which are gone. */
static int delete_range(struct database *db, enum row_kind which,
                        uint64_t first, uint64_t last)
{
    CHECK(last <= INT64_MAX);
    struct kind_statements *statements = &db->kinds[which];
    bool range = first != last;
    sqlite3_stmt **statement =
        range ? &statements->gone_range : &statements->gone;
    int rc = prepare_delete(db, kind_row(which), range, statement);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_int64(*statement, 1, (sqlite3_int64)first);
    }
    if (rc == SQLITE_OK && range) {
        rc = sqlite3_bind_int64(*statement, 2, (sqlite3_int64)last);
    }
    return rc == SQLITE_OK ? run(*statement) : rc;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool ascending(const uint64_t *ids, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (ids[i] <= ids[i - 1]) {
            return false;
        }
    }
    return true;
}

/* Ids in a row, which those of jobs mostly are, go by one statement: that
 * costs a third less a row. */
static int delete_all(struct database *db, enum row_kind which,
                      const struct row_changes *changes)
{
    const uint64_t *ids = changes->gone;
    size_t count = changes->gone_count;
    uint64_t *sorted = NULL;
    if (!ascending(ids, count)) {
        sorted = mem_alloc(count * sizeof(*sorted));
        memcpy(sorted, ids, count * sizeof(*sorted));
        qsort(sorted, count, sizeof(*sorted), compare_ids);
        ids = sorted;
    }
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK;) {
        size_t last = i;
        while (last + 1 < count && ids[last + 1] == ids[last] + 1) {
            last++;
        }
        rc = delete_range(db, which, ids[i], ids[last]);
        i = last + 1;
    }
    mem_free(sorted);
    return rc;
}

/* The batch's number goes with it. That it finds the one before is what will
 * fence a store that several daemons can reach; here it shows at once if
 * somebody else wrote to the file. */
static int write_number(struct database *db, uint64_t number)
{
    struct connection *c = &db->connection;
    sqlite3_int64 run_now = c->run + (number == 1 ? 1 : 0);
    (void)sqlite3_bind_int64(db->number, 1, run_now);
    (void)sqlite3_bind_int64(db->number, 2, (sqlite3_int64)number);
    (void)sqlite3_bind_int64(db->number, 3, c->run);
    (void)sqlite3_bind_int64(db->number, 4, c->batch);
    int rc = run(db->number);
    if (rc == SQLITE_OK && sqlite3_changes(c->db) != 1) {
        return SQLITE_CORRUPT;
    }
    return rc;
}

static int write_changes(struct database *db, const struct batch *batch)
{
    int rc = SQLITE_OK;
    for (int kind = 0; kind < ROW_KINDS && rc == SQLITE_OK; kind++) {
        const struct row_changes *changes = &batch->changes[kind];
        rc = delete_all(db, (enum row_kind)kind, changes);
        if (rc == SQLITE_OK) {
            rc = upsert_all(db, (enum row_kind)kind, changes);
        }
    }
    return rc == SQLITE_OK ? write_number(db, batch->number) : rc;
}

/* A full disk shows before the last frame of the transaction, the one that
 * would make it count, is whole: so it counts for nothing. */
static enum database_result result_of(struct database *db, int rc,
                                      bool committing)
{
    if (connection_full(&db->connection, rc)) {
        return DATABASE_FULL;
    }
    return committing ? DATABASE_IN_DOUBT : DATABASE_FAILED;
}

static enum database_result give_up(struct database *db, int rc,
                                    bool committing, struct store_error *error)
{
    enum database_result result = result_of(db, rc, committing);
    connection_tell(&db->connection, rc, error);
    if (!sqlite3_get_autocommit(db->connection.db)) {
        (void)run(db->rollback);
    }
    return result;
}

enum database_result database_commit(struct database *db,
                                     const struct batch *batch,
                                     struct store_error *error)
{
    CHECK(batch->number == db->last + 1);
    size_t pages_before = db->log_pages;
    int rc = run(db->begin);
    if (rc == SQLITE_OK) {
        rc = write_changes(db, batch);
    }
    if (rc != SQLITE_OK) {
        return give_up(db, rc, false, error);
    }
    rc = run(db->commit);
    if (rc != SQLITE_OK) {
        return give_up(db, rc, true, error);
    }
    db->last = batch->number;
    db->connection.run += batch->number == 1 ? 1 : 0;
    db->connection.batch = (sqlite3_int64)batch->number;
    CHECK(db->log_pages > pages_before);
    db->commit_pages = db->log_pages - pages_before;
    return DATABASE_DONE;
}

size_t database_commit_bytes(const struct database *db)
{
    return db->commit_pages * db->connection.page_bytes;
}

size_t database_log_bytes(const struct database *db)
{
    return db->log_pages * db->connection.page_bytes;
}

/* ---- The log ---- */

/* SQLite tells after every commit how long its log is. */
static int count_pages(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct database *)arg)->log_pages = (size_t)pages;
    return SQLITE_OK;
}

static enum database_result checkpoint(struct database *db, int mode,
                                       struct store_error *error)
{
    int in_log = 0;
    int moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->connection.db, "main", mode, &in_log,
                                       &moved);
    if (rc != SQLITE_OK) {
        connection_tell(&db->connection, rc, error);
        return result_of(db, rc, false);
    }
    CHECK(in_log == moved); /* there is nobody who reads */
    db->log_pages = 0;
    return DATABASE_DONE;
}

enum database_result database_checkpoint(struct database *db,
                                         struct store_error *error)
{
    return checkpoint(db, SQLITE_CHECKPOINT_PASSIVE, error);
}

enum database_result database_lengthen_log(struct database *db, size_t bytes,
                                           struct store_error *error)
{
    int rc = log_file_lengthen(db->connection.db, (sqlite3_int64)bytes);
    if (rc != SQLITE_OK) {
        connection_tell(&db->connection, rc, error);
        return DATABASE_FAILED;
    }
    return DATABASE_DONE;
}

enum database_result database_shrink(struct database *db,
                                     struct store_error *error)
{
    int rc = connection_exec(&db->connection, sql_shrink);
    if (rc != SQLITE_OK) {
        return give_up(db, rc, false, error);
    }
    return database_checkpoint(db, error);
}

/* ---- Loading ---- */

/* What the function that SQLite calls for each row needs to know. */
struct loading {
    enum row_kind kind;
    char *row; /* owned */
    store_each *each;
    void *arg;
};

/* One value, into its place in a row. False: it is not what it must be. */
static bool read_column(sqlite3_value *value, enum column_type type, void *at)
{
    int stored = sqlite3_value_type(value);
    switch (type) {
    case COLUMN_U64:
    case COLUMN_I64: {
        sqlite3_int64 number = sqlite3_value_int64(value);
        memcpy(at, &number, sizeof(number));
        return stored == SQLITE_INTEGER && (type == COLUMN_I64 || number >= 0);
    }
    case COLUMN_F64:
        *(row_f64 *)at = sqlite3_value_double(value);
        return stored == SQLITE_FLOAT;
    case COLUMN_TEXT:
        break;
    }
    /* As a blob: that is the same bytes without a copy for a NUL. */
    const char *text = sqlite3_value_blob(value);
    *(row_text *)at = (row_text){text != NULL ? text : "",
                                 (size_t)sqlite3_value_bytes(value)};
    return stored == SQLITE_TEXT;
}

/* NULL, or the column that is wrong. */
static const char *read_row(sqlite3_value **values, const struct kind_row *kind,
                            char *row)
{
    memcpy(row, kind->absent, kind->size);
    for (size_t i = 0; i < kind->columns_count; i++) {
        const struct column_row *column = &kind->columns[i];
        if (sqlite3_value_type(values[i]) != SQLITE_NULL &&
            !read_column(values[i], column->type, row + column->offset)) {
            return column->name;
        }
    }
    return sqlite3_value_int64(values[0]) > 0 ? NULL : "id";
}

static void load_row(sqlite3_context *context, int count,
                     sqlite3_value **values)
{
    struct loading *loading = sqlite3_user_data(context);
    const struct kind_row *kind = kind_row(loading->kind);
    CHECK((size_t)count == kind->columns_count);
    const char *wrong = read_row(values, kind, loading->row);
    if (wrong == NULL &&
        !loading->each(loading->arg, loading->kind, loading->row)) {
        wrong = "it contradicts other rows";
    }
    if (wrong != NULL) {
        char place[120];
        int len = snprintf(place, sizeof(place), "%s %lld: %s", kind->name,
                           sqlite3_value_int64(values[0]), wrong);
        sqlite3_result_error(context, place, len);
        sqlite3_result_error_code(context, SQLITE_ABORT);
    }
}

static int load_kind(struct database *db, struct loading *loading,
                     struct store_error *error)
{
    struct connection *c = &db->connection;
    const struct kind_row *kind = kind_row(loading->kind);
    sqlite3_stmt *statement = NULL;
    int rc = connection_prepare(c, sql_load(kind), &statement);
    loading->row = mem_alloc(kind->size);
    if (rc == SQLITE_OK) {
        do {
            rc = sqlite3_step(statement);
        } while (rc == SQLITE_ROW);
    }
    if (rc == SQLITE_ABORT) {
        connection_damaged(c, sqlite3_errmsg(c->db), error);
    } else if (rc != SQLITE_DONE) {
        connection_tell(c, rc, error);
    }
    mem_free(loading->row);
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int database_load(struct database *db, store_each *each, void *arg,
                  struct store_error *error)
{
    struct loading loading = {.each = each, .arg = arg};
    int rc = sqlite3_create_function(db->connection.db, SQL_LOAD_ROW, -1,
                                     SQLITE_UTF8 | SQLITE_DIRECTONLY, &loading,
                                     load_row, NULL, NULL);
    if (rc != SQLITE_OK) {
        connection_tell(&db->connection, rc, error);
        return -1;
    }
    int result = 0;
    for (int kind = 0; kind < ROW_KINDS && result == 0; kind++) {
        loading.kind = (enum row_kind)kind;
        result = load_kind(db, &loading, error);
    }
    (void)sqlite3_create_function(db->connection.db, SQL_LOAD_ROW, -1,
                                  SQLITE_UTF8, NULL, NULL, NULL, NULL);
    return result;
}

/* ---- Opening and closing ---- */

/* What the page cache shows of a log that could not be synced may never have
 * reached the disk: so all of it is brought into the database, and synced,
 * before anything is served. A full disk is no harm: the log stays. */
static int settle(struct database *db, struct store_error *error)
{
    int rc = prepare_fixed(db);
    if (rc != SQLITE_OK) {
        connection_tell(&db->connection, rc, error);
        return -1;
    }
    struct store_error why = {""};
    switch (checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE, &why)) {
    case DATABASE_DONE:
        rc = wal_sync(db->connection.db);
        if (rc != SQLITE_OK) {
            connection_tell(&db->connection, rc, error);
            return -1;
        }
        return 0;
    case DATABASE_FULL:
        return 0;
    case DATABASE_FAILED:
    case DATABASE_IN_DOUBT:
        break;
    }
    *error = why;
    return -1;
}

struct database *database_open(const char *path, const char *vfs,
                               const struct sql_migrations *migrations,
                               struct store_error *error)
{
    struct database *db = mem_zalloc(sizeof(*db));
    if (connection_open(&db->connection, path, vfs, migrations, error) != 0) {
        mem_free(db);
        return NULL;
    }
    for (int i = 0; i < ROW_KINDS; i++) {
        size_t columns = kind_row((enum row_kind)i)->columns_count;
        db->kinds[i].one = mem_zalloc((columns + 1) * sizeof(sqlite3_stmt *));
        db->kinds[i].many = mem_zalloc((columns + 1) * sizeof(sqlite3_stmt *));
    }
    (void)sqlite3_wal_hook(db->connection.db, count_pages, db);
    if (settle(db, error) != 0) {
        database_close(db, false);
        return NULL;
    }
    return db;
}

void database_close(struct database *db, bool sound)
{
    finalize_all(db);
    connection_close(&db->connection, sound);
    mem_free(db);
}
