/* The methods of batches, and how a stage passes. */
#include "daemon/engine/core.h"

#include <stdio.h>

static bool is_over(const struct batch_object *batch)
{
    return batch->passed == batch->stages_count;
}

/* A job that broke it: dead, in a stage that has not passed. NULL: whole. */
static const struct job *broken_by(const struct batch_object *batch)
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

static struct slice state_of(const struct batch_object *batch)
{
    if (batch->cancelled) {
        return SLICE("cancelled");
    }
    if (is_over(batch)) {
        return SLICE("done");
    }
    if (broken_by(batch) != NULL) {
        return SLICE("broken");
    }
    return batch->sealed ? SLICE("running") : SLICE("unsealed");
}

/* The open stage's jobs have all arrived: on to the next. */
static bool pass(struct engine *engine, struct batch_object *batch)
{
    if (!batch->sealed || batch->cancelled || is_over(batch)) {
        return false;
    }
    struct stage *stage = &batch->stages[batch->passed];
    if (stage->open > 0 || (stage->dead_count > 0 && !batch->goes_on)) {
        return false;
    }
    struct slice event = stage_event(stage);
    event_set(engine, event);
    mem_free((void *)event.at);
    batch->passed++;
    batch_changed(engine, batch);
    if (!is_over(batch)) {
        struct stage *next = &batch->stages[batch->passed];
        next->released_in = change_batch_open(engine);
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
    WRITE(out, string, "state", state_of(batch));
    write_end_object(out);
}

static void complain_broken(struct complaint *why, struct out *data,
                            const struct batch_object *batch)
{
    const struct job *job = broken_by(batch);
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
        if (job->extra->error.at != NULL) {
            WRITE(data, json, "error", job->extra->error);
        }
    }
    why->data = (struct slice){data->at, data->len};
}

static bool is_hopeless(const struct batch_object *batch)
{
    return batch->cancelled || (!is_over(batch) && broken_by(batch) != NULL);
}

/* Answers it if there is something to say. */
static bool answer_waiter(struct engine *engine, struct batch_object *batch,
                          struct waiter *waiter)
{
    if (batch->passed >= waiter->u.batch.stages) {
        write_wait(waiter_begin(engine, waiter), batch, waiter->u.batch.stages);
        waiter_reply(engine, waiter, change_batch_seen(engine));
        return true;
    }
    if (is_hopeless(batch)) {
        struct complaint why;
        struct out data;
        complain_broken(&why, &data, batch);
        waiter_refuse_with(engine, waiter, &why);
        out_fini(&data);
        return true;
    }
    return false;
}

void batches_settle(struct engine *engine)
{
    struct batch_object *batch;
    while ((batch = TAILQ_FIRST(&engine->batches_touched)) != NULL) {
        TAILQ_REMOVE(&engine->batches_touched, batch, of_touched);
        batch->touched = false;
        while (pass(engine, batch)) {
        }
        struct waiter_link *link, *next;
        TAILQ_FOREACH_SAFE (link, &batch->waiters.line, entry, next) {
            (void)answer_waiter(engine, batch, link->waiter);
        }
    }
}

void batch_answer_timeout(struct engine *engine, struct waiter *take_waiter)
{
    write_wait(waiter_begin(engine, take_waiter), take_waiter->u.batch.batch,
               take_waiter->u.batch.stages);
    waiter_reply(engine, take_waiter, 0);
}

/* The batch named, or NULL: refused. */
static struct batch_object *batch_wanted(struct engine *engine,
                                         struct slice name)
{
    struct batch_object *batch = batch_find(engine, name);
    if (batch == NULL) {
        refuse(engine, ERROR_not_found,
               "there is no batch %.*s: batch.list tells which there are",
               (int)name.len, name.at);
    }
    return batch;
}

static struct stage *stage_named(const struct batch_object *batch,
                                 struct slice name)
{
    for (size_t i = 0; i < batch->stages_count; i++) {
        if (slice_equal(batch->stages[i].name, name)) {
            return &batch->stages[i];
        }
    }
    return NULL;
}

static void refuse_no_stage(struct engine *engine,
                            const struct batch_object *batch, struct slice name)
{
    refuse(engine, ERROR_not_found, "%.*s has no stage %.*s",
           (int)batch->named.name.len, batch->named.name.at, (int)name.len,
           name.at);
}

