/*
 * The listening socket in the file system: made without a window in which
 * somebody else could connect, taken over only from the dead, and removed only
 * if it still is ours.
 *
 * A lock file beside it (PATH.lock) is held as long as the daemon lives, so
 * that of two daemons that start at the same time one is refused. It is never
 * removed: whoever removes a lock file takes it away from somebody who is just
 * opening it. A socket that the service manager handed in is neither locked
 * nor removed; it outlives us, with the clients that wait in its backlog.
 */
#ifndef SYNCD_IO_UNIX_SOCKET_H
#define SYNCD_IO_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

struct unix_socket {
    int fd;      /* listening, not blocking; -1: closed */
    int lock_fd; /* -1: none */
    bool inherited;
    char path[108]; /* of our own one */
    dev_t device;
    ino_t inode;
};

struct unix_socket_error {
    char text[400];
};

/* Nothing is open yet. */
void unix_socket_init(struct unix_socket *socket);

/* Takes over a listening socket from the service manager. */
void unix_socket_adopt(struct unix_socket *socket, int take_fd);

/* Locks the path; before the store is opened, so that a second daemon is told
 * the plain reason. 0, or -1 with `error` set. */
int unix_socket_lock(struct unix_socket *socket, const char *path,
                     struct unix_socket_error *error);

/* Makes it and listens. `group`: "" for the daemon's own. */
int unix_socket_listen(struct unix_socket *socket, mode_t mode,
                       const char *group, struct unix_socket_error *error);

/* Ends listening; our own file is gone afterwards. Fine if nothing is open. */
void unix_socket_close(struct unix_socket *socket);

/* Lets go of the lock: last of all. Fine if there is none. */
void unix_socket_unlock(struct unix_socket *socket);

#endif
