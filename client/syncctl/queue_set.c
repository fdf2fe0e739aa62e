/* queue set: makes a queue, or changes the terms named. */
#include "client/syncctl/ask.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/say.h"

#include <math.h>
#include <stdlib.h>

enum {
    SET_CAPACITY,
    SET_MAX_BYTES,
    SET_ORDER,
    SET_CONCURRENCY,
    SET_LEASE,
    SET_MAX_ATTEMPTS,
    SET_BACKOFF,
    SET_KEEP_DONE,
    SET_DURABLE,
    SET_OPTIONS
};

static const struct option_row set_options[SET_OPTIONS] = {
    [SET_CAPACITY] = {"capacity", 0, OPTION_COUNT, "N",
                      "most ready and delayed jobs; 0: no limit (10000)", NULL},
    [SET_MAX_BYTES] = {"max-bytes", 0, OPTION_COUNT, "BYTES",
                       "most bytes of their bodies; 0: no limit (0)", NULL},
    [SET_ORDER] = {"order", 0, OPTION_WORD, "ORDER",
                   "which job of one priority comes first", "fifo lifo"},
    [SET_CONCURRENCY] = {"concurrency", 0, OPTION_COUNT, "N",
                         "most jobs running at once over all workers; 0: no "
                         "limit (0)",
                         NULL},
    [SET_LEASE] = {"lease", 0, OPTION_SECONDS, "DURATION",
                   "how long a consumer has for a job (60s)", NULL},
    [SET_MAX_ATTEMPTS] = {"max-attempts", 0, OPTION_COUNT, "N",
                          "tries before a job is dead; 0: no limit (5)", NULL},
    [SET_BACKOFF] = {"backoff", 0, OPTION_TEXT, "BASE[,FACTOR[,MAX[,JITTER]]]",
                     "how long a failed job waits: BASE after the first "
                     "failure, FACTOR times longer after each other, MAX at "
                     "most, of that the fraction JITTER at random "
                     "(1s,2,5m,0)",
                     NULL},
    [SET_KEEP_DONE] = {"keep-done", 0, OPTION_SECONDS, "DURATION",
                       "how long a finished job can be looked up (0)", NULL},
    [SET_DURABLE] = {"durable", 0, OPTION_WORD, "YES",
                     "no: in memory only, gone with the daemon", "yes no"},
};

/* The next part of a list with commas; false: there is none or it is empty. */
static bool next_part(const char **list, char part[32])
{
    size_t len = strcspn(*list, ",");
    if (len == 0 || len >= 32) {
        return false;
    }
    memcpy(part, *list, len);
    part[len] = '\0';
    *list += len + ((*list)[len] == ',' && (*list)[len + 1] != '\0' ? 1 : 0);
    return true;
}

static bool parse_factor(const char *text, double *factor)
{
    char *end = NULL;
    *factor = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*factor);
}

/* BASE[,FACTOR[,MAX[,JITTER]]] as {"base": ...}. */
static bool write_backoff(struct out *params, const char *list)
{
    static const struct {
        struct slice name;
        bool duration;
    } parts[] = {{SLICE("base"), true},
                 {SLICE("factor"), false},
                 {SLICE("max"), true},
                 {SLICE("jitter"), false}};
    write_key(params, SLICE("backoff"));
    write_begin_object(params);
    for (size_t i = 0; i < 4 && (i == 0 || *list != '\0'); i++) {
        char part[32];
        double value = 0;
        if (!next_part(&list, part) ||
            !(parts[i].duration ? duration_parse(part, &value)
                                : parse_factor(part, &value))) {
            return false;
        }
        write_key(params, parts[i].name);
        write_number(params, value);
    }
    write_end_object(params);
    return *list == '\0';
}

static bool write_terms(const struct invocation *invocation, struct out *params)
{
    static const struct {
        int option;
        struct slice name;
    } rows[] = {{SET_CAPACITY, SLICE("capacity")},
                {SET_MAX_BYTES, SLICE("max_bytes")},
                {SET_ORDER, SLICE("order")},
                {SET_CONCURRENCY, SLICE("concurrency")},
                {SET_LEASE, SLICE("lease")},
                {SET_MAX_ATTEMPTS, SLICE("max_attempts")},
                {SET_KEEP_DONE, SLICE("keep_done")}};
    const struct option_value *options = invocation->options;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct option_value *value = &options[rows[i].option];
        if (value->text == NULL) {
            continue;
        }
        write_key(params, rows[i].name);
        if (set_options[rows[i].option].type == OPTION_COUNT) {
            write_integer(params, value->count);
        } else if (set_options[rows[i].option].type == OPTION_SECONDS) {
            write_number(params, value->number);
        } else {
            write_string(params, slice_of(value->text));
        }
    }
    if (options[SET_DURABLE].text != NULL) {
        WRITE(params, flag, "durable", options[SET_DURABLE].text[0] == 'y');
    }
    return options[SET_BACKOFF].text == NULL ||
           write_backoff(params, options[SET_BACKOFF].text);
}

static int set_run(struct invocation *invocation)
{
    struct out params = ask_begin(invocation, "queue");
    if (!write_terms(invocation, &params)) {
        out_fini(&params);
        return say_usage(
            invocation->command,
            "--backoff \"%s\" is not BASE[,FACTOR[,MAX[,JITTER]]], "
            "as in 1s,2,5m,0.1",
            invocation->options[SET_BACKOFF].text);
    }
    return ask_change(invocation, ASK_NO_GRACE, "queue.declare", &params);
}

const struct command command_queue_set = {
    .group = "queue",
    .name = "set",
    .summary = "Makes a queue, or changes the terms named",
    .words = "QUEUE",
    .options = set_options,
    .options_count = SET_OPTIONS,
    .run = set_run,
    .description =
        "Terms that are not named stay as they are, or have the default in "
        "brackets. A queue springs up with the defaults at its first use too, "
        "but vanishes when it has been empty and unwatched for an hour; one "
        "that was set stays.",
    .examples =
        (const struct example_row[]){
            {"syncctl queue set downloads --concurrency 3 --capacity 5",
             "At most three at once, and whoever puts waits while five wait."},
            {NULL, NULL}},
};
