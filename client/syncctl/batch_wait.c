/* batch wait: until the stages of a batch have passed, with a bar for each. */
#include "client/syncctl/ask.h"
#include "client/syncctl/batch.h"
#include "client/syncctl/body.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/outcome.h"
#include "client/syncctl/progress.h"
#include "client/syncctl/say.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>

enum { WAIT_STAGE, WAIT_TIMEOUT, WAIT_OPTIONS };
static const struct option_row wait_options[WAIT_OPTIONS] = {
    [WAIT_STAGE] = {"stage", 0, OPTION_TEXT, "STAGE",
                    "only until that stage has passed", NULL},
    [WAIT_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "wait no longer; 0: do not wait", NULL},
};

/* What the bars know; asked for once a second. */
struct view {
    struct syncd *s;
    const char *batch;
    double asked_at;
    char *shown; /* owned: the last answer of batch.show; NULL: none yet */
};

static void look(struct view *view)
{
    char *result = NULL;
    struct out params = {0};
    if (view->asked_at != 0 && look_now() - view->asked_at < 1) {
        return;
    }
    view->asked_at = look_now();
    write_begin_object(&params);
    WRITE(&params, string, "batch", slice_of(view->batch));
    write_end_object(&params);
    if (ask_call(view->s, "batch.show", &params, &result) == SYNCD_OK) {
        free(view->shown);
        view->shown = result;
    }
}

#define BAR_CELLS  24
#define NAME_CELLS 40

