#include "daemon/store/shim_file.h"

static sqlite3_file *shim_real(sqlite3_file *file)
{
    return ((struct shim_file *)(void *)file)->real;
}

int shim_bytes(const sqlite3_vfs *base, size_t size)
{
    return (int)size + base->szOsFile;
}

int shim_open(sqlite3_vfs *base, const char *name, struct shim_file *shim,
              size_t size, int flags, int *out_flags)
{
    sqlite3_file *real = (sqlite3_file *)(void *)((char *)shim + size);
    *shim = (struct shim_file){.real = real};
    real->pMethods = NULL;
    int rc = base->xOpen(base, name, real, flags, out_flags);
    if (rc != SQLITE_OK && real->pMethods != NULL) {
        (void)real->pMethods->xClose(real);
    }
    return rc;
}

int shim_close(sqlite3_file *file)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xClose(real);
}

int shim_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xRead(real, bytes, len, at);
}

int shim_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xWrite(real, bytes, len, at);
}

int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xTruncate(real, size);
}

int shim_sync(sqlite3_file *file, int flags)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xSync(real, flags);
}

int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xFileSize(real, size);
}

int shim_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xLock(real, level);
}

int shim_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xUnlock(real, level);
}

int shim_reserved(sqlite3_file *file, int *reserved)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xCheckReservedLock(real, reserved);
}

int shim_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xFileControl(real, op, arg);
}

int shim_sector(sqlite3_file *file)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xSectorSize(real);
}

int shim_traits(sqlite3_file *file)
{
    sqlite3_file *real = shim_real(file);
    return real->pMethods->xDeviceCharacteristics(real);
}
