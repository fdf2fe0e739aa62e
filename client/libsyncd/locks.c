/*
 * Locks, semaphores and conditions.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"

#include <inttypes.h>

/* 0 is none. */
static int write_token(struct call *call, uint64_t token)
{
    return token == 0 ? SYNCD_OK : jobs_write_count(call, "token", token);
}

/* A grant's token; 0 if it has none. */
static int read_token(const struct call *call, uint64_t *token)
{
    if (slice_equal(jobs_member(call, "token"), SLICE("null"))) {
        *token = 0;
        return SYNCD_OK;
    }
    return jobs_read_integer(call, "token", token);
}

/* Sends an acquire; at the timeout nothing was granted. */
static int run_acquire(struct call *call, struct syncd *s, const char *name,
                       double timeout, uint64_t *token)
{
    uint64_t granted = 0;
    int status = call_run(call, s, timeout);
    if (status == SYNCD_OK &&
        slice_equal(jobs_member(call, "acquired"), SLICE("false"))) {
        status = fault_say(SYNCD_TIMEOUT,
                           "%s was not to be had within %g "
                           "s",
                           name, timeout);
    }
    if (status == SYNCD_OK) {
        status = read_token(call, &granted);
    }
    if (status == SYNCD_OK && token != NULL) {
        *token = granted;
    }
    return status;
}

static int write_terms(struct call *call, const struct syncd_lock_terms *terms)
{
    if (terms->reentrant) {
        WRITE(&call->line, flag, "reentrant", true);
    }
    if (terms->refuse_deadlock) {
        WRITE(&call->line, string, "deadlock", SLICE("refuse"));
    }
    if (terms->owner == NULL) {
        return SYNCD_OK;
    }
    WRITE(&call->line, string, "owner", slice_of(terms->owner));
    return jobs_check_name(terms->owner, "lock's owner");
}

int syncd_lock(struct syncd *s, const char *lock,
               const struct syncd_lock_terms *terms, double timeout,
               uint64_t *token)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("lock.acquire"), "lock", lock);
    if (status == SYNCD_OK && terms != NULL) {
        status = write_terms(&call, terms);
    }
    if (status == SYNCD_OK) {
        status = run_acquire(&call, s, lock, timeout, token);
    }
    call_fini(&call);
    return status;
}

int syncd_unlock(struct syncd *s, const char *lock, uint64_t token)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("lock.release"), "lock", lock);
    if (status == SYNCD_OK) {
        status = write_token(&call, token);
    }
    if (status == SYNCD_OK) {
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    call_fini(&call);
    return status;
}

int syncd_sem_declare(struct syncd *s, const char *semaphore, uint64_t value,
                      bool bounded)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("semaphore.declare"),
                                  "semaphore", semaphore);
    if (status == SYNCD_OK) {
        status = jobs_write_count(&call, "value", value);
    }
    if (status == SYNCD_OK) {
        WRITE(&call.line, flag, "bounded", bounded);
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    call_fini(&call);
    return status;
}

int syncd_sem_acquire(struct syncd *s, const char *semaphore, uint64_t permits,
                      int64_t value, double timeout, uint64_t *token)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("semaphore.acquire"),
                                  "semaphore", semaphore);
    if (status == SYNCD_OK) {
        status = jobs_write_count(&call, "permits", permits);
    }
    if (status == SYNCD_OK && value >= 0) {
        status = jobs_write_count(&call, "value", (uint64_t)value);
    }
    if (status == SYNCD_OK && token != NULL) {
        WRITE(&call.line, flag, "hold", true);
    }
    if (status == SYNCD_OK) {
        status = run_acquire(&call, s, semaphore, timeout, token);
    }
    call_fini(&call);
    return status;
}

int syncd_sem_release(struct syncd *s, const char *semaphore, uint64_t permits,
                      uint64_t token)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("semaphore.release"),
                                  "semaphore", semaphore);
    if (status == SYNCD_OK) {
        status = jobs_write_count(&call, "permits", permits);
    }
    if (status == SYNCD_OK) {
        status = write_token(&call, token);
    }
    if (status == SYNCD_OK) {
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    call_fini(&call);
    return status;
}

int syncd_condition_wait(struct syncd *s, const char *condition,
                         const char *lock, double timeout, uint64_t *token)
{
    struct call call;
    uint64_t granted = 0;
    int status = jobs_begin_named(&call, SLICE("condition.wait"), "condition",
                                  condition);
    if (status == SYNCD_OK) {
        status = jobs_check_name(lock, "lock's name");
    }
    if (status == SYNCD_OK) {
        WRITE(&call.line, string, "lock", slice_of(lock));
        status = jobs_write_count(&call, "token", *token);
    }
    if (status == SYNCD_OK) {
        status = call_run(&call, s, timeout);
    }
    if (status == SYNCD_OK) {
        status = jobs_read_integer(&call, "token", &granted);
    }
    if (status == SYNCD_OK) {
        *token = granted;
        if (slice_equal(jobs_member(&call, "notified"), SLICE("false"))) {
            status = fault_say(SYNCD_TIMEOUT, "%s was not notified within %g s",
                               condition, timeout);
        }
    }
    call_fini(&call);
    return status;
}

int syncd_condition_notify(struct syncd *s, const char *condition,
                           uint64_t count, uint64_t *woken)
{
    struct call call;
    uint64_t there = 0;
    int status = jobs_begin_named(&call, SLICE("condition.notify"), "condition",
                                  condition);
    if (status == SYNCD_OK && count == SYNCD_ALL) {
        WRITE(&call.line, flag, "all", true);
    } else if (status == SYNCD_OK) {
        status = jobs_write_count(&call, "n", count);
    }
    if (status == SYNCD_OK) {
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    if (status == SYNCD_OK) {
        status = jobs_read_integer(&call, "woken", &there);
    }
    if (status == SYNCD_OK && woken != NULL) {
        *woken = there;
    }
    call_fini(&call);
    return status;
}
