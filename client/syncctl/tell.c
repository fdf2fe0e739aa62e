/*
 * What a slot of work tells the daemon of a job that it ran.
 *
 * That a job is done goes with the message that asks for the next one: one
 * round trip a job, and when it is answered the end of the one and the lease of
 * the other are on disk together. That message does not wait for a job: so what
 * is wrong with the end of the last one is said at once.
 */
#include "client/syncctl/tell.h"

#include "client/syncctl/body.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/say.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a command's exit status says beside done and failed. */
#define EXIT_DEAD 65 /* EX_DATAERR: no more tries */
#define EXIT_FREE 75 /* EX_TEMPFAIL: this try does not count */

static struct out begin_outcome(const struct job *job)
{
    struct out params = {0};
    write_begin_object(&params);
    WRITE(&params, integer, "id", (int64_t)job->id);
    WRITE(&params, integer, "token", (int64_t)job->token);
    return params;
}

static void say_stale(const struct slot *slot, uint64_t id)
{
    say(slot->work->invocation->command,
        "job %llu was ours no more when its command ended (its lease was "
        "over, or it was cancelled): it may run again",
        (unsigned long long)id);
}

/* False: it did not take; it is said why. */
static bool took(const struct slot *slot, uint64_t id, int answer)
{
    if (answer == SYNCD_OK) {
        return true;
    }
    if (answer == SYNCD_E_REPLY &&
        strcmp(syncd_error_name(), "stale_token") == 0) {
        say_stale(slot, id);
    } else {
        say(slot->work->invocation->command,
            "the outcome of job %llu could not be told: %s",
            (unsigned long long)id, syncd_error_text());
    }
    return false;
}

static bool tell(struct slot *slot, const struct job *job, const char *method,
                 struct out *take_params, char **result)
{
    write_end_object(take_params);
    int answer = work_call(slot->work, method, take_params, result);
    return took(slot, job->id, answer);
}

/* The output as a result: JSON if it is, else a string without its last end of
 * line. */
static void write_result(const struct output *out, struct out *params)
{
    struct slice text = {out->head.at, out->head.len};
    if (text.len == 0) {
        return;
    }
    if (text.at[text.len - 1] == '\n') {
        text.len--;
    }
    write_key(params, SLICE("result"));
    if (!body_write(text, body_too_deep(text, BODY_AROUND_ONE), params)) {
        body_write_repaired(text, params);
    }
}

void tell_done(struct slot *slot, const struct job *job,
               const struct output *out)
{
    slot->done = begin_outcome(job);
    slot->done_id = job->id;
    if (slot->work->invocation->options[WORK_RESULT].text != NULL) {
        write_result(out, &slot->done);
    }
    write_end_object(&slot->done);
}

/* Tells it without taking one. */
static void tell_end(struct slot *slot)
{
    if (slot->done.len > 0) {
        char *result = NULL;
        int answer = work_call(slot->work, "queue.done", &slot->done, &result);
        slot->done = (struct out){0};
        took(slot, slot->done_id, answer);
        free(result);
    }
}

bool tell_and_take(struct slot *slot, char **reply)
{
    if (slot->done.len == 0 || !work_goes_on(slot->work)) {
        tell_end(slot);
        return false;
    }
    int answer = work_finish_and_take(slot->work, 1, &slot->done, reply);
    if (answer == SYNCD_E_REPLY) {
        tell_end(slot); /* refused, it has finished nothing */
        return false;
    }
    out_fini(&slot->done);
    if (!took(slot, slot->done_id, answer)) {
        return false;
    }
    if (work_has_stale(*reply)) {
        say_stale(slot, slot->done_id);
    }
    if (!work_has_jobs(*reply)) {
        free(*reply);
        return false;
    }
    return true;
}

/* {"exit": 3, "stderr": "..."}; see outcome.h. */
static void write_error(const struct slot *slot,
                        const struct child_result *child,
                        const struct output *err, struct out *params)
{
    struct slice wrote = output_tail(err);
    write_key(params, SLICE("error"));
    write_begin_object(params);
    if (child->end == CHILD_TIMEOUT) {
        WRITE(params, number, "timeout",
              slot->work->invocation->options[WORK_TIMEOUT].number);
    }
    if (child->signal != 0) {
        WRITE(params, integer, "signal", child->signal);
    } else {
        WRITE(params, integer, "exit", child->status);
    }
    if (wrote.len > 0) {
        /* The cut may have gone through a character. */
        while (wrote.len > 0 && (*wrote.at & 0xC0) == 0x80 &&
               err->tail.len > TELL_STDERR_BYTES) {
            wrote.at++;
            wrote.len--;
        }
        write_key(params, SLICE("stderr"));
        body_write_repaired(wrote, params);
    }
    write_end_object(params);
}

/* "job 7 failed with status 3: next try in 2 s" */
static void say_failed(const struct slot *slot, const struct job *job,
                       const struct child_result *child, struct slice reply)
{
    const struct invocation *invocation = slot->work->invocation;
    char how[64];
    char next[64] = "ready again";
    char text[DURATION_BYTES];
    if (invocation->quiet) {
        return;
    }
    if (child->end == CHILD_TIMEOUT) {
        (void)snprintf(
            how, sizeof(how), "took longer than %s",
            duration_text(invocation->options[WORK_TIMEOUT].number, text));
    } else if (child->signal != 0) {
        (void)snprintf(how, sizeof(how), "was ended by signal %d",
                       child->signal);
    } else {
        (void)snprintf(how, sizeof(how), "exited with status %d",
                       child->status);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double due = fields_number(reply, "due");
    if (due > 0) {
        (void)snprintf(
            next, sizeof(next), "next try in %s",
            duration_text(due - (double)now.tv_sec - (double)now.tv_nsec / 1e9,
                          text));
    } else if (slice_equal(fields_get(reply, "state"), SLICE("\"dead\""))) {
        (void)snprintf(next, sizeof(next), "it is dead");
    }
    say(invocation->command, "job %llu %s at try %lld: %s",
        (unsigned long long)job->id, how, (long long)job->attempt, next);
}

void tell_failed(struct slot *slot, const struct job *job,
                 const struct child_result *child, const struct output *err)
{
    char *result = NULL;
    bool by_itself = child->end == CHILD_BY_ITSELF;
    struct out params = begin_outcome(job);
    write_error(slot, child, err, &params);
    if (by_itself && child->status == EXIT_DEAD) {
        WRITE(&params, flag, "dead", true);
    }
    if (by_itself && child->status == EXIT_FREE) {
        WRITE(&params, flag, "free", true);
    }
    if (tell(slot, job, "queue.fail", &params, &result)) {
        say_failed(slot, job, child, slice_of(result));
    }
    free(result);
}

void tell_given_back(struct slot *slot, const struct job *job)
{
    char *result = NULL;
    struct out params = begin_outcome(job);
    WRITE(&params, flag, "free", true);
    WRITE(&params, number, "delay", 0);
    tell(slot, job, "queue.fail", &params, &result);
    free(result);
}

void tell_buried(struct slot *slot, const struct job *job, const char *why)
{
    char *result = NULL;
    struct out params = begin_outcome(job);
    say(slot->work->invocation->command, "job %llu is dead: %s",
        (unsigned long long)job->id, why);
    WRITE(&params, flag, "dead", true);
    WRITE(&params, string, "error", slice_of(why));
    tell(slot, job, "queue.fail", &params, &result);
    free(result);
    work_set_status(slot->work, STATUS_DONE);
}
