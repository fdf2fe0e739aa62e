/* The methods of batches, but for batch.wait. */
#include "daemon/engine/core.h"

#include <stdio.h>

struct batch_object *batch_wanted(struct engine *engine, struct slice name)
{
    struct batch_object *batch = batch_find(engine, name);
    if (batch == NULL) {
        refuse_about(engine, ERROR_not_found, "batch",
                     "there is no batch %.*s: batch.list tells which there are",
                     (int)name.len, name.at);
    }
    return batch;
}

struct stage *batch_stage_named(const struct batch_object *batch,
                                struct slice name)
{
    for (size_t i = 0; i < batch->stages_count; i++) {
        if (slice_equal(batch->stages[i].name, name)) {
            return &batch->stages[i];
        }
    }
    return NULL;
}

void refuse_no_stage(struct engine *engine, const struct batch_object *batch,
                     struct slice name)
{
    refuse_about(engine, ERROR_not_found, "stage", "%.*s has no stage %.*s",
                 (int)batch->named.name.len, batch->named.name.at,
                 (int)name.len, name.at);
}

/* The stage of a job, if it is a party of this batch; NULL: it is not. */
static const struct stage *stage_in(const struct batch_object *batch,
                                    const struct job *job)
{
    const struct stage *stage =
        job_extra_of(job) == NULL ? NULL : job_extra_of(job)->stage;
    return stage != NULL && stage->batch == batch ? stage : NULL;
}

/* The stage that this request adds from; *from is NULL: it comes from outside.
 * False: it names a lease that is over, and was refused. */
static bool stage_from(struct engine *engine, const struct request *request,
                       struct batch_object *batch, const struct stage **from)
{
    if (request->from.id == 0) {
        *from = lease_first_stage(engine->current.session, batch);
        return true;
    }
    const struct job *job = job_leased(engine, engine->current.session,
                                       request->from.id, request->from.token);
    struct asker asker = asker_at_hand(engine);
    if (job == NULL || !access_opens(&asker, KIND_queue,
                                     job_queue(job)->named.name, ROLE_EITHER)) {
        refuse_about(
            engine, ERROR_stale_token, "from",
            "the job %llu named by `from` is not leased under this token "
            "any more: whoever has it now adds what is to be added",
            (unsigned long long)request->from.id);
        return false;
    }
    *from = stage_in(batch, job);
    return true;
}

struct stage *batch_stage_wanted(struct engine *engine,
                                 const struct request *request, bool *inside)
{
    struct batch_object *batch = batch_wanted(engine, request->batch);
    if (batch == NULL) {
        return NULL;
    }
    struct stage *stage = batch_stage_named(batch, request->stage);
    if (stage == NULL) {
        refuse_no_stage(engine, batch, request->stage);
        return NULL;
    }
    const struct stage *from = NULL;
    if (!stage_from(engine, request, batch, &from)) {
        return NULL;
    }
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

/* Can its event be told from those of others, and be named at all? */
static bool check_stage(struct engine *engine, struct slice batch,
                        struct slice stage)
{
    if (memchr(stage.at, '/', stage.len) != NULL) {
        refuse_param(engine, "stages", "the name of a stage has no slash");
        return false;
    }
    size_t len = strlen("batch//") + batch.len + stage.len;
    if (len > NAME_BYTES_MAX) {
        refuse_param(engine, "stages",
                     "the event batch/BATCH/STAGE would have a name of %zu "
                     "bytes, more than %d: give shorter names",
                     len, NAME_BYTES_MAX);
        return false;
    }
    return true;
}

static bool check_stages(struct engine *engine, struct slice batch,
                         struct slices stages)
{
    _Static_assert(NAME_LIST_MAX <= STAGES_MAX, "a request names no more");
    for (size_t i = 0; i < stages.count; i++) {
        if (!check_stage(engine, batch, stages.at[i])) {
            return false;
        }
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

/* A name that no batch has yet: b1, b2, ... */
#define MADE_NAME_BYTES 32
static struct slice make_name(struct engine *engine, uint64_t *id,
                              char room[MADE_NAME_BYTES])
{
    do {
        *id = next_object_id(engine);
        (void)snprintf(room, MADE_NAME_BYTES, "b%llu", (unsigned long long)*id);
    } while (batch_find(engine, slice_of(room)) != NULL);
    return slice_of(room);
}

/* NULL: refused. Whoever could not use a made name must name it itself. */
static struct batch_object *create(struct engine *engine,
                                   const struct request *request)
{
    uint64_t id;
    char room[MADE_NAME_BYTES];
    struct slice name = request->batch;
    if (name.at == NULL) {
        name = make_name(engine, &id, room);
        if (access_refused_name(engine, KIND_batch, name)) {
            return NULL;
        }
    } else {
        id = next_object_id(engine);
    }
    struct batch_object *batch = batch_new(engine, id, name, request->stages);
    batch->goes_on = request->on_failure == FAILURE_CONTINUE;
    batch_changed(engine, batch);
    return batch;
}

bool batch_create_adds(const struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    return request->batch.at == NULL ||
           batch_find(engine, request->batch) == NULL;
}

void method_batch_create(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    struct slice name = request->batch;
    struct batch_object *batch =
        name.at == NULL ? NULL : batch_find(engine, name);
    if (!check_stages(engine, name, request->stages)) {
        return;
    }
    if (batch != NULL && !same_stages(batch, request)) {
        refuse(engine, ERROR_conflict,
               "there is a batch %.*s with other stages already", (int)name.len,
               name.at);
        return;
    }
    if (batch == NULL) {
        if (names_full(engine, &engine->batches, name, "batches") ||
            account_refused_objects(engine, 1 + request->stages.count)) {
            return;
        }
        batch = create(engine, request);
        if (batch == NULL) {
            return;
        }
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
        batch_touch_putters(engine, batch);
    }
    answer_batch(engine, batch);
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
    const struct job *job = batch_broken_by(batch);
    write_begin_object(out);
    WRITE(out, string, "batch", named->name);
    WRITE(out, string, "state", batch_state(batch));
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
    if (batch_is_over(batch)) {
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

/* One that went on over dead jobs (on_failure) is done with them in it. */
static void refuse_to_delete(struct engine *engine,
                             const struct batch_object *batch,
                             const struct request *request)
{
    if (batch_is_over(batch)) {
        refuse_about(
            engine, ERROR_conflict, "id",
            "%.*s is done, but has dead jobs, or such as were retried: "
            "job.cancel them first",
            (int)request->batch.len, request->batch.at);
    } else {
        refuse_about(engine, ERROR_conflict, "batch",
                     "%.*s has unfinished or dead jobs: batch.cancel it first",
                     (int)request->batch.len, request->batch.at);
    }
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
        if (stage->open > 0 || stage->dead_count > 0 ||
            !TAILQ_EMPTY(&stage->putters)) {
            refuse_to_delete(engine, batch, request);
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
        stage_event_clear(engine, &batch->stages[i]);
    }
    batch_free(engine, batch);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}

void batches_loaded(struct engine *engine)
{
    struct batch_object *batch, *next;
    HASH_ITER (by_id, engine->batches_by_id, batch, next) {
        if (batch->cancelled) {
            sweep_batch_resume(engine, batch);
        } else {
            batch_touch(engine, batch);
        }
    }
    batches_settle(engine);
}

void batches_free_all(struct engine *engine)
{
    struct named *named;
    while ((named = names_from(&engine->batches, SLICE(""), false)) != NULL) {
        batch_free(engine, CONTAINER_OF(named, struct batch_object, named));
    }
}
