/*
 * Jobs as rows: what is written of one, and how it comes back.
 *
 * A job that runs is written as if it had not been tried, unless its lease
 * outlives a restart; a held one as held, and whether its stage has come is
 * told by the row of its batch.
 */
#include "daemon/engine/core.h"
#include "daemon/engine/job_place.h"

#include <math.h>

/* The state that its row tells. A job that its stage has let go, or that is
 * being retried, but has not found its place yet, is as it was: an event may
 * hold it still, its delay begins when it is dealt with, or another job may
 * have its key by then. */
static enum job_state row_state(const struct job_set *set)
{
    return set->moving ? set->made_for : set->state;
}

/* What few jobs have. */
static void fill_extra(struct engine *engine, struct row_job *row,
                       struct job *job, struct job_extra *extra)
{
    row->crashes = extra->crashes;
    row->priority = extra->priority;
    row->key = extra->key;
    row->lease_us = extra->lease_us;
    row->max_attempts = extra->max_attempts;
    row->keep_done_us = extra->keep_done_us;
    row->error = extra->error;
    row->result = extra->result;
    row->limits = extra->row_limits;
    if (extra->after_left > 0) {
        change_free(engine, (void *)extra->row_after.at);
        extra->row_after = after_text(job);
        row->after = extra->row_after;
    }
    if (extra->stage != NULL) {
        row->batch = extra->stage->batch->id;
        row->stage = extra->stage->index;
    }
}

/* Of a job that runs. Without a lease that outlives a restart it is then as if
 * it had not been tried. */
static void fill_lease(struct row_job *row, struct job *job)
{
    const struct lease *lease = job_lease(job);
    if (lease == NULL || !lease->kept) {
        row->state = JOB_READY;
        row->attempts--;
        return;
    }
    row->rank_us = job->rank;
    row->lease_session = lease->session == NULL ? 0 : lease->session->id;
    row->lease_token = lease->token;
    row->lease_uid = lease->uid;
    row->lease_length_us = lease->length_us;
    const struct job_extra *extra = job_extra_of(job);
    row->progress = extra == NULL ? (struct slice){0} : extra->progress;
}

struct row_job job_row(struct engine *engine, struct job *job)
{
    enum job_state state = row_state(job->set);
    struct job_extra *extra = job_extra_of(job);
    struct row_job row = {
        .id = job->id,
        .queue = job->set->queue->id,
        .put_at_us = job->put_at_us,
        .body = {job->body, job->body_len},
        .uid = account_uid(engine, job->owner),
        .state = state,
        .attempts = job_attempts(job),
        .lease_us = -1,
        .max_attempts = -1,
        .keep_done_us = -1,
    };
    if (extra != NULL) {
        fill_extra(engine, &row, job, extra);
    }
    switch (state) {
    case JOB_RUNNING:
        fill_lease(&row, job);
        break;
    case JOB_DELAYED:
        row.rank_us = job->rank;
        break;
    case JOB_DONE:
    case JOB_DEAD:
        row.rank_us = extra->finished_at_us;
        break;
    case JOB_HELD:
        row.rank_us = extra->delay_us;
        break;
    case JOB_READY:
    case JOB_STATES:
        break;
    }
    return row;
}

/* The lease of a job that was running; NULL: its session is not there. */
static struct lease *load_lease(struct engine *engine,
                                const struct row_job *row, struct job *job)
{
    struct session *session = session_of_id(engine, row->lease_session);
    if (row->lease_token == 0 || (row->lease_session != 0 && session == NULL)) {
        return NULL;
    }
    struct lease *lease = mem_zalloc(sizeof(*lease));
    lease->job = job;
    lease->session = session;
    lease->token = row->lease_token;
    lease->length_us = row->lease_length_us;
    lease->began_us = engine->now_us;
    lease->uid = (uint32_t)row->lease_uid;
    lease->kept = true;
    lease->loaded = true;
    for (size_t i = 0;
         job_extra_of(job) != NULL && i < job_extra_of(job)->limits_count;
         i++) {
        semaphore_job_began(job_extra_of(job)->limits[i]);
    }
    lease_link(engine, lease);
    return lease;
}

/* Where a loaded job stands; a running one without its session is ready. */
static enum job_state loaded_state(struct engine *engine, struct job *job,
                                   const struct row_job *row)
{
    enum job_state state = (enum job_state)row->state;
    if (state == JOB_RUNNING) {
        struct lease *lease = load_lease(engine, row, job);
        if (lease == NULL) {
            if (job_attempts(job) > 0) {
                job_set_attempts(engine, job, job_attempts(job) - 1);
            }
            return JOB_READY;
        }
        lease_give(job, lease);
    }
    return state;
}

/* Of a job that is not held. */
static int64_t loaded_rank(struct engine *engine, struct job *job,
                           const struct row_job *row, enum job_state state)
{
    if (state == JOB_READY) {
        return job_rank(row->priority);
    }
    if (state == JOB_DONE || state == JOB_DEAD) {
        job_extra(engine, job)->finished_at_us = row->rank_us;
    }
    if (state == JOB_DONE) {
        return later(row->rank_us, row->keep_done_us);
    }
    return row->rank_us;
}

