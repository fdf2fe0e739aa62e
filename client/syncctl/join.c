/* join: waits until every job of a queue is finished. */
#include "client/syncctl/ask.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/progress.h"
#include "client/syncctl/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOIN_TIMEOUT, JOIN_OPTIONS };
static const struct option_row join_options[JOIN_OPTIONS] = {
    [JOIN_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "wait no longer; 0: do not wait", NULL},
};

/* The progress thread's own. */
struct view {
    struct look look;
    double since;    /* monotonic seconds */
    int64_t from;    /* jobs left then */
    int64_t at_last; /* at the last look */
};

/* How many fewer a second are left, since the join began or the last time there
 * were more than before; 0: nobody knows yet. The daemon's own rates are means
 * of a minute, most of which this join has not seen. */
static double rate_of(struct view *view)
{
    const struct look *look = &view->look;
    if (view->since == 0 || look->unfinished > view->at_last) {
        view->since = look->asked_at;
        view->from = look->unfinished;
    }
    view->at_last = look->unfinished;
    double took = look->asked_at - view->since;
    return took > 0 ? (double)(view->from - look->unfinished) / took : 0;
}

/* "join: 120 left (4 running, 2 dead), 35.0/s, about 3 s" */
static void line(void *arg, char text[PROGRESS_BYTES])
{
    struct view *view = arg;
    struct look *look = &view->look;
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
    double rate = rate_of(view);
    if (look_nobody_consumes(look)) {
        (void)snprintf(text + at, PROGRESS_BYTES - (size_t)at,
                       "), nobody consumes");
    } else if (rate > 0) {
        (void)snprintf(text + at, PROGRESS_BYTES - (size_t)at,
                       "), %.1f/s, about %s", rate,
                       duration_text((double)look->unfinished / rate, left));
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

/* A queue that is not there is joined at once: is its name what was meant? */
static void note_absent(const struct invocation *invocation, struct look *look)
{
    if (!invocation->quiet && !look_at(look) &&
        strcmp(syncd_error_name(), "not_found") == 0) {
        say(invocation->command, "there is no queue %s: nothing to wait for",
            invocation->words[0]);
    }
}

static int join_run(struct invocation *invocation)
{
    const struct option_value *timeout = &invocation->options[JOIN_TIMEOUT];
    struct syncd *s = NULL;
    char *result = NULL;
    int status = ask_open(invocation, ASK_GRACE, &s);
    if (status != STATUS_DONE) {
        return status;
    }
    struct out params = ask_begin(invocation, "queue");
    if (timeout->text != NULL) {
        WRITE(&params, number, "timeout", timeout->number);
    }
    write_end_object(&params);
    struct view view = {.look = {.s = s, .queue = invocation->words[0]}};
    note_absent(invocation, &view.look);
    struct progress *progress = progress_begin(invocation, line, &view);
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
        "a line tells how many are left. A queue that is not there (any more) "
        "has no unfinished jobs: that is said, and the status is 0.",
    .examples =
        (const struct example_row[]){{"syncctl join numbers && echo Finished",
                                      "Once all is done and nothing is dead."},
                                     {NULL, NULL}},
    .statuses =
        (const struct status_row[]){
            {1, "all jobs are finished, but some of them are dead"}, {0, NULL}},
};
