/*
 * Keeps the leases of the jobs whose commands run.
 *
 * A third of the lease after it began it begins anew. When the daemon says that
 * a job is ours no more, or the session that held it is gone, its command is
 * ended: somebody else may be running it by now.
 */
#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/say.h"
#include "client/syncctl/work.h"
#include "proto/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void lose(struct slot *slot)
{
    say(slot->work->invocation->command,
        "job %llu is ours no more (its lease is over, or it was cancelled): "
        "its command is ended",
        (unsigned long long)slot->id);
    slot->active = false;
    child_control_end(&slot->control, CHILD_LOST);
}

/* Jobs of a session that is no more; under the lock. */
static void lose_session(struct work *work)
{
    uint64_t losses = syncd_losses(work->s);
    for (size_t i = 0; i < work->slots_count; i++) {
        struct slot *slot = &work->slots[i];
        if (slot->active && slot->losses != losses) {
            lose(slot);
        }
    }
}

/* {"jobs": [...]} of the leases that are due soon, whose next time is set;
 * under the lock. False: there are none. */
static bool write_due(struct work *work, struct out *params)
{
    const struct option_value *lease = &work->invocation->options[WORK_LEASE];
    double at = look_now();
    bool any = false;
    write_begin_object(params);
    if (lease->text != NULL) {
        WRITE(params, number, "lease", lease->number);
    }
    write_key(params, SLICE("jobs"));
    write_begin_array(params);
    for (size_t i = 0; i < work->slots_count; i++) {
        struct slot *slot = &work->slots[i];
        if (slot->active && slot->extend_at <= at + slot->lease / 20) {
            slot->extend_at = at + slot->lease / 3;
            write_begin_object(params);
            WRITE(params, integer, "id", (int64_t)slot->id);
            WRITE(params, integer, "token", (int64_t)slot->token);
            write_end_object(params);
            any = true;
        }
    }
    write_end_array(params);
    write_end_object(params);
    return any;
}

/* Under the lock. */
static void lose_stale(struct work *work, struct slice reply)
{
    struct scan_members stale = scan_members(fields_get(reply, "stale"), 1);
    while (scan_next(&stale)) {
        int64_t id = 0;
        for (size_t i = 0; i < work->slots_count; i++) {
            struct slot *slot = &work->slots[i];
            if (slot->active && scan_integer(stale.value, &id) &&
                slot->id == (uint64_t)id) {
                lose(slot);
            }
        }
    }
}

/* Without the lock, which the daemon's absence would hold. */
static void extend(struct work *work, struct out *params)
{
    char *result = NULL;
    int answer = work_call(work, "queue.extend", params, &result);
    if (answer != SYNCD_OK && answer != SYNCD_E_LOST &&
        answer != SYNCD_E_CONNECT) {
        say(work->invocation->command, "cannot extend leases: %s",
            syncd_error_text());
    }
    pthread_mutex_lock(&work->lock);
    if (answer == SYNCD_OK) {
        lose_stale(work, slice_of(result));
    } else if (answer == SYNCD_E_LOST || answer == SYNCD_E_CONNECT) {
        for (size_t i = 0; i < work->slots_count; i++) {
            if (work->slots[i].active) {
                lose(&work->slots[i]);
            }
        }
    }
    pthread_mutex_unlock(&work->lock);
    free(result);
}

/* Until a lease is due or a slot changed; under the lock. */
static void nap(struct work *work)
{
    double at = look_now();
    double until = at + WORK_LOOK_SECONDS;
    for (size_t i = 0; i < work->slots_count; i++) {
        if (work->slots[i].active) {
            until = fmin(until, work->slots[i].extend_at);
        }
    }
    struct timespec time = {.tv_sec = (time_t)until};
    time.tv_nsec = (long)((until - (double)time.tv_sec) * 1e9);
    pthread_cond_clockwait(&work->changed, &work->lock, CLOCK_MONOTONIC, &time);
}

void *keep_main(void *arg)
{
    struct work *work = arg;
    pthread_mutex_lock(&work->lock);
    while (!work->ended) {
        nap(work);
        lose_session(work);
        struct out params = {0};
        if (write_due(work, &params)) {
            pthread_mutex_unlock(&work->lock);
            extend(work, &params);
            pthread_mutex_lock(&work->lock);
        } else {
            out_fini(&params);
        }
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}
