#include "daemon/io/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/io/bridge.h"
#include "daemon/io/server.h"
#include "proto/check.h"

/* Accepted in one turn. */
#define ACCEPT_MAX 4

/* Between that many while somebody quiet is there (share.h). */
#define REST_MS 1

#define RETRY_MS          1000
#define COMPLAIN_EVERY_US INT64_C(60000000)

/* The user that a user namespace shows for everybody it does not know. */
#define UID_NOBODY_KNOWN 65534

static void on_wanted(uv_poll_t *poll, int status, int events);

/* Says why in one line before the door closes; who does not read it learns it
 * from the end of the connection. */
static void turn_away(int fd, const struct complaint *why)
{
    struct out line;
    out_init(&line);
    message_error(&line, (struct slice){NULL, 0}, why);
    (void)send(fd, line.at, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    out_fini(&line);
    close(fd);
}

/* At most once a minute. */
static void complain_in_log(struct listener *listener, const char *what)
{
    struct server *server = listener->server;
    int64_t now_us = clock_now_us(server->setup.clock);
    if (now_us - listener->complained_us >= COMPLAIN_EVERY_US) {
        listener->complained_us = now_us;
        log_line(server->setup.log, LOG_WARNING, "%s", what);
    }
}

static void refuse_connection(struct complaint *why, const char *limit,
                              size_t value, const char *who)
{
    complain(why, ERROR_limit,
             "%zu client%s%s %s connected, as many as may be (%s): try again "
             "later",
             value, value == 1 ? "" : "s", who, value == 1 ? "is" : "are",
             limit);
    (void)snprintf(why->limit, sizeof(why->limit), "%s", limit);
    why->value = (int64_t)value;
}

/* May this one come in? False: `why` tells. */
static bool admit(struct listener *listener, const struct peer *peer,
                  struct complaint *why)
{
    struct server *server = listener->server;
    const struct config *config = server->setup.config;
    size_t most = (size_t)config->max_connections;
    size_t most_of_user = (size_t)config->max_user_connections;
    if (peer->uid == UID_NOBODY_KNOWN) {
        complain(why, ERROR_forbidden,
                 "the daemon cannot tell which user you are (uid %u)",
                 peer->uid);
        complain_in_log(listener, "a client without a user that could be told "
                                  "(uid 65534) was turned away: is this a "
                                  "user namespace (PrivateUsers=)?");
        return false;
    }
    if (server->connections.count >= most) {
        refuse_connection(why, "max_connections", most, "");
        complain_in_log(listener, "clients are turned away: max_connections is "
                                  "reached");
        return false;
    }
    if (!peer->access->everything &&
        users_connections(&server->users, peer->uid) >= most_of_user) {
        char text[100];
        refuse_connection(why, "max_user_connections", most_of_user,
                          " of your user");
        (void)snprintf(text, sizeof(text),
                       "clients of user %u are turned away: "
                       "max_user_connections is reached",
                       peer->uid);
        complain_in_log(listener, text);
        return false;
    }
    return true;
}

static void welcome(struct listener *listener, int take_fd)
{
    struct server *server = listener->server;
    struct complaint why = {0};
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(take_fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
        close(take_fd);
        return;
    }
    struct peer peer = {
        .uid = who.uid, .gid = who.gid, .pid = (uint32_t)who.pid};
    peer.access = roles_take(&server->roles, take_fd, peer.uid, peer.gid);
    if (!admit(listener, &peer, &why)) {
        roles_give(&server->roles, peer.access);
        turn_away(take_fd, &why);
        return;
    }
    struct event event = {.type = EVENT_CONNECTED, .peer = peer};
    event.conn = connection_accept(server, take_fd, &peer);
    server->now_us = clock_now_us(server->setup.clock);
    bridge_step(server, &event);
}

static void watch(struct listener *listener)
{
    int rc = uv_poll_start(&listener->poll, UV_READABLE, on_wanted);
    CHECK(rc == 0);
}

static void on_retry(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    listener->resting = false;
    listener_resume(listener);
}

static void stop_for(struct listener *listener, uint64_t ms)
{
    listener->paused = true;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->retry, on_retry, ms, 0);
}

static void pause_for(struct listener *listener, int reason)
{
    char text[160];
    (void)snprintf(
        text, sizeof(text),
        "no more clients can be let in: %s; those connected go on, new "
        "ones wait (see LimitNOFILE)",
        strerror(reason));
    complain_in_log(listener, text);
    stop_for(listener, RETRY_MS);
}

static void on_wanted(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct listener *listener = poll->data;
    for (unsigned i = 0; i < ACCEPT_MAX; i++) {
        int fd =
            accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            welcome(listener, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            pause_for(listener, errno);
            return;
        }
    }
    if (share_is_watched(listener->server)) {
        listener->resting = true;
        stop_for(listener, REST_MS);
    }
}

int listener_init(struct listener *listener, struct server *server, int fd)
{
    listener->server = server;
    listener->fd = fd;
    listener->paused = false;
    listener->resting = false;
    listener->closed = false;
    listener->complained_us = INT64_MIN / 2;
    int rc = uv_poll_init(&server->loop, &listener->poll, fd);
    if (rc < 0) {
        return rc;
    }
    rc = uv_timer_init(&server->loop, &listener->retry);
    CHECK(rc == 0);
    listener->poll.data = listener;
    listener->retry.data = listener;
    watch(listener);
    return 0;
}

void listener_resume(struct listener *listener)
{
    if (listener->paused && !listener->resting && !listener->closed) {
        listener->paused = false;
        uv_timer_stop(&listener->retry);
        watch(listener);
    }
}

void listener_close(struct listener *listener)
{
    if (!listener->closed) {
        listener->closed = true;
        uv_close((uv_handle_t *)&listener->poll, NULL);
        uv_close((uv_handle_t *)&listener->retry, NULL);
    }
}
