/*
 * A real daemon for tests of the client library in C: started on a socket and
 * data directory of its own, ready when it says so, killed and started again.
 */
#ifndef SYNCD_TESTS_LIBSYNCD_DAEMON_H
#define SYNCD_TESTS_LIBSYNCD_DAEMON_H

#include "client/libsyncd/syncd.h"
#include "proto/check.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A call that must succeed. */
static inline void ok(int status)
{
    if (status != SYNCD_OK) {
        print_error("status %d: %s\n", status, syncd_error_text());
    }
    assert_int_equal(status, SYNCD_OK);
}

static inline struct syncd_text text_of(const char *text)
{
    return (struct syncd_text){text, strlen(text)};
}

struct daemon {
    char dir[48];
    char socket[64];
    char data[64];
    char notify[64];
    const char *store; /* "sqlite", "memory" */
    int notify_fd;
    pid_t pid;
};

/* The child: syncd itself, which ends with us whatever happens. */
static inline void daemon_exec(const struct daemon *daemon)
{
    const char *bin = getenv("SYNCD_BIN");
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/syncd",
                   bin != NULL ? bin : "build/bin");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setenv("NOTIFY_SOCKET", daemon->notify, 1);
    (void)execl(path, path, "--socket", daemon->socket, "--data", daemon->data,
                "--store", daemon->store, (char *)NULL);
    perror(path);
    _exit(127);
}

/* The next message; none within a minute, or the daemon has ended: the test
 * dies, and the daemon has said why on stderr. */
static inline void daemon_await(const struct daemon *daemon, const char *what)
{
    char message[1024] = "";
    int pidfd = pidfd_open(daemon->pid, 0);
    CHECK(pidfd >= 0);
    struct pollfd fds[2] = {{.fd = daemon->notify_fd, .events = POLLIN},
                            {.fd = pidfd, .events = POLLIN}};
    while (strstr(message, what) == NULL) {
        CHECK(poll(fds, 2, 60000) > 0);
        CHECK(fds[0].revents != 0);
        ssize_t len = recv(daemon->notify_fd, message, sizeof(message) - 1, 0);
        CHECK(len > 0);
        message[len] = '\0';
    }
    (void)close(pidfd);
}

/* Starts it and waits until it is ready. */
static inline void daemon_start(struct daemon *daemon)
{
    daemon->pid = fork();
    CHECK(daemon->pid >= 0);
    if (daemon->pid == 0) {
        daemon_exec(daemon);
    }
    daemon_await(daemon, "READY=1");
}

static inline void daemon_new(struct daemon *daemon, const char *store)
{
    *daemon = (struct daemon){.store = store};
    (void)snprintf(daemon->dir, sizeof(daemon->dir),
                   "/tmp/libsyncd-e2e-XXXXXX");
    CHECK(mkdtemp(daemon->dir) != NULL);
    (void)snprintf(daemon->socket, sizeof(daemon->socket), "%s/s", daemon->dir);
    (void)snprintf(daemon->data, sizeof(daemon->data), "%s/data", daemon->dir);
    (void)snprintf(daemon->notify, sizeof(daemon->notify), "%s/n", daemon->dir);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, daemon->notify, strlen(daemon->notify) + 1);
    daemon->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(daemon->notify_fd, (const struct sockaddr *)&address,
               sizeof(address)) == 0);
    daemon_start(daemon);
}

/* Ends it by a signal; true if that was clean. */
static inline bool daemon_stop(struct daemon *daemon, int signal)
{
    int status = 0;
    CHECK(kill(daemon->pid, signal) == 0);
    CHECK(waitpid(daemon->pid, &status, 0) == daemon->pid);
    return signal == SIGKILL || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline int daemon_remove(const char *path, const struct stat *st,
                                int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void daemon_free(struct daemon *daemon)
{
    assert_true(daemon_stop(daemon, SIGTERM));
    (void)close(daemon->notify_fd);
    CHECK(nftw(daemon->dir, daemon_remove, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* A session; its grace in seconds, negative for none. */
static inline struct syncd *daemon_open(const struct daemon *daemon,
                                        double grace)
{
    struct syncd_options options = {.socket = daemon->socket, .grace = grace};
    struct syncd *s = NULL;
    ok(syncd_open(&options, &s));
    return s;
}

/* Of a group of tests: one daemon for all, as their state. */
static inline int daemon_begin_group(void **state)
{
    static struct daemon daemon;
    daemon_new(&daemon, "sqlite");
    *state = &daemon;
    return 0;
}

static inline int daemon_end_group(void **state)
{
    daemon_free(*state);
    return 0;
}

#endif
