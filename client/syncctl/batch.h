/* What the commands of batches share. */
#ifndef SYNCCTL_BATCH_H
#define SYNCCTL_BATCH_H

#include "proto/slice.h"

/* How many jobs of a stage, as from batch.show, are in this state; all. */
int64_t batch_count(struct slice stage, const char *state);
int64_t batch_count_all(struct slice stage);

#endif