/* The stage of the batch's job that this session works on (the one named by
 * `from`, or any it has leased); NULL: none. */
static const struct stage *stage_of_lease(const struct engine *engine,
                                          const struct request *request,
                                          const struct batch_object *batch)
{
    const struct session *session = engine->current.session;
    if (request->from.id != 0) {
        const struct job *job = job_find(engine, request->from.id);
        return job != NULL && job->lease != NULL &&
                       job->lease->token == request->from.token &&
                       job->extra != NULL && job->extra->stage != NULL &&
                       job->extra->stage->batch == batch
                   ? job->extra->stage
                   : NULL;
    }
    const struct stage *first = NULL;
    const struct lease *lease;
    TAILQ_FOREACH (lease, &session->leases, of_session) {
        const struct job_extra *extra = lease->job->extra;
        if (extra != NULL && extra->stage != NULL &&
            extra->stage->batch == batch &&
            (first == NULL || extra->stage->index < first->index)) {
            first = extra->stage;
        }
    }
    return first;
}

struct stage *batch_stage_wanted(struct engine *engine,
                                 const struct request *request, bool *inside)
{
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return NULL;
    }
    struct stage *stage = stage_named(batch, request->stage);
    if (stage == NULL) {
        refuse_no_stage(engine, batch, request->stage);
        return NULL;
    }
    const struct stage *from = stage_of_lease(engine, request, batch);
    *inside = from != NULL && from->index <= stage->index;
    if (!stage_admits(stage, *inside)) {
        refuse_stage(engine, stage);
        return NULL;
    }
    return stage;
}

void refuse_stage(struct engine *engine, const struct stage *stage)
{
    const struct batch_object *batch = stage->batch;
    refuse(engine, ERROR_conflict, "%.*s takes no more jobs in %.*s: %s",
           (int)batch->named.name.len, batch->named.name.at,
           (int)stage->name.len, stage->name.at,
           batch->cancelled               ? "it was cancelled"
           : stage->index < batch->passed ? "that stage has passed"
                                          : "it is sealed");
}

static bool check_stages(struct engine *engine, struct slices stages)
{
    if (stages.count > STAGES_MAX) {
        refuse_param(engine, "stages", "a batch has at most %d stages",
                     STAGES_MAX);
        return false;
    }
    for (size_t i = 0; i < stages.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (slice_equal(stages.at[i], stages.at[j])) {
                refuse_param(engine, "stages", "two stages have one name");
                return false;
            }
        }
    }
    return true;
}

static bool same_stages(const struct batch_object *batch,
                        const struct request *request)
{
    if (request->stages.count != batch->stages_count ||
        (request->on_failure == FAILURE_CONTINUE) != batch->goes_on) {
        return false;
    }
    for (size_t i = 0; i < batch->stages_count; i++) {
        if (!slice_equal(request->stages.at[i], batch->stages[i].name)) {
            return false;
        }
    }
    return true;
}

static void answer_name(struct engine *engine, const struct batch_object *batch)
{
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, string, "batch", batch->named.name);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}

void method_batch_create(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    char room[32];
    struct slice name = request->batch;
    struct batch_object *batch =
        name.at == NULL ? NULL : batch_find(engine, name);
    if (!check_stages(engine, request->stages)) {
        return;
    }
    if (batch != NULL && !same_stages(batch, request)) {
        refuse(engine, ERROR_conflict,
               "there is a batch %.*s with other stages already", (int)name.len,
               name.at);
        return;
    }
    if (batch == NULL) {
        if (names_full(engine, &engine->batches, "batches")) {
            return;
        }
        uint64_t id = next_object_id(engine);
        if (name.at == NULL) {
            (void)snprintf(room, sizeof(room), "b%llu", (unsigned long long)id);
            name = slice_of(room);
            if (batch_find(engine, name) != NULL) {
                refuse(engine, ERROR_conflict,
                       "%s is taken: name the batch yourself", room);
                return;
            }
        }
        batch = batch_new(engine, id, name, request->stages);
        batch->goes_on = request->on_failure == FAILURE_CONTINUE;
        batch_changed(engine, batch);
    }
    answer_name(engine, batch);
}

static void batch_write(const struct engine *engine, struct out *out,
                        const struct named *named);

