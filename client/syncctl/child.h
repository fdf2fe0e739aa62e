/*
 * Runs a command: starts it, feeds it, listens to it, ends it when told to.
 *
 * The calling thread does nothing else until the command has ended. Others can
 * have it ended meanwhile, by its struct child_control. The command is killed
 * when the thread that runs it dies, however syncctl ends; what the command
 * started itself is not (it is in its process group, if it has one of its own).
 */
#ifndef SYNCCTL_CHILD_H
#define SYNCCTL_CHILD_H

#include "client/syncctl/output.h"

#include <signal.h>
#include <stdatomic.h>

/* Why a command was ended; the first reason counts. */
enum child_end {
    CHILD_BY_ITSELF,
    CHILD_TIMEOUT, /* it ran for too long */
    CHILD_LOST,    /* what it was run for is ours no more */
    CHILD_GIVEN_UP /* we are ending */
};

/* How other threads reach it; one may serve one command after the other. */
struct child_control {
    atomic_int end;       /* enum child_end, asked for */
    atomic_ulong signals; /* to be handed on: bit n - 1 is signal n */
    int wake_fd;          /* an eventfd */
    int *exec_error;      /* errno of the exec; memory shared with the child */
};

void child_control_init(struct child_control *control);
void child_control_fini(struct child_control *control);

/* For the next command. */
void child_control_reset(struct child_control *control);

/* TERM, and KILL after a while, to the command; from any thread. */
void child_control_end(struct child_control *control, enum child_end why);

/* Hands this signal on to the command, or to its group; from any thread. */
void child_control_signal(struct child_control *control, int number);

struct child_plan {
    char *const *argv; /* argv[0] is looked up in PATH */
    char *const *environment;
    struct slice input; /* its standard input; absent: ours */
    struct output *out; /* NULL: it writes on ours itself */
    struct output *err;
    bool out_to_err;      /* its standard output is our standard error */
    bool own_group;       /* a process group of its own, signalled as one */
    double timeout;       /* seconds; 0: none */
    double kill_after;    /* seconds from TERM to KILL */
    const sigset_t *mask; /* its signal mask */
};

struct child_result {
    int error;          /* errno: it could not be started; else 0 */
    int status;         /* as a shell tells it: 0 to 255, or 128 + signal */
    int signal;         /* that ended it; 0: it exited */
    enum child_end end; /* why we ended it */
};

void child_run(const struct child_plan *plan, struct child_control *control,
               struct child_result *result);

#endif
