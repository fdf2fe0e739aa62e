/*
 * The data directory: who may use it, and that its files are ours alone.
 *
 * A lock file with the process's id in it is held (flock) as long as the
 * directory is open, so that a second daemon is refused with a sentence that
 * names the first. The database file is made here, readable for its user
 * alone, whatever the umask; SQLite gives its log the same mode.
 */
#ifndef SYNCD_STORE_DATA_DIR_H
#define SYNCD_STORE_DATA_DIR_H

#include "daemon/store/store.h"

#include <limits.h>

#define DATABASE_FILE "syncd.db"
#define LOCK_FILE     "syncd.db.lock"

struct data_dir {
    int fd;
    int lock_fd;
    char database[PATH_MAX]; /* the path of the database file */
};

/* 0, or -1 with `error` set and nothing held. */
int data_dir_open(struct data_dir *dir, const char *path,
                  struct store_error *error);
void data_dir_close(struct data_dir *dir);

#endif
