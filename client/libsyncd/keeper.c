/*
 * The keeper: the thread that keeps a session's connection.
 *
 * It holds the lock but while it sleeps (keeper_nap) and while it connects.
 * What it waits for is the socket, unless callers read it, the next attempt to
 * connect, or its eventfd.
 */
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"
#include "proto/memory.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

void keeper_wake(struct syncd *s)
{
    (void)eventfd_write(s->wake_fd, 1);
}

void keeper_nap(struct syncd *s, int fd, short events, int64_t until_us)
{
    struct pollfd fds[2] = {{.fd = s->wake_fd, .events = POLLIN},
                            {.fd = fd, .events = events}};
    int64_t left_us = until_us == INT64_MAX ? 0 : until_us - monotonic_us();
    left_us = left_us > 0 ? left_us : 0;
    struct timespec left = {.tv_sec = left_us / 1000000,
                            .tv_nsec = left_us % 1000000 * 1000};
    (void)pthread_mutex_unlock(&s->lock);
    (void)ppoll(fds, 2, until_us == INT64_MAX ? NULL : &left, NULL);
    if ((fds[0].revents & POLLIN) != 0) {
        eventfd_t count = 0;
        (void)eventfd_read(s->wake_fd, &count);
    }
    (void)pthread_mutex_lock(&s->lock);
}

static void set_state(struct syncd *s, enum session_state state)
{
    s->state = state;
    if (state != STATE_CONNECTING) {
        (void)pthread_cond_broadcast(&s->settled);
    }
}

static void hang_up(struct syncd *s)
{
    (void)close(s->fd);
    s->fd = -1;
    frame_fini(&s->frame);
    frame_init(&s->frame, REPLY_BYTES_MAX);
}

/* What is ours and not the callers' ends with the connection. */
static void drop_ours(struct syncd *s)
{
    struct call *call = TAILQ_FIRST(&s->calls);
    while (call != NULL) {
        struct call *next = TAILQ_NEXT(call, link);
        if (call->ours) {
            link_end_call(s, call, NULL);
        }
        call = next;
    }
}

/* The session, or the hope for one, is over: every call under way learns it,
 * and if there is none the next one does. */
static void lose(struct syncd *s, const struct fault *why)
{
    bool had = s->session != 0;
    drop_ours(s);
    s->untold = had && TAILQ_EMPTY(&s->calls);
    fault_copy(&s->loss, why);
    s->session = 0;
    mem_free(s->secret);
    s->secret = NULL;
    s->losses += had ? 1 : 0;
    (void)pthread_cond_broadcast(&s->lost);
    struct call *call = NULL;
    while ((call = TAILQ_FIRST(&s->calls)) != NULL) {
        struct fault fault = {0};
        fault_copy(&fault, why);
        if (had) {
            fault_add(&fault, call->sent_ever && !call->parked
                                  ? "; this call may have been carried out"
                                  : "; this call was not carried out");
        }
        link_end_call(s, call, &fault);
        fault_fini(&fault);
    }
}

static void give_up(struct syncd *s)
{
    if (s->session == 0) {
        lose(s, &s->trouble);
    } else {
        struct fault why = {0};
        fault_set(&why, SYNCD_E_LOST,
                  "the session is lost, and what it held is free: no daemon "
                  "took it up again within %g s (%s)",
                  s->grace, s->trouble.text);
        lose(s, &why);
    }
    set_state(s, STATE_IDLE);
}

/* Between half of the pause and all of it, so that many do not come at once. */
static int64_t jittered(int64_t pause_us)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0) {
        random = (uint32_t)monotonic_us() * 2654435761U;
    }
    return pause_us / 2 + (int64_t)(random % (uint32_t)(pause_us / 2 + 1));
}

static void pause_before_next(struct syncd *s)
{
    int64_t until_us = monotonic_us() + jittered(s->pause_us);
    s->pause_us =
        2 * s->pause_us < PAUSE_MAX_US ? 2 * s->pause_us : PAUSE_MAX_US;
    while (!s->closing && monotonic_us() < until_us) {
        keeper_nap(s, -1, 0, until_us);
    }
}

void keeper_begin(struct syncd *s, double patience)
{
    s->started_at_us = monotonic_us();
    s->give_up_at_us = s->started_at_us + (int64_t)(patience * 1e6);
    s->pause_us = PAUSE_FIRST_US;
    s->state = STATE_CONNECTING;
    keeper_wake(s);
}

/* A new connection for the calls there are, in their order. */
static void send_again(struct syncd *s)
{
    struct call *call = NULL;
    TAILQ_FOREACH (call, &s->calls, link) {
        call_write_tail(call, monotonic_us());
        call->sent = 0;
        call->parked = false;
        fault_clear(&call->fault);
        call->cancelling = false;
    }
    s->unsent = TAILQ_FIRST(&s->calls);
    s->broken = false;
    s->probing = false;
}

