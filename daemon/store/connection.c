#include "daemon/store/connection.h"

#include "daemon/store/salvage.h"
#include "daemon/store/wal_scan.h"
#include "daemon/store/wal_settle.h"
#include "proto/check.h"

#include <errno.h>
#include <string.h>

/* ---- Errors ---- */

void connection_damaged(const struct connection *c, const char *what,
                        struct store_error *error)
{
    store_error_set(error,
                    "%s is damaged (%.80s): keep a copy, then restore a "
                    "backup, or save what can be read: sqlite3 syncd.db .dump "
                    "| sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 new.db && "
                    "rm syncd.db* && mv new.db syncd.db",
                    c->path, what);
}

/* Has a write to the database or its log met the end of a quota? SQLite takes
 * that for any error, and sqlite3_system_errno does not tell it of a commit. */
static bool over_quota(sqlite3 *db)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER,
                                SQLITE_FCNTL_JOURNAL_POINTER};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        sqlite3_file *file = NULL;
        int number = 0;
        (void)sqlite3_file_control(db, "main", files[i], &file);
        CHECK(file != NULL);
        if (file->pMethods != NULL) {
            (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO,
                                               &number);
        }
        if (number == EDQUOT) {
            return true;
        }
    }
    return false;
}

bool connection_full(struct connection *c, int rc)
{
    return (rc & 0xff) == SQLITE_FULL ||
           (rc == SQLITE_IOERR_WRITE && over_quota(c->db));
}

void connection_tell(struct connection *c, int rc, struct store_error *error)
{
    int first = rc & 0xff;
    if (connection_full(c, rc)) {
        store_error_set(error, "there is no room on the disk for %s: free some",
                        c->path);
    } else if (first == SQLITE_CORRUPT || rc == SQLITE_IOERR_DATA) {
        connection_damaged(c,
                           rc == SQLITE_IOERR_DATA
                               ? "the sum of a page is wrong"
                               : sqlite3_errstr(rc),
                           error);
    } else if (first == SQLITE_NOTADB) {
        store_error_set(error,
                        "%s is not a database: move it away, or give --data "
                        "another directory",
                        c->path);
    } else if (first == SQLITE_BUSY) {
        store_error_set(error, "%s is open in another program: close it there",
                        c->path);
    } else {
        int number = sqlite3_system_errno(c->db);
        store_error_set(error, "%s: %s (%d)%s%s", c->path,
                        sqlite3_errmsg(c->db), rc, number != 0 ? ": " : "",
                        number != 0 ? strerror(number) : "");
    }
}

/* ---- Statements ---- */

int connection_exec(struct connection *c, const char *sql)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL);
}

int connection_prepare(struct connection *c, char *take_sql,
                       sqlite3_stmt **statement)
{
    if (take_sql == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_prepare_v3(c->db, take_sql, -1, SQLITE_PREPARE_PERSISTENT,
                                statement, NULL);
    sqlite3_free(take_sql);
    return rc;
}

static int exec_taken(struct connection *c, char *take_sql)
{
    int rc = take_sql != NULL ? connection_exec(c, take_sql) : SQLITE_NOMEM;
    sqlite3_free(take_sql);
    return rc;
}

/* The integers of the one row that `sql` gives; SQLITE_CORRUPT: not one. */
static int ask(struct connection *c, const char *sql, sqlite3_int64 *numbers,
               int count)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL);
    int rows = 0;
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
            for (int i = 0; i < count; i++) {
                numbers[i] = sqlite3_column_int64(statement, i);
            }
            rows++;
        }
    }
    (void)sqlite3_finalize(statement);
    if (rc == SQLITE_DONE) {
        return rows == 1 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    return rc;
}

/* ---- The schema ---- */

static int create_tables(struct connection *c)
{
    int rc = connection_exec(c, sql_store);
    for (int kind = 0; kind < ROW_KINDS && rc == SQLITE_OK; kind++) {
        rc = exec_taken(c, sql_create(kind_row((enum row_kind)kind)));
    }
    return rc;
}

