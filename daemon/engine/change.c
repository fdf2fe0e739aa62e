#include "daemon/engine/core.h"

#define LOWEST_BITS ((1U << SAVED_BITS) - 1)

void changes_init(struct changes *changes)
{
    *changes = (struct changes){0};
}

static void free_graves(struct changes *changes, struct spares *spares)
{
    for (size_t i = 0; i < changes->graves_count; i++) {
        spares_give(spares, changes->graves[i]);
    }
    changes->graves_count = 0;
}

void changes_fini(struct changes *changes, struct spares *spares)
{
    free_graves(changes, spares);
    mem_free(changes->graves);
    mem_free(changes->open);
    for (size_t i = 0; i < ROW_KINDS; i++) {
        mem_free(changes->buffers[i].rows);
        mem_free(changes->buffers[i].gone);
    }
    changes_init(changes);
}

static struct change *push(struct changes *changes)
{
    if (changes->open_count == changes->open_cap) {
        changes->open_cap = changes->open_cap == 0 ? 64 : 2 * changes->open_cap;
        changes->open = mem_realloc(changes->open,
                                    changes->open_cap * sizeof(*changes->open));
    }
    CHECK(changes->open_count < LOWEST_BITS);
    changes->open_live++;
    return &changes->open[changes->open_count++];
}

void change_mark(struct engine *engine, enum row_kind kind, void *object,
                 struct saved *saved)
{
    struct changes *changes = &engine->changes;
    if (!saved->dirty && !engine->options.forgetful) {
        saved->at = changes->open_count & LOWEST_BITS;
        saved->dirty = true;
        *push(changes) = (struct change){.object = object, .kind = kind};
    }
}

void change_gone(struct engine *engine, enum row_kind kind, uint64_t id,
                 struct saved *saved)
{
    struct changes *changes = &engine->changes;
    struct change gone = {.id = saved->on_disk ? id : 0, .kind = kind};
    if (saved->dirty) {
        changes->open[saved->at] = gone;
        changes->open_live -= gone.id == 0;
    } else if (saved->on_disk) {
        *push(changes) = gone;
    }
    *saved = (struct saved){0};
}

void change_stays(struct engine *engine, enum row_kind kind, uint64_t id,
                  struct saved *saved)
{
    struct changes *changes = &engine->changes;
    for (size_t i = 0; i < changes->open_count; i++) {
        struct change *change = &changes->open[i];
        if (change->object == NULL && change->kind == kind &&
            change->id == id) {
            change->id = 0;
            changes->open_live--;
            saved->on_disk = true;
            return;
        }
    }
}

void change_free(struct engine *engine, void *take_memory)
{
    struct changes *changes = &engine->changes;
    if (!changes->out || take_memory == NULL) {
        spares_give(&engine->spares, take_memory);
        return;
    }
    if (changes->graves_count == changes->graves_cap) {
        changes->graves_cap =
            changes->graves_cap == 0 ? 64 : 2 * changes->graves_cap;
        changes->graves = mem_realloc(
            changes->graves, changes->graves_cap * sizeof(*changes->graves));
    }
    changes->graves[changes->graves_count++] = take_memory;
}

uint64_t change_batch_open(const struct engine *engine)
{
    return engine->changes.done + 1 + engine->changes.out;
}

uint64_t change_batch_seen(const struct engine *engine)
{
    const struct changes *changes = &engine->changes;
    if (changes->open_live > 0) {
        return change_batch_open(engine);
    }
    return changes->out ? changes->done + 1 : 0;
}

uint64_t change_batch_of(const struct engine *engine, const struct saved *saved)
{
    const struct changes *changes = &engine->changes;
    if (saved->dirty) {
        return change_batch_open(engine);
    }
    return changes->out && saved->at == ((changes->done + 1) & LOWEST_BITS)
               ? changes->done + 1
               : 0;
}

/* Room for one more of `size` bytes behind `count`. */
static void *grown(void *at, size_t *cap, size_t count, size_t size)
{
    if (count < *cap) {
        return at;
    }
    *cap = *cap == 0 ? 16 : 2 * *cap;
    return mem_realloc(at, *cap * size);
}

