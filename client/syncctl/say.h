/*
 * What syncctl says to people: one line on standard error, that begins with
 * "syncctl: " and the command and says what to do.
 */
#ifndef SYNCCTL_SAY_H
#define SYNCCTL_SAY_H

#include "client/syncctl/command.h"

/* `command` may be NULL. The text is one line without its end. */
void say(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and returns STATUS_USAGE. */
int say_usage(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
