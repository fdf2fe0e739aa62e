/*
 * Batches in stages; how jobs come into one is in put.c.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"

#include <stdlib.h>

static int write_stages(struct call *call, const char *const *stages,
                        size_t count)
{
    if (count < 1 || count > STAGES_MAX) {
        return fault_say(SYNCD_E_ARGUMENT, "a batch has 1 to %d stages",
                         STAGES_MAX);
    }
    write_key(&call->line, SLICE("stages"));
    write_begin_array(&call->line);
    for (size_t i = 0; i < count; i++) {
        int status = jobs_check_name(stages[i], "stage's name");
        if (status != SYNCD_OK) {
            return status;
        }
        write_string(&call->line, slice_of(stages[i]));
    }
    write_end_array(&call->line);
    return SYNCD_OK;
}

static int read_name(const struct call *call, char **name)
{
    struct slice made = jobs_member(call, "batch");
    if (scan_kind_of(made) != SCAN_STRING) {
        return jobs_no_sense(call);
    }
    if (name != NULL) {
        *name = jobs_copy_text(made);
    }
    return SYNCD_OK;
}

int syncd_batch_create(struct syncd *s, const char *batch,
                       const char *const *stages, size_t count, bool goes_on,
                       char **name)
{
    struct call call;
    int status = SYNCD_OK;
    if (batch == NULL) {
        call_init(&call, SLICE("batch.create"));
    } else {
        status = jobs_begin_named(&call, SLICE("batch.create"), "batch", batch);
    }
    if (status == SYNCD_OK) {
        status = write_stages(&call, stages, count);
    }
    if (status == SYNCD_OK) {
        if (goes_on) {
            WRITE(&call.line, string, "on_failure", SLICE("continue"));
        }
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    if (status == SYNCD_OK) {
        status = read_name(&call, name);
    }
    call_fini(&call);
    return status;
}

int syncd_batch_wait(struct syncd *s, const char *batch, const char *stage,
                     double timeout)
{
    struct call call;
    int status = jobs_begin_named(&call, SLICE("batch.wait"), "batch", batch);
    if (status == SYNCD_OK && stage != NULL) {
        status = jobs_check_name(stage, "stage's name");
        WRITE(&call.line, string, "stage", slice_of(stage));
    }
    if (status == SYNCD_OK) {
        status = jobs_run_whole(&call, s, timeout);
    }
    if (status == SYNCD_OK &&
        !slice_equal(jobs_member(&call, "passed"), SLICE("true"))) {
        status = fault_say(SYNCD_TIMEOUT, "%s had not passed after %g seconds",
                           stage != NULL ? stage : batch, timeout);
    }
    call_fini(&call);
    return status;
}

/* A method that says no more than the name; `result` (NULL: none) is how many
 * jobs it was about, into *count if that is not NULL. */
static int run_on_batch(struct syncd *s, struct slice method, const char *batch,
                        const char *result, uint64_t *count)
{
    struct call call;
    uint64_t number = 0;
    int status = jobs_begin_named(&call, method, "batch", batch);
    if (status == SYNCD_OK) {
        status = call_run(&call, s, SYNCD_FOREVER);
    }
    if (status == SYNCD_OK && result != NULL) {
        status = jobs_read_integer(&call, result, &number);
    }
    if (status == SYNCD_OK && count != NULL) {
        *count = number;
    }
    call_fini(&call);
    return status;
}

int syncd_batch_seal(struct syncd *s, const char *batch)
{
    return run_on_batch(s, SLICE("batch.seal"), batch, NULL, NULL);
}

int syncd_batch_cancel(struct syncd *s, const char *batch, uint64_t *cancelled)
{
    return run_on_batch(s, SLICE("batch.cancel"), batch, "cancelled",
                        cancelled);
}

int syncd_batch_retry(struct syncd *s, const char *batch, uint64_t *retried)
{
    return run_on_batch(s, SLICE("batch.retry"), batch, "retried", retried);
}

int syncd_batch_delete(struct syncd *s, const char *batch)
{
    return run_on_batch(s, SLICE("batch.delete"), batch, NULL, NULL);
}
