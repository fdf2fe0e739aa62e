/* queue list, show, set, pause, resume, close, open, purge, delete. */
#include "client/syncctl/ask.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/queue_table.h"
#include "client/syncctl/say.h"
#include "client/syncctl/table.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>

/* One call about the queue that is the first word. */
static int ask_queue(const struct invocation *invocation, const char *method,
                     struct out *params, char **result)
{
    write_end_object(params);
    return ask_once(invocation, ASK_NO_GRACE, method, params, result);
}

/* Adds a page to the table, or to the JSON array. */
static void list_page(struct slice page, struct table *table, struct out *json)
{
    struct scan_members queues = scan_members(fields_get(page, "queues"), 1);
    while (scan_next(&queues)) {
        if (table != NULL) {
            queue_table_line(table, queues.value);
        } else {
            write_json(json, queues.value);
        }
    }
}

/* One page of queue.list behind `after`. */
static int ask_page(const struct invocation *invocation, struct syncd *s,
                    struct slice after, char **result)
{
    struct out params = {0};
    write_begin_object(&params);
    if (invocation->words_count > 0) {
        WRITE(&params, string, "prefix", slice_of(invocation->words[0]));
    }
    if (after.at != NULL) {
        WRITE(&params, string, "after", after);
    }
    WRITE(&params, integer, "limit", 1000);
    write_end_object(&params);
    return ask(invocation, s, "queue.list", &params, result);
}

static int list_all(const struct invocation *invocation, struct syncd *s,
                    struct table *table, struct out *json)
{
    struct arena arena;
    struct slice after = {NULL, 0};
    char *page = NULL;
    char *last = NULL; /* `after` points into it */
    arena_init(&arena);
    int status = STATUS_DONE;
    do {
        status = ask_page(invocation, s, after, &page);
        if (status != STATUS_DONE) {
            break;
        }
        free(last);
        last = page;
        list_page(slice_of(page), table, json);
        after = fields_text(slice_of(page), "next", &arena);
    } while (after.at != NULL);
    free(last);
    arena_fini(&arena);
    return status;
}

static int list_run(struct invocation *invocation)
{
    struct syncd *s = NULL;
    struct out json = {0};
    int status = ask_open(invocation, ASK_NO_GRACE, &s);
    if (status != STATUS_DONE) {
        return status;
    }
    struct table *table = invocation->json ? NULL : queue_table_new();
    write_begin_array(&json);
    status = list_all(invocation, s, table, &json);
    write_end_array(&json);
    if (table != NULL) {
        table_print(table);
    } else if (status == STATUS_DONE) {
        printf("%.*s\n", (int)json.len, json.at);
    }
    out_fini(&json);
    syncd_close(s);
    return status;
}

const struct command command_queue_list = {
    .group = "queue",
    .name = "list",
    .summary = "Lists the queues, all or those whose name begins with PREFIX",
    .words = "[PREFIX]",
    .run = list_run,
    .standard = true,
};

static void show_counts(struct table *table, struct slice queue)
{
    static const char *const names[] = {"ready", "running", "delayed",
                                        "held",  "dead",    "done"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slice counts = fields_get(queue, "counts");
        TABLE_PAIR(table, names[i], "%lld",
                   (long long)fields_integer(counts, names[i]));
    }
    TABLE_PAIR(table, "unfinished", "%lld",
               (long long)fields_integer(queue, "unfinished"));
    TABLE_PAIR(table, "bytes", "%lld",
               (long long)fields_integer(queue, "bytes"));
    TABLE_PAIR(table, "waiting", "%lld to put, %lld to get, %lld to join",
               (long long)fields_integer(queue, "waiting.put"),
               (long long)fields_integer(queue, "waiting.get"),
               (long long)fields_integer(queue, "waiting.join"));
    TABLE_PAIR(table, "rates", "%.1f put, %.1f taken, %.1f done a second",
               fields_number(queue, "rates.put"),
               fields_number(queue, "rates.get"),
               fields_number(queue, "rates.done"));
}

static void show_bound(struct table *table, const char *name, int64_t bound)
{
    table_line(table);
    table_cell(table, "%s", name);
    if (bound == 0) {
        table_cell(table, "no limit");
    } else {
        table_cell(table, "%lld", (long long)bound);
    }
}

static void show_terms(struct table *table, struct slice queue)
{
    char lease[DURATION_BYTES];
    char base[DURATION_BYTES];
    char most[DURATION_BYTES];
    char keep[DURATION_BYTES];
    show_bound(table, "capacity", fields_integer(queue, "capacity"));
    show_bound(table, "max bytes", fields_integer(queue, "max_bytes"));
    show_bound(table, "concurrency", fields_integer(queue, "concurrency"));
    show_bound(table, "max attempts", fields_integer(queue, "max_attempts"));
    TABLE_PAIR(table, "lease", "%s",
               duration_text(fields_number(queue, "lease"), lease));
    TABLE_PAIR(table, "backoff", "%s, times %g each try, at most %s, jitter %g",
               duration_text(fields_number(queue, "backoff.base"), base),
               fields_number(queue, "backoff.factor"),
               duration_text(fields_number(queue, "backoff.max"), most),
               fields_number(queue, "backoff.jitter"));
    TABLE_PAIR(table, "keep done", "%s",
               duration_text(fields_number(queue, "keep_done"), keep));
    TABLE_PAIR(table, "durable", "%s",
               fields_flag(queue, "durable") ? "yes" : "no, in memory only");
    TABLE_PAIR(table, "declared", "%s",
               fields_flag(queue, "declared")
                   ? "yes"
                   : "no, vanishes when empty and idle");
}

