/* job list, show, wait, retry, cancel. */
#include "client/syncctl/job.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/outcome.h"
#include "client/syncctl/say.h"
#include "client/syncctl/table.h"
#include "proto/limits.h"
#include "proto/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

bool job_number(const struct invocation *invocation, const char *what,
                const char *text, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    long long value = text == NULL ? 0 : strtoll(text, &end, 10);
    if (text == NULL || errno != 0 || end == text || *end != '\0' ||
        value < 1 || value >= WIRE_INTEGER_MAX) {
        say(invocation->command,
            "\"%s\" is no %s: give a number, as put or "
            "job list print it",
            text == NULL ? "" : text, what);
        return false;
    }
    *number = (uint64_t)value;
    return true;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

enum { LIST_STATE, LIST_LIMIT, LIST_AFTER, LIST_OPTIONS };
static const struct option_row list_options[LIST_OPTIONS] = {
    [LIST_STATE] = {"state", 0, OPTION_WORD, "STATE", "only jobs in this state",
                    "held delayed ready running done dead"},
    [LIST_LIMIT] = {"limit", 0, OPTION_COUNT, "N",
                    "at most so many; 0: all (100)", NULL},
    [LIST_AFTER] = {"after", 0, OPTION_COUNT, "ID",
                    "only jobs with a greater id", NULL},
};

/* A listing under way. */
struct listing {
    struct table *table; /* or NULL, then: */
    struct out json;
    int64_t left; /* of the limit */
    int64_t after;
    bool more;
};

/* When it comes to something next, or when it did. */
static void when_cell(struct table *table, struct slice job)
{
    char text[DURATION_BYTES];
    double due = fields_number(job, "due");
    double until = fields_number(job, "until");
    double finished = fields_number(job, "finished_at");
    if (finished > 0) {
        table_cell(table, "%s ago", duration_text(now() - finished, text));
    } else if (due > 0) {
        table_cell(table, "due in %s", duration_text(due - now(), text));
    } else if (until > 0) {
        table_cell(table, "lease ends in %s",
                   duration_text(until - now(), text));
    } else {
        table_cell(table, "put %s ago",
                   duration_text(now() - fields_number(job, "put_at"), text));
    }
}

static void list_line(struct table *table, struct slice job)
{
    struct arena arena;
    arena_init(&arena);
    struct slice state = fields_text(job, "state", &arena);
    struct slice body = fields_get(job, "body");
    table_line(table);
    table_cell(table, "%lld", (long long)fields_integer(job, "id"));
    table_cell_slice(table, fields_text(job, "queue", &arena));
    table_cell_slice(table, state);
    if (slice_equal(state, SLICE("dead"))) {
        table_alarm(table);
    }
    table_cell(table, "%lld", (long long)fields_integer(job, "attempts"));
    table_cell(table, "%g", fields_number(job, "priority"));
    when_cell(table, job);
    if (body.at != NULL) {
        body = body_text(body, &arena);
    }
    body.len = body.len > 200 ? 200 : body.len;
    while (body.len > 0 && !scan_utf8(body)) {
        body.len--;
    }
    table_cell_slice(table, body);
    arena_fini(&arena);
}

static void list_page(struct listing *listing, struct slice page)
{
    struct scan_members jobs = scan_members(fields_get(page, "jobs"), 1);
    while (scan_next(&jobs)) {
        if (listing->table != NULL) {
            list_line(listing->table, jobs.value);
        } else {
            write_json(&listing->json, jobs.value);
        }
        listing->left--;
    }
    int64_t next = fields_integer(page, "next");
    listing->more = next > 0;
    listing->after = next;
}

static int ask_page(const struct invocation *invocation, struct syncd *s,
                    const struct listing *listing, char **result)
{
    struct out params = {0};
    write_begin_object(&params);
    if (invocation->words_count > 0) {
        WRITE(&params, string, "queue", slice_of(invocation->words[0]));
    }
    const char *state = invocation->options[LIST_STATE].text;
    if (state != NULL) {
        WRITE(&params, string, "state", slice_of(state));
    }
    if (listing->after > 0) {
        WRITE(&params, integer, "after", listing->after);
    }
    WRITE(&params, integer, "limit",
          listing->left < PAGE_MAX ? listing->left : PAGE_MAX);
    write_end_object(&params);
    return ask(invocation, s, "job.list", &params, result);
}

static struct table *list_table(void)
{
    static const struct table_column columns[] = {
        {"ID", true, false},       {"QUEUE", false, false},
        {"STATE", false, false},   {"TRIES", true, false},
        {"PRIORITY", true, false}, {"WHEN", false, false},
        {"BODY", false, true}};
    return table_new(columns, sizeof(columns) / sizeof(columns[0]));
}

static int list_pages(const struct invocation *invocation, struct syncd *s,
                      struct listing *listing)
{
    do {
        char *page = NULL;
        int status = ask_page(invocation, s, listing, &page);
        if (status != STATUS_DONE) {
            return status;
        }
        list_page(listing, slice_of(page));
        free(page);
    } while (listing->more && listing->left > 0);
    return STATUS_DONE;
}

static void list_end(const struct invocation *invocation,
                     struct listing *listing, int status)
{
    if (listing->table != NULL) {
        table_print(listing->table);
        if (listing->more && !invocation->quiet) {
            say(invocation->command,
                "there may be more: --after %lld, or --limit 0 for all",
                (long long)listing->after);
        }
    } else if (status == STATUS_DONE) {
        write_end_array(&listing->json);
        printf("%.*s\n", (int)listing->json.len, listing->json.at);
    }
    out_fini(&listing->json);
}

static int list_run(struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct syncd *s = NULL;
    struct listing listing = {.left = 100, .after = options[LIST_AFTER].count};
    if (options[LIST_LIMIT].text != NULL) {
        int64_t limit = options[LIST_LIMIT].count;
        listing.left = limit == 0 ? INT64_MAX : limit;
    }
    int status = ask_open(invocation, ASK_NO_GRACE, &s);
    if (status != STATUS_DONE) {
        return status;
    }
    listing.table = invocation->json ? NULL : list_table();
    write_begin_array(&listing.json);
    status = list_pages(invocation, s, &listing);
    list_end(invocation, &listing, status);
    syncd_close(s);
    return status;
}

const struct command command_job_list = {
    .group = "job",
    .name = "list",
    .summary = "Lists jobs, of all queues or of one, in the order of their ids",
    .words = "[QUEUE]",
    .options = list_options,
    .options_count = LIST_OPTIONS,
    .run = list_run,
    .standard = true,
    .examples =
        (const struct example_row[]){
            {"syncctl job list mail --state dead",
             "What has failed for good, with how often it was tried."},
            {NULL, NULL}},
};

/* A call about the job that is the first word. */
static int ask_job(const struct invocation *invocation, const char *method,
                   char **result)
{
    uint64_t id = 0;
    if (!job_number(invocation, "job's id", invocation->words[0], &id)) {
        return STATUS_USAGE;
    }
    struct out params = {0};
    write_begin_object(&params);
    WRITE(&params, integer, "id", (int64_t)id);
    write_end_object(&params);
    return ask_once(invocation, ASK_NO_GRACE, method, &params, result);
}

/* One line a member: instants as times, strings as their text, the rest as it
 * is. */
static void show(struct slice job)
{
    static const struct slice instants[] = {
        SLICE("put_at"), SLICE("due"), SLICE("until"), SLICE("finished_at")};
    struct arena arena;
    struct table *table = table_new_pairs();
    struct scan_members members = scan_members(job, 1);
    arena_init(&arena);
    while (scan_next(&members)) {
        char time[TABLE_TIME_BYTES];
        struct slice text = body_text(members.value, &arena);
        for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
            if (slice_equal(members.key, instants[i])) {
                text = slice_of(table_time(scan_number(members.value), time));
            }
        }
        table_line(table);
        table_cell_slice(table, members.key);
        table_cell_slice(table, text);
    }
    table_print(table);
    arena_fini(&arena);
}

