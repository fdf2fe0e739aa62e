/*
 * A file of SQLite's with another one behind it: what those of page_sum.h and
 * log_file.h have in common. Most methods pass a call on to the file behind.
 */
#ifndef SYNCD_STORE_SHIM_FILE_H
#define SYNCD_STORE_SHIM_FILE_H

#include <sqlite3.h>
#include <stddef.h>

/* The first member of such a file; the one behind lies where the whole ends. */
struct shim_file {
    sqlite3_file file;
    sqlite3_file *real;
};

/* What must be allocated for a file of `size` bytes over `base`, bytes. */
int shim_bytes(const sqlite3_vfs *base, size_t size);

/* Fills the shim of a file of `size` bytes, and opens the one behind it: as
 * xOpen of `base`, but that nothing is left open if it fails. */
int shim_open(sqlite3_vfs *base, const char *name, struct shim_file *shim,
              size_t size, int flags, int *out_flags);

/* Closes the file behind. */
int shim_close(sqlite3_file *file);

int shim_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at);
int shim_write(sqlite3_file *file, const void *bytes, int len,
               sqlite3_int64 at);
int shim_truncate(sqlite3_file *file, sqlite3_int64 size);
int shim_sync(sqlite3_file *file, int flags);
int shim_size(sqlite3_file *file, sqlite3_int64 *size);
int shim_lock(sqlite3_file *file, int level);
int shim_unlock(sqlite3_file *file, int level);
int shim_reserved(sqlite3_file *file, int *reserved);
int shim_control(sqlite3_file *file, int op, void *arg);
int shim_sector(sqlite3_file *file);
int shim_traits(sqlite3_file *file);

/* Of version 1 (without shared memory and mapped pages), those that are passed
 * on by all. */
#define SHIM_METHODS                                                   \
    .iVersion = 1, .xLock = shim_lock, .xUnlock = shim_unlock,         \
    .xCheckReservedLock = shim_reserved, .xFileControl = shim_control, \
    .xSectorSize = shim_sector, .xDeviceCharacteristics = shim_traits

#endif
