/*
 * Errors in the words of the command line.
 *
 * The daemon speaks to programs: it names methods and parameters. What a person
 * should do about it here is a command or an option, so for the errors that a
 * command of ours can meet there is a sentence of our own, chosen by the
 * error's name and by what its data says it is about. Whatever has no row is
 * told in the words of the daemon or of the library.
 */
#ifndef SYNCCTL_HINTS_H
#define SYNCCTL_HINTS_H

#include "client/syncctl/command.h"
#include "proto/write.h"

#define HINT_BYTES 1536

/* What to say about the library's last error in this thread, which is what a
 * call returned as `result`; into `text`, which is returned. */
const char *hints_text(const struct invocation *invocation, int result,
                       char text[HINT_BYTES]);

/* Appends `word` as a shell takes it: bare if it can be, else in quotes. */
void hints_quote(const char *word, struct out *out);

#endif