static int show_run(struct invocation *invocation)
{
    char *result = NULL;
    int status = ask_job(invocation, "job.show", &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE) {
        show(slice_of(result));
    }
    free(result);
    return status;
}

const struct command command_job_show = {
    .group = "job",
    .name = "show",
    .summary = "Shows all there is to know of a job",
    .words = "ID",
    .run = show_run,
};

enum { WAIT_TIMEOUT, WAIT_OPTIONS };
static const struct option_row wait_options[WAIT_OPTIONS] = {
    [WAIT_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "wait no longer; 0: do not wait", NULL},
};

static int wait_run(struct invocation *invocation)
{
    const struct option_value *timeout = &invocation->options[WAIT_TIMEOUT];
    struct syncd *s = NULL;
    uint64_t id = 0;
    if (!job_number(invocation, "job's id", invocation->words[0], &id)) {
        return STATUS_USAGE;
    }
    int status = ask_open(invocation, ASK_GRACE, &s);
    if (status == STATUS_DONE) {
        status = outcome_wait(invocation, s, id,
                              timeout->text ? timeout->number : SYNCD_FOREVER);
        syncd_close(s);
    }
    return status;
}

const struct command command_job_wait = {
    .group = "job",
    .name = "wait",
    .summary = "Waits until a job is finished, prints its result, and exits as "
               "it did",
    .words = "ID",
    .options = wait_options,
    .options_count = WAIT_OPTIONS,
    .run = wait_run,
    .description =
        "A job that is finished can be looked up only as long as its queue or "
        "its put said by --keep-done; a dead one until it is retried, "
        "cancelled or purged.",
    .statuses = (const struct status_row[]){{128, "plus N: the job's command "
                                                  "was ended by signal N"},
                                            {0, NULL}},
};

