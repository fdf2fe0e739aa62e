#include "daemon/store/wal_settle.h"

#include "proto/check.h"
#include "proto/memory.h"

#define PIECE_BYTES 65536

/* NULL: it is not open. */
static sqlite3_file *log_of(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    int rc =
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    CHECK(rc == SQLITE_OK && file != NULL);
    return file->pMethods != NULL ? file : NULL;
}

static int write_again(sqlite3_file *file, sqlite3_int64 size, char *piece)
{
    int rc = SQLITE_OK;
    for (sqlite3_int64 at = 0; at < size && rc == SQLITE_OK;
         at += PIECE_BYTES) {
        int len = size - at < PIECE_BYTES ? (int)(size - at) : PIECE_BYTES;
        rc = file->pMethods->xRead(file, piece, len, at);
        if (rc == SQLITE_OK) {
            rc = file->pMethods->xWrite(file, piece, len, at);
        }
    }
    return rc;
}

int wal_settle(sqlite3 *db)
{
    sqlite3_file *file = log_of(db);
    sqlite3_int64 size = 0;
    int rc = file != NULL ? file->pMethods->xFileSize(file, &size) : SQLITE_OK;
    if (rc != SQLITE_OK || size == 0) {
        return rc;
    }
    char *piece = mem_alloc(PIECE_BYTES);
    rc = write_again(file, size, piece);
    mem_free(piece);
    return rc == SQLITE_OK ? wal_sync(db) : rc;
}

int wal_sync(sqlite3 *db)
{
    sqlite3_file *file = log_of(db);
    CHECK(file != NULL);
    return file->pMethods->xSync(file, SQLITE_SYNC_FULL);
}
