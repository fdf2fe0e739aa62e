/* What commands about single jobs share. */
#ifndef SYNCCTL_JOB_H
#define SYNCCTL_JOB_H

#include "client/syncctl/command.h"

/* A job's id or a token from the command line. False: it was said that `text`
 * (maybe NULL) is no `what`. */
bool job_number(const struct invocation *invocation, const char *what,
                const char *text, uint64_t *number);

#endif
