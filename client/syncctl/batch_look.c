/* batch list, show. */
#include "client/syncctl/ask.h"
#include "client/syncctl/batch.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/outcome.h"
#include "client/syncctl/people.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const states[] = {"held",    "delayed", "ready",
                                     "running", "dead",    "done"};
#define STATES (sizeof(states) / sizeof(states[0]))

int64_t batch_count(struct slice stage, const char *state)
{
    return fields_integer(fields_get(stage, "counts"), state);
}

int64_t batch_count_all(struct slice stage)
{
    int64_t all = 0;
    for (size_t i = 0; i < STATES; i++) {
        all += batch_count(stage, states[i]);
    }
    return all;
}

/* The stage that is open; absent: all have passed. */
static struct slice open_stage(struct slice batch)
{
    struct scan_members stages = scan_members(fields_get(batch, "stages"), 1);
    while (scan_next(&stages)) {
        if (!fields_flag(stages.value, "passed")) {
            return stages.value;
        }
    }
    return (struct slice){NULL, 0};
}

/* Over all stages. */
static int64_t total(struct slice batch, const char *state)
{
    int64_t sum = 0;
    struct scan_members stages = scan_members(fields_get(batch, "stages"), 1);
    while (scan_next(&stages)) {
        sum += state == NULL ? batch_count_all(stages.value)
                             : batch_count(stages.value, state);
    }
    return sum;
}

static void state_cell(struct table *table, struct slice state)
{
    table_cell_slice(table, state);
    if (slice_equal(state, SLICE("broken"))) {
        table_alarm(table);
    }
}

static void list_batch(struct table *table, struct slice batch)
{
    struct arena arena;
    arena_init(&arena);
    table_line(table);
    table_cell_slice(table, fields_text(batch, "batch", &arena));
    state_cell(table, fields_text(batch, "state", &arena));
    table_cell_slice(table, fields_text(open_stage(batch), "stage", &arena));
    table_cell(table, "%lld/%lld", (long long)total(batch, "done"),
               (long long)total(batch, NULL));
    table_cell(table, "%lld", (long long)total(batch, "running"));
    int64_t dead = total(batch, "dead");
    table_cell(table, "%lld", (long long)dead);
    if (dead > 0) {
        table_alarm(table);
    }
    table_cell(table, "%lld", (long long)fields_integer(batch, "waiters"));
    arena_fini(&arena);
}

static int list_run(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"BATCH", false, false},  {"STATE", false, false},
        {"STAGE", false, false},  {"DONE", true, false},
        {"RUNNING", true, false}, {"DEAD", true, false},
        {"WAITING", true, false}};
    static const struct people_kind kind = {.method = "batch.list",
                                            .list = "batches",
                                            .member = "batch",
                                            .noun = "BATCH",
                                            .add = list_batch};
    return people_list_below(invocation, &kind, table_new(columns, 7));
}

const struct command command_batch_list = {
    .group = "batch",
    .name = "list",
    .summary = "Lists the batches, and who waits for them",
    .words = "[PREFIX]",
    .run = list_run,
    .description = "STAGE is the one that is open. Below stand those who wait, "
                   "in their order.",
    .standard = true,
};

static void show_pairs(struct table *table, struct slice batch)
{
    struct arena arena;
    arena_init(&arena);
    table_line(table);
    table_cell(table, "batch");
    table_cell_slice(table, fields_text(batch, "batch", &arena));
    table_line(table);
    table_cell(table, "state");
    state_cell(table, fields_text(batch, "state", &arena));
    TABLE_PAIR(table, "sealed", "%s",
               fields_flag(batch, "sealed") ? "yes"
                                            : "no, no stage passes yet");
    table_line(table);
    table_cell(table, "on failure");
    table_cell_slice(table, fields_text(batch, "on_failure", &arena));
    int64_t job = fields_integer(batch, "job");
    if (job != 0) {
        TABLE_PAIR(table, "broken by", "job %lld", (long long)job);
        table_alarm(table);
    }
    TABLE_PAIR(table, "waiting", "%lld",
               (long long)fields_integer(batch, "waiters"));
    arena_fini(&arena);
}

static void print_stages(struct slice batch)
{
    static const struct table_column columns[] = {
        {"STAGE", false, false}, {"STATE", false, false},
        {"HELD", true, false},   {"DELAYED", true, false},
        {"READY", true, false},  {"RUNNING", true, false},
        {"DEAD", true, false},   {"DONE", true, false}};
    struct table *table = table_new(columns, 2 + STATES);
    struct slice open = open_stage(batch);
    struct scan_members stages = scan_members(fields_get(batch, "stages"), 1);
    struct arena arena;
    arena_init(&arena);
    while (scan_next(&stages)) {
        struct slice stage = stages.value;
        table_line(table);
        table_cell_slice(table, fields_text(stage, "stage", &arena));
        table_cell(table, "%s",
                   fields_flag(stage, "passed") ? "passed"
                   : stage.at == open.at        ? "open"
                                                : "to come");
        for (size_t i = 0; i < STATES; i++) {
            table_cell(table, "%lld", (long long)batch_count(stage, states[i]));
        }
    }
    arena_fini(&arena);
    putchar('\n');
    table_print(table);
}

static int show_run(struct invocation *invocation)
{
    return people_show_with(invocation, "batch", "batch.show", show_pairs,
                            print_stages);
}

const struct command command_batch_show = {
    .group = "batch",
    .name = "show",
    .summary = "Shows how far a batch has come, stage by stage",
    .words = "BATCH",
    .run = show_run,
};
