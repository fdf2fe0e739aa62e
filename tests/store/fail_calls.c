#include "tests/store/fail_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

int __real_open(const char *path, int flags, mode_t mode);
int __real_openat(int dir, const char *path, int flags, mode_t mode);
int __real_flock(int fd, int operation);
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
int __real_ftruncate(int fd, off_t size);
int __real_fsync(int fd);
int __real_fstat(int fd, struct stat *info);
int __real_posix_fallocate(int fd, off_t at, off_t len);
int __real_unlinkat(int dir, const char *path, int flags);
int __real_rename(const char *from, const char *to);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_flock(int fd, int operation);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_fsync(int fd);
int __wrap_fstat(int fd, struct stat *info);
int __wrap_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_unlinkat(int dir, const char *path, int flags);
int __wrap_rename(const char *from, const char *to);

static struct {
    const char *name; /* NULL: any */
    unsigned fail_at;
    unsigned counted;
    int error;
    bool ever;
} fault;

void calls_fail(const char *name, unsigned n, int error, bool ever)
{
    fault.name = name;
    fault.fail_at = n;
    fault.counted = 0;
    fault.error = error;
    fault.ever = ever;
}

bool calls_mend(void)
{
    bool failed = fault.fail_at > 0 && fault.counted >= fault.fail_at;
    calls_fail(NULL, 0, 0, false);
    return failed;
}

/* Every call begins here: does it fail? */
static bool fails(const char *name)
{
    if (fault.fail_at == 0 ||
        (fault.name != NULL && strcmp(fault.name, name) != 0)) {
        return false;
    }
    fault.counted++;
    if (fault.counted == fault.fail_at ||
        (fault.ever && fault.counted > fault.fail_at)) {
        errno = fault.error;
        return true;
    }
    return false;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails("openat") ? -1 : __real_openat(dir, path, flags, mode);
}

int __wrap_flock(int fd, int operation)
{
    return fails("flock") ? -1 : __real_flock(fd, operation);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return fails("pwrite") ? -1 : __real_pwrite(fd, bytes, len, at);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return fails("ftruncate") ? -1 : __real_ftruncate(fd, size);
}

int __wrap_fsync(int fd)
{
    return fails("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_fstat(int fd, struct stat *info)
{
    return fails("fstat") ? -1 : __real_fstat(fd, info);
}

int __wrap_posix_fallocate(int fd, off_t at, off_t len)
{
    return fails("posix_fallocate") ? fault.error
                                    : __real_posix_fallocate(fd, at, len);
}

int __wrap_unlinkat(int dir, const char *path, int flags)
{
    return fails("unlinkat") ? -1 : __real_unlinkat(dir, path, flags);
}

int __wrap_rename(const char *from, const char *to)
{
    return fails("rename") ? -1 : __real_rename(from, to);
}
