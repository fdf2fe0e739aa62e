/* Runs a command while something is held. */
#include "client/syncctl/held.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/environment.h"
#include "client/syncctl/say.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KILL_AFTER 5.0

/* Are we a terminal's foreground, or fed by one? Then the command is to be, and
 * another process group would stop it at its first look at the terminal. */
static bool at_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool foreground = fd >= 0 && tcgetpgrp(fd) == getpgrp();
    if (fd >= 0) {
        close(fd);
    }
    return foreground || isatty(STDIN_FILENO) == 1;
}

/* In the signals' thread. */
static void on_signal(void *arg, int number, int nth)
{
    struct held *held = arg;
    switch ((enum held_stage)atomic_load(&held->stage)) {
    case HELD_RUNNING:
        if (held->own_group || !held->signals.by_terminal) {
            child_control_signal(&held->control, number);
        }
        break;
    case HELD_TAKING:
        if (nth == 1) {
            syncd_interrupt(held->s);
            break;
        }
        _exit(STATUS_SIGNAL + number);
    case HELD_GIVING_BACK: /* our end gives it back as well */
        _exit(STATUS_SIGNAL + number);
    }
}

/* In the guard's thread, until the command has ended. */
static void *stand_guard(void *arg)
{
    struct held *held = arg;
    if (syncd_wait_lost(held->s, held->losses, SYNCD_FOREVER) == SYNCD_E_LOST) {
        say(held->invocation->command,
            "the %s \"%s\" is lost, its command is ended: %s", held->kind->noun,
            held->name, syncd_error_text());
        child_control_end(&held->control, CHILD_LOST);
    }
    return NULL;
}

/* The library takes 0 for its own default. */
static int open_session(struct held *held)
{
    const struct option_value *grace = &held->invocation->options[HELD_GRACE];
    char *client = ask_client(held->invocation);
    const struct syncd_options options = {
        .socket = held->invocation->socket,
        .client = client,
        .grace = grace->text == NULL ? ASK_GRACE
                 : grace->number > 0 ? grace->number
                                     : ASK_NO_GRACE};
    int answer = syncd_open(&options, &held->s);
    mem_free(client);
    return answer == SYNCD_OK ? STATUS_DONE
                              : ask_failed(held->invocation, answer);
}

void held_say_taken(struct held *held)
{
    say(held->invocation->command, "the %s \"%s\" is taken%s", held->kind->noun,
        held->name, held->timeout > 0 ? ", and was so until the timeout" : "");
}

/* It was not to be had: the exit status. */
static int not_taken(struct held *held, int answer)
{
    const struct invocation *invocation = held->invocation;
    const struct option_value *status = &invocation->options[HELD_STATUS];
    if (answer == SYNCD_TIMEOUT) {
        if (!invocation->quiet && status->text == NULL) {
            (held->kind->missed != NULL ? held->kind->missed
                                        : held_say_taken)(held);
        }
        return status->text != NULL ? (int)status->count
               : held->timeout > 0  ? STATUS_TIMED_OUT
                                    : STATUS_WOULD_WAIT;
    }
    if (answer == SYNCD_E_REPLY && held->signals.last != 0 &&
        strcmp(syncd_error_name(), "cancelled") == 0) {
        return STATUS_SIGNAL + (int)held->signals.last;
    }
    if (answer == SYNCD_E_ARGUMENT) { /* what libsyncd finds of the name */
        ask_failed(invocation, answer);
        return STATUS_USAGE;
    }
    return answer == SYNCD_E_REPLY && held->kind->refused != NULL
               ? held->kind->refused(held)
               : ask_failed(invocation, answer);
}

static int cannot_start(const struct held *held, int error)
{
    const char *name = held->invocation->rest[0];
    say(held->invocation->command, "cannot run \"%s\": %s", name,
        error == ENOENT ? "there is no such command" : strerror(error));
    return error == ENOENT                      ? STATUS_NOT_FOUND
           : error == EAGAIN || error == ENOMEM ? STATUS_FAILED
                                                : STATUS_NOT_EXECUTABLE;
}

