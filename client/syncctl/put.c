/* put: puts a job, or with put_lines.c many. */
#include "client/syncctl/put.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/outcome.h"
#include "client/syncctl/say.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_row put_options[PUT_OPTIONS] = {
    [PUT_LINES] = {"lines", 0, OPTION_FLAG, NULL,
                   "a job a line of standard input, each a string", NULL},
    [PUT_NULL] = {"null", '0', OPTION_FLAG, NULL,
                  "as --lines, but ended by NUL bytes", NULL},
    [PUT_JSONL] = {"jsonl", 0, OPTION_FLAG, NULL,
                   "a job a line of standard input, each a JSON value", NULL},
    [PUT_STRING] = {"string", 0, OPTION_FLAG, NULL,
                    "BODY is a string even if it is JSON", NULL},
    [PUT_PRIORITY] = {"priority", 0, OPTION_NUMBER, "NUMBER",
                      "smaller comes first (0)", NULL},
    [PUT_DELAY] = {"delay", 0, OPTION_SECONDS, "DURATION", "not before so long",
                   NULL},
    [PUT_KEY] =
        {"key", 0, OPTION_TEXT, "KEY",
         "put nothing if an unfinished job of the queue bears this key: "
         "print that job's id",
         NULL},
    [PUT_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                     "wait no longer for room, nor with --wait for the "
                     "result; 0: do not wait",
                     NULL},
    [PUT_WAIT] = {"wait", 0, OPTION_FLAG, NULL,
                  "wait for the job, print its result, exit as it did", NULL},
    [PUT_KEEP_DONE] = {"keep-done", 0, OPTION_SECONDS, "DURATION",
                       "how long the finished job can be looked up; the "
                       "queue's",
                       NULL},
    [PUT_MAX_ATTEMPTS] = {"max-attempts", 0, OPTION_COUNT, "N",
                          "tries before it is dead, 0: no limit; the queue's",
                          NULL},
    [PUT_LEASE] = {"lease", 0, OPTION_SECONDS, "DURATION",
                   "how long a consumer has for it; the queue's", NULL},
    [PUT_BATCH] = {"batch", 0, OPTION_TEXT, "BATCH",
                   "a job of that batch: held until the stages before its own "
                   "have passed",
                   NULL},
    [PUT_STAGE] = {"stage", 0, OPTION_TEXT, "STAGE", "which of its stages",
                   NULL},
    [PUT_AFTER] = {"after", 0, OPTION_NAME, "EVENT",
                   "held until that event is set; may be given more than once",
                   NULL},
    [PUT_LIMIT] = {"limit", 0, OPTION_NAME, "SEMAPHORE",
                   "runs only with a permit of that semaphore; may be given "
                   "more than once",
                   NULL},
};

int put_status(const struct invocation *invocation, int answer)
{
    const struct option_value *timeout = &invocation->options[PUT_TIMEOUT];
    if (timeout->text != NULL && answer == SYNCD_E_REPLY &&
        strcmp(syncd_error_name(), "queue_full") == 0) {
        return timeout->number > 0 ? STATUS_TIMED_OUT : STATUS_WOULD_WAIT;
    }
    return ask_status(answer);
}

/* All of standard input. False: it was said that it cannot be read. */
static bool read_all(const struct invocation *invocation, struct out *bytes)
{
    for (;;) {
        out_reserve(bytes, 65536);
        ssize_t got = read(STDIN_FILENO, bytes->at + bytes->len, 65536);
        if (got == 0) {
            return true;
        }
        if (got > 0) {
            bytes->len += (size_t)got;
        } else if (errno != EINTR) {
            say(invocation->command, "cannot read standard input: %s",
                strerror(errno));
            return false;
        }
    }
}

/* Appends the body as JSON; 0, or the exit status when it was said what is
 * wrong with it. */
static int write_body(const struct invocation *invocation, struct out *params)
{
    const char *word = invocation->words[1];
    bool as_string = invocation->options[PUT_STRING].text != NULL;
    struct out input = {0};
    struct slice text = slice_of(word);
    if (strcmp(word, "-") == 0) {
        if (!read_all(invocation, &input)) {
            out_fini(&input);
            return STATUS_FAILED;
        }
        text = (struct slice){input.at, input.len};
    }
    bool deep = !as_string && body_too_deep(text, BODY_AROUND_ONE);
    bool written = !deep && body_write(text, as_string, params);
    out_fini(&input);
    if (deep) {
        say(invocation->command,
            "the body is nested deeper than %d levels, a message has %d; if it "
            "is meant as a string give --string",
            JSON_DEPTH_MAX - BODY_AROUND_ONE, JSON_DEPTH_MAX);
        return STATUS_FAILED;
    }
    if (!written) {
        say(invocation->command,
            "the body is not UTF-8: encode it first, as with base64");
        return STATUS_FAILED;
    }
    return STATUS_DONE;
}

static void print_id(const struct invocation *invocation, struct slice reply)
{
    if (invocation->json) {
        printf("%.*s\n", (int)reply.len, reply.at);
    } else if (!invocation->quiet) {
        printf("%lld\n", (long long)fields_integer(reply, "id"));
    }
}