/* Does a table have the columns of rows.def, in their order? */
static int check_table(struct connection *c, const struct kind_row *kind,
                       bool *same)
{
    sqlite3_stmt *statement = NULL;
    int rc = connection_prepare(c, sql_columns(kind->name), &statement);
    size_t count = 0;
    while (rc == SQLITE_OK && *same) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW) {
            break;
        }
        rc = SQLITE_OK;
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        const char *type = (const char *)sqlite3_column_text(statement, 2);
        *same = count < kind->columns_count && name != NULL && type != NULL &&
                strcmp(name, kind->columns[count].name) == 0 &&
                strcmp(type, sql_type(kind->columns[count].type)) == 0;
        count++;
    }
    (void)sqlite3_finalize(statement);
    *same = *same && count == kind->columns_count;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Are the tables those of rows.def, and nothing else there? */
static int check_tables(struct connection *c, sqlite3_int64 objects, bool *same)
{
    int rc = SQLITE_OK;
    *same = objects == ROW_KINDS + 1;
    for (int kind = 0; kind < ROW_KINDS && rc == SQLITE_OK && *same; kind++) {
        rc = check_table(c, kind_row((enum row_kind)kind), same);
    }
    return rc;
}

/* What is there must be what rows.def says; then the position is read. */
static int check_schema(struct connection *c, struct store_error *error)
{
    sqlite3_int64 identity[3] = {0, 0, 0};
    sqlite3_int64 position[3] = {0, 0, 0};
    bool same = true;
    int rc = ask(c, sql_identity, identity, 3);
    if (rc == SQLITE_OK) {
        rc = check_tables(c, identity[2], &same);
    }
    if (rc == SQLITE_OK && !same) {
        connection_damaged(c, "its tables are not as syncd makes them", error);
        return -1;
    }
    if (rc == SQLITE_OK) {
        rc = ask(c, sql_position, position, 3);
    }
    if (rc != SQLITE_OK) {
        connection_tell(c, rc, error);
        return -1;
    }
    c->run = position[0];
    c->batch = position[1];
    c->page_bytes = (size_t)position[2];
    return 0;
}

/* ---- Opening ---- */

/* Whose file is it, and of what version? 0 is an empty one. -1: not for us.
 * What was saved by `.dump` has our tables, but does not say that it is ours.
 */
static int identify(struct connection *c, int newest, struct store_error *error)
{
    sqlite3_int64 identity[3] = {0, 0, 0};
    bool same = false;
    int rc = ask(c, sql_identity, identity, 3);
    sqlite3_int64 version = identity[1];
    bool unsaid = identity[0] == 0 && version == 0;
    if (rc == SQLITE_OK && unsaid) {
        rc = check_tables(c, identity[2], &same);
    }
    if (rc != SQLITE_OK) {
        connection_tell(c, rc, error);
    } else if (unsaid && (same || identity[2] == 0)) {
        return same ? newest : 0;
    } else if (identity[0] != SQL_APPLICATION || version <= 0) {
        store_error_set(error,
                        "%s is a database of another program: move it away, "
                        "or give --data another directory",
                        c->path);
    } else if (version > newest) {
        store_error_set(error,
                        "%s was made by a newer syncd (schema version %lld, "
                        "this one knows %d): install that version or a newer "
                        "one, or give --data another directory",
                        c->path, version, newest);
    } else {
        return (int)version;
    }
    return -1;
}

/* SQLite throws a log away that has no database, and ends one at the first
 * frame that is unsound. */
static int check_log(const struct connection *c, const char *vfs_name,
                     struct store_error *error)
{
    switch (wal_scan(vfs_name, c->path)) {
    case WAL_SOUND:
        return 0;
    case WAL_DAMAGED:
        connection_damaged(c, "in its log, syncd.db-wal", error);
        break;
    case WAL_ORPHANED:
        connection_damaged(c, "it is empty, its log syncd.db-wal is not",
                           error);
        break;
    case WAL_UNREADABLE:
        store_error_set(error, "cannot read %s-wal", c->path);
        break;
    }
    return -1;
}

static int configure(struct connection *c)
{
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0,
                            NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    return connection_exec(c, sql_settings);
}

/* What the file looks like that is about to be made. */
static int shape(struct connection *c)
{
    int spare = PAGE_SUM_BYTES;
    int rc = connection_exec(c, sql_page_size);
    if (rc == SQLITE_OK) {
        rc = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_RESERVE_BYTES,
                                  &spare);
    }
    return rc == SQLITE_OK ? connection_exec(c, sql_vacuum) : rc;
}

/* Takes one step to `version`: from a file that has nothing in it, or from the
 * version before; all in one transaction, which is left open. */
