/* The command line -> an invocation, by the table of commands. */
#ifndef SYNCCTL_PARSE_H
#define SYNCCTL_PARSE_H

#include "client/syncctl/command.h"

/*
 * Reads the command line. True: *invocation is ready to run. False: there is
 * nothing to run, *status is how to exit: help or the version was printed, or
 * what is wrong was said. Keeps pointers into argv.
 */
bool parse_command_line(int argc, char **argv, struct invocation *invocation,
                        int *status);

#endif