static int put_and_wait(const struct invocation *invocation, struct syncd *s,
                        struct out *params)
{
    const struct option_value *options = invocation->options;
    const struct option_value *timeout = &options[PUT_TIMEOUT];
    double begin = look_now();
    char *result = NULL;
    int answer = ask_call(s, "queue.put", params, &result);
    if (answer != SYNCD_OK) {
        ask_failed(invocation, answer);
        return put_status(invocation, answer);
    }
    struct slice reply = slice_of(result);
    int status = STATUS_DONE;
    if (options[PUT_WAIT].text == NULL) {
        print_id(invocation, reply);
    } else {
        double left = timeout->number - (look_now() - begin);
        status =
            outcome_wait(invocation, s, (uint64_t)fields_integer(reply, "id"),
                         timeout->text == NULL ? SYNCD_FOREVER
                         : left > 0            ? left
                                               : 0);
        if (status == STATUS_WOULD_WAIT && timeout->number > 0) {
            status = STATUS_TIMED_OUT;
        }
    }
    free(result);
    return status;
}

static int put_one(const struct invocation *invocation)
{
    const struct option_value *timeout = &invocation->options[PUT_TIMEOUT];
    struct syncd *s = NULL;
    struct out params = {0};
    put_begin_params(invocation, &params);
    write_key(&params, SLICE("body"));
    int status = write_body(invocation, &params);
    if (status == STATUS_DONE) {
        status = ask_open(invocation, ASK_GRACE, &s);
    }
    if (status != STATUS_DONE) {
        out_fini(&params);
        return status;
    }
    if (timeout->text != NULL) {
        WRITE(&params, number, "timeout", timeout->number);
    }
    write_end_object(&params);
    put_note_events(invocation, s);
    status = put_and_wait(invocation, s, &params);
    syncd_close(s);
    return status;
}

static int put_run(struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    const char *body = invocation->words[1];
    int ways = (options[PUT_LINES].text ? 1 : 0) +
               (options[PUT_NULL].text ? 1 : 0) +
               (options[PUT_JSONL].text ? 1 : 0);
    if (options[PUT_NULL].text && options[PUT_LINES].text) {
        ways--; /* --lines -0 is --null */
    }
    if (ways > 1) {
        return say_usage(invocation->command,
                         "--jsonl does not go with --lines or --null");
    }
    if (!put_check_terms(invocation)) {
        return STATUS_USAGE;
    }
    if (ways == 0 && body == NULL) {
        return say_usage(invocation->command,
                         "BODY is missing: give one, or - for all of standard "
                         "input, or --lines for a job a line of it");
    }
    if (ways == 0) {
        return put_one(invocation);
    }
    if (body != NULL && strcmp(body, "-") != 0) {
        return say_usage(invocation->command,
                         "many lines come from standard input: leave out BODY");
    }
    if (options[PUT_KEY].text || options[PUT_WAIT].text ||
        (options[PUT_STRING].text && options[PUT_JSONL].text)) {
        return say_usage(invocation->command,
                         "--key, --wait and --string are for a single body");
    }
    return put_lines(invocation);
}

const struct command command_put = {
    .name = "put",
    .summary = "Puts a job, or one a line of standard input",
    .words = "QUEUE [BODY]",
    .options = put_options,
    .options_count = PUT_OPTIONS,
    .run = put_run,
    .description =
        "BODY is JSON if it parses as JSON, else a string; - is all of "
        "standard input. Prints the id of the job. While the queue is full it "
        "waits for room.\n\n"
        "With --lines, --null or --jsonl the jobs keep the order of the lines, "
        "many go in one message, and ids are printed, one a line, unless "
        "standard output is a terminal. A line that cannot be put is named by "
        "its number, and what stood before it is put. Interrupted, it says how "
        "many were put and how to go on. On a terminal a line tells how it "
        "gets on.\n\n"
        "With --batch and --stage the job belongs to a batch (see syncctl help "
        "batch create). In a command that `work` runs for a job of the same "
        "batch one of the two is enough, and the job is put on behalf of that "
        "one: also after the batch is sealed, but not when the job's lease is "
        "over.",
    .examples =
        (const struct example_row[]){
            {"syncctl put mail '{\"to\":\"ada@example.org\"}'", "Put one job."},
            {"seq 1000000 | syncctl put numbers --lines",
             "Put a million, as fast as the queue has room."},
            {"find . -print0 | syncctl put files -0",
             "File names, whatever is in them."},
            {"syncctl put build --wait '{\"rev\":\"a1b2\"}'",
             "Have it done: prints the result, exits as the job did."},
            {"syncctl put report '\"march\"' --after batch/nightly/process",
             "Not before that stage has passed."},
            {NULL, NULL}},
    .statuses =
        (const struct status_row[]){
            {1, "failed; with --wait: as the job's command, 1 if it had no "
                "status"},
            {128, "plus N: interrupted by signal N; with --wait: the job's "
                  "command was"},
            {0, NULL}},
};
