/*
 * The digest of what a reload must bring back: every row, as it would be
 * written now. A sum, since the order of tables means nothing.
 */
#include "daemon/engine/core.h"

/* A row of any kind. */
union any_row {
#define ROW(kind) struct row_##kind kind;
#define COLUMN(kind, name, type, absent)
#define END(kind)
#include "daemon/store/rows.def"
#undef ROW
#undef COLUMN
#undef END
};

struct digest {
    struct engine *engine;
    uint64_t sum;
};

static uint64_t mix(uint64_t hash, const void *at, size_t len)
{
    const unsigned char *bytes = at;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
    }
    return hash;
}

/* One row by the table of its columns, so that no padding is hashed. */
static uint64_t row_digest(enum row_kind kind, const void *row)
{
    const struct kind_row *table = kind_row(kind);
    uint64_t hash = UINT64_C(0xCBF29CE484222325) + (uint64_t)kind;
    for (size_t i = 0; i < table->columns_count; i++) {
        const char *at = (const char *)row + table->columns[i].offset;
        if (table->columns[i].type == COLUMN_TEXT) {
            const struct slice *text = (const void *)at;
            hash = mix(hash, &text->len, sizeof(text->len));
            hash = mix(hash, text->at, text->len);
        } else {
            hash = mix(hash, at, sizeof(uint64_t));
        }
    }
    return hash;
}

/* As it would be after a restart: what is due is ready, and leases begin anew
 * then, so their ends do not count. */
static struct row_job settled_row(struct engine *engine, struct job *job)
{
    struct row_job row = job_row(engine, job);
    if (row.state == JOB_RUNNING) {
        row.rank_us = 0;
    } else if (row.state == JOB_DELAYED && row.rank_us <= engine->now_us) {
        row.state = JOB_READY;
        row.rank_us = 0;
    } else if (row.state == JOB_HELD && job_extra_of(job)->stage != NULL &&
               !stage_is_held(job_extra_of(job)->stage) &&
               row.after.at == NULL) {
        row.state = JOB_READY; /* on disk its batch tells so */
        row.rank_us = 0;
    }
    return row;
}

static void add(struct digest *digest, enum row_kind kind, void *object,
                const struct saved *saved)
{
    union any_row row;
    if (saved->on_disk || saved->dirty) {
        (void)change_fill_row(digest->engine, kind, object, &row);
        digest->sum += row_digest(kind, &row);
    }
}

static void add_queues_and_jobs(struct digest *digest)
{
    struct engine *engine = digest->engine;
    struct queue *queue, *next;
    HASH_ITER (by_id, engine->queues_by_id, queue, next) {
        add(digest, ROW_queue, queue, &queue->saved);
    }
    for (struct job *job = index_after(&engine->jobs, 0); job != NULL;
         job = index_after(&engine->jobs, job->id)) {
        if (job->saved.on_disk || job->saved.dirty) {
            struct row_job row = settled_row(engine, job);
            digest->sum += row_digest(ROW_job, &row);
        }
    }
}

/* With what they hold, and the outcomes kept for them. */
static void add_sessions(struct digest *digest)
{
    struct session *session, *next;
    HASH_ITER (by_id, digest->engine->sessions_by_id, session, next) {
        struct hold *hold;
        struct outcome *outcome;
        add(digest, ROW_session, session, &session->saved);
        TAILQ_FOREACH (hold, &session->holds, of_session) {
            add(digest, ROW_hold, hold, &hold->saved);
        }
        TAILQ_FOREACH (outcome, &session->outcomes, of_session) {
            add(digest, ROW_outcome, outcome, &outcome->saved);
        }
    }
}

static void add_semaphore(struct digest *digest, struct named *named)
{
    struct semaphore *semaphore = CONTAINER_OF(named, struct semaphore, named);
    add(digest, ROW_semaphore, semaphore, &semaphore->saved);
}

static void add_event(struct digest *digest, struct named *named)
{
    struct event_object *event =
        CONTAINER_OF(named, struct event_object, named);
    add(digest, ROW_event, event, &event->saved);
}

static void add_barrier(struct digest *digest, struct named *named)
{
    struct barrier *barrier = CONTAINER_OF(named, struct barrier, named);
    add(digest, ROW_barrier, barrier, &barrier->saved);
}

static void add_batch(struct digest *digest, struct named *named)
{
    struct batch_object *batch =
        CONTAINER_OF(named, struct batch_object, named);
    add(digest, ROW_batch, batch, &batch->saved);
}

static void add_named(struct digest *digest, const struct names *names,
                      void (*add_one)(struct digest *, struct named *))
{
    for (struct named *named = names_from(names, SLICE(""), false);
         named != NULL; named = names_next(named)) {
        add_one(digest, named);
    }
}

uint64_t engine_digest(struct engine *engine)
{
    struct digest digest = {.engine = engine};
    add_queues_and_jobs(&digest);
    add_sessions(&digest);
    add_named(&digest, &engine->semaphores, add_semaphore);
    add_named(&digest, &engine->events, add_event);
    add_named(&digest, &engine->barriers, add_barrier);
    add_named(&digest, &engine->batches, add_batch);
    return digest.sum;
}
