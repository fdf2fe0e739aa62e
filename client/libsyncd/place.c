/*
 * Where a daemon may be, and reaching it there.
 *
 * The user's own daemon goes before the service, so that what someone starts
 * for a try never meets the real one. Nothing is trusted for where it lies: a
 * directory in /tmp must be ours and closed to others, and whoever listens must
 * be our user, root, or the service's user, by what the kernel says.
 */
#include "client/libsyncd/place.h"

#include "client/libsyncd/syncd.h"
#include "proto/memory.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVICE_SOCKET "/run/syncd/syncd.sock"
#define SERVICE_USER   "syncd"

/* A path that fits, with its NUL. */
#define SOCKET_PATH_BYTES_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* For names of users and groups, and what stands beside them. */
#define ENTRY_BYTES 16384

static void add(struct places *places, char *take_path, const char *skipped)
{
    places->at[places->count++] =
        (struct place){.path = take_path, .skipped = skipped};
}

static char *copy(const char *text)
{
    return mem_strndup(text, strlen(text));
}

__attribute__((format(printf, 1, 2))) static char *printed(const char *format,
                                                           ...)
{
    char text[4352]; /* PATH_MAX and some */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return copy(text);
}

/* Is it a directory of ours that nobody else may look into? */
static bool is_ours(const char *directory)
{
    struct stat st;
    return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

/* Without XDG_RUNTIME_DIR, as under cron: the directory that a login would
 * have, or the one in /tmp. What root starts is the service. */
static void add_fallback(struct places *places)
{
    char directory[64];
    unsigned uid = (unsigned)geteuid();
    if (uid == 0) {
        return;
    }
    (void)snprintf(directory, sizeof(directory), "/run/user/%u", uid);
    if (is_ours(directory)) {
        add(places, printed("%s/syncd/syncd.sock", directory), NULL);
        return;
    }
    (void)snprintf(directory, sizeof(directory), "/tmp/syncd-%u", uid);
    struct stat st;
    bool safe = is_ours(directory) || lstat(directory, &st) < 0;
    add(places, printed("%s/syncd.sock", directory),
        safe ? NULL : "its directory is not yours with mode 0700");
}

/* Where the daemon puts its socket (daemon/io/paths.c): the same order. */
static void add_users_own(struct places *places)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    if (runtime != NULL && runtime[0] == '/') {
        add(places, printed("%s/syncd/syncd.sock", runtime), NULL);
    } else {
        add_fallback(places);
    }
}

void places_find(struct places *places, const char *given)
{
    *places = (struct places){0};
    if (given == NULL || given[0] == '\0') {
        given = secure_getenv("SYNCD_SOCKET");
    }
    if (given != NULL && given[0] != '\0') {
        add(places, copy(given), NULL);
        places->given = true;
        return;
    }
    add_users_own(places);
    add(places, copy(SERVICE_SOCKET), NULL);
}

void places_fini(struct places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        mem_free(places->at[i].path);
    }
    *places = (struct places){0};
}

/* The service's user, or -1. */
static uid_t service_uid(void)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char *buffer = mem_alloc(ENTRY_BYTES);
    uid_t uid = (uid_t)-1;
    if (getpwnam_r(SERVICE_USER, &entry, buffer, ENTRY_BYTES, &found) == 0 &&
        found != NULL) {
        uid = found->pw_uid;
    }
    mem_free(buffer);
    return uid;
}

/* Is whoever listens there somebody we may tell our bodies? */
static enum reach check_peer(int fd, const char *path, struct fault *why)
{
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        fault_set(why, SYNCD_E_CONNECT, "cannot tell who listens at %s: %s",
                  path, strerror(errno));
        return REACH_WRONG;
    }
    if (peer.uid == geteuid() || peer.uid == 0 || peer.uid == service_uid()) {
        return REACH_DONE;
    }
    fault_set(
        why, SYNCD_E_PERMISSION,
        "user %u listens at %s, who is neither you, root nor " SERVICE_USER
        ": not used; set SYNCD_SOCKET to the right socket",
        (unsigned)peer.uid, path);
    return REACH_WRONG;
}

/* A user's or group's name, or its number if it has none. */
static void name_entry(char *name, size_t name_cap, const char *found,
                       unsigned number)
{
    if (found != NULL) {
        (void)snprintf(name, name_cap, "%s", found);
    } else {
        (void)snprintf(name, name_cap, "%u", number);
    }
}

/* Whom the socket, or the directory that hides it, is for: a group that one can
 * join, or its owner alone (false). What cannot be looked at is taken for the
 * service's. */
