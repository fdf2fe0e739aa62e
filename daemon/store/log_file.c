#include "daemon/store/log_file.h"

#include "daemon/store/shim_file.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <string.h>

/* SQLite's VFS of Unix takes less than 128 KiB at once. */
#define KEPT_BYTES 65536

struct log_file {
    struct shim_file shim;
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
    return len == 0 ? SQLITE_OK
                    : shim_write(&f->shim.file, f->kept, (int)len, f->at);
}

static int log_close(sqlite3_file *file)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    mem_free(f->kept);
    int closed = shim_close(file);
    return rc == SQLITE_OK ? closed : rc;
}

static int log_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? shim_read(file, bytes, len, at) : rc;
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
        return shim_write(file, bytes, len, at);
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
    return rc == SQLITE_OK ? shim_truncate(file, size) : rc;
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? shim_sync(file, flags) : rc;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct log_file *f = log_of(file);
    int rc = write_kept(f);
    return rc == SQLITE_OK ? shim_size(file, size) : rc;
}

static const sqlite3_io_methods log_methods = {
    SHIM_METHODS,          .xClose = log_close,       .xRead = log_read,
    .xWrite = log_write,   .xTruncate = log_truncate, .xSync = log_sync,
    .xFileSize = log_size,
};

int log_file_bytes(const sqlite3_vfs *base)
{
    return shim_bytes(base, sizeof(struct log_file));
}

int log_file_open(sqlite3_vfs *base, const char *name, sqlite3_file *file,
                  int flags, int *out_flags)
{
    struct log_file *f = log_of(file);
    *f = (struct log_file){0};
    int rc = shim_open(base, name, &f->shim, sizeof(*f), flags, out_flags);
    if (rc != SQLITE_OK) {
        return rc;
    }
    f->kept = mem_alloc(KEPT_BYTES);
    f->shim.file.pMethods = &log_methods;
    return SQLITE_OK;
}

static int write_zeros(sqlite3_file *file, sqlite3_int64 from, sqlite3_int64 to)
{
    int rc = SQLITE_OK;
    char *zeros = mem_zalloc(KEPT_BYTES);
    for (sqlite3_int64 at = from; at < to && rc == SQLITE_OK;
         at += KEPT_BYTES) {
        int len = to - at < KEPT_BYTES ? (int)(to - at) : KEPT_BYTES;
        rc = shim_write(file, zeros, len, at);
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
    return write_zeros(file, was, size) == SQLITE_OK ? SQLITE_OK
                                                     : shim_truncate(file, was);
}