static void run_command(struct held *held, struct child_result *result)
{
    const struct option_value *options = held->invocation->options;
    char **environment = environment_of_held(held->s, held->token, held->owner);
    const struct child_plan plan = {
        .argv = held->invocation->rest,
        .environment = environment,
        .own_group = held->own_group,
        .kill_after = options[HELD_KILL_AFTER].text
                          ? options[HELD_KILL_AFTER].number
                          : KILL_AFTER,
        .mask = &held->signals.before,
    };
    pthread_t guard;
    CHECK(pthread_create(&guard, NULL, stand_guard, held) == 0);
    child_run(&plan, &held->control, result);
    atomic_store(&held->stage, HELD_GIVING_BACK);
    syncd_interrupt(held->s);
    CHECK(pthread_join(guard, NULL) == 0);
    environment_free(environment);
}

/* What the command's end and the holding make of it together. */
static int conclude(struct held *held, const struct child_result *result)
{
    const struct invocation *invocation = held->invocation;
    bool lost =
        result->end == CHILD_LOST || syncd_losses(held->s) != held->losses;
    if (lost && result->end != CHILD_LOST) {
        say(invocation->command,
            "the %s \"%s\" was lost before its command ended", held->kind->noun,
            held->name);
    }
    if (!lost) {
        int answer = held->kind->give_back(held);
        if (answer == SYNCD_E_REPLY) {
            say(invocation->command,
                "the %s \"%s\" was given back before its command ended: %s",
                held->kind->noun, held->name, syncd_error_text());
        }
    }
    return lost                 ? STATUS_LOCK_LOST
           : result->error != 0 ? cannot_start(held, result->error)
                                : result->status;
}

static int take_and_run(struct held *held)
{
    held->losses = syncd_losses(held->s);
    int answer = held->kind->take(held);
    if (answer != SYNCD_OK) {
        return not_taken(held, answer);
    }
    struct child_result result;
    atomic_store(&held->stage, HELD_RUNNING);
    if (held->signals.last != 0) {
        return STATUS_SIGNAL +
               (int)held->signals.last; /* the grant was first */
    }
    run_command(held, &result);
    return conclude(held, &result);
}

static int check_usage(const struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    if (invocation->rest == NULL || invocation->rest[0] == NULL) {
        return say_usage(invocation->command,
                         "there is no command behind --: syncctl %s %s -- %s",
                         invocation->command->group, invocation->words[0],
                         invocation->command->runs);
    }
    if (options[HELD_STATUS].text != NULL && options[HELD_STATUS].count > 255) {
        return say_usage(invocation->command, "-E is a status from 0 to 255");
    }
    if (options[HELD_NONBLOCK].text && options[HELD_TIMEOUT].text) {
        return say_usage(invocation->command,
                         "give one of -n and --timeout: -n is --timeout 0");
    }
    return STATUS_DONE;
}

int held_run(const struct held_kind *kind, const struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct held held = {.kind = kind,
                        .invocation = invocation,
                        .name = invocation->words[0],
                        .timeout = options[HELD_NONBLOCK].text ? 0
                                   : options[HELD_TIMEOUT].text
                                       ? options[HELD_TIMEOUT].number
                                       : SYNCD_FOREVER,
                        .own_group = !at_terminal(),
                        .signals.hands_on = true};
    int status = check_usage(invocation);
    if (status == STATUS_DONE) {
        status = open_session(&held);
    }
    if (status != STATUS_DONE) {
        return status;
    }
    if (kind->has_owner) {
        held.owner = environment_owner(invocation->command, held.s);
        status = held.owner == NULL ? STATUS_FAILED : STATUS_DONE;
    }
    child_control_init(&held.control);
    signals_watch(&held.signals, on_signal, &held);
    if (status == STATUS_DONE) {
        status = take_and_run(&held);
    }
    signals_end(&held.signals);
    syncd_close(held.s);
    child_control_fini(&held.control);
    mem_free(held.owner);
    return status;
}
