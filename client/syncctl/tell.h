/*
 * What a slot of work tells the daemon of a job that it ran.
 */
#ifndef SYNCCTL_TELL_H
#define SYNCCTL_TELL_H

#include "client/syncctl/work.h"

/* Of a failed command's standard error so much is kept with the job, bytes. */
#define TELL_STDERR_BYTES ((size_t)4 << 10)

/* Finishes it, with the output as its result if that is wanted. Returns before
 * the daemon has answered. */
void tell_done(struct slot *slot, const struct job *job,
               const struct output *out);

/* A failed try, as the command's end says. */
void tell_failed(struct slot *slot, const struct job *job,
                 const struct child_result *child, const struct output *err);

/* At once, and as if it had never been taken. */
void tell_given_back(struct slot *slot, const struct job *job);

/* The job can never be run: dead, with the reason. */
void tell_buried(struct slot *slot, const struct job *job, const char *why);

/* Waits for the answer that is still to come, if there is one. */
void tell_end(struct slot *slot);

/* Hears it if it is there; under the work's lock. */
void tell_look(struct slot *slot);

#endif