static bool name_admitted(const char *path, char *name, size_t name_cap)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    char *parent =
        mem_strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
    bool is_socket = stat(path, &st) == 0;
    bool known = is_socket || stat(parent, &st) == 0;
    mem_free(parent);
    (void)snprintf(name, name_cap, "%s", SERVICE_USER);
    if (!known) {
        return true;
    }
    /* To connect takes writing to the socket, and passing the directory. */
    bool joinable = (st.st_mode & (is_socket ? S_IWGRP : S_IXGRP)) != 0;
    char *buffer = mem_alloc(ENTRY_BYTES);
    if (joinable) {
        struct group entry;
        struct group *found = NULL;
        (void)getgrgid_r(st.st_gid, &entry, buffer, ENTRY_BYTES, &found);
        name_entry(name, name_cap, found == NULL ? NULL : found->gr_name,
                   st.st_gid);
    } else {
        struct passwd entry;
        struct passwd *found = NULL;
        (void)getpwuid_r(st.st_uid, &entry, buffer, ENTRY_BYTES, &found);
        name_entry(name, name_cap, found == NULL ? NULL : found->pw_name,
                   st.st_uid);
    }
    mem_free(buffer);
    return joinable;
}

static void explain_denied(const char *path, struct fault *why)
{
    char name[64];
    if (name_admitted(path, name, sizeof(name))) {
        fault_set(why, SYNCD_E_PERMISSION,
                  "not allowed to use %s: it is for the group %s; join it with "
                  "`sudo usermod -aG %s \"$USER\"` and log in again, or start "
                  "a daemon of your own with `syncd &`",
                  path, name, name);
    } else {
        fault_set(why, SYNCD_E_PERMISSION,
                  "not allowed to use %s: it is for the user %s alone; start a "
                  "daemon of your own with `syncd &`",
                  path, name);
    }
}

/* Why a connect failed, and whether it may work later. */
static enum reach explain(const char *path, int error, struct fault *why)
{
    if (error == EACCES || error == EPERM) {
        explain_denied(path, why);
        return REACH_DENIED;
    }
    if (error == EAGAIN) {
        fault_set(why, SYNCD_E_CONNECT,
                  "the daemon at %s is there but takes no more connections; "
                  "try again later",
                  path);
        return REACH_BUSY;
    }
    fault_set(why, SYNCD_E_CONNECT, "%s", strerror(error));
    return REACH_ABSENT;
}

static enum reach reach_path(const char *path, int *fd, struct fault *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len > SOCKET_PATH_BYTES_MAX) {
        fault_set(why, SYNCD_E_CONNECT,
                  "the path of the socket has %zu bytes, and at most %zu are "
                  "possible: %s",
                  len, SOCKET_PATH_BYTES_MAX, path);
        return REACH_WRONG;
    }
    memcpy(address.sun_path, path, len + 1);
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int opened = socket(AF_UNIX, type, 0);
    if (opened < 0) {
        fault_set(why, SYNCD_E_CONNECT, "cannot open a socket: %s",
                  strerror(errno));
        return REACH_ABSENT;
    }
    enum reach reach =
        connect(opened, (const struct sockaddr *)&address, sizeof(address)) < 0
            ? explain(path, errno, why)
            : check_peer(opened, path, why);
    if (reach == REACH_DONE) {
        *fd = opened;
    } else {
        (void)close(opened);
    }
    return reach;
}

/* "no syncd is there: tried A (why) and B (why); start one with ..." */
static void explain_absent(struct fault *all, const struct places *places,
                           const struct fault *each)
{
    fault_set(all, SYNCD_E_CONNECT, "no syncd is running: tried ");
    for (size_t i = 0; i < places->count; i++) {
        const char *reason = places->at[i].skipped;
        fault_add(all, "%s%s (%s)", i == 0 ? "" : " and ", places->at[i].path,
                  reason != NULL ? reason : each[i].text);
    }
    if (places->given) {
        fault_add(all, "; start one there with `syncd --socket %s &`",
                  places->at[0].path);
    } else {
        fault_add(all, "; start one with `syncd &`, or the service with "
                       "`systemctl start syncd.socket`");
    }
}

enum reach places_reach(const struct places *places, int *fd, size_t *which,
                        struct fault *why)
{
    struct fault each[PLACES_MAX] = {0};
    enum reach worst = REACH_ABSENT;
    for (size_t i = 0; i < places->count; i++) {
        if (places->at[i].skipped != NULL) {
            continue;
        }
        enum reach reach = reach_path(places->at[i].path, fd, &each[i]);
        if (reach == REACH_DONE) {
            *which = i;
            return REACH_DONE;
        }
        if (reach != REACH_ABSENT) {
            fault_copy(why, &each[i]);
            worst = reach;
        }
    }
    if (worst == REACH_ABSENT) {
        explain_absent(why, places, each);
    }
    return worst;
}
