/* barrier wait, show, list, reset, abort. */
#include "client/syncctl/ask.h"
#include "client/syncctl/child.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/people.h"
#include "client/syncctl/say.h"
#include "proto/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seconds from TERM to KILL, for an action that is ended. */
#define KILL_AFTER 5.0

enum { WAIT_PARTIES, WAIT_TIMEOUT, WAIT_ACTION, WAIT_OPTIONS };
static const struct option_row wait_options[WAIT_OPTIONS] = {
    [WAIT_PARTIES] = {"parties", 'n', OPTION_COUNT, "N",
                      "how many meet; every one says the same", NULL},
    [WAIT_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "if not all are there by then the barrier is broken, for "
                      "everybody",
                      NULL},
    [WAIT_ACTION] = {"action", 0, OPTION_TEXT, "COMMAND",
                     "run by the last one to come, before anyone goes on; its "
                     "arguments stand behind --",
                     NULL},
};

/* What the daemon's reasons mean. */
static const char *explain(const char *reason)
{
    static const struct {
        const char *reason;
        const char *text;
    } rows[] = {
        {"timeout", "not all parties came in time"},
        {"cancelled", "a party gave up"},
        {"a party is gone", "a party ended before all were there"},
        {"aborted", "it was aborted"},
        {"reset", "it was reset while this one waited"},
        {"restart", "the daemon was restarted while it was in use or broken"},
        {"forbidden", "a party may not wait at it any more"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(reason, rows[i].reason) == 0) {
            return rows[i].text;
        }
    }
    return reason;
}

static int tell_broken(const struct invocation *invocation)
{
    const char *barrier = invocation->words[0];
    const char *reason = syncd_error_reason();
    bool whole = strcmp(reason, "reset") == 0;
    say(invocation->command, "the barrier \"%s\" is broken: %s%s%s", barrier,
        explain(reason),
        whole ? "" : "; make it whole again with: syncctl barrier reset ",
        whole ? "" : barrier);
    return STATUS_BROKEN;
}

/* The action's command line: COMMAND, and what stands behind --. */
static char **action_of(const struct invocation *invocation)
{
    size_t count = 0;
    while (invocation->rest != NULL && invocation->rest[count] != NULL) {
        count++;
    }
    char **argv = mem_alloc((count + 2) * sizeof(*argv));
    argv[0] = (char *)(uintptr_t)invocation->options[WAIT_ACTION].text;
    for (size_t i = 0; i < count; i++) {
        argv[i + 1] = invocation->rest[i];
    }
    argv[count + 1] = NULL;
    return argv;
}

static void run_action(const struct invocation *invocation,
                       struct child_result *result)
{
    struct child_control control;
    sigset_t mask;
    char **argv = action_of(invocation);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    const struct child_plan plan = {.argv = argv,
                                    .environment = environ,
                                    .out_to_err = true,
                                    .kill_after = KILL_AFTER,
                                    .mask = &mask};
    child_control_init(&control);
    child_run(&plan, &control, result);
    child_control_fini(&control);
    mem_free(argv);
}

static void say_failed(const struct invocation *invocation,
                       const struct child_result *result)
{
    const char *action = invocation->options[WAIT_ACTION].text;
    if (result->error != 0) {
        say(invocation->command,
            "cannot run the action \"%s\": %s; the barrier is broken for all",
            action,
            result->error == ENOENT ? "there is no such command"
                                    : strerror(result->error));
    } else if (result->signal != 0) {
        say(invocation->command,
            "signal %d ended the action \"%s\": the barrier is broken for all",
            result->signal, action);
    } else {
        say(invocation->command,
            "the action \"%s\" exited with status %d: the barrier is broken "
            "for all",
            action, result->status);
    }
}

/* We came last: the action, and then all go on, or nobody does. */
static int act(const struct invocation *invocation, struct syncd *s,
               const struct syncd_round *round)
{
    const char *barrier = invocation->words[0];
    struct child_result result = {0};
    run_action(invocation, &result);
    if (result.error != 0 || result.status != 0) {
        say_failed(invocation, &result);
        int aborted = syncd_barrier_abort(s, barrier);
        return aborted == SYNCD_OK ? STATUS_BROKEN
                                   : ask_failed(invocation, aborted);
    }
    int answer = syncd_barrier_pass(s, barrier, round->generation);
    return answer == SYNCD_OK       ? STATUS_DONE
           : answer == SYNCD_BROKEN ? tell_broken(invocation)
                                    : ask_failed(invocation, answer);
}

static void print_round(const struct invocation *invocation,
                        const struct syncd_round *round)
{
    if (invocation->json) {
        printf("{\"index\":%llu,\"generation\":%llu}\n",
               (unsigned long long)round->index,
               (unsigned long long)round->generation);
    } else {
        printf("%llu\n", (unsigned long long)round->index);
    }
}

static int meet(const struct invocation *invocation, struct syncd *s)
{
    const struct option_value *options = invocation->options;
    struct syncd_round round = {0};
    int answer = syncd_barrier_wait(
        s, invocation->words[0], (uint64_t)options[WAIT_PARTIES].count,
        options[WAIT_ACTION].text != NULL,
        options[WAIT_TIMEOUT].text ? options[WAIT_TIMEOUT].number
                                   : SYNCD_FOREVER,
        &round);
    if (answer == SYNCD_BROKEN) {
        return tell_broken(invocation);
    }
    if (answer != SYNCD_OK) {
        return ask_failed(invocation, answer);
    }
    int status = round.act ? act(invocation, s, &round) : STATUS_DONE;
    if (status == STATUS_DONE) {
        print_round(invocation, &round);
    }
    return status;
}

