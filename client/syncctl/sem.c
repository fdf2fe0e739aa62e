/* sem: runs a command with a permit of a semaphore; semaphores themselves. */
#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/held.h"
#include "client/syncctl/people.h"
#include "client/syncctl/say.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_VALUE = HELD_OPTIONS, RUN_PERMITS, RUN_OPTIONS };
static const struct option_row run_options[RUN_OPTIONS] = {
    HELD_OPTION_ROWS,
    [RUN_VALUE] = {"value", 0, OPTION_COUNT, "N",
                   "make the semaphore with so many permits if it is not there",
                   NULL},
    [RUN_PERMITS] = {"permits", 0, OPTION_COUNT, "N",
                     "take so many of them, all at once (1)", NULL},
};

static uint64_t permits_of(const struct held *held)
{
    const struct option_value *permits =
        &held->invocation->options[RUN_PERMITS];
    return permits->text == NULL ? 1 : (uint64_t)permits->count;
}

/* How many permits it has in all; -1: it is not there, a counter, or nobody can
 * tell. */
static int64_t value_of(struct held *held)
{
    char *result = NULL;
    struct out params = {0};
    int64_t value = -1;
    write_begin_object(&params);
    WRITE(&params, string, "semaphore", slice_of(held->name));
    write_end_object(&params);
    if (ask_call(held->s, "semaphore.show", &params, &result) == SYNCD_OK &&
        fields_flag(slice_of(result), "bounded")) {
        value = fields_integer(slice_of(result), "value");
    }
    free(result);
    return value;
}

/* What --value and --permits ask of a semaphore that is there already and is
 * otherwise. Legal, but seldom meant. */
static void note_value(struct held *held)
{
    const struct invocation *invocation = held->invocation;
    const struct option_value *value = &invocation->options[RUN_VALUE];
    uint64_t permits = permits_of(held);
    if (invocation->quiet || (value->text == NULL && permits == 1)) {
        return;
    }
    int64_t have = value_of(held);
    if (have >= 0 && value->text != NULL && value->count != have) {
        say(invocation->command,
            "semaphore %s has the value %lld; to change it: syncctl sem set %s "
            "--value %lld",
            held->name, (long long)have, held->name, (long long)value->count);
    }
    have = have < 0 && value->text != NULL ? value->count : have;
    if (have >= 0 && permits > (uint64_t)have && held->timeout != 0) {
        say(invocation->command,
            "semaphore %s has only %lld permit%s: waiting until it has %llu",
            held->name, (long long)have, have == 1 ? "" : "s",
            (unsigned long long)permits);
    }
}

static void missed(struct held *held)
{
    uint64_t permits = permits_of(held);
    int64_t have = value_of(held);
    if (have >= 0 && permits > (uint64_t)have) {
        say(held->invocation->command,
            "semaphore %s has only %lld permit%s; to give it more: syncctl sem "
            "set %s --value %llu",
            held->name, (long long)have, have == 1 ? "" : "s", held->name,
            (unsigned long long)permits);
    } else {
        held_say_taken(held);
    }
}

static int take(struct held *held)
{
    const struct option_value *value = &held->invocation->options[RUN_VALUE];
    note_value(held);
    return syncd_sem_acquire(held->s, held->name, permits_of(held),
                             value->text == NULL ? SYNCD_DECLARED
                                                 : value->count,
                             held->timeout, &held->token);
}

static int give_back(struct held *held)
{
    return syncd_sem_release(held->s, held->name, permits_of(held),
                             held->token);
}

static int run_run(struct invocation *invocation)
{
    static const struct held_kind kind = {.noun = "semaphore",
                                          .take = take,
                                          .give_back = give_back,
                                          .missed = missed};
    const struct option_value *permits = &invocation->options[RUN_PERMITS];
    const struct option_value *value = &invocation->options[RUN_VALUE];
    if (permits->text != NULL && permits->count == 0) {
        return say_usage(invocation->command, "--permits is at least 1");
    }
    if (permits->text != NULL && value->text != NULL &&
        permits->count > value->count) {
        return say_usage(invocation->command,
                         "--permits %lld of --value %lld would never be there",
                         (long long)permits->count, (long long)value->count);
    }
    return held_run(&kind, invocation);
}

const struct command command_sem_run = {
    .group = "sem",
    .name = "run",
    .summary = "Runs a command with a permit of a semaphore: sem NAME -- "
               "COMMAND",
    .words = "NAME",
    .runs = "COMMAND [ARG...]",
    .options = run_options,
    .options_count = RUN_OPTIONS,
    .run = run_run,
    .implied = true,
    .description =
        "Waits for the permit in the order of arrival, runs the command, and "
        "exits as it did: so never more commands run at once than the "
        "semaphore has permits. `run` may be left out, unless the semaphore "
        "itself is called run. The permit is free when the command has ended, "
        "or syncctl, "
        "however it is ended. Who wants many permits is not passed by those "
        "who want few.\n\n"
        "The command finds SYNCD_TOKEN, which names its permits. What is true "
        "of signals, of a restart of the daemon and of its absence is told at "
        "`lock run`.\n\n"
        "An unbounded semaphore may have more permits in the end than in the "
        "beginning; what is held of it while the command runs comes back as "
        "well.",
    .examples =
        (const struct example_row[]){
            {"syncctl sem downloads --value 3 -- curl -O https://example.org/a",
             "Three downloads at once, the others wait for their turn."},
            {"syncctl sem memory --value 64 --permits 16 -- ./big-job",
             "A permit a gigabyte."},
            {NULL, NULL}},
    .statuses = (const struct status_row[]){HELD_STATUS_ROWS, {0, NULL}},
};

