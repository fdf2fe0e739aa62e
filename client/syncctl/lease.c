/*
 * get, done, fail, extend: jobs for scripts.
 *
 * The lease of `get` is detached: it belongs to its token alone, and outlives
 * the short session of the command. Inside a command of `work` the job and the
 * token come from the environment, so `syncctl extend --progress 0.5` is
 * enough.
 */
#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/job.h"
#include "client/syncctl/say.h"
#include "proto/limits.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GET_TIMEOUT, GET_LEASE, GET_BODY, GET_SHELL, GET_TAKE, GET_OPTIONS };
static const struct option_row get_options[GET_OPTIONS] = {
    [GET_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                     "wait no longer; 0: do not wait", NULL},
    [GET_LEASE] = {"lease", 0, OPTION_SECONDS, "DURATION",
                   "how long the job is ours; the job's own", NULL},
    [GET_BODY] = {"body", 0, OPTION_FLAG, NULL, "print the body alone", NULL},
    [GET_SHELL] = {"shell", 0, OPTION_FLAG, NULL,
                   "print variables for a shell's eval: SYNCD_JOB, "
                   "SYNCD_TOKEN, SYNCD_QUEUE, SYNCD_ATTEMPT, SYNCD_BODY",
                   NULL},
    [GET_TAKE] = {"take", 0, OPTION_FLAG, NULL,
                  "finish the job by taking it: at most once, no `done`", NULL},
};

/* A word that a shell reads as exactly these bytes. */
static void print_quoted(struct slice text)
{
    putchar('\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\'') {
            (void)fputs("'\\''", stdout);
        } else if (text.at[i] != '\0') {
            putchar(text.at[i]);
        }
    }
    puts("'");
}

static void print_shell(struct slice job, struct arena *arena)
{
    printf("SYNCD_JOB=%lld\n", (long long)fields_integer(job, "id"));
    printf("SYNCD_TOKEN=%lld\n", (long long)fields_integer(job, "token"));
    printf("SYNCD_ATTEMPT=%lld\n", (long long)fields_integer(job, "attempt"));
    (void)fputs("SYNCD_QUEUE=", stdout);
    print_quoted(fields_text(job, "queue", arena));
    (void)fputs("SYNCD_BODY=", stdout);
    print_quoted(body_text(fields_get(job, "body"), arena));
}

static void print_job(const struct invocation *invocation, struct slice job)
{
    struct arena arena;
    arena_init(&arena);
    if (invocation->options[GET_SHELL].text != NULL) {
        print_shell(job, &arena);
    } else if (invocation->options[GET_BODY].text != NULL) {
        struct slice body = fields_get(job, "body");
        body = invocation->json ? body : body_text(body, &arena);
        (void)fwrite(body.at, 1, body.len, stdout);
        putchar('\n');
    } else {
        (void)fwrite(job.at, 1, job.len, stdout);
        putchar('\n');
    }
    arena_fini(&arena);
}

static struct out get_params(const struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct out params = ask_begin(invocation, "queue");
    if (options[GET_TIMEOUT].text != NULL) {
        WRITE(&params, number, "timeout", options[GET_TIMEOUT].number);
    }
    if (options[GET_LEASE].text != NULL) {
        WRITE(&params, number, "lease", options[GET_LEASE].number);
    }
    if (options[GET_TAKE].text != NULL) {
        WRITE(&params, flag, "take", true);
    } else {
        WRITE(&params, flag, "detached", true);
    }
    write_end_object(&params);
    return params;
}

