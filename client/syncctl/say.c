/* One line on standard error. */
#include "client/syncctl/say.h"

#include <stdarg.h>
#include <stdio.h>

/* In one write, so that the lines of threads do not mix. Control characters
 * of names and messages must not reach a terminal. */
static void say_line(const struct command *command, const char *format,
                     va_list args)
{
    char line[2048];
    char name[COMMAND_NAME_BYTES];
    int at = snprintf(line, sizeof(line), "syncctl: %s%s",
                      command == NULL ? "" : command_name(command, name),
                      command == NULL ? "" : ": ");
    (void)vsnprintf(line + at, sizeof(line) - (size_t)at, format, args);
    for (char *c = line; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 127) {
            *c = ' ';
        }
    }
    (void)fprintf(stderr, "%s\n", line);
}

void say(const struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_line(command, format, args);
    va_end(args);
}

int say_usage(const struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_line(command, format, args);
    va_end(args);
    return STATUS_USAGE;
}
