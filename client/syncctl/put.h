/*
 * What the two ways of putting share: one body, and many lines. The terms that
 * the options say are in put_terms.c.
 */
#ifndef SYNCCTL_PUT_H
#define SYNCCTL_PUT_H

#include "client/libsyncd/syncd.h"
#include "client/syncctl/command.h"
#include "proto/write.h"

enum {
    PUT_LINES,
    PUT_NULL,
    PUT_JSONL,
    PUT_STRING,
    PUT_PRIORITY,
    PUT_DELAY,
    PUT_KEY,
    PUT_TIMEOUT,
    PUT_WAIT,
    PUT_KEEP_DONE,
    PUT_MAX_ATTEMPTS,
    PUT_LEASE,
    PUT_BATCH,
    PUT_STAGE,
    PUT_AFTER,
    PUT_LIMIT,
    PUT_OPTIONS
};

/* Do the options make sense together? False: it was said that they do not. */
bool put_check_terms(const struct invocation *invocation);

/* Says which of the events waited for are those of a stage that is not there:
 * such a job is held until it is. */
void put_note_events(const struct invocation *invocation, struct syncd *s);

/* Begins an object with the queue and the terms of the options, but for the
 * timeout. */
void put_begin_params(const struct invocation *invocation, struct out *params);

/* The exit status of a put that failed, by the library's last error. */
int put_status(const struct invocation *invocation, int answer);

/* Puts what standard input has, a job a line; put_lines.c. */
int put_lines(const struct invocation *invocation);

#endif
