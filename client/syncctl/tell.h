/*
 * What a slot of work tells the daemon of a job that it ran.
 */
#ifndef SYNCCTL_TELL_H
#define SYNCCTL_TELL_H

#include "client/syncctl/work.h"

/* Of a failed command's standard error so much is kept with the job, bytes. */
#define TELL_STDERR_BYTES ((size_t)4 << 10)

/* It is done, with the output as its result if that is wanted: to be told by
 * tell_and_take. */
void tell_done(struct slot *slot, const struct job *job,
               const struct output *out);

/* Tells it, if there is something to be told, and takes the next job unless the
 * work ends. True: *reply has it. */
bool tell_and_take(struct slot *slot, char **reply);

/* A failed try, as the command's end says. */
void tell_failed(struct slot *slot, const struct job *job,
                 const struct child_result *child, const struct output *err);

/* At once, and as if it had never been taken. */
void tell_given_back(struct slot *slot, const struct job *job);

/* The job can never be run: dead, with the reason. */
void tell_buried(struct slot *slot, const struct job *job, const char *why);

#endif
