/*
 * Batches, their stages and the parties of those.
 */
#include "daemon/engine/batch_object.h"

#include "daemon/engine/core.h"

static struct batch_object *batch_of(struct named *named)
{
    return CONTAINER_OF(named, struct batch_object, named);
}

struct batch_object *batch_find(const struct engine *engine, struct slice name)
{
    struct named *named = names_find(&engine->batches, name);
    return named == NULL ? NULL : batch_of(named);
}

struct batch_object *batch_of_id(const struct engine *engine, uint64_t id)
{
    struct batch_object *batch;
    HASH_FIND_NUMBER(by_id, engine->batches_by_id, id, batch);
    return batch;
}

struct batch_object *batch_new(struct engine *engine, uint64_t id,
                               struct slice name, struct slices stages)
{
    struct batch_object *batch = mem_zalloc(sizeof(*batch));
    batch->id = id;
    batch->stages_count = stages.count;
    batch->stages = mem_zalloc(stages.count * sizeof(*batch->stages));
    waiter_list_init(&batch->waiters);
    for (size_t i = 0; i < stages.count; i++) {
        struct stage *stage = &batch->stages[i];
        stage->batch = batch;
        stage->index = i;
        stage->name = slice_copy(stages.at[i]);
        TAILQ_INIT(&stage->jobs);
        TAILQ_INIT(&stage->dead);
        TAILQ_INIT(&stage->held);
        RB_INIT(&stage->held_by_queue);
        TAILQ_INIT(&stage->putters);
        waiter_list_init(&stage->waiters);
    }
    names_add(engine, &engine->batches, &batch->named, name,
              account_at_hand(engine));
    names_weigh(engine, &batch->named, 1 + stages.count);
    HASH_ADD_NUMBER(by_id, engine->batches_by_id, id, batch);
    return batch;
}

void batch_changed(struct engine *engine, struct batch_object *batch)
{
    change_mark(engine, ROW_batch, batch, &batch->saved);
}

static void touch(struct engine *engine, struct batch_object *batch)
{
    if (!batch->touched) {
        batch->touched = true;
        TAILQ_INSERT_TAIL(&engine->batches_touched, batch, of_touched);
    }
}

void batch_touch(struct engine *engine, struct batch_object *batch)
{
    touch(engine, batch);
}

void batch_free(struct engine *engine, struct batch_object *batch)
{
    if (batch->touched) {
        TAILQ_REMOVE(&engine->batches_touched, batch, of_touched);
    }
    for (size_t i = 0; i < batch->stages_count; i++) {
        struct stage *stage = &batch->stages[i];
        CHECK(TAILQ_EMPTY(&stage->jobs) && TAILQ_EMPTY(&stage->dead));
        CHECK(TAILQ_EMPTY(&stage->putters) && TAILQ_EMPTY(&stage->held));
        mem_free((void *)stage->name.at);
    }
    change_gone(engine, ROW_batch, batch->id, &batch->saved);
    HASH_DELETE(by_id, engine->batches_by_id, batch);
    names_remove(engine, &engine->batches, &batch->named);
    change_free(engine, (void *)batch->row_stages.at);
    change_free(engine, (void *)batch->row_done.at);
    mem_free(batch->stages);
    mem_free(batch);
}

/* The row: names and counts of the stages, joined by LF. */

static struct slice replace_text(struct engine *engine, struct slice *old,
                                 struct out *text)
{
    change_free(engine, (void *)old->at);
    *old = (struct slice){text->at, text->len};
    return *old;
}

struct row_batch batch_row(struct engine *engine, struct batch_object *batch)
{
    struct out names, done;
    out_init(&names);
    out_init(&done);
    for (size_t i = 0; i < batch->stages_count; i++) {
        if (i > 0) {
            out_byte(&names, '\n');
            out_byte(&done, '\n');
        }
        out_bytes(&names, batch->stages[i].name);
        write_integer(&done, (int64_t)batch->stages[i].done_count);
    }
    return (struct row_batch){
        .id = batch->id,
        .name = batch->named.name,
        .stages = replace_text(engine, &batch->row_stages, &names),
        .done = replace_text(engine, &batch->row_done, &done),
        .goes_on = batch->goes_on,
        .sealed = batch->sealed,
        .passed = batch->passed,
        .cancelled = batch->cancelled,
        .uid = account_uid(engine, batch->named.owner)};
}

/* A count as it is written in a row; false: it is none. */
static bool read_count(struct slice text, size_t *count)
{
    int64_t number;
    if (!scan_valid(text) || scan_kind_of(text) != SCAN_NUMBER ||
        !scan_integer(text, &number) || number < 0) {
        return false;
    }
    *count = (size_t)number;
    return true;
}

