#include "daemon/store/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The id in a lock file that another process holds; 0 if it cannot be read. */
static long holder(int lock_fd)
{
    char text[24];
    ssize_t len = pread(lock_fd, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return 0;
    }
    text[len] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 ? pid : 0;
}

static void tell_taken(const struct data_dir *dir, struct store_error *error)
{
    long pid = holder(dir->lock_fd);
    char who[40] = "";
    if (pid > 0) {
        (void)snprintf(who, sizeof(who), " (pid %ld)", pid);
    }
    store_error_set(error,
                    "%s is in use by another syncd%s: stop it, or give "
                    "--data another directory",
                    dir->database, who);
}

/* The id is for whoever is refused: that it cannot be written, or an older one
 * taken away, is no harm. */
static void write_pid(int lock_fd)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    bool written = pwrite(lock_fd, text, (size_t)len, 0) == len;
    int rc = ftruncate(lock_fd, written ? len : 0);
    (void)rc;
}

static int take_lock(struct data_dir *dir, struct store_error *error)
{
    dir->lock_fd = openat(dir->fd, LOCK_FILE,
                          O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0) {
        store_error_set(error, "cannot make the lock file %s.lock: %s",
                        dir->database, strerror(errno));
        return -1;
    }
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            tell_taken(dir, error);
        } else {
            store_error_set(error, "cannot lock %s.lock: %s", dir->database,
                            strerror(errno));
        }
        (void)close(dir->lock_fd);
        return -1;
    }
    write_pid(dir->lock_fd);
    return 0;
}

/* Under the lock, so that nobody else has it open: closing it here would drop
 * the locks that SQLite holds on it in this process. */
static int make_database(struct data_dir *dir, struct store_error *error)
{
    struct stat info;
    int fd = openat(dir->fd, DATABASE_FILE,
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0) {
        store_error_set(error, "cannot open %s: %s", dir->database,
                        strerror(errno));
        return -1;
    }
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (!regular) {
        store_error_set(error, "%s is not a regular file", dir->database);
    }
    (void)close(fd);
    /* Its name, too, must survive a power cut. Some file systems have no sync
     * of directories. */
    if (regular && fsync(dir->fd) != 0 && errno != EINVAL) {
        store_error_set(error, "cannot sync the data directory of %s: %s",
                        dir->database, strerror(errno));
        return -1;
    }
    return regular ? 0 : -1;
}

/* What SQLite finds beside the database it opens, and would wait for ever for
 * somebody at the other end of a FIFO. */
static int check_others(const struct data_dir *dir, struct store_error *error)
{
    static const char *const suffixes[] = {"-wal", "-journal", "-shm"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct stat info;
        char name[sizeof(DATABASE_FILE) + 16];
        (void)snprintf(name, sizeof(name), "%s%s", DATABASE_FILE, suffixes[i]);
        if (fstatat(dir->fd, name, &info, 0) == 0 && !S_ISREG(info.st_mode)) {
            store_error_set(error, "%s%s is not a regular file", dir->database,
                            suffixes[i]);
            return -1;
        }
    }
    return 0;
}

int data_dir_open(struct data_dir *dir, const char *path,
                  struct store_error *error)
{
    int len = snprintf(dir->database, sizeof(dir->database), "%s/%s", path,
                       DATABASE_FILE);
    if ((size_t)len >= sizeof(dir->database)) {
        store_error_set(error, "the data directory's path is too long");
        return -1;
    }
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        store_error_set(error, "cannot open the data directory %s: %s", path,
                        strerror(errno));
        return -1;
    }
    if (take_lock(dir, error) != 0) {
        goto close_dir;
    }
    if (make_database(dir, error) != 0 || check_others(dir, error) != 0) {
        goto unlock;
    }
    return 0;
unlock:
    (void)close(dir->lock_fd);
close_dir:
    (void)close(dir->fd);
    return -1;
}

void data_dir_close(struct data_dir *dir)
{
    (void)close(dir->lock_fd);
    (void)close(dir->fd);
}
