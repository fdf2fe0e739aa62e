#include "tests/store/fault_vfs.h"

#include "proto/check.h"

#include <sqlite3.h>
#include <string.h>

/* The base's file lies behind it. */
struct fault_file {
    sqlite3_file file;
    sqlite3_file *real;
};

/* One a process: what is armed. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *base;
    enum fault_kind kind;
    unsigned fail_at;
    unsigned count;
    bool ever;
} faults;

void fault_vfs_arm(enum fault_kind kind, unsigned n, bool ever)
{
    faults.kind = kind;
    faults.fail_at = n;
    faults.count = 0;
    faults.ever = ever;
}

bool fault_vfs_fired(void)
{
    return faults.fail_at > 0 && faults.count >= faults.fail_at;
}

unsigned fault_vfs_count(void)
{
    return faults.count;
}

/* Counts an operation: does it fail? */
static bool fails(bool write)
{
    if (faults.kind == FAULT_FULL && !write) {
        return false;
    }
    faults.count++;
    return faults.fail_at > 0 &&
           (faults.count == faults.fail_at ||
            (faults.ever && faults.count > faults.fail_at));
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)(void *)file)->real;
}

static int fault_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int fault_read(sqlite3_file *file, void *bytes, int len,
                      sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static int fault_write(sqlite3_file *file, const void *bytes, int len,
                       sqlite3_int64 at)
{
    sqlite3_file *real = real_of(file);
    if (!fails(true)) {
        return real->pMethods->xWrite(real, bytes, len, at);
    }
    (void)real->pMethods->xWrite(real, bytes, len / 2, at);
    return faults.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails(false)
               ? SQLITE_IOERR_TRUNCATE
               : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
    return fails(false) ? SQLITE_IOERR_FSYNC
                        : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int fault_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int fault_reserved(sqlite3_file *file, int *reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int fault_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 1,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                      int flags, int *out_flags)
{
    (void)vfs;
    struct fault_file *f = (struct fault_file *)(void *)file;
    file->pMethods = NULL;
    if (fails(false)) {
        return SQLITE_CANTOPEN;
    }
    f->real = (sqlite3_file *)(void *)(f + 1);
    f->real->pMethods = NULL;
    int rc = faults.base->xOpen(faults.base, name, f->real, flags, out_flags);
    if (rc == SQLITE_OK) {
        file->pMethods = &fault_methods;
    }
    return rc;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    return fails(false) ? SQLITE_IOERR_DELETE
                        : faults.base->xDelete(faults.base, name, sync_dir);
}

void fault_vfs_register(void)
{
    faults.base = sqlite3_vfs_find(NULL);
    faults.vfs = *faults.base;
    faults.vfs.pNext = NULL;
    faults.vfs.zName = FAULT_VFS;
    faults.vfs.xOpen = fault_open;
    faults.vfs.xDelete = fault_delete;
    faults.vfs.szOsFile =
        (int)sizeof(struct fault_file) + faults.base->szOsFile;
    int rc = sqlite3_vfs_register(&faults.vfs, 0);
    CHECK(rc == SQLITE_OK);
}
