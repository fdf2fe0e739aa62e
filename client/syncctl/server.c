/* ping, stats, call: about the daemon, or any method as it is. */
#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/say.h"
#include "client/syncctl/table.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double monotonic(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void print_info(struct slice info, const char *socket, double took)
{
    struct arena arena;
    char uptime[DURATION_BYTES];
    arena_init(&arena);
    struct slice name = fields_text(info, "name", &arena);
    struct slice version = fields_text(info, "version", &arena);
    struct slice store = fields_text(info, "store", &arena);
    printf("%.*s %.*s at %s: protocol %lld, process %lld, store %.*s, up for "
           "%s, answered in %.2f ms\n",
           (int)name.len, name.at, (int)version.len, version.at, socket,
           (long long)fields_integer(info, "protocol"),
           (long long)fields_integer(info, "pid"), (int)store.len, store.at,
           duration_text(fields_number(info, "uptime"), uptime), took * 1000);
    arena_fini(&arena);
}

static int ping_run(struct invocation *invocation)
{
    struct syncd *s = NULL;
    char *result = NULL;
    int status = ask_open(invocation, ASK_NO_GRACE, &s);
    if (status != STATUS_DONE) {
        return status;
    }
    double begin = monotonic();
    status = ask(invocation, s, "server.info", NULL, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE && !invocation->quiet) {
        print_info(slice_of(result), syncd_socket(s), monotonic() - begin);
    }
    free(result);
    syncd_close(s);
    return status;
}

const struct command command_ping = {
    .name = "ping",
    .summary = "Tells which daemon is there, and how fast it answers",
    .words = "",
    .run = ping_run,
};

/* A histogram, as how many and their mean. */
static void print_histogram(struct table *table, const char *path,
                            struct slice value)
{
    char mean[DURATION_BYTES];
    int64_t count = fields_integer(value, "count");
    double sum = fields_number(value, "sum");
    TABLE_PAIR(table, path, "%lld, mean %s", (long long)count,
               duration_text(count > 0 ? sum / (double)count : 0, mean));
}

#define PATH_BYTES 256

/* Numbers of each user, "users.1000.connections"; of those that are exempt
 * together, "users.exempt.connections". */
static void print_users(struct table *table, struct slice users)
{
    struct scan_members list = scan_members(users, 1);
    while (scan_next(&list)) {
        char uid[32] = "exempt";
        if (!fields_flag(list.value, "exempt")) {
            (void)snprintf(uid, sizeof(uid), "%lld",
                           (long long)fields_integer(list.value, "uid"));
        }
        struct scan_members members = scan_members(list.value, 1);
        while (scan_next(&members)) {
            if (members.kind == SCAN_NUMBER &&
                !slice_equal(members.key, SLICE("uid"))) {
                table_line(table);
                table_cell(table, "users.%s.%.*s", uid, (int)members.key.len,
                           members.key.at);
                table_cell_slice(table, members.value);
            }
        }
    }
}

/* Every number under its path: "counters.requests.queue.put". What never
 * happened is left out of the groups inside groups. */
static void print_group(struct table *table, const char *path,
                        struct slice group, int depth)
{
    struct scan_members members = scan_members(group, 1);
    while (scan_next(&members)) {
        char name[PATH_BYTES];
        struct slice value = members.value;
        (void)snprintf(name, sizeof(name), "%s%s%.*s", path, *path ? "." : "",
                       (int)members.key.len, members.key.at);
        if (members.kind == SCAN_ARRAY) {
            print_users(table, value);
        } else if (members.kind != SCAN_OBJECT) {
            bool zero = slice_equal(value, SLICE("0"));
            if (depth < 2 || !zero) {
                table_line(table);
                table_cell(table, "%s", name);
                table_cell_slice(table, value);
            }
        } else if (fields_get(value, "buckets").at != NULL) {
            print_histogram(table, name, value);
        } else if (depth < 2) {
            print_group(table, name, value, depth + 1);
        }
    }
}

static void print_stats(struct slice stats)
{
    struct table *table = table_new_pairs();
    print_group(table, "", stats, 0);
    table_print(table);
}

static int stats_run(struct invocation *invocation)
{
    char *result = NULL;
    int status =
        ask_once(invocation, ASK_NO_GRACE, "server.stats", NULL, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE) {
        print_stats(slice_of(result));
    }
    free(result);
    return status;
}

const struct command command_stats = {
    .name = "stats",
    .summary = "Shows the daemon's counters, gauges, and mean times",
    .words = "",
    .run = stats_run,
};

static int call_run(struct invocation *invocation)
{
    const char *params = invocation->words[1];
    char *result = NULL;
    struct out copy = {0};
    if (params != NULL && (!scan_valid(slice_of(params)) ||
                           params[strspn(params, " \t\r\n")] != '{')) {
        return say_usage(invocation->command,
                         "PARAMS must be a JSON object: '{\"queue\":\"q\"}'");
    }
    if (params != NULL) {
        body_write(slice_of(params), false, &copy);
    }
    int status = ask_once(invocation, ASK_NO_GRACE, invocation->words[0],
                          params == NULL ? NULL : &copy, &result);
    if (status == STATUS_DONE) {
        puts(result);
    } else if (invocation->json && *syncd_error_data() != '\0') {
        puts(syncd_error_data());
    }
    free(result);
    return status;
}

const struct command command_call = {
    .name = "call",
    .summary = "Calls any method of the protocol, and prints its result",
    .words = "METHOD [PARAMS]",
    .run = call_run,
    .description = "`syncctl call rpc.discover` describes all of them. With "
                   "--json the data of an error is printed too.",
    .examples =
        (const struct example_row[]){
            {"syncctl call queue.show '{\"queue\":\"mail\"}'",
             "The reply as the daemon gave it."},
            {NULL, NULL}},
};
