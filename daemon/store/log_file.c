#include "daemon/store/log_file.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <string.h>

/* SQLite's VFS of Unix takes less than 128 KiB at once. */
#define KEPT_BYTES 65536

/* The base's own file lies behind it. */
struct log_file {
    sqlite3_file file;
    sqlite3_file *real;
    char *kept; /* owned: what is not written yet */
    size_t len;
    sqlite3_int64 at; /* where it belongs */
};

static struct log_file *log_of(sqlite3_file *file)
{
    return (struct log_file *)(void *)file;
}

static int write_kept(struct log_file *f)
{
    size_t len = f->len;
    f->len = 0; /* if it fails SQLite writes all of it again, or nothing */
    return len == 0
               ? SQLITE_OK
               : f->real->pMethods->xWrite(f->real, f->kept, (int)len, f->at);
}

static int log_close(sqlite3_file *file)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    mem_free(f->kept);
    int closed = f->real->pMethods->xClose(f->real);
    return rc == SQLITE_OK ? closed : rc;
}

static int log_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? f->real->pMethods->xRead(f->real, bytes, len, at)
                           : rc;
}

static int log_write(sqlite3_file *file, const void *bytes, int len,
                     sqlite3_int64 at)
{
    struct log_file *f = log_of(file);
    size_t more = (size_t)len;
    if (f->len > 0 &&
        (at != f->at + (sqlite3_int64)f->len || f->len + more > KEPT_BYTES)) {
        int rc = write_kept(f);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    if (more > KEPT_BYTES) {
        return f->real->pMethods->xWrite(f->real, bytes, len, at);
    }
    if (f->len == 0) {
        f->at = at;
    }
    memcpy(f->kept + f->len, bytes, more);
    f->len += more;
    return SQLITE_OK;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? f->real->pMethods->xTruncate(f->real, size) : rc;
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? f->real->pMethods->xSync(f->real, flags) : rc;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? f->real->pMethods->xFileSize(f->real, size) : rc;
}

static int log_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int log_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int log_reserved(sqlite3_file *file, int *reserved)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, reserved);
}

static int log_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xFileControl(real, op, arg);
}

static int log_sector(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int log_traits(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_traits,
};

int log_file_bytes(const sqlite3_vfs *base)
{
    return (int)sizeof(struct log_file) + base->szOsFile;
}

int log_file_open(sqlite3_vfs *base, const char *name, sqlite3_file *file,
                  int flags, int *out_flags)
{
    struct log_file *f = log_of(file);
    *f = (struct log_file){.real = (sqlite3_file *)(void *)(f + 1)};
    f->real->pMethods = NULL;
    int rc = base->xOpen(base, name, f->real, flags, out_flags);
    if (rc != SQLITE_OK) {
        if (f->real->pMethods != NULL) {
            (void)f->real->pMethods->xClose(f->real);
        }
        return rc;
    }
    f->kept = mem_alloc(KEPT_BYTES);
    f->file.pMethods = &log_methods;
    return SQLITE_OK;
}

static int write_zeros(sqlite3_file *file, sqlite3_int64 from, sqlite3_int64 to)
{
    int rc = SQLITE_OK;
    char *zeros = mem_zalloc(KEPT_BYTES);
    for (sqlite3_int64 at = from; at < to && rc == SQLITE_OK;
         at += KEPT_BYTES) {
        int len = to - at < KEPT_BYTES ? (int)(to - at) : KEPT_BYTES;
        rc = file->pMethods->xWrite(file, zeros, len, at);
    }
    mem_free(zeros);
    return rc;
}

int log_file_lengthen(sqlite3 *db, sqlite3_int64 size)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 was = 0;
    int rc =
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    CHECK(rc == SQLITE_OK && file->pMethods == &log_methods);
    rc = log_size(file, &was);
    if (rc != SQLITE_OK || was >= size) {
        return rc;
    }
    sqlite3_file *real = log_of(file)->real;
    return write_zeros(real, was, size) == SQLITE_OK
               ? SQLITE_OK
               : real->pMethods->xTruncate(real, was);
}
