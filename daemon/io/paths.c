#include "daemon/io/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct paths_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(struct paths_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -1;
}

/* The first path of a variable, which may be a list; false: none. */
static bool from_variable(const char *name, char *path)
{
    const char *value = getenv(name);
    if (value == NULL || value[0] != '/') {
        return false;
    }
    size_t len = strcspn(value, ":");
    if (len >= PATH_BYTES) {
        return false;
    }
    memcpy(path, value, len);
    path[len] = '\0';
    return true;
}

static bool append(char *path, const char *more)
{
    size_t len = strlen(path);
    size_t more_len = strlen(more);
    if (len + more_len >= PATH_BYTES) {
        return false;
    }
    memcpy(path + len, more, more_len + 1);
    return true;
}

static bool from_home(char *path)
{
    if (from_variable("HOME", path)) {
        return true;
    }
    const struct passwd *user = getpwuid(getuid());
    if (user == NULL || user->pw_dir == NULL || user->pw_dir[0] != '/') {
        return false;
    }
    path[0] = '\0';
    return append(path, user->pw_dir);
}

/* A variable of XDG, or its default below the home directory. */
static bool from_xdg(const char *name, const char *fallback, char *path)
{
    return from_variable(name, path) ||
           (from_home(path) && append(path, fallback));
}

int paths_make(const char *dir, struct paths_error *error)
{
    char path[PATH_BYTES];
    if (strlen(dir) >= sizeof(path)) {
        return fail(error, "%.80s...: the path is too long", dir);
    }
    memcpy(path, dir, strlen(dir) + 1);
    for (char *slash = path; slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
            return fail(error, "cannot make the directory %s: %s", path,
                        strerror(errno));
        }
        if (slash != NULL) {
            *slash = '/';
        }
    }
    return 0;
}

/* Is it a directory, ours, and nobody else's to write or look into? */
static bool is_private(const char *dir)
{
    struct stat st;
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == getuid() && (st.st_mode & 077) == 0;
}

/* Without XDG_RUNTIME_DIR, as under cron: the directory that a login would
 * have, or one in /tmp that nobody else could have made. */
static int runtime_fallback(char *path, struct paths_error *error)
{
    (void)snprintf(path, PATH_BYTES, "/run/user/%u", getuid());
    if (is_private(path)) {
        return append(path, "/syncd") ? 0 : -1;
    }
    (void)snprintf(path, PATH_BYTES, "/tmp/syncd-%u", getuid());
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return fail(error, "cannot make the directory %s: %s", path,
                    strerror(errno));
    }
    if (!is_private(path)) {
        return fail(error,
                    "%s is not a directory of yours with mode 0700; remove it, "
                    "or name another place with --socket",
                    path);
    }
    return 0;
}

int paths_socket(char *path, struct paths_error *error)
{
    if (from_variable("RUNTIME_DIRECTORY", path)) {
        /* made by the service manager */
    } else if (getuid() == 0) {
        (void)snprintf(path, PATH_BYTES, "/run/syncd");
        if (mkdir(path, 0755) == 0) {
            (void)chmod(path, 0755); /* whatever the umask: others connect */
        } else if (errno != EEXIST) {
            return fail(error, "cannot make the directory %s: %s", path,
                        strerror(errno));
        }
    } else if (from_variable("XDG_RUNTIME_DIR", path)) {
        if (!append(path, "/syncd")) {
            return fail(error, "XDG_RUNTIME_DIR is too long");
        }
    } else if (runtime_fallback(path, error) < 0) {
        return -1;
    }
    if (paths_make(path, error) < 0) {
        return -1;
    }
    return append(path, "/syncd.sock") ? 0
                                       : fail(error, "the path of the "
                                                     "socket is too long");
}

int paths_data(char *path, struct paths_error *error)
{
    if (from_variable("STATE_DIRECTORY", path)) {
        return 0;
    }
    if (getuid() == 0) {
        (void)snprintf(path, PATH_BYTES, "/var/lib/syncd");
        return 0;
    }
    if (!from_xdg("XDG_STATE_HOME", "/.local/state", path) ||
        !append(path, "/syncd")) {
        return fail(error, "there is no home directory to keep data in; name a "
                           "directory with --data");
    }
    return 0;
}

int paths_config(char *path)
{
    if (from_variable("CONFIGURATION_DIRECTORY", path)) {
        return append(path, "/syncd.conf") ? 0 : -1;
    }
    if (getuid() == 0) {
        (void)snprintf(path, PATH_BYTES, "/etc/syncd/syncd.conf");
        return 0;
    }
    return from_xdg("XDG_CONFIG_HOME", "/.config", path) &&
                   append(path, "/syncd/syncd.conf")
               ? 0
               : -1;
}
