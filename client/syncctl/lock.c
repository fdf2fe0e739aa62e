/* lock: runs a command while a lock is held; lists and shows locks. */
#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/held.h"
#include "client/syncctl/people.h"
#include "client/syncctl/say.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_REENTRANT = HELD_OPTIONS, RUN_ALLOW_DEADLOCK, RUN_OPTIONS };
static const struct option_row run_options[RUN_OPTIONS] = {
    HELD_OPTION_ROWS,
    [RUN_REENTRANT] = {"reentrant", 0, OPTION_FLAG, NULL,
                       "inside a command that holds it already, take it once "
                       "more instead of waiting",
                       NULL},
    [RUN_ALLOW_DEADLOCK] = {"allow-deadlock", 0, OPTION_FLAG, NULL,
                            "wait even if whoever holds it waits for us", NULL},
};

static int take(struct held *held)
{
    const struct option_value *options = held->invocation->options;
    const struct syncd_lock_terms terms = {
        .owner = held->owner,
        .reentrant = options[RUN_REENTRANT].text != NULL,
        .refuse_deadlock = options[RUN_ALLOW_DEADLOCK].text == NULL};
    return syncd_lock(held->s, held->name, &terms, held->timeout, &held->token);
}

static int give_back(struct held *held)
{
    return syncd_unlock(held->s, held->name, held->token);
}

/* "pid 7 (syncctl lock a -- b) holds "a" and waits for "c"" */
static void write_link(struct out *line, struct slice link)
{
    struct arena arena;
    char pid[32];
    arena_init(&arena);
    struct slice client = fields_text(link, "client", &arena);
    (void)snprintf(pid, sizeof(pid), "pid %lld",
                   (long long)fields_integer(link, "pid"));
    out_bytes(line, slice_of(pid));
    if (client.at != NULL) {
        out_bytes(line, SLICE(" ("));
        out_bytes(line, client);
        out_byte(line, ')');
    }
    out_bytes(line, SLICE(" holds \""));
    out_bytes(line, fields_text(link, "holds", &arena));
    out_bytes(line, SLICE("\" and waits for \""));
    out_bytes(line, fields_text(link, "waits_for", &arena));
    out_byte(line, '"');
    arena_fini(&arena);
}

/* The cycle in one line. */
static int refused(struct held *held)
{
    struct slice cycle = fields_get(slice_of(syncd_error_data()), "cycle");
    if (strcmp(syncd_error_name(), "deadlock") != 0 || cycle.at == NULL) {
        return ask_failed(held->invocation, SYNCD_E_REPLY);
    }
    struct scan_members links = scan_members(cycle, 1);
    struct out line = {0};
    while (scan_next(&links)) {
        if (line.len > 0) {
            out_bytes(&line, SLICE("; "));
        }
        write_link(&line, links.value);
    }
    out_byte(&line, '\0');
    say(held->invocation->command,
        "deadlock: waiting for \"%s\" would never end: %s. Release what is "
        "held first, take it again with --reentrant, or wait all the same "
        "with --allow-deadlock",
        held->name, line.at);
    out_fini(&line);
    return STATUS_FAILED;
}

static int run_run(struct invocation *invocation)
{
    static const struct held_kind kind = {.noun = "lock",
                                          .take = take,
                                          .give_back = give_back,
                                          .refused = refused,
                                          .has_owner = true};
    return held_run(&kind, invocation);
}

const struct command command_lock_run = {
    .group = "lock",
    .name = "run",
    .summary = "Runs a command while a lock is held: lock NAME -- COMMAND",
    .words = "NAME",
    .runs = "COMMAND [ARG...]",
    .options = run_options,
    .options_count = RUN_OPTIONS,
    .run = run_run,
    .implied = true,
    .description =
        "Waits for the lock in the order of arrival, runs the command, and "
        "exits as it did; `run` may be left out, unless the lock itself is "
        "called run. "
        "The lock is free when the command has ended, or syncctl, however it "
        "is ended.\n\n"
        "The command finds SYNCD_TOKEN, a number greater than that of every "
        "holder before (a fencing token), and SYNCD_OWNER, by which syncctl "
        "inside it knows what it holds: there, with --reentrant, the lock is "
        "taken once more. A wait that would never end, because whoever holds "
        "the lock waits for us, is refused with who holds what.\n\n"
        "A restart of the daemon is waited for, and the lock still held. If "
        "the daemon is gone for longer than the grace, somebody else may have "
        "the lock: the command gets TERM, and after a while KILL.\n\n"
        "Signals go on to the command. It has a process group of its own, and "
        "is ended with all that it started; but not at a terminal, where it "
        "stays in the foreground. It is killed when syncctl is; what it "
        "started itself is not.",
    .examples =
        (const struct example_row[]){
            {"syncctl lock backup -- ./backup.sh", "One backup at a time."},
            {"syncctl lock -n backup -- ./backup.sh",
             "Not at all if there is one under way (status 75)."},
            {"syncctl lock --reentrant backup -- ./tables.sh",
             "Inside backup.sh: the lock that it has already."},
            {NULL, NULL}},
    .statuses = (const struct status_row[]){HELD_STATUS_ROWS, {0, NULL}},
};

/* --- looking --- */

static void list_lock(struct table *table, struct slice lock)
{
    struct arena arena;
    arena_init(&arena);
    people_add(table, fields_text(lock, "lock", &arena), lock);
    arena_fini(&arena);
}

static int list_run(struct invocation *invocation)
{
    return people_list(invocation, "lock.list", "locks", list_lock,
                       people_table("LOCK"));
}

const struct command command_lock_list = {
    .group = "lock",
    .name = "list",
    .summary = "Lists who holds locks and who waits for them",
    .words = "[PREFIX]",
    .run = list_run,
    .description =
        "A line for each holder and, in their order, for those who wait. "
        "COMMAND is what the client calls itself; syncctl, its command line.",
    .standard = true,
};

static void show_pairs(struct table *table, struct slice lock)
{
    struct arena arena;
    arena_init(&arena);
    people_pair_name(table, "lock", lock);
    bool held = fields_flag(lock, "held");
    TABLE_PAIR(table, "state", "%s", held ? "held" : "free");
    if (held) {
        table_line(table);
        table_cell(table, "owner");
        table_cell_slice(table, fields_text(lock, "owner", &arena));
        people_pair_count(table, "levels", lock, "count");
    }
    people_pair_count(table, "waiting", lock, "waiters");
    arena_fini(&arena);
}

static int show_run(struct invocation *invocation)
{
    return people_show(invocation, "lock", "lock.show", show_pairs);
}

const struct command command_lock_show = {
    .group = "lock",
    .name = "show",
    .summary = "Shows one lock: who holds it, who waits for it",
    .words = "LOCK",
    .run = show_run,
};
