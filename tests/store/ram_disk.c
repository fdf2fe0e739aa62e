#include "tests/store/ram_disk.h"

#include "proto/check.h"
#include "proto/memory.h"
#include "tests/store/ram_file.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

struct ram_disk {
    sqlite3_vfs vfs; /* pAppData is the disk: a VFS over it hands on a copy */
    struct ram_files files;
    struct random random; /* what a failing sync keeps */
    enum ram_fault fault;
    unsigned fail_at;
    unsigned counted; /* of the kind that is to fail */
    unsigned calls;
    bool ever;
    void (*watch)(void *arg);
    void *watch_arg;
};

/* An open file. */
struct handle {
    sqlite3_file base;
    struct ram_disk *disk;
    struct ram_file *file;
    int last_errno; /* of the last write that failed */
    bool sync_dir;  /* at the first sync: a log or journal, as on Unix */
};

/* ---- Faults ---- */

void ram_disk_fail(struct ram_disk *disk, enum ram_fault fault, unsigned n,
                   bool ever)
{
    disk->fault = fault;
    disk->fail_at = n;
    disk->counted = 0;
    disk->calls = 0;
    disk->ever = ever;
}

bool ram_disk_failed(const struct ram_disk *disk)
{
    return disk->fail_at > 0 && disk->counted >= disk->fail_at;
}

unsigned ram_disk_calls(const struct ram_disk *disk)
{
    return disk->calls;
}

void ram_disk_watch(struct ram_disk *disk, void (*watch)(void *arg), void *arg)
{
    disk->watch = watch;
    disk->watch_arg = arg;
}

static const int errors[] = {
    [RAM_NONE] = 0,
    [RAM_ERROR] = EIO,
    [RAM_FULL] = ENOSPC,
    [RAM_QUOTA] = EDQUOT,
};

/* Every call begins here: does it fail? */
static bool fails(struct ram_disk *disk, bool write)
{
    if (disk->watch != NULL) {
        disk->watch(disk->watch_arg);
    }
    disk->calls++;
    if (disk->fault == RAM_NONE || (disk->fault != RAM_ERROR && !write)) {
        return false;
    }
    disk->counted++;
    bool failed =
        disk->fail_at > 0 && (disk->counted == disk->fail_at ||
                              (disk->ever && disk->counted > disk->fail_at));
    errno = failed ? errors[disk->fault] : errno;
    return failed;
}

/* ---- An open file ---- */

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static int on_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    struct handle *h = handle_of(file);
    if (fails(h->disk, false)) {
        return SQLITE_IOERR_READ;
    }
    size_t got = ram_file_read(h->file, bytes, (size_t)len, (size_t)at);
    memset((char *)bytes + got, 0, (size_t)len - got);
    return got == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *file, const void *bytes, int len,
                    sqlite3_int64 at)
{
    struct handle *h = handle_of(file);
    bool failed = fails(h->disk, true);
    struct slice piece = {bytes, (size_t)(failed ? len / 2 : len)};
    ram_file_write(h->file, piece, (size_t)at);
    if (!failed) {
        return SQLITE_OK;
    }
    h->last_errno = errno;
    return h->disk->fault == RAM_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = handle_of(file);
    if (fails(h->disk, false)) {
        return SQLITE_IOERR_TRUNCATE;
    }
    ram_file_truncate(h->file, (size_t)size);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct handle *h = handle_of(file);
    (void)flags;
    if (fails(h->disk, false)) {
        ram_file_lose(h->file, &h->disk->random);
        return SQLITE_IOERR_FSYNC;
    }
    ram_file_sync(h->file);
    if (h->sync_dir) {
        h->sync_dir = false;
        ram_files_sync_names(&h->disk->files);
    }
    return SQLITE_OK;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct handle *h = handle_of(file);
    if (fails(h->disk, false)) {
        return SQLITE_IOERR_FSTAT;
    }
    *size = (sqlite3_int64)ram_file_seen(h->file).len;
    return SQLITE_OK;
}

static int on_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int on_check_reserved(sqlite3_file *file, int *reserved)
{
    (void)file;
    *reserved = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
    if (op != SQLITE_FCNTL_LAST_ERRNO) {
        return SQLITE_NOTFOUND;
    }
    *(int *)arg = handle_of(file)->last_errno;
    return SQLITE_OK;
}

