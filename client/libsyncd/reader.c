/*
 * Waiting for an answer.
 *
 * Whoever waits reads the connection, for itself and for all others: so the
 * answer to a call that is alone costs one switch and not two. There is one
 * reader at a time, which hands the connection on when it has its own answer.
 */
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"

#include <poll.h>

/* A call that is not sent yet, or parked, may be ended by an interrupt, which
 * would not wake who sleeps at the socket. */
static bool may_read(const struct call *call)
{
    return call->sent > 0 && !call->parked;
}

static bool is_free(const struct syncd *s)
{
    return s->state == STATE_UP && !s->reading && !s->over;
}

/* Sleeps until the connection has something, and reads it. */
static void read_once(struct syncd *s)
{
    short events =
        (short)(s->unsent != NULL && !s->broken ? POLLIN | POLLOUT : POLLIN);
    struct pollfd fd = {.fd = s->fd, .events = events};
    (void)pthread_mutex_unlock(&s->lock);
    (void)poll(&fd, 1, -1);
    (void)pthread_mutex_lock(&s->lock);
    s->over = !link_read(s, &s->end);
    link_send(s); /* what that has led to, too */
    if (s->over || s->unsent != NULL) {
        keeper_wake(s);
    }
}

/* To somebody who waits, or to the keeper. */
static void hand_on(struct syncd *s)
{
    struct call *call = NULL;
    if (is_free(s)) {
        TAILQ_FOREACH (call, &s->calls, link) {
            if (call->awaited && may_read(call)) {
                (void)pthread_cond_signal(&call->wake);
                return;
            }
        }
    }
    if (s->rest == REST_LONG) {
        keeper_wake(s);
    }
}

static void read_for_all(struct syncd *s, const struct call *call)
{
    s->reading = true;
    while (!call->ended && !s->over && may_read(call)) {
        read_once(s);
    }
    s->reading = false;
    s->reads++;
    hand_on(s);
}

/* Until it is ended, or there is something to be looked at. */
static void sleep_on(struct syncd *s, struct call *call)
{
    if (!s->reading && s->rest != REST_NONE) {
        keeper_wake(s);
    }
    call->awaited = true;
    s->awaited++;
    (void)pthread_cond_wait(&call->wake, &s->lock);
    s->awaited--;
    call->awaited = false;
}

void session_await(struct syncd *s, struct call *call)
{
    (void)pthread_mutex_lock(&s->lock);
    while (!call->ended) {
        if (is_free(s) && may_read(call)) {
            read_for_all(s, call);
        } else {
            sleep_on(s, call);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
}
