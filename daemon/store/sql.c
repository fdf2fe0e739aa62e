#include "daemon/store/sql.h"

#include <sqlite3.h>

static const char *const migrations[] = {
    NULL, /* version 1 */
};

const struct sql_migrations sql_migrations = {
    migrations, sizeof(migrations) / sizeof(migrations[0])};

/* No spilling: no frame gets into the log before the commit. */
const char sql_settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                            "PRAGMA cell_size_check=ON;"
                            "PRAGMA trusted_schema=OFF;"
                            "PRAGMA mmap_size=0;"
                            "PRAGMA temp_store=MEMORY;"
                            "PRAGMA cache_size=-2048;"
                            "PRAGMA cache_spill=OFF;"
                            "PRAGMA secure_delete=OFF;"
                            "PRAGMA journal_size_limit=8388608;"
                            "PRAGMA synchronous=FULL";

const char sql_page_size[] = "PRAGMA page_size=4096";
const char sql_vacuum[] = "PRAGMA auto_vacuum=INCREMENTAL";

const char sql_log[] = "PRAGMA journal_mode=WAL";

const char sql_store[] =
    "CREATE TABLE store(id INTEGER PRIMARY KEY,run INTEGER,batch INTEGER);"
    "INSERT INTO store VALUES(1,0,0)";

const char sql_identity[] =
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
    " FROM pragma_application_id, pragma_user_version";

const char sql_position[] =
    "SELECT run, batch, (SELECT page_size FROM pragma_page_size) FROM store";

const char sql_begin[] = "BEGIN IMMEDIATE";
const char sql_commit[] = "COMMIT";
const char sql_rollback[] = "ROLLBACK";

const char sql_number[] =
    "UPDATE store SET run=?1, batch=?2 WHERE id=1 AND run=?3 AND batch=?4";

const char sql_shrink[] = "PRAGMA incremental_vacuum(4096)";

const char sql_pages[] = "PRAGMA page_count";
const char sql_check[] = "PRAGMA integrity_check(1)";
const char sql_copy[] = "VACUUM INTO ?1";
const char sql_no_log[] = "PRAGMA journal_mode=DELETE";

const char *sql_type(enum column_type type)
{
    switch (type) {
    case COLUMN_U64:
    case COLUMN_I64:
        break;
    case COLUMN_F64:
        return ""; /* as it is bound: a REAL column makes 0.0 of -0.0 */
    case COLUMN_TEXT:
        return "TEXT";
    }
    return "INTEGER";
}

char *sql_version(int version)
{
    return sqlite3_mprintf("PRAGMA application_id=%d;PRAGMA user_version=%d",
                           SQL_APPLICATION, version);
}

char *sql_create(const struct kind_row *kind)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendf(text, "CREATE TABLE \"%w\"(id INTEGER PRIMARY KEY",
                        kind->name);
    for (size_t i = 1; i < kind->columns_count; i++) {
        sqlite3_str_appendf(text, ", \"%w\" %s", kind->columns[i].name,
                            sql_type(kind->columns[i].type));
    }
    sqlite3_str_appendchar(text, 1, ')');
    return sqlite3_str_finish(text);
}

char *sql_columns(const char *table)
{
    return sqlite3_mprintf("PRAGMA table_info(\"%w\")", table);
}

static void append_columns(sqlite3_str *text, const struct kind_row *kind,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_str_appendf(text, "%s\"%w\"", i > 0 ? "," : "",
                            kind->columns[i].name);
    }
}

char *sql_load(const struct kind_row *kind)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendall(text, "SELECT " SQL_LOAD_ROW "(");
    append_columns(text, kind, kind->columns_count);
    sqlite3_str_appendf(text, ")FROM \"%w\" ORDER BY id", kind->name);
    return sqlite3_str_finish(text);
}

char *sql_delete(const struct kind_row *kind, bool range)
{
    return sqlite3_mprintf("DELETE FROM \"%w\" WHERE %s", kind->name,
                           range ? "id BETWEEN ? AND ?" : "id=?");
}

char *sql_upsert(const struct kind_row *kind, size_t columns, int rows)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendf(text, "INSERT OR REPLACE INTO \"%w\"(", kind->name);
    append_columns(text, kind, columns);
    sqlite3_str_appendall(text, ")VALUES");
    for (int row = 0; row < rows; row++) {
        sqlite3_str_appendall(text, row > 0 ? ",(?" : "(?");
        for (size_t i = 1; i < columns; i++) {
            sqlite3_str_appendall(text, ",?");
        }
        sqlite3_str_appendchar(text, 1, ')');
    }
    return sqlite3_str_finish(text);
}
