/*
 * The events batch/BATCH/STAGE: a batch sets them, and nobody else can.
 *
 * Whoever waits for one of a batch that is not there waits for something that
 * may never come, and should be told so.
 */
#ifndef SYNCCTL_STAGE_EVENT_H
#define SYNCCTL_STAGE_EVENT_H

#include "client/libsyncd/syncd.h"
#include "client/syncctl/command.h"
#include "proto/slice.h"

/* Is it named like one? Then its parts. */
bool stage_event_split(const char *event, struct slice *batch,
                       struct slice *stage);

/* What is missing for it to be set ever: "there is no batch nightly"; "": it
 * may come, or nobody can tell. */
#define STAGE_EVENT_BYTES 512
const char *stage_event_lack(struct syncd *s, struct slice batch,
                             struct slice stage, char text[STAGE_EVENT_BYTES]);

#endif