static int get_run(struct invocation *invocation)
{
    const struct option_value *timeout = &invocation->options[GET_TIMEOUT];
    char *result = NULL;
    struct out params = get_params(invocation);
    int status = ask_once(invocation, ASK_GRACE, "queue.get", &params, &result);
    if (status != STATUS_DONE) {
        return status;
    }
    struct scan_members jobs =
        scan_members(fields_get(slice_of(result), "jobs"), 1);
    if (scan_next(&jobs)) {
        print_job(invocation, jobs.value);
    } else {
        bool at_once = timeout->text != NULL && timeout->number == 0;
        if (!invocation->quiet) {
            say(invocation->command, "there is no job to take in \"%s\"",
                invocation->words[0]);
        }
        status = at_once ? STATUS_WOULD_WAIT : STATUS_TIMED_OUT;
    }
    free(result);
    return status;
}

const struct command command_get = {
    .name = "get",
    .summary = "Takes a job for a script, and prints it as JSON",
    .words = "QUEUE",
    .options = get_options,
    .options_count = GET_OPTIONS,
    .run = get_run,
    .description =
        "The job is the script's until its lease ends: finish it before with "
        "`done ID TOKEN`, give it back with `fail ID TOKEN`, or have the lease "
        "begin anew with `extend ID TOKEN`. For a command a job, `work` does "
        "all of that.",
    .examples =
        (const struct example_row[]){
            {"eval \"$(syncctl get mail --shell)\" && send \"$SYNCD_BODY\" && "
             "syncctl done $SYNCD_JOB $SYNCD_TOKEN",
             "Take a job, do it, finish it."},
            {NULL, NULL}},
};

/* The words ID TOKEN, or what `work` put into the environment. */
static bool begin_params(const struct invocation *invocation,
                         struct out *params)
{
    uint64_t id = 0;
    uint64_t token = 0;
    const char *id_text = invocation->words[0];
    const char *token_text = invocation->words[1];
    if (invocation->words_count == 0) {
        id_text = getenv("SYNCD_JOB");
        token_text = getenv("SYNCD_JOB_TOKEN"); /* while something is held */
        token_text = token_text ? token_text : getenv("SYNCD_TOKEN");
    }
    if (invocation->words_count == 1 || id_text == NULL || token_text == NULL) {
        say(invocation->command, "give the job's ID and its TOKEN, as get "
                                 "prints them");
        return false;
    }
    if (!job_number(invocation, "job's id", id_text, &id) ||
        !job_number(invocation, "token", token_text, &token)) {
        return false;
    }
    write_begin_object(params);
    WRITE(params, integer, "id", (int64_t)id);
    WRITE(params, integer, "token", (int64_t)token);
    return true;
}

/* An option's text as JSON under `key`. False: it was said what is wrong with
 * it. */
static bool write_option(const struct invocation *invocation, size_t option,
                         struct slice key, struct out *params)
{
    const char *text = invocation->options[option].text;
    if (text == NULL) {
        return true;
    }
    const char *name = invocation->command->options[option].name;
    if (body_too_deep(slice_of(text), BODY_AROUND_ONE)) {
        say(invocation->command, "--%s is nested deeper than %d levels", name,
            JSON_DEPTH_MAX - BODY_AROUND_ONE);
        return false;
    }
    write_key(params, key);
    if (!body_write(slice_of(text), false, params)) {
        say(invocation->command, "--%s is not UTF-8", name);
        return false;
    }
    return true;
}

/* Ends the parameters and asks; prints the reply with --json. */
static int finish(const struct invocation *invocation, const char *method,
                  struct out *params)
{
    char *result = NULL;
    write_end_object(params);
    int status = ask_once(invocation, ASK_GRACE, method, params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    }
    free(result);
    return status;
}

enum { DONE_RESULT, DONE_OPTIONS };
static const struct option_row done_options[DONE_OPTIONS] = {
    [DONE_RESULT] = {"result", 0, OPTION_TEXT, "RESULT",
                     "what to keep with the job: JSON, else a string", NULL},
};

static int done_run(struct invocation *invocation)
{
    struct out params = {0};
    if (!begin_params(invocation, &params)) {
        return STATUS_USAGE;
    }
    if (!write_option(invocation, DONE_RESULT, SLICE("result"), &params)) {
        out_fini(&params);
        return STATUS_USAGE;
    }
    return finish(invocation, "queue.done", &params);
}