static int begin_step(struct connection *c,
                      const struct sql_migrations *migrations, int version,
                      bool is_new)
{
    int rc = connection_exec(c, sql_begin);
    if (rc == SQLITE_OK) {
        rc = is_new ? create_tables(c)
                    : connection_exec(c, migrations->sql[version - 1]);
    }
    return rc == SQLITE_OK ? exec_taken(c, sql_version(version)) : rc;
}

/* The file is known to be ours, of this version or an older one. The last step
 * counts only if it leads to what rows.def says. */
static int bring_up(struct connection *c,
                    const struct sql_migrations *migrations, int version,
                    struct store_error *error)
{
    int newest = migrations->count;
    int rc = version == 0 ? shape(c) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = connection_exec(c, sql_log);
    }
    while (rc == SQLITE_OK && version < newest) {
        bool is_new = version == 0;
        version = is_new ? newest : version + 1;
        rc = begin_step(c, migrations, version, is_new);
        if (rc == SQLITE_OK && version == newest &&
            check_schema(c, error) != 0) {
            return -1; /* closing rolls back */
        }
        if (rc == SQLITE_OK) {
            rc = connection_exec(c, sql_commit);
        }
    }
    if (rc != SQLITE_OK) {
        connection_tell(c, rc, error);
        return -1;
    }
    return check_schema(c, error);
}

static int open_database(struct connection *c, struct store_error *error)
{
    int rc = sqlite3_open_v2(c->path, &c->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             page_sum_name(c->vfs));
    if (rc == SQLITE_OK) {
        rc = configure(c);
    }
    if (rc != SQLITE_OK) {
        connection_tell(c, rc, error);
        return -1;
    }
    return 0;
}

/* A file that was saved by hand: makes a copy that has sums. */
static int copy_with_sums(struct connection *c, int version,
                          struct store_error *error)
{
    int rc = exec_taken(c, sql_version(version));
    if (rc == SQLITE_OK) {
        rc = shape(c);
    }
    if (rc != SQLITE_OK) {
        connection_tell(c, rc, error);
        return -1;
    }
    return salvage_copy(c, error) == 0 ? 1 : -1;
}

/* With the VFS there. 0, -1 with `error` set, or 1: the pages have no sums, and
 * a copy that has them is to take the file's place. */
static int open_checked(struct connection *c,
                        const struct sql_migrations *migrations,
                        struct store_error *error)
{
    if (open_database(c, error) != 0) {
        return -1;
    }
    int version = identify(c, migrations->count, error);
    if (version < 0) {
        return -1;
    }
    sqlite3_int64 pages = 0;
    int rc = ask(c, sql_pages, &pages, 1);
    if (rc == SQLITE_OK) {
        rc = wal_settle(c->db);
    }
    /* In place it takes no room, or the file system has it in mind already. */
    if (rc != SQLITE_OK && !connection_full(c, rc)) {
        connection_tell(c, rc, error);
        return -1;
    }
    if (pages > 0 && !page_sum_on(c->db)) {
        return copy_with_sums(c, version, error);
    }
    return bring_up(c, migrations, version, error);
}

static void close_database(struct connection *c, bool sound)
{
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                            sound ? 0 : 1, NULL);
    int rc = sqlite3_close(c->db);
    CHECK(rc == SQLITE_OK); /* else a statement is left */
    c->db = NULL;
}

int connection_open(struct connection *c, const char *path, const char *vfs,
                    const struct sql_migrations *migrations,
                    struct store_error *error)
{
    *c = (struct connection){.path = path, .vfs = page_sum_new(vfs)};
    if (c->vfs == NULL) {
        store_error_set(error, "SQLite has no VFS %s", vfs);
        return -1;
    }
    int result = check_log(c, vfs, error);
    if (result == 0) {
        result = open_checked(c, migrations, error);
    }
    if (result == 1) {
        close_database(c, false);
        result = salvage_replace(path, error);
        if (result == 0) {
            result = open_checked(c, migrations, error);
        }
    }
    CHECK(result != 1); /* the copy has sums */
    if (result != 0) {
        connection_close(c, false);
    }
    return result;
}

void connection_close(struct connection *c, bool sound)
{
    if (c->db != NULL) {
        close_database(c, sound);
    }
    page_sum_free(c->vfs);
    c->vfs = NULL;
}
