/*
 * How a job ended, as people and exit statuses tell it.
 *
 * `work` keeps why a command failed as the job's error: {"exit": N, ...},
 * {"signal": N, ...} or {"timeout": seconds, ...}, each with the end of what
 * it wrote on standard error as "stderr". Whoever waits for the job exits as
 * the command did. A worker in Python keeps an exception: {"type": ...,
 * "message": ..., "traceback": ...}.
 */
#ifndef SYNCCTL_OUTCOME_H
#define SYNCCTL_OUTCOME_H

#include "client/libsyncd/syncd.h"
#include "client/syncctl/command.h"
#include "proto/arena.h"
#include "proto/write.h"

/* The exit status that a job's `error` stands for. */
int outcome_status(struct slice error);

/* What it died of, in words: "it exited with status 3"; nothing if there is no
 * error. */
void outcome_write(struct out *out, struct slice error, struct arena *arena);

/*
 * Waits for a job until `timeout` seconds have passed (SYNCD_FOREVER), prints
 * its result, or says its error, and returns the exit status.
 */
int outcome_wait(const struct invocation *invocation, struct syncd *s,
                 uint64_t id, double timeout);

#endif
