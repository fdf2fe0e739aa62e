/*
 * The terms of a put: what its options say of every job, and, in the command of
 * a job of a batch, what its environment says of the batch.
 */
#include "client/syncctl/put.h"

#include "client/syncctl/say.h"
#include "client/syncctl/stage_event.h"
#include "proto/scan.h"

#include <stdlib.h>
#include <string.h>

/* How long the result of a job that is waited for stays, seconds. */
#define WAIT_KEEP_DONE 600

/* An environment variable that is not empty; NULL: there is none. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? NULL : value;
}

/* The batch and stage meant; both NULL: none. Inside a job of a batch one of
 * the options is enough. */
struct membership {
    const char *batch;
    const char *stage;
};

static struct membership membership_of(const struct invocation *invocation)
{
    struct membership of = {invocation->options[PUT_BATCH].text,
                            invocation->options[PUT_STAGE].text};
    const char *our_batch = variable("SYNCD_BATCH");
    if (of.batch == NULL && of.stage != NULL) {
        of.batch = our_batch;
    } else if (of.stage == NULL && of.batch != NULL && our_batch != NULL &&
               strcmp(of.batch, our_batch) == 0) {
        of.stage = variable("SYNCD_STAGE");
    }
    return of;
}

bool put_check_terms(const struct invocation *invocation)
{
    struct membership of = membership_of(invocation);
    if ((of.batch == NULL) != (of.stage == NULL)) {
        say_usage(invocation->command,
                  "--batch and --stage go together: %s is missing",
                  of.batch == NULL ? "--batch" : "--stage");
        return false;
    }
    return true;
}

/* A number of the environment; 0: there is none. */
static int64_t number_of(const char *name)
{
    const char *text = variable(name);
    int64_t number = 0;
    return text != NULL && scan_integer(slice_of(text), &number) && number > 0
               ? number
               : 0;
}

/* Are we in the command of a job of this batch, in this daemon? Then the job is
 * put on its behalf. Inside `lock` and `sem` SYNCD_TOKEN is what they hold. */
static void write_from(const struct invocation *invocation, const char *batch,
                       struct out *params)
{
    const char *ours = variable("SYNCD_BATCH");
    const char *socket = variable("SYNCD_SOCKET");
    int64_t id = number_of("SYNCD_JOB");
    int64_t token =
        number_of(variable("SYNCD_JOB_TOKEN") != NULL ? "SYNCD_JOB_TOKEN"
                                                      : "SYNCD_TOKEN");
    bool elsewhere =
        invocation->socket != NULL &&
        (socket == NULL || strcmp(invocation->socket, socket) != 0);
    if (ours == NULL || strcmp(ours, batch) != 0 || id == 0 || token == 0 ||
        elsewhere) {
        return;
    }
    write_key(params, SLICE("from"));
    write_begin_object(params);
    WRITE(params, integer, "id", id);
    WRITE(params, integer, "token", token);
    write_end_object(params);
}

void put_note_events(const struct invocation *invocation, struct syncd *s)
{
    struct slice batch;
    struct slice stage;
    char lack[STAGE_EVENT_BYTES];
    for (size_t i = 0; i < invocation->listed_count; i++) {
        const struct listed_option *listed = &invocation->listed[i];
        if (!invocation->quiet && listed->option == PUT_AFTER &&
            stage_event_split(listed->text, &batch, &stage) &&
            *stage_event_lack(s, batch, stage, lack) != '\0') {
            say(invocation->command,
                "--after %s: it is a stage's event, and %s: held until there "
                "is one, and it has passed",
                listed->text, lack);
        }
    }
}

/* All names that were given with an option, as a list. */
static void write_listed(const struct invocation *invocation, size_t option,
                         const char *key, struct out *params)
{
    if (invocation->options[option].text == NULL) {
        return;
    }
    write_key(params, slice_of(key));
    write_begin_array(params);
    for (size_t i = 0; i < invocation->listed_count; i++) {
        if (invocation->listed[i].option == option) {
            write_string(params, slice_of(invocation->listed[i].text));
        }
    }
    write_end_array(params);
}

static void write_holds(const struct invocation *invocation, struct out *params)
{
    struct membership of = membership_of(invocation);
    write_listed(invocation, PUT_AFTER, "after", params);
    write_listed(invocation, PUT_LIMIT, "limits", params);
    if (of.batch != NULL) {
        WRITE(params, string, "batch", slice_of(of.batch));
        WRITE(params, string, "stage", slice_of(of.stage));
        write_from(invocation, of.batch, params);
    }
}

void put_begin_params(const struct invocation *invocation, struct out *params)
{
    const struct option_value *options = invocation->options;
    write_begin_object(params);
    WRITE(params, string, "queue", slice_of(invocation->words[0]));
    if (options[PUT_PRIORITY].text != NULL) {
        WRITE(params, number, "priority", options[PUT_PRIORITY].number);
    }
    if (options[PUT_DELAY].text != NULL) {
        WRITE(params, number, "delay", options[PUT_DELAY].number);
    }
    if (options[PUT_KEY].text != NULL) {
        WRITE(params, string, "key", slice_of(options[PUT_KEY].text));
    }
    if (options[PUT_LEASE].text != NULL) {
        WRITE(params, number, "lease", options[PUT_LEASE].number);
    }
    if (options[PUT_MAX_ATTEMPTS].text != NULL) {
        WRITE(params, integer, "max_attempts", options[PUT_MAX_ATTEMPTS].count);
    }
    if (options[PUT_KEEP_DONE].text != NULL) {
        WRITE(params, number, "keep_done", options[PUT_KEEP_DONE].number);
    } else if (options[PUT_WAIT].text != NULL) {
        WRITE(params, number, "keep_done", WAIT_KEEP_DONE);
    }
    write_holds(invocation, params);
}