static void show(struct slice queue)
{
    struct arena arena;
    char time[TABLE_TIME_BYTES];
    struct table *table = table_new_pairs();
    arena_init(&arena);
    table_line(table);
    table_cell(table, "queue");
    table_cell_slice(table, fields_text(queue, "queue", &arena));
    TABLE_PAIR(table, "state", "%s", queue_condition(queue));
    show_counts(table, queue);
    table_line(table);
    table_cell(table, "order");
    table_cell_slice(table, fields_text(queue, "order", &arena));
    show_terms(table, queue);
    TABLE_PAIR(table, "created", "%s",
               table_time(fields_number(queue, "created_at"), time));
    TABLE_PAIR(table, "oldest ready", "%s",
               table_time(fields_number(queue, "oldest_ready_at"), time));
    table_print(table);
    arena_fini(&arena);
}

static int show_run(struct invocation *invocation)
{
    char *result = NULL;
    struct out params = ask_begin(invocation, "queue");
    int status = ask_queue(invocation, "queue.show", &params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE) {
        show(slice_of(result));
    }
    free(result);
    return status;
}

const struct command command_queue_show = {
    .group = "queue",
    .name = "show",
    .summary = "Shows a queue's terms, jobs by state, waiters and rates",
    .words = "QUEUE",
    .run = show_run,
};

/* pause, resume, close, open: a method without parameters of its own. */
static int change_run(const struct invocation *invocation, const char *method)
{
    struct out params = ask_begin(invocation, "queue");
    return ask_change(invocation, ASK_NO_GRACE, method, &params);
}

static int pause_run(struct invocation *invocation)
{
    return change_run(invocation, "queue.pause");
}

static int resume_run(struct invocation *invocation)
{
    return change_run(invocation, "queue.resume");
}

static int close_run(struct invocation *invocation)
{
    return change_run(invocation, "queue.close");
}

static int open_run(struct invocation *invocation)
{
    return change_run(invocation, "queue.open");
}

const struct command command_queue_pause = {
    .group = "queue",
    .name = "pause",
    .summary = "Hands out no more jobs until `queue resume`; puts go on",
    .words = "QUEUE",
    .run = pause_run,
};

const struct command command_queue_resume = {
    .group = "queue",
    .name = "resume",
    .summary = "Ends a pause",
    .words = "QUEUE",
    .run = resume_run,
};

const struct command command_queue_close = {
    .group = "queue",
    .name = "close",
    .summary = "Takes no more puts; workers finish what is left, then end",
    .words = "QUEUE",
    .run = close_run,
};

const struct command command_queue_open = {
    .group = "queue",
    .name = "open",
    .summary = "Takes puts again",
    .words = "QUEUE",
    .run = open_run,
};

/* Prints how many were removed. */
static int removed(const struct invocation *invocation, const char *method,
                   struct out *params)
{
    char *result = NULL;
    int status = ask_queue(invocation, method, params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE && !invocation->quiet) {
        long long count = fields_integer(slice_of(result), "removed");
        printf("%lld job%s removed\n", count, count == 1 ? "" : "s");
    }
    free(result);
    return status;
}

static const char states[] = "held delayed ready running done dead";

static bool is_state(const char *word)
{
    const char *found = strstr(states, word);
    size_t len = strlen(word);
    return found != NULL && len > 0 && strchr(word, ' ') == NULL &&
           (found == states || found[-1] == ' ') &&
           (found[len] == '\0' || found[len] == ' ');
}

static int purge_run(struct invocation *invocation)
{
    struct out params = ask_begin(invocation, "queue");
    write_key(&params, SLICE("states"));
    write_begin_array(&params);
    for (size_t i = 1; i < invocation->words_count; i++) {
        const char *word = invocation->words[i];
        if (!is_state(word)) {
            out_fini(&params);
            return say_usage(invocation->command,
                             "\"%s\" is no state; give some of: %s", word,
                             states);
        }
        write_string(&params, slice_of(word));
    }
    write_end_array(&params);
    return removed(invocation, "queue.purge", &params);
}

const struct command command_queue_purge = {
    .group = "queue",
    .name = "purge",
    .summary = "Removes the jobs in the states named",
    .words = "QUEUE STATE...",
    .run = purge_run,
    .description = "States: held delayed ready running done dead. The token "
                   "of a running job that is removed goes stale.",
    .examples =
        (const struct example_row[]){{"syncctl queue purge mail dead",
                                      "Forget what has failed for good."},
                                     {NULL, NULL}},
};

enum { DELETE_FORCE, DELETE_OPTIONS };
static const struct option_row delete_options[DELETE_OPTIONS] = {
    [DELETE_FORCE] = {"force", 'f', OPTION_FLAG, NULL,
                      "also if it has jobs or somebody waits for it", NULL},
};

static int delete_run(struct invocation *invocation)
{
    struct out params = ask_begin(invocation, "queue");
    if (invocation->options[DELETE_FORCE].text != NULL) {
        WRITE(&params, flag, "force", true);
    }
    return removed(invocation, "queue.delete", &params);
}

const struct command command_queue_delete = {
    .group = "queue",
    .name = "delete",
    .summary = "Removes a queue; with --force also its jobs",
    .words = "QUEUE",
    .options = delete_options,
    .options_count = DELETE_OPTIONS,
    .run = delete_run,
};
