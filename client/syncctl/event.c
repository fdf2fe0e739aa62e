/* event set, clear, wait, show, list. */
#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/people.h"
#include "client/syncctl/say.h"
#include "client/syncctl/stage_event.h"

#include <stdio.h>
#include <stdlib.h>

/* set, clear: answered by nothing. */
static int change(const struct invocation *invocation, const char *method)
{
    struct out params = ask_begin(invocation, "event");
    return ask_change(invocation, ASK_NO_GRACE, method, &params);
}

static int set_run(struct invocation *invocation)
{
    return change(invocation, "event.set");
}

const struct command command_event_set = {
    .group = "event",
    .name = "set",
    .summary = "Sets an event: lets everybody through who waits for it",
    .words = "EVENT",
    .run = set_run,
    .description =
        "It stays set, over restarts of the daemon as well, until it is "
        "cleared; who waits at the moment of the set goes on also when it is "
        "cleared straight after. Jobs that were put with --after are held "
        "until then. Events batch/BATCH/STAGE are set by their batch alone, "
        "when that stage has passed.",
    .examples =
        (const struct example_row[]){
            {"syncctl event wait fetched --timeout 60 && ./process",
             "In one script; not before the other one says:"},
            {"./fetch && syncctl event set fetched", "In the other."},
            {NULL, NULL}},
};

static int clear_run(struct invocation *invocation)
{
    return change(invocation, "event.clear");
}

const struct command command_event_clear = {
    .group = "event",
    .name = "clear",
    .summary = "Clears an event: whoever comes from now on waits",
    .words = "EVENT",
    .run = clear_run,
};

enum { WAIT_TIMEOUT, WAIT_OPTIONS };
static const struct option_row wait_options[WAIT_OPTIONS] = {
    [WAIT_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "wait no longer; 0: only look", NULL},
};

/* That it is not set, and whose part it is to set it. */
static void say_unset(const struct invocation *invocation, struct syncd *s)
{
    const char *event = invocation->words[0];
    const struct option_value *timeout = &invocation->options[WAIT_TIMEOUT];
    struct slice batch;
    struct slice stage;
    char lack[STAGE_EVENT_BYTES];
    const char *until =
        timeout->number > 0 ? ", and was not until the timeout" : "";
    if (!stage_event_split(event, &batch, &stage)) {
        say(invocation->command,
            "\"%s\" is not set%s; set it with: syncctl event set %s", event,
            until, event);
    } else if (*stage_event_lack(s, batch, stage, lack) != '\0') {
        say(invocation->command,
            "\"%s\" is not set%s; it is a stage's event, and %s", event, until,
            lack);
    } else {
        say(invocation->command,
            "\"%s\" is not set%s; its batch sets it when that stage has "
            "passed: syncctl batch show %.*s",
            event, until, (int)batch.len, batch.at);
    }
}

static int wait_run(struct invocation *invocation)
{
    const struct option_value *timeout = &invocation->options[WAIT_TIMEOUT];
    char *result = NULL;
    struct syncd *s = NULL;
    int status = ask_open(invocation, ASK_GRACE, &s);
    if (status != STATUS_DONE) {
        return status;
    }
    struct out params = ask_begin(invocation, "event");
    if (timeout->text != NULL) {
        WRITE(&params, number, "timeout", timeout->number);
    }
    write_end_object(&params);
    status = ask(invocation, s, "event.wait", &params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    }
    if (status == STATUS_DONE && !fields_flag(slice_of(result), "set")) {
        if (!invocation->quiet) {
            say_unset(invocation, s);
        }
        status = timeout->number > 0 ? STATUS_TIMED_OUT : STATUS_WOULD_WAIT;
    }
    free(result);
    syncd_close(s);
    return status;
}

const struct command command_event_wait = {
    .group = "event",
    .name = "wait",
    .summary = "Waits until an event is set",
    .words = "EVENT",
    .options = wait_options,
    .options_count = WAIT_OPTIONS,
    .run = wait_run,
    .description = "Exits with 0 if it was set at some moment of the wait. A "
                   "restart of the daemon is waited for.",
    .examples =
        (const struct example_row[]){
            {"syncctl event wait batch/nightly/fetch",
             "Until that stage of a batch has passed."},
            {NULL, NULL}},
    .statuses =
        (const struct status_row[]){
            {STATUS_WOULD_WAIT, "with --timeout 0: it is not set"}, {0, NULL}},
};

/* --- looking --- */

static const char *state_of(struct slice event)
{
    return fields_flag(event, "set") ? "set" : "not set";
}

static void list_event(struct table *table, struct slice event)
{
    struct arena arena;
    arena_init(&arena);
    table_line(table);
    table_cell_slice(table, fields_text(event, "event", &arena));
    table_cell(table, "%s", state_of(event));
    table_cell(table, "%lld", (long long)fields_integer(event, "jobs"));
    table_cell(table, "%lld", (long long)fields_integer(event, "waiters"));
    arena_fini(&arena);
}

static int list_run(struct invocation *invocation)
{
    static const struct table_column columns[] = {{"EVENT", false, false},
                                                  {"STATE", false, false},
                                                  {"JOBS", true, false},
                                                  {"WAITING", true, false}};
    static const struct people_kind kind = {.method = "event.list",
                                            .list = "events",
                                            .member = "event",
                                            .noun = "EVENT",
                                            .add = list_event};
    return people_list_below(invocation, &kind, table_new(columns, 4));
}

const struct command command_event_list = {
    .group = "event",
    .name = "list",
    .summary = "Lists the events that are set or waited for, and who waits",
    .words = "[PREFIX]",
    .run = list_run,
    .description = "JOBS are held by it (put --after). Below stand those who "
                   "wait, in their order.",
    .standard = true,
};

static void show_pairs(struct table *table, struct slice event)
{
    people_pair_name(table, "event", event);
    TABLE_PAIR(table, "state", "%s", state_of(event));
    people_pair_count(table, "jobs held", event, "jobs");
    people_pair_count(table, "waiting", event, "waiters");
}

static int show_run(struct invocation *invocation)
{
    return people_show(invocation, "event", "event.show", show_pairs);
}

const struct command command_event_show = {
    .group = "event",
    .name = "show",
    .summary = "Shows whether an event is set, and who waits for it",
    .words = "EVENT",
    .run = show_run,
};
