/*
 * A command's questions to the daemon: opens the session, calls methods, says
 * what went wrong, and knows which exit status that is.
 */
#ifndef SYNCCTL_ASK_H
#define SYNCCTL_ASK_H

#include "client/libsyncd/syncd.h"
#include "client/syncctl/command.h"
#include "proto/write.h"

/* A session that is not worth writing to disk: for looking. */
#define ASK_NO_GRACE (-1.0)
/* One that outlives a restart of the daemon, by the library's default. */
#define ASK_GRACE 0.0

/* What a run calls itself in lists: "syncctl lock backup -- ./backup.sh"; of
 * the words the first alone, as others may be secrets. Freed with mem_free. */
char *ask_client(const struct invocation *invocation);

/* 0, or the exit status when it was said what is wrong. */
int ask_open(const struct invocation *invocation, double grace,
             struct syncd **s);

/* The exit status for what a function of libsyncd returned; of an error of the
 * protocol, by the last one of this thread. */
int ask_status(int result);

/* Says the library's error and returns its exit status. */
int ask_failed(const struct invocation *invocation, int result);

/*
 * Calls a method with the parameters written into `take_params` (a whole
 * object; given up here; NULL for none). 0: *result is the reply's JSON, freed
 * with free(). Else what is wrong was said, and it is the exit status.
 */
int ask(const struct invocation *invocation, struct syncd *s,
        const char *method, struct out *take_params, char **result);

/* The same in a session of its own, for a command with one question. */
int ask_once(const struct invocation *invocation, double grace,
             const char *method, struct out *take_params, char **result);

/* Begins parameters: {"queue": the first word, and what the caller adds. */
struct out ask_begin(const struct invocation *invocation, const char *member);

/* One change in a session of its own, by parameters that ask_begin began: in
 * silence, but for --json. */
int ask_change(const struct invocation *invocation, double grace,
               const char *method, struct out *take_params);

/* As syncd_call, with parameters in a buffer that is given up. */
int ask_call(struct syncd *s, const char *method, struct out *take_params,
             char **result);

#endif
