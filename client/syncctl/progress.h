/*
 * A line on a terminal's standard error that is written again and again; or a
 * few of them, parted by LF, of which a small terminal shows the last ones.
 *
 * A thread asks for them five times a second. There is none when standard
 * error is no terminal, with --quiet, --no-progress, or TERM=dumb.
 */
#ifndef SYNCCTL_PROGRESS_H
#define SYNCCTL_PROGRESS_H

#include "client/syncctl/command.h"

struct progress;

#define PROGRESS_BYTES 8192

/* Begins; NULL: there is nobody to show it to. `line` is called by a thread of
 * its own, and writes what to show into its buffer. */
struct progress *
progress_begin(const struct invocation *invocation,
               void (*line)(void *arg, char text[PROGRESS_BYTES]), void *arg);

/* Takes the line away; NULL is fine. */
void progress_end(struct progress *take_progress);

#endif
