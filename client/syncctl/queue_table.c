/* Queues as a table, a line each. */
#include "client/syncctl/queue_table.h"

#include "client/syncctl/fields.h"

const char *queue_condition(struct slice queue)
{
    bool paused = fields_flag(queue, "paused");
    bool closed = fields_flag(queue, "closed");
    return paused && closed ? "paused, closed"
           : paused         ? "paused"
           : closed         ? "closed"
                            : "open";
}

/* A bound, or "-" for none. */
static void bound_cell(struct table *table, int64_t bound)
{
    if (bound == 0) {
        table_cell(table, "-");
    } else {
        table_cell(table, "%lld", (long long)bound);
    }
}

void queue_table_line(struct table *table, struct slice queue)
{
    static const char *const counts[] = {"counts.ready", "counts.running",
                                         "counts.delayed", "counts.held"};
    struct arena arena;
    arena_init(&arena);
    table_line(table);
    table_cell_slice(table, fields_text(queue, "queue", &arena));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        table_cell(table, "%lld", (long long)fields_integer(queue, counts[i]));
    }
    int64_t dead = fields_integer(queue, "counts.dead");
    table_cell(table, "%lld", (long long)dead);
    if (dead > 0) {
        table_alarm(table);
    }
    bound_cell(table, fields_integer(queue, "capacity"));
    table_cell(table, "%.1f", fields_number(queue, "rates.put"));
    table_cell(table, "%.1f", fields_number(queue, "rates.done"));
    table_cell(table, "%s", queue_condition(queue));
    arena_fini(&arena);
}

struct table *queue_table_new(void)
{
    static const struct table_column columns[] = {
        {"QUEUE", false, true},    {"READY", true, false},
        {"RUNNING", true, false},  {"DELAYED", true, false},
        {"HELD", true, false},     {"DEAD", true, false},
        {"CAPACITY", true, false}, {"PUT/S", true, false},
        {"DONE/S", true, false},   {"STATE", false, false}};
    return table_new(columns, sizeof(columns) / sizeof(columns[0]));
}
