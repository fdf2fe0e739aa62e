/*
 * Runs a command while something is held: what `lock` and `sem` have in common.
 *
 *   TAKING --- taken ----> RUNNING --- the command has ended ----> GIVING_BACK
 *      |                      |
 *      | a signal, timeout    | lost: TERM, then KILL
 *      v                      v
 *     exit                  exit 70
 *
 * Three threads: the main one takes, runs the command and gives back; one takes
 * signals; one stands guard over the session while the command runs, as what is
 * held is lost with it.
 *
 * The command's exit status is passed on. Signals go to it: to its process
 * group, which it has for itself, so that what it started is ended with it. At
 * a terminal it stays in ours, as a command in the foreground must, and the
 * terminal's own signals reach it without us.
 */
#ifndef SYNCCTL_HELD_H
#define SYNCCTL_HELD_H

#include "client/libsyncd/syncd.h"
#include "client/syncctl/child.h"
#include "client/syncctl/command.h"
#include "client/syncctl/signals.h"

enum held_stage { HELD_TAKING, HELD_RUNNING, HELD_GIVING_BACK };

struct held;

/* The nouns differ in this. */
struct held_kind {
    const char *noun; /* "lock" */
    /* Takes it for held->owner within held->timeout: what the library said, and
     * held->token. */
    int (*take)(struct held *held);
    /* Gives it back: what the library said. */
    int (*give_back)(struct held *held);
    /* It was not to be had in time: says so. NULL: as of a lock. */
    void (*missed)(struct held *held);
    /* Says why an error of the protocol kept it from being taken; the exit
     * status. NULL: in the daemon's words. */
    int (*refused)(struct held *held);
    bool has_owner; /* the command gets SYNCD_OWNER */
};

/* Options that every such command has; its table begins with these rows. */
enum {
    HELD_TIMEOUT,
    HELD_NONBLOCK,
    HELD_STATUS,
    HELD_GRACE,
    HELD_KILL_AFTER,
    HELD_OPTIONS
};
#define HELD_OPTION_ROWS                                                       \
    [HELD_TIMEOUT] = {"timeout",                                               \
                      0,                                                       \
                      OPTION_SECONDS,                                          \
                      "DURATION",                                              \
                      "wait for so long at most; then exit 124 (0: 75)",       \
                      NULL},                                                   \
    [HELD_NONBLOCK] = {"nonblock",                                             \
                       'n',                                                    \
                       OPTION_FLAG,                                            \
                       NULL,                                                   \
                       "do not wait: exit 75 if it is not to be had at once",  \
                       NULL},                                                  \
    [HELD_STATUS] = {"conflict-exit-code",                                     \
                     'E',                                                      \
                     OPTION_COUNT,                                             \
                     "STATUS",                                                 \
                     "exit with this status instead of 75 and 124",            \
                     NULL},                                                    \
    [HELD_GRACE] = {"grace",                                                   \
                    0,                                                         \
                    OPTION_SECONDS,                                            \
                    "DURATION",                                                \
                    "a restart of the daemon is waited for so long (30s); 0: " \
                    "it ends the command, and nothing is written to disk",     \
                    NULL},                                                     \
    [HELD_KILL_AFTER] = {"kill-after",                                         \
                         0,                                                    \
                         OPTION_SECONDS,                                       \
                         "DURATION",                                           \
                         "from TERM to KILL when it is lost (5s)",             \
                         NULL}

#define HELD_STATUS_ROWS                                                     \
    {STATUS_LOCK_LOST, "it was lost, and the command ended: the daemon was " \
                       "gone for longer than the grace"},                    \
        {STATUS_WOULD_WAIT,                                                  \
         "not to be had at once (-n, --timeout 0); see -E"},                 \
        {STATUS_TIMED_OUT, "not to be had within --timeout; see -E"},        \
        {STATUS_NOT_EXECUTABLE, "the command cannot be run"},                \
        {STATUS_NOT_FOUND, "the command was not found"},                     \
    {                                                                        \
        STATUS_SIGNAL, "plus N: signal N ended the command, or the waiting"  \
    }

struct held {
    const struct held_kind *kind;
    const struct invocation *invocation;
    const char *name; /* of what is held */
    struct syncd *s;
    double timeout;   /* seconds, or SYNCD_FOREVER */
    char *owner;      /* owned; NULL: none */
    uint64_t token;   /* once it is taken; 0: none */
    uint64_t losses;  /* of sessions, before it was taken */
    atomic_int stage; /* enum held_stage */
    bool own_group;
    struct signals signals;
    struct child_control control;
};

/* That somebody else has it. */
void held_say_taken(struct held *held);

/* The exit status. Its first word is the name, `rest` the command. */
int held_run(const struct held_kind *kind, const struct invocation *invocation);

#endif