enum { RETRY_QUEUE, RETRY_OPTIONS };
static const struct option_row retry_options[RETRY_OPTIONS] = {
    [RETRY_QUEUE] = {"queue", 0, OPTION_TEXT, "QUEUE",
                     "all dead jobs of this queue", NULL},
};

static int retry_run(struct invocation *invocation)
{
    const char *queue = invocation->options[RETRY_QUEUE].text;
    char *result = NULL;
    int status = STATUS_DONE;
    if ((queue == NULL) == (invocation->words_count == 0)) {
        return say_usage(invocation->command,
                         "give either a job's ID or --queue QUEUE");
    }
    if (queue == NULL) {
        status = ask_job(invocation, "job.retry", &result);
    } else {
        struct out params = {0};
        write_begin_object(&params);
        WRITE(&params, string, "queue", slice_of(queue));
        write_end_object(&params);
        status =
            ask_once(invocation, ASK_NO_GRACE, "job.retry", &params, &result);
    }
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE && !invocation->quiet) {
        long long count = fields_integer(slice_of(result), "retried");
        printf("%lld job%s ready again\n", count, count == 1 ? "" : "s");
    }
    free(result);
    return status;
}

const struct command command_job_retry = {
    .group = "job",
    .name = "retry",
    .summary = "Makes a dead job, or all of a queue, ready again, tries from 0",
    .words = "[ID]",
    .options = retry_options,
    .options_count = RETRY_OPTIONS,
    .run = retry_run,
};

static int cancel_run(struct invocation *invocation)
{
    char *result = NULL;
    int status = ask_job(invocation, "job.cancel", &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    }
    free(result);
    return status;
}

const struct command command_job_cancel = {
    .group = "job",
    .name = "cancel",
    .summary = "Removes a job; of a running one the token goes stale",
    .words = "ID",
    .run = cancel_run,
};
