/*
 * How the stages of a batch pass, and who is told.
 */
#include "daemon/engine/core.h"

bool batch_is_over(const struct batch_object *batch)
{
    return batch->passed == batch->stages_count;
}

const struct job *batch_broken_by(const struct batch_object *batch)
{
    for (size_t i = batch->passed; !batch->goes_on && i < batch->stages_count;
         i++) {
        const struct job_extra *extra = TAILQ_FIRST(&batch->stages[i].dead);
        if (extra != NULL) {
            return extra->job;
        }
    }
    return NULL;
}

struct slice batch_state(const struct batch_object *batch)
{
    if (batch->cancelled) {
        return SLICE("cancelled");
    }
    if (batch_is_over(batch)) {
        return SLICE("done");
    }
    if (batch_broken_by(batch) != NULL) {
        return SLICE("broken");
    }
    return batch->sealed ? SLICE("running") : SLICE("unsealed");
}

/* Puts that wait for room in that stage. */
static void touch_putters(struct engine *engine, const struct stage *stage)
{
    const struct wait_put *put;
    TAILQ_FOREACH (put, &stage->putters, of_stage) {
        queue_touch(engine, put->queue);
    }
}

void batch_touch_putters(struct engine *engine, struct batch_object *batch)
{
    for (size_t i = 0; i < batch->stages_count; i++) {
        touch_putters(engine, &batch->stages[i]);
    }
}

/* The open stage's jobs have all arrived: on to the next. */
static bool pass(struct engine *engine, struct batch_object *batch)
{
    if (!batch->sealed || batch->cancelled || batch_is_over(batch)) {
        return false;
    }
    struct stage *stage = &batch->stages[batch->passed];
    if (stage->open > 0 || (stage->dead_count > 0 && !batch->goes_on)) {
        return false;
    }
    stage_event_set(engine, stage);
    touch_putters(engine, stage);
    batch->passed++;
    batch_changed(engine, batch);
    if (!batch_is_over(batch)) {
        struct stage *next = &batch->stages[batch->passed];
        next->released_in = change_batch_seen(engine); /* that of its row */
        sweep_release(engine, next);
    }
    return true;
}

/* A batch.wait: `passed` when the stage it asks for is behind. */
static void write_wait(struct out *out, const struct batch_object *batch,
                       size_t stages)
{
    write_begin_object(out);
    WRITE(out, flag, "passed", batch->passed >= stages);
    WRITE(out, string, "state", batch_state(batch));
    write_end_object(out);
}

static void complain_broken(struct complaint *why, struct out *data,
                            const struct batch_object *batch)
{
    const struct job *job = batch_broken_by(batch);
    out_init(data);
    if (job == NULL) {
        complain(why, ERROR_broken, "the batch was cancelled");
        out_bytes(data, SLICE("\"reason\":\"cancelled\""));
    } else {
        complain(why, ERROR_broken,
                 "job %llu of the batch is dead: batch.retry lets it be tried "
                 "again, job.cancel goes on without it",
                 (unsigned long long)job->id);
        out_bytes(data, SLICE("\"reason\":\"a job is dead\""));
        WRITE(data, integer, "job", (int64_t)job->id);
        if (job_extra_of(job)->error.at != NULL) {
            WRITE(data, json, "error", job_extra_of(job)->error);
        }
    }
    why->data = (struct slice){data->at, data->len};
}

static bool is_hopeless(const struct batch_object *batch)
{
    return batch->cancelled ||
           (!batch_is_over(batch) && batch_broken_by(batch) != NULL);
}

static void refuse_waiters(struct engine *engine, struct batch_object *batch)
{
    struct waiter *waiter;
    struct complaint why;
    struct out data;
    complain_broken(&why, &data, batch);
    while ((waiter = waiter_first(&batch->waiters)) != NULL) {
        waiter_refuse_with(engine, waiter, &why);
    }
    out_fini(&data);
}

/* Those who wait for this stage, which has passed. */
static void answer_waiters(struct engine *engine, struct stage *stage)
{
    struct waiter *waiter;
    while ((waiter = waiter_first(&stage->waiters)) != NULL) {
        write_wait(waiter_begin(engine, waiter), stage->batch,
                   stage->index + 1);
        waiter_reply(engine, waiter, change_batch_seen(engine));
    }
}

void batches_settle(struct engine *engine)
{
    struct batch_object *batch;
    while ((batch = TAILQ_FIRST(&engine->batches_touched)) != NULL) {
        TAILQ_REMOVE(&engine->batches_touched, batch, of_touched);
        batch->touched = false;
        size_t before = batch->passed;
        while (pass(engine, batch)) {
        }
        for (size_t i = before; i < batch->passed; i++) {
            answer_waiters(engine, &batch->stages[i]);
        }
        if (is_hopeless(batch)) {
            refuse_waiters(engine, batch);
        }
    }
}

void batch_answer_timeout(struct engine *engine, struct waiter *take_waiter)
{
    write_wait(waiter_begin(engine, take_waiter), take_waiter->u.batch.batch,
               take_waiter->u.batch.stages);
    waiter_reply(engine, take_waiter, change_batch_seen(engine));
}

void method_batch_wait(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return;
    }
    size_t stages = batch->stages_count;
    if (request->stage.at != NULL) {
        const struct stage *stage = batch_stage_named(batch, request->stage);
        if (stage == NULL) {
            refuse_no_stage(engine, batch, request->stage);
            return;
        }
        stages = stage->index + 1;
    }
    if (batch->passed < stages && is_hopeless(batch)) {
        struct complaint why;
        struct out data;
        complain_broken(&why, &data, batch);
        reply_error(engine, &engine->current.to, &why);
        out_fini(&data);
        return;
    }
    if (batch->passed >= stages || request->timeout_us == 0) {
        write_wait(answer_begin(engine), batch, stages);
        answer_end(engine, change_batch_seen(engine));
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_BATCH, 2, request->timeout_us);
    if (waiter != NULL) {
        waiter->u.batch = (struct wait_batch){.batch = batch, .stages = stages};
        waiter_join_line(waiter, &batch->waiters);
        waiter_join_line(waiter, &batch->stages[stages - 1].waiters);
    }
}
