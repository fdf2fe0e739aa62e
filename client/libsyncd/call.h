/*
 * A call: one request, from its first byte to its answer.
 *
 * It lives on the stack of the thread that makes it, which writes its
 * parameters, gives it to the session, and sleeps until it has ended (on the
 * heap if the thread does something else meanwhile). While it is with the
 * session others send it, maybe more than once, and end it.
 *
 *   1 The line is complete before it is with the session, and its id is never
 *     used again in the life of the session.
 *   2 What stands behind `tail_at` (the timeout and the id) is written anew
 *     for each connection, so that a second sending waits only for what is left
 *     of the timeout.
 *   3 It is ended exactly once, with a result or with a fault.
 */
#ifndef SYNCD_LIBSYNCD_CALL_H
#define SYNCD_LIBSYNCD_CALL_H

#include "client/libsyncd/fault.h"

#include <pthread.h>
#include <sys/queue.h>

struct syncd;

struct call {
    /* Written before it is with the session. */
    struct out line;    /* owned */
    size_t tail_at;     /* of the line: the tail begins here */
    bool waits;         /* its method may wait, and it is not told not to */
    bool ours;          /* the library's own: on the heap, nobody waits */
    bool probe;         /* ours: server.info */
    int64_t timeout_us; /* -1: as long as it takes */
    int64_t began_us;   /* monotonic */

    /* With the session: under its lock. */
    TAILQ_ENTRY(call) link;
    uint64_t id;
    size_t sent;        /* bytes of the line, on this connection */
    bool sent_ever;     /* a byte of it, on any connection */
    bool parked;        /* answered with `unavailable`, as `fault` says */
    uint64_t parked_at; /* next_id of the session when it was */
    bool cancelling;    /* a session.cancel for it is on its way */
    bool awaited;       /* a thread sleeps on `wake` */
    bool ended;
    pthread_cond_t wake; /* ended, or it may read the connection */

    /* The answer, when it has ended. */
    struct fault fault;
    char *result; /* owned JSON, NUL-terminated; NULL with a fault */
    size_t result_len;
};

TAILQ_HEAD(calls, call);

/* Begins the line: write the parameters' members to call->line next. */
void call_init(struct call *call, struct slice method);
void call_fini(struct call *call);

/* Writes the tail for a sending at `now_us`. */
void call_write_tail(struct call *call, int64_t now_us);

/*
 * Closes the parameters, sends the request and waits for the answer. With
 * SYNCD_OK it is in call->result; else the thread's last error is set.
 */
int call_run(struct call *call, struct syncd *s, double timeout);

/* The two halves of it: a call that was begun is ended before its end. */
int call_begin(struct call *call, struct syncd *s, double timeout);
int call_end(struct call *call, struct syncd *s);

/* The library's own requests: session.cancel of a call, and server.info, as a
 * question whether the daemon answers anything at all. */
struct call *call_new_cancel(uint64_t id);
struct call *call_new_probe(void);

/* Is it a timeout? Else it is told as SYNCD_E_ARGUMENT. */
int call_check_timeout(double timeout);

/*
 * JSON from outside: `what` it is, for the sentence that says that it is none;
 * `depth`: of brackets around it. It is written as it is, but for line ends
 * between its tokens, which become spaces: a request is one line.
 */
int call_write_json(struct call *call, struct slice json, int depth,
                    const char *what);

/* Is it JSON that fits into so many brackets? */
bool call_is_json(struct slice json, int depth);

#endif