#define ID_TOKEN_TEXT                                                   \
    "Inside a command that work runs, ID and TOKEN are known from the " \
    "environment."

const struct command command_done = {
    .name = "done",
    .summary = "Finishes a job that get took",
    .words = "[ID] [TOKEN]",
    .options = done_options,
    .options_count = DONE_OPTIONS,
    .run = done_run,
    .description = ID_TOKEN_TEXT,
};

enum { FAIL_ERROR, FAIL_DELAY, FAIL_DEAD, FAIL_FREE, FAIL_OPTIONS };
static const struct option_row fail_options[FAIL_OPTIONS] = {
    [FAIL_ERROR] = {"error", 0, OPTION_TEXT, "ERROR",
                    "why; kept with the job: JSON, else a string", NULL},
    [FAIL_DELAY] = {"delay", 0, OPTION_SECONDS, "DURATION",
                    "try again after so long, instead of the queue's backoff",
                    NULL},
    [FAIL_DEAD] = {"dead", 0, OPTION_FLAG, NULL, "no more tries", NULL},
    [FAIL_FREE] = {"free", 0, OPTION_FLAG, NULL, "this try does not count",
                   NULL},
};

static int fail_run(struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct out params = {0};
    if (options[FAIL_DEAD].text != NULL &&
        (options[FAIL_FREE].text != NULL || options[FAIL_DELAY].text != NULL)) {
        return say_usage(invocation->command,
                         "--dead means no more tries: it does not go with "
                         "--free or --delay");
    }
    if (!begin_params(invocation, &params)) {
        return STATUS_USAGE;
    }
    if (!write_option(invocation, FAIL_ERROR, SLICE("error"), &params)) {
        out_fini(&params);
        return STATUS_USAGE;
    }
    if (options[FAIL_DELAY].text != NULL) {
        WRITE(&params, number, "delay", options[FAIL_DELAY].number);
    }
    if (options[FAIL_DEAD].text != NULL) {
        WRITE(&params, flag, "dead", true);
    }
    if (options[FAIL_FREE].text != NULL) {
        WRITE(&params, flag, "free", true);
    }
    return finish(invocation, "queue.fail", &params);
}

const struct command command_fail = {
    .name = "fail",
    .summary = "Gives a job back that get took: another try, or dead",
    .words = "[ID] [TOKEN]",
    .options = fail_options,
    .options_count = FAIL_OPTIONS,
    .run = fail_run,
    .description = ID_TOKEN_TEXT,
};

enum { EXTEND_LEASE, EXTEND_PROGRESS, EXTEND_OPTIONS };
static const struct option_row extend_options[EXTEND_OPTIONS] = {
    [EXTEND_LEASE] = {"lease", 0, OPTION_SECONDS, "DURATION",
                      "how long from now on; the job's own", NULL},
    [EXTEND_PROGRESS] = {"progress", 0, OPTION_TEXT, "PROGRESS",
                         "what job show tells meanwhile: JSON, else a string",
                         NULL},
};

static int extend_run(struct invocation *invocation)
{
    struct out params = {0};
    if (!begin_params(invocation, &params)) {
        return STATUS_USAGE;
    }
    if (!write_option(invocation, EXTEND_PROGRESS, SLICE("progress"),
                      &params)) {
        out_fini(&params);
        return STATUS_USAGE;
    }
    if (invocation->options[EXTEND_LEASE].text != NULL) {
        WRITE(&params, number, "lease",
              invocation->options[EXTEND_LEASE].number);
    }
    return finish(invocation, "queue.extend", &params);
}

const struct command command_extend = {
    .name = "extend",
    .summary = "Lets the lease of a job begin anew; reports progress",
    .words = "[ID] [TOKEN]",
    .options = extend_options,
    .options_count = EXTEND_OPTIONS,
    .run = extend_run,
    .description = ID_TOKEN_TEXT,
};