static void come_up(struct syncd *s, bool had, bool resumed)
{
    if (had && !resumed) {
        uint64_t session = s->session;
        char *secret = s->secret;
        s->secret = NULL;
        struct fault why = {0};
        fault_set(&why, SYNCD_E_LOST,
                  "the session is lost, and what it held is free: the daemon "
                  "at %s was restarted and does not know it any more",
                  s->places.at[s->place].path);
        lose(s, &why);
        s->session = session;
        s->secret = secret;
    }
    send_again(s);
    s->reached = true;
    set_state(s, STATE_UP);
    if (s->interrupted) {
        session_cancel_calls(s);
    }
    link_send(s);
}

/* Connects, without the lock. */
static enum reach reach(struct syncd *s, struct fault *why)
{
    struct places one = {.at = {s->places.at[s->place]}, .count = 1};
    const struct places *places = s->reached ? &one : &s->places;
    int fd = -1;
    size_t which = 0;
    (void)pthread_mutex_unlock(&s->lock);
    enum reach reach = places_reach(places, &fd, &which, why);
    (void)pthread_mutex_lock(&s->lock);
    if (reach == REACH_DONE) {
        s->fd = fd;
        s->place = s->reached ? s->place : which;
    }
    return reach;
}

/* One attempt: UP, or a pause before the next, or the end of hope. */
static void keep_connecting(struct syncd *s)
{
    bool had = s->session != 0;
    bool resumed = false;
    enum reach reached = reach(s, &s->trouble);
    bool hopeless = reached == REACH_WRONG;
    if (reached == REACH_DONE) {
        enum hello hello = hello_say(s, &resumed);
        if (hello == HELLO_DONE) {
            come_up(s, had, resumed);
            return;
        }
        hopeless = hello == HELLO_WRONG;
        hang_up(s);
    }
    int64_t until_us = s->give_up_at_us;
    int64_t busy_until_us = s->started_at_us + (int64_t)HELLO_SECONDS * 1000000;
    if (reached == REACH_BUSY && until_us < busy_until_us) {
        until_us = busy_until_us;
    }
    if (hopeless || monotonic_us() >= until_us) {
        give_up(s);
    } else {
        pause_before_next(s);
    }
}

/* The connection is over, by whosever doing. */
static void disconnected(struct syncd *s, struct fault *why)
{
    hang_up(s);
    drop_ours(s);
    s->unsent = NULL;
    if (why->status == SYNCD_OK && s->grace >= 0) {
        keeper_begin(s, s->grace);
        pause_before_next(s);
        return;
    }
    if (why->status == SYNCD_OK) {
        fault_set(why, SYNCD_E_LOST,
                  "the session is lost, and what it held is free: the daemon "
                  "at %s closed the connection: it ended, or is restarted; try "
                  "again",
                  s->places.at[s->place].path);
    }
    lose(s, why);
    set_state(s, s->grace < 0 ? STATE_DEAD : STATE_IDLE);
}

/* How it may sleep: callers read if one does just now, or if one did lately
 * and none waits for an answer. */
static enum rest rest_of(struct syncd *s)
{
    bool lately = s->reads != s->reads_known;
    s->reads_known = s->reads;
    if (s->reading) {
        return REST_LONG;
    }
    return lately && s->awaited == 0 ? REST_SHORT : REST_NONE;
}

static void keep_up(struct syncd *s)
{
    s->rest = rest_of(s);
    int events = (s->rest == REST_NONE ? POLLIN : 0) |
                 (s->unsent != NULL && !s->broken ? POLLOUT : 0);
    keeper_nap(s, events != 0 ? s->fd : -1, (short)events,
               s->rest == REST_SHORT ? monotonic_us() + REST_US : INT64_MAX);
    s->rest = REST_NONE;
    if (s->closing) {
        return;
    }
    link_send(s);
    if (!s->over && !s->reading) {
        s->over = !link_read(s, &s->end);
    }
    if (s->over && !s->reading) {
        struct fault why = s->end;
        s->end = (struct fault){0};
        s->over = false;
        disconnected(s, &why);
        fault_fini(&why);
    }
}

/*
 * Ends the session so that what it held is free when syncd_close returns: says
 * that nothing more comes, which also ends it if a child process still has the
 * descriptor, and waits until the daemon has closed, but not for ever.
 */
static void farewell(struct syncd *s)
{
    int64_t until_us = monotonic_us() + (int64_t)FAREWELL_MS * 1000;
    (void)shutdown(s->fd, SHUT_WR);
    while (link_receive(s) != LINK_OVER && monotonic_us() < until_us) {
        s->frame.begin = s->frame.end = s->frame.scanned = 0;
        struct pollfd fd = {.fd = s->fd, .events = POLLIN};
        (void)poll(&fd, 1, FAREWELL_MS);
    }
    hang_up(s);
}

void *keeper_main(void *session)
{
    struct syncd *s = session;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        switch (s->state) {
        case STATE_CONNECTING:
            keep_connecting(s);
            break;
        case STATE_UP:
            keep_up(s);
            break;
        case STATE_IDLE:
        case STATE_DEAD:
            keeper_nap(s, -1, 0, INT64_MAX);
            break;
        }
    }
    if (s->fd >= 0) {
        farewell(s);
    }
    drop_ours(s);
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}
