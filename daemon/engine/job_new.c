/*
 * What a job is made of: its memory, and that of what few jobs have.
 */
#include "daemon/engine/core.h"
#include "daemon/engine/job_place.h"

static size_t job_size(const struct job *job)
{
    return sizeof(*job) + job->body_len + 16;
}

struct job_extra *job_extra(struct engine *engine, struct job *job)
{
    if (job_extra_of(job) == NULL) {
        struct job_extra *extra = mem_zalloc(sizeof(*extra));
        extra->lease_us = -1;
        extra->job = job;
        extra->max_attempts = -1;
        extra->keep_done_us = -1;
        waiter_list_init(&extra->waiters);
        if (job->leased) {
            job->more.lease->extra = extra;
        } else {
            job->more.extra = extra;
        }
        memory_add(engine, job->owner, sizeof(*extra));
    }
    return job_extra_of(job);
}

void job_set_text(struct engine *engine, const struct job *job,
                  struct slice *text, struct slice value)
{
    memory_sub(engine, job->owner, text->len);
    room_give(engine, text->len);
    change_free(engine, (void *)text->at);
    *text = slice_copy(value);
    memory_add(engine, job->owner, text->len);
    room_spend(engine, text->len);
}

static struct job *job_alloc(struct engine *engine, uint32_t owner,
                             struct slice body)
{
    /* The body begins in what would be padding. */
    size_t size = offsetof(struct job, body) + body.len;
    struct job *job =
        spares_take(&engine->spares, size > sizeof(*job) ? size : sizeof(*job));
    memset(job, 0, sizeof(*job));
    CHECK(body.len <= UINT32_MAX);
    job->owner = owner;
    job->body_len = (uint32_t)body.len;
    memcpy(job->body, body.at, body.len);
    memory_add(engine, owner, job_size(job));
    return job;
}

void job_set_limits(struct engine *engine, struct job *job, struct slices names)
{
    struct job_extra *extra = job_extra(engine, job);
    extra->limits = mem_alloc(names.count * sizeof(struct semaphore *));
    extra->limits_count = names.count;
    for (size_t i = 0; i < names.count; i++) {
        extra->limits[i] = semaphore_find(engine, names.at[i]);
        CHECK(extra->limits[i] != NULL);
        extra->limits[i]->jobs++;
    }
    extra->row_limits = names_joined(names);
    memory_add(engine, job->owner,
               names.count * sizeof(struct semaphore *) +
                   extra->row_limits.len);
}

static void drop_limits(struct engine *engine, struct job_extra *extra)
{
    if (extra->limits == NULL) {
        return;
    }
    for (size_t i = 0; i < extra->limits_count; i++) {
        extra->limits[i]->jobs--;
    }
    memory_sub(engine, extra->job->owner,
               extra->limits_count * sizeof(struct semaphore *) +
                   extra->row_limits.len);
    mem_free(extra->limits);
    change_free(engine, (void *)extra->row_limits.at);
}

struct job *job_new(struct engine *engine, uint32_t owner,
                    const struct put_item *item)
{
    struct job *job = job_alloc(engine, owner, item->body);
    if (item->key.at != NULL || item->priority != 0 || item->lease_us >= 0 ||
        item->max_attempts >= 0 || item->keep_done_us >= 0 ||
        item->limits.at != NULL || item->after.at != NULL) {
        struct job_extra *extra = job_extra(engine, job);
        job_set_text(engine, job, &extra->key, item->key);
        extra->priority = item->priority;
        extra->lease_us = item->lease_us;
        extra->max_attempts = item->max_attempts;
        extra->keep_done_us = item->keep_done_us;
        extra->row_after = names_joined(item->after);
        if (item->limits.at != NULL) {
            job_set_limits(engine, job, item->limits);
        }
    }
    return job;
}

void job_free(struct engine *engine, struct job *take_job)
{
    memory_sub(engine, take_job->owner, job_size(take_job));
    struct job_extra *extra = job_extra_of(take_job);
    if (extra != NULL) {
        job_set_text(engine, take_job, &extra->key, (struct slice){0});
        job_set_text(engine, take_job, &extra->error, (struct slice){0});
        job_set_text(engine, take_job, &extra->result, (struct slice){0});
        job_set_text(engine, take_job, &extra->progress, (struct slice){0});
        CHECK(extra->stage == NULL);
        after_end(engine, take_job);
        drop_limits(engine, extra);
        change_free(engine, (void *)extra->row_after.at);
        memory_sub(engine, take_job->owner, sizeof(*extra));
        mem_free(extra);
    }
    change_free(engine, take_job);
}

void job_discard(struct engine *engine, struct job *take_job)
{
    CHECK(take_job->set == NULL && take_job->id == 0);
    job_free(engine, take_job);
}

void job_set_attempts(struct engine *engine, struct job *job, uint32_t attempts)
{
    if (attempts < JOB_ATTEMPTS_MAX) {
        job->attempts = attempts & JOB_ATTEMPTS_MAX;
    } else {
        job->attempts = JOB_ATTEMPTS_MAX;
        job_extra(engine, job)->attempts = attempts;
    }
}

void job_set_error(struct engine *engine, struct job *job, struct slice error)
{
    job_set_text(engine, job, &job_extra(engine, job)->error, error);
}

void job_set_result(struct engine *engine, struct job *job, struct slice result)
{
    job_set_text(engine, job, &job_extra(engine, job)->result, result);
}

void job_set_progress(struct engine *engine, struct job *job,
                      struct slice progress)
{
    job_set_text(engine, job, &job_extra(engine, job)->progress, progress);
}