struct saved *change_fill_row(struct engine *engine, enum row_kind kind,
                              void *object, void *row)
{
    switch (kind) {
    case ROW_counters:
        *(struct row_counters *)row = counters_row(engine);
        return &engine->counters_saved;
    case ROW_queue: {
        struct queue *queue = object;
        *(struct row_queue *)row = queue_row(engine, queue);
        return &queue->saved;
    }
    case ROW_session: {
        struct session *session = object;
        *(struct row_session *)row = session_row(session);
        return &session->saved;
    }
    case ROW_job: {
        struct job *job = object;
        *(struct row_job *)row = job_row(engine, job);
        return &job->saved;
    }
    case ROW_outcome: {
        struct outcome *outcome = object;
        *(struct row_outcome *)row = outcome_row(outcome);
        return &outcome->saved;
    }
    case ROW_semaphore: {
        struct semaphore *semaphore = object;
        *(struct row_semaphore *)row = semaphore_row(engine, semaphore);
        return &semaphore->saved;
    }
    case ROW_event: {
        struct event_object *event = object;
        *(struct row_event *)row = event_row(engine, event);
        return &event->saved;
    }
    case ROW_barrier: {
        struct barrier *barrier = object;
        *(struct row_barrier *)row = barrier_row(engine, barrier);
        return &barrier->saved;
    }
    case ROW_hold: {
        struct hold *hold = object;
        *(struct row_hold *)row = hold_row(hold);
        return &hold->saved;
    }
    case ROW_batch: {
        struct batch_object *batch = object;
        *(struct row_batch *)row = batch_row(engine, batch);
        return &batch->saved;
    }
    case ROW_KINDS:
        break;
    }
    CHECK(false);
    return NULL;
}

/* The bytes of a row's texts. */
static size_t text_bytes(const struct kind_row *kind, const void *row)
{
    size_t bytes = 0;
    for (size_t i = 0; i < kind->columns_count; i++) {
        if (kind->columns[i].type == COLUMN_TEXT) {
            const void *at = (const char *)row + kind->columns[i].offset;
            bytes += ((const struct slice *)at)->len;
        }
    }
    return bytes;
}

static void add_row(struct engine *engine, const struct change *change)
{
    struct row_buffer *buffer = &engine->changes.buffers[change->kind];
    struct row_changes *into = &engine->changes.batch.changes[change->kind];
    const struct kind_row *kind = kind_row(change->kind);
    buffer->rows =
        grown(buffer->rows, &buffer->rows_cap, into->rows_count, kind->size);
    char *row = (char *)buffer->rows + into->rows_count++ * kind->size;
    struct saved *saved =
        change_fill_row(engine, change->kind, change->object, row);
    saved->dirty = false;
    saved->on_disk = true;
    saved->at = engine->changes.batch.number & LOWEST_BITS;
    engine->changes.batch.bytes += kind->size + text_bytes(kind, row);
}

static void add_gone(struct engine *engine, const struct change *change)
{
    struct row_buffer *buffer = &engine->changes.buffers[change->kind];
    struct row_changes *into = &engine->changes.batch.changes[change->kind];
    buffer->gone = grown(buffer->gone, &buffer->gone_cap, into->gone_count,
                         sizeof(uint64_t));
    buffer->gone[into->gone_count++] = change->id;
    engine->changes.batch.bytes += sizeof(uint64_t);
}

const struct batch *change_cut(struct engine *engine)
{
    struct changes *changes = &engine->changes;
    if (changes->out) {
        return NULL;
    }
    if (changes->open_live == 0 && engine->held[0].count == 0) {
        changes->open_count = 0; /* only what was undone */
        return NULL;
    }
    if (changes->open_live > 0) {
        /* What was done must not lie in the future after a restart. */
        change_mark(engine, ROW_counters, engine, &engine->counters_saved);
        engine->job_ids.cut = engine->job_ids.reserved;
        engine->tokens.cut = engine->tokens.reserved;
    }
    /* An empty batch, if everything was undone: replies wait for it. */
    changes->batch = (struct batch){.number = changes->done + 1};
    for (size_t i = 0; i < changes->open_count; i++) {
        const struct change *change = &changes->open[i];
        if (change->object != NULL) {
            add_row(engine, change);
        } else if (change->id != 0) {
            add_gone(engine, change);
        }
    }
    for (size_t i = 0; i < ROW_KINDS; i++) {
        changes->batch.changes[i].rows = changes->buffers[i].rows;
        changes->batch.changes[i].gone = changes->buffers[i].gone;
    }
    engine->counters.batches++;
    engine->counters.rows += changes->open_live;
    changes->open_count = 0;
    changes->open_live = 0;
    changes->out = true;
    return &changes->batch;
}

void change_persisted(struct engine *engine)
{
    struct changes *changes = &engine->changes;
    CHECK(changes->out);
    const struct row_changes *counters = &changes->batch.changes[ROW_counters];
    if (counters->rows_count > 0) {
        const struct row_counters *row = counters->rows;
        engine->job_ids.durable = row->jobs_end;
        engine->tokens.durable = row->tokens_end;
        engine->object_ids.durable = row->objects_end;
    }
    changes->out = false;
    changes->done++;
    free_graves(changes, &engine->spares);
}