static int wait_run(struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct syncd *s = NULL;
    if (options[WAIT_PARTIES].text == NULL || options[WAIT_PARTIES].count < 1) {
        return say_usage(invocation->command,
                         "say how many meet at \"%s\": --parties N, 1 or more "
                         "(commands: wait list show reset abort)",
                         invocation->words[0]);
    }
    if (invocation->rest != NULL && options[WAIT_ACTION].text == NULL) {
        return say_usage(invocation->command,
                         "what stands behind -- are the arguments of the "
                         "action: --action COMMAND is missing");
    }
    int status = ask_open(invocation, ASK_GRACE, &s);
    if (status == STATUS_DONE) {
        status = meet(invocation, s);
        syncd_close(s);
    }
    return status;
}

const struct command command_barrier_wait = {
    .group = "barrier",
    .name = "wait",
    .summary = "Waits until all parties have come, and prints its index",
    .words = "BARRIER",
    .runs = "ARG...",
    .options = wait_options,
    .options_count = WAIT_OPTIONS,
    .run = wait_run,
    .implied = true,
    .description =
        "All go on together, or nobody does. Each prints its index, 0 for the "
        "first to come. `wait` may be left out, unless the barrier is called "
        "as one of the commands of barriers.\n\n"
        "A party that times out or ends breaks the barrier, and so does a "
        "restart of the daemon: all who wait, and all who come later, are told "
        "why and exit with 125, until `barrier reset`.\n\n"
        "With --action the last one to come runs a command, once, while the "
        "others still wait, and their timeouts stand still. If it fails the "
        "barrier is broken. What it prints goes to standard error, as the "
        "index "
        "alone is the output. Every party says the same, as none knows which "
        "is "
        "the last.",
    .examples =
        (const struct example_row[]){
            {"syncctl barrier phase1 --parties 3 --timeout 5",
             "In each of three scripts."},
            {"syncctl barrier phase1 --parties 3 --action ./merge.sh -- all",
             "Merge what the three have done, before they go on."},
            {NULL, NULL}},
    .statuses =
        (const struct status_row[]){{STATUS_BROKEN, "it is broken"}, {0, NULL}},
};

/* reset, abort: answered by nothing. */
static int change(const struct invocation *invocation, const char *method)
{
    struct out params = ask_begin(invocation, "barrier");
    return ask_change(invocation, ASK_NO_GRACE, method, &params);
}

static int reset_run(struct invocation *invocation)
{
    return change(invocation, "barrier.reset");
}

const struct command command_barrier_reset = {
    .group = "barrier",
    .name = "reset",
    .summary = "Makes a barrier whole and empty; who waits is told so",
    .words = "BARRIER",
    .run = reset_run,
};

static int abort_run(struct invocation *invocation)
{
    return change(invocation, "barrier.abort");
}

const struct command command_barrier_abort = {
    .group = "barrier",
    .name = "abort",
    .summary = "Breaks a barrier, used before or not, until it is reset",
    .words = "BARRIER",
    .run = abort_run,
};

/* --- looking --- */

static int64_t acting_of(struct slice barrier)
{
    return fields_count(barrier, "acting");
}

/* "whole", "broken (timeout)", "in action" */
static void state_cell(struct table *table, struct slice barrier)
{
    struct arena arena;
    arena_init(&arena);
    if (fields_flag(barrier, "broken")) {
        struct slice reason = fields_text(barrier, "reason", &arena);
        table_cell(table, "broken (%.*s)", (int)reason.len, reason.at);
        table_alarm(table);
    } else if (acting_of(barrier) > 0) {
        table_cell(table, "in action");
    } else {
        table_cell(table, "whole");
    }
    arena_fini(&arena);
}

static void list_barrier(struct table *table, struct slice barrier)
{
    static const char *const numbers[] = {"parties", "waiters", "missing",
                                          "generation"};
    struct arena arena;
    arena_init(&arena);
    table_line(table);
    table_cell_slice(table, fields_text(barrier, "barrier", &arena));
    state_cell(table, barrier);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        table_cell(table, "%lld",
                   (long long)fields_integer(barrier, numbers[i]));
    }
    arena_fini(&arena);
}

static int list_run(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"BARRIER", false, false}, {"STATE", false, false},
        {"PARTIES", true, false},  {"THERE", true, false},
        {"MISSING", true, false},  {"GENERATION", true, false}};
    static const struct people_kind kind = {.method = "barrier.list",
                                            .list = "barriers",
                                            .member = "barrier",
                                            .noun = "BARRIER",
                                            .add = list_barrier};
    return people_list_below(invocation, &kind, table_new(columns, 6));
}

const struct command command_barrier_list = {
    .group = "barrier",
    .name = "list",
    .summary = "Lists the barriers in use or broken, and who is there",
    .words = "[PREFIX]",
    .run = list_run,
    .description = "Below stand those who wait, in the order of their indexes. "
                   "GENERATION counts the rounds that were filled.",
    .standard = true,
};

static void show_pairs(struct table *table, struct slice barrier)
{
    people_pair_name(table, "barrier", barrier);
    table_line(table);
    table_cell(table, "state");
    state_cell(table, barrier);
    people_pair_count(table, "parties", barrier, "parties");
    people_pair_count(table, "there", barrier, "waiters");
    people_pair_count(table, "missing", barrier, "missing");
    people_pair_count(table, "generation", barrier, "generation");
}

static int show_run(struct invocation *invocation)
{
    return people_show(invocation, "barrier", "barrier.show", show_pairs);
}

const struct command command_barrier_show = {
    .group = "barrier",
    .name = "show",
    .summary = "Shows who is at a barrier, and how many are missing",
    .words = "BARRIER",
    .run = show_run,
};