/* How many characters are there? */
static int width_of(struct slice text)
{
    int width = 0;
    for (size_t i = 0; i < text.len; i++) {
        width += ((unsigned char)text.at[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return width;
}

static int widest_stage(struct slice stages)
{
    int widest = 0;
    struct arena arena;
    arena_init(&arena);
    struct scan_members members = scan_members(stages, 1);
    while (scan_next(&members)) {
        int width = width_of(fields_text(members.value, "stage", &arena));
        widest = width > widest ? width : widest;
    }
    arena_fini(&arena);
    return widest < NAME_CELLS ? widest : NAME_CELLS;
}

/* ", 3 running" */
static void write_count(struct out *out, int64_t count, const char *what)
{
    char text[48];
    if (count > 0) {
        (void)snprintf(text, sizeof(text), ", %lld %s", (long long)count, what);
        out_bytes(out, slice_of(text));
    }
}

/* "process [##########--------------]  5/12, 3 running, 1 dead" */
static void write_bar(struct out *out, struct slice stage, int width)
{
    char counts[64];
    struct arena arena;
    arena_init(&arena);
    struct slice name = fields_text(stage, "stage", &arena);
    int64_t done = batch_count(stage, "done");
    int64_t all = batch_count_all(stage);
    bool passed = fields_flag(stage, "passed");
    int64_t cells = passed     ? BAR_CELLS
                    : all == 0 ? 0
                               : (done * BAR_CELLS) / all;
    out_bytes(out, name);
    for (int i = width_of(name); i < width; i++) {
        out_byte(out, ' ');
    }
    out_bytes(out, SLICE(" ["));
    for (int64_t i = 0; i < BAR_CELLS; i++) {
        out_byte(out, i < cells ? '#' : '-');
    }
    (void)snprintf(counts, sizeof(counts), "] %4lld/%lld", (long long)done,
                   (long long)all);
    out_bytes(out, slice_of(counts));
    write_count(out, batch_count(stage, "running"), "running");
    write_count(out, batch_count(stage, "dead"), "dead");
    arena_fini(&arena);
}

/* Called by the thread of the progress lines. */
static void bars(void *arg, char text[PROGRESS_BYTES])
{
    struct view *view = arg;
    look(view);
    if (view->shown == NULL) {
        (void)snprintf(text, PROGRESS_BYTES, "batch wait: waiting");
        return;
    }
    struct slice batch = slice_of(view->shown);
    struct slice stages = fields_get(batch, "stages");
    struct out out = {0};
    int width = widest_stage(stages);
    struct scan_members members = scan_members(stages, 1);
    while (scan_next(&members)) {
        if (out.len > 0) {
            out_byte(&out, '\n');
        }
        write_bar(&out, members.value, width);
    }
    if (!fields_flag(batch, "sealed")) {
        out_bytes(&out, SLICE("\nnot sealed yet: no stage passes before"));
    }
    (void)snprintf(text, PROGRESS_BYTES, "%.*s", (int)out.len, out.at);
    out_fini(&out);
}

/* What broke it, and how it goes on. */
static int tell_broken(const struct invocation *invocation)
{
    const char *batch = invocation->words[0];
    struct slice data = slice_of(syncd_error_data());
    struct slice error = fields_get(data, "error");
    long long job = fields_integer(data, "job");
    if (job == 0) {
        say(invocation->command, "\"%s\" was cancelled", batch);
        return STATUS_BROKEN;
    }
    struct arena arena;
    struct out why = {0};
    arena_init(&arena);
    outcome_write(&why, error, &arena);
    out_byte(&why, '\0');
    say(invocation->command,
        "\"%s\" is broken: job %lld is dead%s%s; see syncctl job show %lld, "
        "then syncctl batch retry %s, or go on without it: syncctl job cancel "
        "%lld",
        batch, job, why.len > 1 ? ": " : "", why.at, job, batch, job);
    out_fini(&why);
    arena_fini(&arena);
    return STATUS_BROKEN;
}

/* What batch.wait answered. */
static int tell(const struct invocation *invocation, struct slice reply)
{
    const char *batch = invocation->words[0];
    const struct option_value *timeout = &invocation->options[WAIT_TIMEOUT];
    if (invocation->json) {
        printf("%.*s\n", (int)reply.len, reply.at);
    }
    if (fields_flag(reply, "passed")) {
        return STATUS_DONE;
    }
    struct arena arena;
    arena_init(&arena);
    if (slice_equal(fields_text(reply, "state", &arena), SLICE("unsealed"))) {
        say(invocation->command,
            "\"%s\" is not sealed, so nothing passes: syncctl batch seal %s",
            batch, batch);
    } else {
        say(invocation->command,
            "\"%s\" is not through yet; see syncctl batch show %s", batch,
            batch);
    }
    arena_fini(&arena);
    return timeout->number > 0 ? STATUS_TIMED_OUT : STATUS_WOULD_WAIT;
}

static struct out wait_params(const struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct out params = ask_begin(invocation, "batch");
    if (options[WAIT_STAGE].text != NULL) {
        WRITE(&params, string, "stage", slice_of(options[WAIT_STAGE].text));
    }
    if (options[WAIT_TIMEOUT].text != NULL) {
        WRITE(&params, number, "timeout", options[WAIT_TIMEOUT].number);
    }
    write_end_object(&params);
    return params;
}

static int wait_run(struct invocation *invocation)
{
    char *result = NULL;
    struct view view = {.batch = invocation->words[0]};
    int status = ask_open(invocation, ASK_GRACE, &view.s);
    if (status != STATUS_DONE) {
        return status;
    }
    struct out params = wait_params(invocation);
    struct progress *progress = progress_begin(invocation, bars, &view);
    int answer = ask_call(view.s, "batch.wait", &params, &result);
    progress_end(progress);
    if (answer == SYNCD_OK) {
        status = tell(invocation, slice_of(result));
    } else if (ask_status(answer) == STATUS_BROKEN) {
        status = tell_broken(invocation);
    } else {
        status = ask_failed(invocation, answer);
    }
    free(result);
    free(view.shown);
    syncd_close(view.s);
    return status;
}

const struct command command_batch_wait = {
    .group = "batch",
    .name = "wait",
    .summary = "Waits until every stage of a batch has passed",
    .words = "BATCH",
    .options = wait_options,
    .options_count = WAIT_OPTIONS,
    .run = wait_run,
    .description =
        "On a terminal a bar tells for each stage how many of its jobs are "
        "done. A dead job breaks the batch, unless it goes on over failures: "
        "then what it died of is told.",
    .examples =
        (const struct example_row[]){
            {"syncctl batch seal nightly && syncctl batch wait nightly",
             "Until all of it is done."},
            {NULL, NULL}},
    .statuses =
        (const struct status_row[]){
            {STATUS_BROKEN, "broken by a dead job, or cancelled"}, {0, NULL}},
};
