/* What the commands of batches share. */
#ifndef SYNCCTL_BATCH_H
#define SYNCCTL_BATCH_H

#include "client/syncctl/command.h"
#include "proto/write.h"

/* {"batch": the first word, and what the caller adds. */
struct out batch_begin_params(const struct invocation *invocation);

/* How many jobs of a stage, as from batch.show, are in this state; all. */
int64_t batch_count(struct slice stage, const char *state);
int64_t batch_count_all(struct slice stage);

#endif
