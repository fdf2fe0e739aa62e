/* join: waits until every job of a queue is finished. */
#include "client/syncctl/ask.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/progress.h"
#include "client/syncctl/say.h"

#include <stdio.h>
#include <stdlib.h>

enum { JOIN_TIMEOUT, JOIN_OPTIONS };
static const struct option_row join_options[JOIN_OPTIONS] = {
    [JOIN_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "wait no longer; 0: do not wait", NULL},
};

/* "join: 120 left (4 running, 2 dead), 35.0/s, about 3 s" */
static void line(void *arg, char text[PROGRESS_BYTES])
{
    struct look *look = arg;
    look_again(look);
    if (!look->known) {
        (void)snprintf(text, PROGRESS_BYTES, "join: waiting");
        return;
    }
    int at = snprintf(text, PROGRESS_BYTES, "join: %lld left (%lld running",
                      (long long)look->unfinished, (long long)look->running);
    if (look->dead > 0) {
        at += snprintf(text + at, PROGRESS_BYTES - (size_t)at, ", %lld dead",
                       (long long)look->dead);
    }
    char left[DURATION_BYTES];
    if (look_nobody_consumes(look)) {
        (void)snprintf(text + at, PROGRESS_BYTES - (size_t)at,
                       "), nobody consumes");
    } else if (look->done_rate > 0) {
        (void)snprintf(
            text + at, PROGRESS_BYTES - (size_t)at, "), %.1f/s, about %s",
            look->done_rate,
            duration_text((double)look->unfinished / look->done_rate, left));
    } else {
        (void)snprintf(text + at, PROGRESS_BYTES - (size_t)at, ")");
    }
}

/* What queue.join answered. */
static int tell(const struct invocation *invocation, struct slice reply)
{
    const char *queue = invocation->words[0];
    const struct option_value *timeout = &invocation->options[JOIN_TIMEOUT];
    if (invocation->json) {
        printf("%.*s\n", (int)reply.len, reply.at);
    }
    if (!fields_flag(reply, "joined")) {
        say(invocation->command,
            "\"%s\" still has unfinished jobs; see "
            "syncctl queue show %s",
            queue, queue);
        return timeout->number > 0 ? STATUS_TIMED_OUT : STATUS_WOULD_WAIT;
    }
    int64_t dead = fields_integer(reply, "dead");
    if (dead > 0) {
        say(invocation->command,
            "all is finished, but %lld job%s of \"%s\" %s dead; see syncctl "
            "job list %s --state dead",
            (long long)dead, dead == 1 ? "" : "s", queue,
            dead == 1 ? "is" : "are", queue);
        return STATUS_FAILED;
    }
    return STATUS_DONE;
}

static int join_run(struct invocation *invocation)
{
    const struct option_value *timeout = &invocation->options[JOIN_TIMEOUT];
    struct syncd *s = NULL;
    char *result = NULL;
    struct out params = {0};
    int status = ask_open(invocation, ASK_GRACE, &s);
    if (status != STATUS_DONE) {
        return status;
    }
    write_begin_object(&params);
    WRITE(&params, string, "queue", slice_of(invocation->words[0]));
    if (timeout->text != NULL) {
        WRITE(&params, number, "timeout", timeout->number);
    }
    write_end_object(&params);
    struct look look = {.s = s, .queue = invocation->words[0]};
    struct progress *progress = progress_begin(invocation, line, &look);
    int answer = ask_call(s, "queue.join", &params, &result);
    progress_end(progress);
    status = answer == SYNCD_OK ? tell(invocation, slice_of(result))
                                : ask_failed(invocation, answer);
    free(result);
    syncd_close(s);
    return status;
}

const struct command command_join = {
    .name = "join",
    .summary = "Waits until every job of a queue is finished",
    .words = "QUEUE",
    .options = join_options,
    .options_count = JOIN_OPTIONS,
    .run = join_run,
    .description =
        "A job is finished when it is done, dead or cancelled. On a terminal "
        "a line tells how many are left.",
    .examples =
        (const struct example_row[]){{"syncctl join numbers && echo Finished",
                                      "Once all is done and nothing is dead."},
                                     {NULL, NULL}},
    .statuses =
        (const struct status_row[]){
            {1, "all jobs are finished, but some of them are dead"}, {0, NULL}},
};
