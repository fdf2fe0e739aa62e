#include "daemon/io/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* As many as the kernel lets wait (net.core.somaxconn caps it). */
#define BACKLOG 4096

static int fail(struct unix_socket_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(struct unix_socket_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -1;
}

void unix_socket_init(struct unix_socket *sock)
{
    memset(sock, 0, sizeof(*sock));
    sock->fd = -1;
    sock->lock_fd = -1;
}

void unix_socket_adopt(struct unix_socket *sock, int take_fd)
{
    /* The manager may have made it blocking; the loop must never block. */
    (void)fcntl(take_fd, F_SETFL, fcntl(take_fd, F_GETFL) | O_NONBLOCK);
    sock->fd = take_fd;
    sock->inherited = true;
}

static struct sockaddr_un address_of(const struct unix_socket *sock)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, sock->path, sizeof(address.sun_path));
    return address;
}

int unix_socket_lock(struct unix_socket *sock, const char *path,
                     struct unix_socket_error *error)
{
    char lock_path[sizeof(sock->path) + sizeof(".lock")];
    if (strlen(path) >= sizeof(sock->path)) {
        return fail(error,
                    "the path of the socket is longer than the %zu bytes that "
                    "a Unix socket may have: %.120s",
                    sizeof(sock->path) - 1, path);
    }
    memcpy(sock->path, path, strlen(path) + 1);
    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        fail(error, "cannot open the lock file %s: %s%s", lock_path,
             strerror(errno),
             errno == ENOENT ? "; make the folder first, or choose another"
                             : "");
        goto failed;
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
        fail(error, "the lock file %s belongs to somebody else", lock_path);
        goto failed;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        fail(error, "another syncd is running on %s (it holds %s)", path,
             lock_path);
        goto failed;
    }
    sock->lock_fd = fd;
    return 0;

failed:
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* Does anybody answer there? A full backlog is an answer. */
static bool answers(const struct unix_socket *sock)
{
    struct sockaddr_un address = address_of(sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true; /* cannot tell: leave it alone */
    }
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    bool alive = rc == 0 || (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return alive;
}

/* Clears the place: a socket that nobody answers on is removed, anything else
 * is left alone and refused. */
static int clear_place(const struct unix_socket *sock,
                       struct unix_socket_error *error)
{
    struct stat st;
    if (lstat(sock->path, &st) < 0) {
        return errno == ENOENT ? 0
                               : fail(error, "cannot look at %s: %s",
                                      sock->path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return fail(error, "%s is in the way: it is not a socket", sock->path);
    }
    if (answers(sock)) {
        return fail(error, "somebody else answers on %s", sock->path);
    }
    if (unlink(sock->path) < 0 && errno != ENOENT) {
        return fail(error, "cannot remove the stale socket %s: %s", sock->path,
                    strerror(errno));
    }
    return 0;
}

/* Binds with nobody allowed but us; the mode asked for comes behind. */
static int bind_closed(struct unix_socket *sock)
{
    struct sockaddr_un address = address_of(sock);
    mode_t before = umask(0177);
    int rc = bind(sock->fd, (const struct sockaddr *)&address, sizeof(address));
    int reason = errno;
    umask(before);
    errno = reason;
    return rc;
}

static int give_to_group(const struct unix_socket *sock, const char *group,
                         struct unix_socket_error *error)
{
    if (group[0] == '\0') {
        return 0;
    }
    const struct group *found = getgrnam(group);
    if (found == NULL) {
        return fail(error, "socket_group: there is no group '%s'", group);
    }
    if (chown(sock->path, (uid_t)-1, found->gr_gid) < 0) {
        return fail(error, "cannot give %s to the group '%s': %s", sock->path,
                    group, strerror(errno));
    }
    return 0;
}

int unix_socket_listen(struct unix_socket *sock, mode_t mode, const char *group,
                       struct unix_socket_error *error)
{
    if (clear_place(sock, error) < 0) {
        return -1;
    }
    struct stat st;
    sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock->fd < 0 || bind_closed(sock) < 0 || stat(sock->path, &st) < 0) {
        fail(error, "cannot make the socket %s: %s", sock->path,
             strerror(errno));
        goto failed;
    }
    sock->device = st.st_dev;
    sock->inode = st.st_ino;
    if (give_to_group(sock, group, error) < 0) {
        goto failed;
    }
    /* Until it listens nobody can connect, whatever the mode says. */
    if (chmod(sock->path, mode) < 0 || listen(sock->fd, BACKLOG) < 0) {
        fail(error, "cannot listen on %s: %s", sock->path, strerror(errno));
        goto failed;
    }
    return 0;

failed:
    unix_socket_close(sock);
    return -1;
}

void unix_socket_close(struct unix_socket *sock)
{
    struct stat st;
    if (sock->fd < 0) {
        return;
    }
    if (!sock->inherited && sock->inode != 0 && lstat(sock->path, &st) == 0 &&
        st.st_dev == sock->device && st.st_ino == sock->inode) {
        (void)unlink(sock->path); /* gone already: just as well */
    }
    close(sock->fd);
    sock->fd = -1;
}

void unix_socket_unlock(struct unix_socket *sock)
{
    if (sock->lock_fd >= 0) {
        close(sock->lock_fd);
        sock->lock_fd = -1;
    }
}