/* JSON: absent, or something. */
static bool is_some(struct slice json)
{
    return json.at == NULL || json.len > 0;
}

static bool plausible(const struct engine *engine, const struct row_job *row)
{
    return row->id > 0 && row->id < engine->job_ids.next && row->body.len > 0 &&
           is_some(row->error) && is_some(row->result) &&
           is_some(row->progress) && row->state < JOB_STATES &&
           row->lease_token < engine->tokens.next && isfinite(row->priority) &&
           row->put_at_us >= 0 && row->put_at_us <= TIME_MAX_US &&
           row->rank_us >= 0 && row->attempts <= UINT32_MAX &&
           row->crashes <= UINT32_MAX &&
           (row->state != JOB_DONE || row->keep_done_us >= 0) &&
           index_find(&engine->jobs, row->id) == NULL;
}

/* Are its stage and its semaphores there, its lists no longer than lists can
 * be, and does it wait for events only while it is held? */
static bool holds_plausible(const struct engine *engine,
                            const struct row_job *row)
{
    struct slice names[NAME_LIST_MAX];
    const struct batch_object *batch = batch_of_id(engine, row->batch);
    if ((row->after.at != NULL && row->state != JOB_HELD) ||
        names_split(row->after, names, NAME_LIST_MAX) > NAME_LIST_MAX ||
        (row->batch != 0 &&
         (batch == NULL || row->stage >= batch->stages_count))) {
        return false;
    }
    /* It would have left the stage, or held it up. */
    if (batch != NULL && (row->state == JOB_DONE ||
                          (row->stage < batch->passed && !batch->goes_on))) {
        return false;
    }
    size_t count = names_split(row->limits, names, NAME_LIST_MAX);
    for (size_t i = 0; i < count && count <= NAME_LIST_MAX; i++) {
        const struct semaphore *semaphore = semaphore_find(engine, names[i]);
        if (semaphore == NULL || !semaphore->bounded) {
            return false;
        }
    }
    return count <= NAME_LIST_MAX;
}

static void load_holds(struct engine *engine, struct job *job,
                       const struct row_job *row)
{
    struct slice names[NAME_LIST_MAX];
    size_t count = names_split(row->limits, names, NAME_LIST_MAX);
    if (count > 0) {
        job_set_limits(engine, job, (struct slices){names, count});
    }
    if (row->after.at != NULL) {
        job_extra(engine, job)->row_after = slice_copy(row->after);
        after_begin(engine, job);
    }
    if (row->batch != 0) {
        struct batch_object *batch = batch_of_id(engine, row->batch);
        stage_join(engine, &batch->stages[row->stage], job);
    }
    if (row->batch != 0 && row->state == JOB_DEAD) {
        job_extra_of(job)->finished_at_us = row->rank_us;
        stage_die(engine, job);
    }
}

bool job_load(struct engine *engine, const struct row_job *row)
{
    struct queue *queue = queue_of_id(engine, row->queue);
    if (queue == NULL || !plausible(engine, row) ||
        !holds_plausible(engine, row)) {
        return false;
    }
    struct put_item item = {.body = row->body,
                            .key = row->key,
                            .priority = row->priority,
                            .lease_us = row->lease_us,
                            .max_attempts = row->max_attempts,
                            .keep_done_us = row->keep_done_us};
    struct job *job =
        job_new(engine, account_of_uid(engine, (uint32_t)row->uid), &item);
    job->id = row->id & JOB_ID_MAX;
    job->put_at_us = row->put_at_us;
    job_set_attempts(engine, job, (uint32_t)row->attempts);
    if (row->crashes > 0) {
        job_extra(engine, job)->crashes = (uint32_t)row->crashes;
    }
    job->saved.on_disk = true;
    if (row->error.at != NULL) {
        job_set_error(engine, job, row->error);
    }
    if (row->result.at != NULL) {
        job_set_result(engine, job, row->result);
    }
    if (row->progress.at != NULL) {
        job_set_progress(engine, job, row->progress);
    }
    index_add(&engine->jobs, job->id, job);
    load_holds(engine, job, row);
    enum job_state state = loaded_state(engine, job, row);
    if (state == JOB_HELD) {
        job_place(engine, job, queue, row->rank_us);
        if (job->set->state == JOB_DELAYED) {
            job_changed(engine, job); /* its delay began just now */
        }
    } else {
        job_link(engine, job, limited_set_of(queue, job, state),
                 loaded_rank(engine, job, row, state));
    }
    if (job_state_is_unfinished(state)) {
        if (job_key_taken(engine, job)) {
            return false;
        }
        job_key(queue, job);
    }
    if (job_extra_of(job) != NULL &&
        job_extra_of(job)->after_count > job_extra_of(job)->after_left) {
        job_changed(engine, job); /* its row names events that are set */
    }
    if (row->put_at_us > engine->now_us) {
        engine->now_us = row->put_at_us; /* time does not go back */
    }
    return true;
}