/* --- semaphores themselves --- */

static void list_semaphore(struct table *table, struct slice semaphore)
{
    struct arena arena;
    arena_init(&arena);
    struct slice name = fields_text(semaphore, "semaphore", &arena);
    table_line(table);
    table_cell_slice(table, name);
    if (fields_flag(semaphore, "bounded")) {
        table_cell(table, "%lld of %lld free",
                   (long long)fields_integer(semaphore, "free"),
                   (long long)fields_integer(semaphore, "value"));
    } else {
        table_cell(table, "counter, %lld free",
                   (long long)fields_integer(semaphore, "free"));
    }
    people_add(table, name, semaphore);
    arena_fini(&arena);
}

static int list_run(struct invocation *invocation)
{
    return people_list(invocation, "semaphore.list", "semaphores",
                       list_semaphore, people_table("SEMAPHORE"));
}

const struct command command_sem_list = {
    .group = "sem",
    .name = "list",
    .summary = "Lists semaphores, who holds permits and who waits for them",
    .words = "[PREFIX]",
    .run = list_run,
    .description =
        "A line for each semaphore, for each holder of permits, and, in their "
        "order, for those who wait. COMMAND is what the client calls itself; "
        "syncctl, its command line.",
    .standard = true,
};

static void show_pairs(struct table *table, struct slice semaphore)
{
    people_pair_name(table, "semaphore", semaphore);
    people_pair_count(table, "value", semaphore, "value");
    people_pair_count(table, "free", semaphore, "free");
    TABLE_PAIR(table, "bounded", "%s",
               fields_flag(semaphore, "bounded") ? "yes" : "no");
    people_pair_count(table, "running jobs", semaphore, "jobs");
    people_pair_count(table, "waiting", semaphore, "waiters");
}

static int show_run(struct invocation *invocation)
{
    return people_show(invocation, "semaphore", "semaphore.show", show_pairs);
}

const struct command command_sem_show = {
    .group = "sem",
    .name = "show",
    .summary = "Shows one semaphore: who holds permits, who waits for them",
    .words = "SEMAPHORE",
    .run = show_run,
};

enum { SET_VALUE, SET_UNBOUNDED, SET_OPTIONS };
static const struct option_row set_options[SET_OPTIONS] = {
    [SET_VALUE] = {"value", 0, OPTION_COUNT, "N", "permits in all", NULL},
    [SET_UNBOUNDED] = {"unbounded", 0, OPTION_FLAG, NULL,
                       "a counter, that whoever releases may count up beyond "
                       "its value",
                       NULL},
};

static int set_run(struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    if (options[SET_VALUE].text == NULL) {
        return say_usage(invocation->command, "--value N is missing: how many "
                                              "permits there are in all");
    }
    struct out params = ask_begin(invocation, "semaphore");
    WRITE(&params, integer, "value", options[SET_VALUE].count);
    if (options[SET_UNBOUNDED].text != NULL) {
        WRITE(&params, flag, "bounded", false);
    }
    return ask_change(invocation, ASK_GRACE, "semaphore.declare", &params);
}

const struct command command_sem_set = {
    .group = "sem",
    .name = "set",
    .summary = "Makes a semaphore, or changes how many permits it has",
    .words = "SEMAPHORE",
    .options = set_options,
    .options_count = SET_OPTIONS,
    .run = set_run,
    .description =
        "A smaller value takes permits back only as they are released. Jobs "
        "that are put with --limit SEMAPHORE run only with a permit of it.",
};

enum { DELETE_FORCE, DELETE_OPTIONS };
static const struct option_row delete_options[DELETE_OPTIONS] = {
    [DELETE_FORCE] = {"force", 0, OPTION_FLAG, NULL,
                      "even if it is held or waited for", NULL},
};

static int delete_run(struct invocation *invocation)
{
    struct out params = ask_begin(invocation, "semaphore");
    if (invocation->options[DELETE_FORCE].text != NULL) {
        WRITE(&params, flag, "force", true);
    }
    return ask_change(invocation, ASK_GRACE, "semaphore.delete", &params);
}

const struct command command_sem_delete = {
    .group = "sem",
    .name = "delete",
    .summary = "Removes a semaphore",
    .words = "SEMAPHORE",
    .options = delete_options,
    .options_count = DELETE_OPTIONS,
    .run = delete_run,
};
