#include "daemon/store/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int check_whole(struct connection *c, struct store_error *error)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql_check, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    const char *found = rc == SQLITE_ROW
                            ? (const char *)sqlite3_column_text(statement, 0)
                            : NULL;
    int result = -1;
    if (found == NULL) {
        connection_tell(c, rc, error);
    } else if (strcmp(found, "ok") != 0) {
        connection_damaged(c, found, error);
    } else {
        result = 0;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

static int sync_path(const char *path, int flags, struct store_error *error)
{
    int fd = open(path, flags | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (rc != 0) {
        store_error_set(error, "cannot write %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

/* For our user alone, before there is anything in it. */
static int make_empty(const char *path, struct store_error *error)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        store_error_set(error, "cannot make %s: %s", path, strerror(errno));
        return -1;
    }
    (void)close(fd);
    return 0;
}

/* As salvage_copy, to `path`, which is an empty file. */
static int copy_to(struct connection *c, const char *path)
{
    sqlite3_stmt *statement = NULL;
    int rc = connection_exec(c, sql_no_log);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(c->db, sql_copy, -1, &statement, NULL);
    }
    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
        rc = sqlite3_step(statement);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

static void copy_path(char *copy, size_t size, const char *path)
{
    (void)snprintf(copy, size, "%s.new", path);
}

int salvage_copy(struct connection *c, struct store_error *error)
{
    char copy[PATH_MAX + 4];
    copy_path(copy, sizeof(copy), c->path);
    if (check_whole(c, error) != 0 || make_empty(copy, error) != 0) {
        return -1;
    }
    int rc = copy_to(c, copy);
    if (rc != SQLITE_OK) {
        connection_tell(c, rc, error);
        (void)unlink(copy);
        return -1;
    }
    return sync_path(copy, O_RDWR, error);
}

int salvage_replace(const char *path, struct store_error *error)
{
    char copy[PATH_MAX + 4];
    char parent[PATH_MAX];
    copy_path(copy, sizeof(copy), path);
    (void)snprintf(parent, sizeof(parent), "%s", path);
    if (rename(copy, path) != 0) {
        store_error_set(error, "cannot rename %s: %s", copy, strerror(errno));
        return -1;
    }
    return sync_path(dirname(parent), O_RDONLY | O_DIRECTORY, error);
}