static void answer_batch(struct engine *engine, struct batch_object *batch)
{
    batch_touch(engine, batch);
    batches_settle(engine);
    batch_write(engine, answer_begin(engine), &batch->named);
    answer_end(engine, change_batch_seen(engine));
}

void method_batch_seal(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return;
    }
    if (!batch->sealed && !batch->cancelled) {
        batch->sealed = true;
        batch_changed(engine, batch);
    }
    answer_batch(engine, batch);
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
        const struct stage *stage = stage_named(batch, request->stage);
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
        waiter_new(engine, WAITER_BATCH, 1, request->timeout_us);
    if (waiter != NULL) {
        waiter->u.batch = (struct wait_batch){.batch = batch, .stages = stages};
        waiter_join_line(waiter, &batch->waiters);
    }
}

static void write_stage(struct out *out, const struct stage *stage)
{
    write_begin_object(out);
    WRITE(out, string, "stage", stage->name);
    WRITE(out, flag, "passed", stage->index < stage->batch->passed);
    write_key(out, SLICE("counts"));
    write_begin_object(out);
    for (size_t i = 0; i < JOB_STATES; i++) {
        write_key(out, slice_of(job_state_names[i]));
        write_integer(out, (int64_t)(i == JOB_DONE ? stage->done_count
                                                   : stage->counts[i]));
    }
    write_end_object(out);
    write_end_object(out);
}

static void batch_write(const struct engine *engine, struct out *out,
                        const struct named *named)
{
    const struct batch_object *batch =
        CONTAINER_OF(named, const struct batch_object, named);
    const struct job *job = broken_by(batch);
    write_begin_object(out);
    WRITE(out, string, "batch", named->name);
    WRITE(out, string, "state", state_of(batch));
    WRITE(out, flag, "sealed", batch->sealed);
    WRITE(out, string, "on_failure",
          batch->goes_on ? SLICE("continue") : SLICE("break"));
    write_key(out, SLICE("stages"));
    write_begin_array(out);
    for (size_t i = 0; i < batch->stages_count; i++) {
        write_stage(out, &batch->stages[i]);
    }
    write_end_array(out);
    if (job != NULL) {
        WRITE(out, integer, "job", (int64_t)job->id);
    }
    waiters_write(engine, out, &batch->waiters);
    write_end_object(out);
}

void method_batch_show(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch != NULL) {
        batch_write(engine, answer_begin(engine), &batch->named);
        answer_end(engine, change_batch_seen(engine));
    }
}

void method_batch_list(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    names_answer_list(engine, request, &engine->batches, SLICE("batches"),
                      batch_write, NULL);
}

void method_batch_cancel(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return;
    }
    if (is_over(batch)) {
        refuse(engine, ERROR_conflict, "%.*s is done already",
               (int)request->batch.len, request->batch.at);
        return;
    }
    sweep_batch(engine, batch, SWEEP_CANCEL);
}

void method_batch_retry(struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return;
    }
    if (batch->cancelled) {
        refuse(engine, ERROR_conflict, "%.*s was cancelled",
               (int)request->batch.len, request->batch.at);
        return;
    }
    sweep_batch(engine, batch, SWEEP_MEND);
}

void method_batch_delete(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return;
    }
    for (size_t i = 0; i < batch->stages_count; i++) {
        const struct stage *stage = &batch->stages[i];
        if (stage->open > 0 || stage->dead_count > 0 || stage->putters > 0) {
            refuse(engine, ERROR_conflict,
                   "%.*s has unfinished or dead jobs: batch.cancel it first",
                   (int)request->batch.len, request->batch.at);
            return;
        }
    }
    if (batch->sweeps > 0) {
        refuse(engine, ERROR_conflict, "%.*s is being worked on: try again",
               (int)request->batch.len, request->batch.at);
        return;
    }
    waiter_refuse_all(engine, &batch->waiters, ERROR_not_found,
                      "the batch was deleted");
    for (size_t i = 0; i < batch->passed; i++) {
        struct slice event = stage_event(&batch->stages[i]);
        event_clear(engine, event);
        mem_free((void *)event.at);
    }
    batch_free(engine, batch);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}

void batches_free_all(struct engine *engine)
{
    struct named *named;
    while ((named = names_from(&engine->batches, SLICE(""), false)) != NULL) {
        batch_free(engine, CONTAINER_OF(named, struct batch_object, named));
    }
}
