/* What a job's command is started with: arguments and environment. */
#ifndef SYNCCTL_ENVIRONMENT_H
#define SYNCCTL_ENVIRONMENT_H

#include "client/syncctl/work.h"

/* Does {} stand in one of the arguments? */
bool environment_has_braces(char *const *arguments);

/* The arguments, with the text for each {}; NULL: the text has a NUL in it and
 * is needed. Freed with environment_free. */
char **environment_arguments(char *const *arguments, struct slice text);

/* Our environment, with what tells the command about its job. */
char **environment_of_job(struct syncd *s, const struct job *job,
                          unsigned slot);

void environment_free(char **take_strings);

#endif
