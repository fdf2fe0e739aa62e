/*
 * syncctl: syncd from a shell.
 *
 * Reads the command line by the table of commands (command.h), runs one, and
 * exits with its status.
 */
#include "client/syncctl/command.h"
#include "client/syncctl/parse.h"
#include "client/syncctl/say.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Descriptors 0 to 2 are there, so that no socket ever gets their numbers. */
static void open_standard(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = dup(fd);
    }
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

/* Tables measure and print UTF-8; numbers are those of JSON. */
static void choose_locale(void)
{
    (void)setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
}

int main(int argc, char **argv)
{
    struct invocation invocation;
    int status = STATUS_DONE;
    open_standard();
    choose_locale();
    (void)signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    if (parse_command_line(argc, argv, &invocation, &status)) {
        status = invocation.command->run(&invocation);
    }
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_DONE) {
        if (errno != EPIPE) {
            say(invocation.command, "cannot write to standard output: %s",
                strerror(errno));
        }
        status = STATUS_FAILED;
    }
    return status;
}