static bool load_stages(struct engine *engine, const struct row_batch *row)
{
    struct slice names[STAGES_MAX];
    struct slice done[STAGES_MAX];
    size_t count = names_split(row->stages, names, STAGES_MAX);
    if (count == 0 || names_split(row->done, done, STAGES_MAX) != count ||
        row->passed > count) {
        return false;
    }
    struct batch_object *batch =
        batch_new(engine, row->id, row->name, (struct slices){names, count});
    names_own(engine, &batch->named, row->uid);
    for (size_t i = 0; i < count; i++) {
        if (!read_count(done[i], &batch->stages[i].done_count)) {
            return false;
        }
    }
    batch->goes_on = row->goes_on != 0;
    batch->sealed = row->sealed != 0;
    batch->cancelled = row->cancelled != 0;
    batch->passed = row->passed;
    batch->saved.on_disk = true;
    for (size_t i = 0; i < batch->passed; i++) {
        stage_event_set(engine, &batch->stages[i]);
    }
    return true;
}

bool batch_load(struct engine *engine, const struct row_batch *row)
{
    return row->id > 0 && row->id < engine->object_ids.next &&
           row->name.at != NULL && row->stages.at != NULL &&
           batch_find(engine, row->name) == NULL &&
           batch_of_id(engine, row->id) == NULL && load_stages(engine, row);
}

static struct out stage_event(const struct stage *stage)
{
    struct out out;
    out_init(&out);
    out_bytes(&out, SLICE("batch/"));
    out_bytes(&out, stage->batch->named.name);
    out_byte(&out, '/');
    out_bytes(&out, stage->name);
    return out;
}

void stage_event_set(struct engine *engine, const struct stage *stage)
{
    struct out name = stage_event(stage);
    event_set_told(engine, (struct slice){name.at, name.len},
                   stage->batch->named.owner);
    out_fini(&name);
}

void stage_event_clear(struct engine *engine, const struct stage *stage)
{
    struct out name = stage_event(stage);
    event_clear(engine, (struct slice){name.at, name.len});
    out_fini(&name);
}

bool stage_is_held(const struct stage *stage)
{
    return stage->index > stage->batch->passed;
}

bool stage_admits(const struct stage *stage, bool inside)
{
    const struct batch_object *batch = stage->batch;
    return !batch->cancelled && stage->index >= batch->passed &&
           (!batch->sealed || inside);
}

/* Parties. */

void stage_join(struct engine *engine, struct stage *stage, struct job *job)
{
    struct job_extra *extra = job_extra(engine, job);
    extra->job = job;
    extra->stage = stage;
    stage->open++;
    TAILQ_INSERT_TAIL(&stage->jobs, extra, of_stage);
}

void stage_arrive(struct engine *engine, struct job *job, enum job_state state)
{
    struct job_extra *extra = job_extra_of(job);
    struct stage *stage = extra->stage;
    stage->counts[state]--;
    stage->open--;
    stage->done_count++;
    TAILQ_REMOVE(&stage->jobs, extra, of_stage);
    extra->stage = NULL;
    lease_left_stage(job);
    batch_changed(engine, stage->batch);
    touch(engine, stage->batch);
}

void stage_die(struct engine *engine, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    struct stage *stage = extra->stage;
    stage->open--;
    stage->dead_count++;
    TAILQ_REMOVE(&stage->jobs, extra, of_stage);
    TAILQ_INSERT_TAIL(&stage->dead, extra, of_stage);
    touch(engine, stage->batch);
}

void stage_skip_dead(struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    struct stage *stage = extra->stage;
    TAILQ_REMOVE(&stage->dead, extra, of_stage);
    TAILQ_INSERT_TAIL(&stage->dead, extra, of_stage);
}

void stage_revive(struct engine *engine, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    struct stage *stage = extra->stage;
    stage->dead_count--;
    stage->open++;
    TAILQ_REMOVE(&stage->dead, extra, of_stage);
    TAILQ_INSERT_TAIL(&stage->jobs, extra, of_stage);
    touch(engine, stage->batch);
}

void stage_leave(struct engine *engine, struct job *job, enum job_state state)
{
    struct job_extra *extra = job_extra_of(job);
    struct stage *stage = extra->stage;
    if (extra->finished_at_us > 0) {
        CHECK(state == JOB_DEAD || state == JOB_READY);
        stage->dead_count--;
        TAILQ_REMOVE(&stage->dead, extra, of_stage);
    } else {
        stage->open--;
        TAILQ_REMOVE(&stage->jobs, extra, of_stage);
    }
    extra->stage = NULL;
    lease_left_stage(job);
    touch(engine, stage->batch);
}
