/* --help, from the table of commands. */
#ifndef SYNCCTL_HELP_H
#define SYNCCTL_HELP_H

#include "client/syncctl/command.h"

#include <stdio.h>

void help_print(const struct command *command, FILE *to);
void help_print_group(const char *group, FILE *to);
void help_print_all(FILE *to);

/* What an option looks like: "-j, --jobs N". */
#define OPTION_LOOK_BYTES 64
const char *help_option(const struct option_row *row,
                        char look[OPTION_LOOK_BYTES]);

/* "syncctl work [OPTION...] QUEUE [-- COMMAND [ARG...]]" */
void help_print_synopsis(const struct command *command, FILE *to);

#endif
