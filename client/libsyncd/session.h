/*
 * The inside of a session: what its callers and its keeper share.
 *
 * Every session has a thread of its own, the keeper, which connects and
 * reconnects, sends what the socket did not take at once, and reads when no
 * caller does. Callers alone would do while they wait, but nobody would be
 * there while the program works on a job for a minute: a restart of the daemon
 * would go unnoticed until the session's grace is over and its leases and locks
 * are lost. The keeper alone would do, too, but each answer would wake two
 * threads one after the other. So whoever waits reads (reader.c), and the
 * keeper leaves the connection alone as long as callers come back to it within
 * REST_US. Both directions go on whatever the callers do, so that a daemon
 * which stops reading us until we read its replies can never hold up
 * everything.
 *
 *   CONNECTING --- reached, opened or resumed ----> UP
 *       |  ^                                        |
 *       |  +-- connection lost, with a grace -------+
 *       |                                           |
 *       | grace over, or nobody was there           | connection lost, no grace
 *       v                                           v
 *     IDLE --- a call ---> CONNECTING             DEAD
 *
 *   1 `calls` are in the order of their ids. The fully sent ones are in front
 *     of `unsent`, which is the first that has bytes left to send.
 *   2 `fd` is open if and only if UP, or while the keeper shakes hands.
 *   3 What the session held and lost is told at least once: to the calls that
 *     were under way, or else to the next one (`untold`).
 *   4 Only the keeper connects and closes. One thread reads at a time: a caller
 *     (`reading`), or else the keeper, which never closes while a caller reads.
 */
#ifndef SYNCD_LIBSYNCD_SESSION_H
#define SYNCD_LIBSYNCD_SESSION_H

#include "client/libsyncd/call.h"
#include "client/libsyncd/place.h"
#include "proto/frame.h"

#include <time.h>

/* A reply, bytes: what no daemon sends. More if its max_message is large. */
#define REPLY_BYTES_MAX ((size_t)64 << 20)

/* Pauses between attempts to connect; each is also jittered down to half. */
#define PAUSE_FIRST_US 10000
#define PAUSE_MAX_US   1000000

/* How long a daemon that accepts may take to say hello, seconds. Loading a
 * large store takes some; behind a socket unit we wait in the backlog. */
#define HELLO_SECONDS 30

#define GRACE_SECONDS_DEFAULT 30

/* How long syncd_close waits for the daemon to have seen it, milliseconds. */
#define FAREWELL_MS 1000

/* So long after a caller has read the connection the keeper does not look at
 * it: the end of a connection is noticed so much later. */
#define REST_US 20000

/* What the keeper leaves to callers while it sleeps. */
enum rest {
    REST_NONE,  /* nothing: it is woken by whatever comes in */
    REST_SHORT, /* reading, for REST_US */
    REST_LONG   /* reading, until the one who reads wakes it */
};

enum session_state { STATE_CONNECTING, STATE_UP, STATE_IDLE, STATE_DEAD };

struct syncd {
    /* Constant once it is open. */
    struct places places;
    size_t place; /* the one in use, if `reached` */
    bool reached;
    char *client;           /* owned */
    double grace;           /* seconds; negative: none */
    double connect_timeout; /* seconds */
    int wake_fd;            /* an eventfd: something is there for the keeper */
    pthread_t keeper;

    pthread_mutex_t lock;   /* for all below */
    pthread_cond_t settled; /* the state is no longer CONNECTING */
    pthread_cond_t lost;    /* `losses` or `interrupted` changed; monotonic */
    uint64_t losses;        /* sessions lost */
    enum session_state state;
    bool closing;
    bool interrupted;
    struct calls calls;
    struct call *unsent; /* borrowed */
    uint64_t next_id;

    int fd;
    struct frame frame;
    struct arena arena; /* of the reply at hand */
    uint64_t session;   /* 0: none to resume */
    char *secret;       /* owned */
    size_t message_max; /* of the daemon, bytes */
    bool probing;       /* a probe is out, or said that the daemon ends */
    bool broken;        /* sending failed; what came in is still read */
    bool reading;       /* a caller reads, maybe without the lock */
    bool over;        /* a reader found the end, for the keeper to deal with */
    struct fault end; /* why, if that is the daemon's mistake */
    uint64_t reads;   /* times that a caller was the reader */
    uint64_t reads_known; /* when the keeper looked last */
    size_t awaited;       /* calls whose threads sleep */
    enum rest rest;

    int64_t started_at_us; /* CONNECTING since, monotonic */
    int64_t give_up_at_us; /* with nobody there */
    int64_t pause_us;      /* the next */
    struct fault trouble;  /* of the last attempt */
    struct fault loss;     /* why IDLE or DEAD, or why the session is new */
    bool untold;           /* `loss` was told to nobody yet */
};

static inline int64_t monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Gives a call to the session and waits until it has ended. */
void session_run(struct syncd *s, struct call *call);

/* The two halves of it. False: it was not taken, and has its fault. */
bool session_start(struct syncd *s, struct call *call);
void session_await(struct syncd *s, struct call *call);
bool session_has_ended(struct syncd *s, const struct call *call);

/* Under the lock: ends every call that may wait, here or at the daemon. */
void session_cancel_calls(struct syncd *s);

/* The keeper's thread. */
void *keeper_main(void *session);

/* Under the lock: something changed that the keeper must look at. */
void keeper_wake(struct syncd *s);

/* Under the lock: CONNECTING, for so many seconds with nobody there. */
void keeper_begin(struct syncd *s, double patience);

/*
 * Sleeps without the lock until woken, `fd` (or -1) has one of `events`, or
 * `until_us` (INT64_MAX: never); the keeper alone.
 */
void keeper_nap(struct syncd *s, int fd, short events, int64_t until_us);

/*
 * All of these under the lock.
 */

/* A request behind the others, under a new id. */
void link_add(struct syncd *s, struct call *call);

/* Asks the daemon to end this one, which was sent. */
void link_cancel(struct syncd *s, struct call *call);

/* Sends what the socket takes. */
void link_send(struct syncd *s);

enum link_read { LINK_BYTES, LINK_NOTHING, LINK_OVER };

/* Bytes of the connection into the frame, as far as there are any. */
enum link_read link_receive(struct syncd *s);

/* Reads and hands out what there is. False: the connection is over; *loss is
 * set if that is the daemon's mistake. */
bool link_read(struct syncd *s, struct fault *loss);

/* *loss: this line is nothing that syncd says. */
void link_blame(const struct syncd *s, struct slice line, struct fault *loss);

/* This call has ended: with `fault`, or, NULL, with its result. */
void link_end_call(struct syncd *s, struct call *call,
                   const struct fault *fault);

/* It was not carried out, because of syncd_interrupt. */
void link_end_cancelled(struct syncd *s, struct call *call);

/* How shaking hands went. */
enum hello {
    HELLO_DONE,  /* *resumed tells */
    HELLO_AGAIN, /* it went away, or shuts down: try again */
    HELLO_WRONG  /* that is no use: s->trouble tells why */
};

/* Opens or resumes the session over s->fd; the keeper, with the lock. */
enum hello hello_say(struct syncd *s, bool *resumed);

#endif
