/* What commands are started with: arguments and environment. */
#ifndef SYNCCTL_ENVIRONMENT_H
#define SYNCCTL_ENVIRONMENT_H

#include "client/syncctl/work.h"

/* Does {} stand in one of the arguments? */
bool environment_has_braces(char *const *arguments);

/* The arguments, with the text for each {}; NULL: the text has a NUL in it and
 * is needed. Freed with environment_free. */
char **environment_arguments(char *const *arguments, struct slice text);

/* Our environment, with what tells the command about its job, and the name of
 * its owner of locks. */
char **environment_of_job(struct syncd *s, const struct job *job, unsigned slot,
                          const char *owner);

/*
 * The name of an owner of locks: PARENT/random, where PARENT is SYNCD_OWNER, or
 * without it the session's number. Owners of locks are paths: what this process
 * or an ancestor holds, whoever is started with this name may take again.
 * NULL: it was said that the path is too long, `command` said it. Freed with
 * mem_free.
 */
char *environment_owner(const struct command *command, struct syncd *s);

/* Our environment for a command that runs while something is held: the token,
 * and the owner of locks, if it is not NULL. If we run for a job its token is
 * SYNCD_JOB_TOKEN then. */
char **environment_of_held(struct syncd *s, uint64_t token, const char *owner);

void environment_free(char **take_strings);

#endif