/* As the VFS of Unix has it. */
static int on_sector_size(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int on_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_lock,
    .xCheckReservedLock = on_check_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_traits,
};

/* ---- The VFS ---- */

static struct ram_disk *disk_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                   int flags, int *out_flags)
{
    struct ram_disk *disk = disk_of(vfs);
    struct handle *h = handle_of(file);
    file->pMethods = NULL;
    CHECK(name != NULL); /* temp_store=MEMORY */
    if (fails(disk, false)) {
        return SQLITE_CANTOPEN;
    }
    *h = (struct handle){.disk = disk,
                         .file = ram_files_find(&disk->files, name)};
    if (h->file == NULL && (flags & SQLITE_OPEN_CREATE) == 0) {
        return SQLITE_CANTOPEN;
    }
    bool main = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    h->sync_dir = !main && (flags & SQLITE_OPEN_CREATE) != 0;
    if (h->file == NULL) {
        h->file = ram_files_make(&disk->files, name, main);
    }
    file->pMethods = &methods;
    if (out_flags != NULL) {
        *out_flags = flags;
    }
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    struct ram_disk *disk = disk_of(vfs);
    if (fails(disk, false)) {
        return SQLITE_IOERR_DELETE;
    }
    if (!ram_files_unlink(&disk->files, name)) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (sync_dir) {
        ram_files_sync_names(&disk->files);
    }
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    struct ram_disk *disk = disk_of(vfs);
    if (fails(disk, false)) {
        return SQLITE_IOERR_ACCESS;
    }
    /* What is empty does not exist for SQLite, as on Unix. */
    struct ram_file *file = ram_files_find(&disk->files, name);
    *result = file != NULL &&
              (flags != SQLITE_ACCESS_EXISTS || ram_file_seen(file).len > 0);
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)size, "%s", name) < size ? SQLITE_OK
                                                          : SQLITE_CANTOPEN;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return errno;
}

/* ---- Disks ---- */

struct ram_disk *ram_disk_new(const char *name)
{
    struct ram_disk *disk = mem_zalloc(sizeof(*disk));
    disk->vfs = *sqlite3_vfs_find(NULL);
    disk->vfs.pNext = NULL;
    disk->vfs.zName = name;
    disk->vfs.pAppData = disk;
    disk->vfs.szOsFile = (int)sizeof(struct handle);
    disk->vfs.xOpen = on_open;
    disk->vfs.xDelete = on_delete;
    disk->vfs.xAccess = on_access;
    disk->vfs.xFullPathname = on_full_path;
    disk->vfs.xGetLastError = on_last_error;
    int rc = sqlite3_vfs_register(&disk->vfs, 0);
    CHECK(rc == SQLITE_OK);
    return disk;
}

void ram_disk_free(struct ram_disk *disk)
{
    if (disk != NULL) {
        int rc = sqlite3_vfs_unregister(&disk->vfs);
        CHECK(rc == SQLITE_OK);
        ram_files_clear(&disk->files);
        mem_free(disk);
    }
}

const char *ram_disk_name(const struct ram_disk *disk)
{
    return disk->vfs.zName;
}

void ram_disk_clear(struct ram_disk *disk)
{
    ram_files_clear(&disk->files);
    ram_disk_fail(disk, RAM_NONE, 0, false);
    ram_disk_watch(disk, NULL, NULL);
    disk->random.state = 0;
}

void ram_disk_copy(struct ram_disk *to, const struct ram_disk *from)
{
    ram_disk_clear(to);
    ram_files_copy(&to->files, &from->files);
    to->random = from->random;
}

void ram_disk_power_cut(struct ram_disk *to, const struct ram_disk *from,
                        struct random *random)
{
    ram_disk_clear(to);
    ram_files_power_cut(&to->files, &from->files, random);
    to->random.state = random_next(random);
}

void ram_disk_write(struct ram_disk *disk, const char *path, struct slice bytes)
{
    struct ram_file *file = ram_files_find(&disk->files, path);
    if (file == NULL) {
        file = ram_files_make(&disk->files, path, true);
    }
    ram_file_truncate(file, 0);
    ram_file_write(file, bytes, 0);
    ram_file_sync(file);
}

struct slice ram_disk_read(const struct ram_disk *disk, const char *path)
{
    const struct ram_file *file = ram_files_find(&disk->files, path);
    return file != NULL ? ram_file_seen(file) : (struct slice){NULL, 0};
}
