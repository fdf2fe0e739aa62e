/*
 * work without a command: prints bodies, one a line, and finishes the jobs.
 *
 * Many at once: when their lines are written they are finished together, in the
 * message that takes the next ones. While whoever reads them is slow, the
 * leases are kept. What could not be written is given back.
 */
#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/say.h"
#include "client/syncctl/work.h"
#include "proto/scan.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Jobs of one message. */
#define PRINT_JOBS_MAX 1000

/* What a pipe or terminal that is ready takes at once. */
#define WRITE_BYTES 4096

/* How often it is looked whether a lease is due, milliseconds. */
#define POLL_MS 100

/* {"jobs": [{"id", "token"}, ...]} */
static struct out outcome_params(struct slice reply)
{
    struct scan_members jobs = scan_members(fields_get(reply, "jobs"), 1);
    struct out params = {0};
    write_begin_object(&params);
    write_key(&params, SLICE("jobs"));
    write_begin_array(&params);
    while (scan_next(&jobs)) {
        write_begin_object(&params);
        WRITE(&params, integer, "id", fields_integer(jobs.value, "id"));
        WRITE(&params, integer, "token", fields_integer(jobs.value, "token"));
        write_end_object(&params);
    }
    write_end_array(&params);
    write_end_object(&params);
    return params;
}

/* The leases of the jobs begin anew; those that are over are told of by the
 * outcome. */
static void extend(struct work *work, struct slice reply)
{
    char *result = NULL;
    struct out params = outcome_params(reply);
    work_call(work, "queue.extend", &params, &result);
    free(result);
}

/*
 * Writes the lines, and keeps the leases meanwhile. A pipe that has room takes
 * WRITE_BYTES without blocking. False: they cannot be written, errno says why,
 * or, ECANCELED, nobody waits for that any more.
 */
static bool write_lines(struct work *work, struct slice lines,
                        struct slice reply)
{
    struct scan_members jobs = scan_members(fields_get(reply, "jobs"), 1);
    double third =
        scan_next(&jobs) ? fields_number(jobs.value, "lease") / 3 : 0;
    double extend_at = look_now() + third;
    while (lines.len > 0) {
        struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
        int ready = poll(&out, 1, POLL_MS);
        if (ready < 0 && errno != EINTR) {
            return false;
        }
        if (atomic_load(&work->stage) == STAGE_ENDING) {
            errno = ECANCELED;
            return false;
        }
        if (look_now() >= extend_at) {
            extend(work, reply);
            extend_at = look_now() + third;
        }
        if (ready > 0) {
            size_t len = lines.len < WRITE_BYTES ? lines.len : WRITE_BYTES;
            if (!output_write(STDOUT_FILENO, (struct slice){lines.at, len})) {
                return false;
            }
            lines.at += len;
            lines.len -= len;
        }
    }
    return true;
}

static bool print_bodies(struct work *work, struct slice reply)
{
    struct scan_members jobs = scan_members(fields_get(reply, "jobs"), 1);
    struct arena arena;
    struct out lines = {0};
    arena_init(&arena);
    while (scan_next(&jobs)) {
        struct slice body = fields_get(jobs.value, "body");
        out_bytes(&lines,
                  work->invocation->json ? body : body_text(body, &arena));
        out_byte(&lines, '\n');
    }
    bool written =
        write_lines(work, (struct slice){lines.at, lines.len}, reply);
    out_fini(&lines);
    arena_fini(&arena);
    return written;
}

static void say_stale(struct work *work, struct slice stale)
{
    if (stale.at != NULL && stale.len > 2) {
        say(work->invocation->command,
            "printed, but ours no more, so they come again: jobs %.*s",
            (int)stale.len, stale.at);
    }
}

/* The exit status of a finish that came to this. */
static int finished(const struct work *work, int answer)
{
    if (answer == SYNCD_E_LOST) {
        say(work->invocation->command,
            "%s; what was printed last may come again", syncd_error_text());
        return STATUS_DONE;
    }
    return answer == SYNCD_OK ? STATUS_DONE
                              : ask_failed(work->invocation, answer);
}

static int finish(struct work *work, struct slice reply)
{
    char *result = NULL;
    struct out params = outcome_params(reply);
    int answer = work_call(work, "queue.done", &params, &result);
    if (answer == SYNCD_OK) {
        say_stale(work, fields_get(slice_of(result), "stale"));
        free(result);
    }
    return finished(work, answer);
}

/* Finishes what *reply has, in the message that takes the next ones, which it
 * has then. False: there are none, or *status tells why, and *reply is freed.
 */
static bool finish_and_take(struct work *work, char **reply, int *status)
{
    char *next = NULL;
    struct out done = outcome_params(slice_of(*reply));
    int answer = work_finish_and_take(work, PRINT_JOBS_MAX, &done, &next);
    out_fini(&done);
    if (answer == SYNCD_E_REPLY) {
        *status = finish(work, slice_of(*reply));
    } else {
        *status = finished(work, answer);
    }
    free(*reply);
    if (answer != SYNCD_OK) {
        return false;
    }
    struct slice outcome = fields_get(slice_of(next), "finished");
    say_stale(work, fields_get(outcome, "stale"));
    if (!work_has_jobs(next)) {
        free(next);
        return false;
    }
    *reply = next;
    return true;
}

static void give_back(struct work *work, struct slice reply)
{
    struct scan_members jobs = scan_members(fields_get(reply, "jobs"), 1);
    while (scan_next(&jobs)) {
        char *result = NULL;
        struct out params = {0};
        write_begin_object(&params);
        WRITE(&params, integer, "id", fields_integer(jobs.value, "id"));
        WRITE(&params, integer, "token", fields_integer(jobs.value, "token"));
        WRITE(&params, flag, "free", true);
        WRITE(&params, number, "delay", 0);
        write_end_object(&params);
        work_call(work, "queue.fail", &params, &result);
        free(result);
    }
}

/* Prints what *reply has and finishes it. True: *reply has the next ones; else
 * it is freed. */
static bool print_and_go_on(struct work *work, char **reply, int *status)
{
    const struct invocation *invocation = work->invocation;
    bool last = invocation->options[WORK_ONCE].text != NULL;
    if (!work_goes_on(work)) {
        give_back(work, slice_of(*reply));
    } else if (!print_bodies(work, slice_of(*reply))) {
        if (errno != ECANCELED) {
            say(invocation->command, "cannot write to standard output: %s",
                strerror(errno));
        }
        give_back(work, slice_of(*reply));
        *status = STATUS_FAILED;
    } else if (!last && work_goes_on(work)) {
        return finish_and_take(work, reply, status);
    } else {
        *status = finish(work, slice_of(*reply));
    }
    free(*reply);
    return false;
}

int work_print(struct work *work)
{
    bool once = work->invocation->options[WORK_ONCE].text != NULL;
    int status = STATUS_DONE;
    char *reply = NULL;
    while (status == STATUS_DONE &&
           work_take(work, once ? 1 : PRINT_JOBS_MAX, &reply)) {
        while (print_and_go_on(work, &reply, &status)) {
            /* as long as there are more */
        }
        if (once) {
            break;
        }
    }
    return status;
}
