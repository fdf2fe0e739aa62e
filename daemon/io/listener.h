/*
 * Lets clients in: a bounded number a turn, as many as may be at once.
 *
 * The listening socket is watched by a uv_poll and accepted from by hand:
 * libuv 1.44 would accept until nobody is left, starving everybody else, spin
 * when the process runs out of file descriptors, and unlink the socket's path
 * whoever it belongs to by then. Out of descriptors, nobody is accepted until
 * a connection has closed (or a second has passed, as others may use them up
 * too); who wants in waits in the backlog.
 */
#ifndef SYNCD_IO_LISTENER_H
#define SYNCD_IO_LISTENER_H

#include <stdbool.h>
#include <uv.h>

struct server;

struct listener {
    struct server *server;
    int fd; /* borrowed */
    uv_poll_t poll;
    uv_timer_t retry;
    bool paused;  /* out of descriptors, or */
    bool resting; /* for a millisecond */
    bool closed;
    int64_t complained_us; /* when it was last logged */
};

/* 0, or a negative errno. */
int listener_init(struct listener *listener, struct server *server, int fd);

/* A descriptor may be free again. */
void listener_resume(struct listener *listener);

/* Accepts nobody any more; may be called twice. The loop must run once more
 * before `listener` goes. */
void listener_close(struct listener *listener);

#endif
