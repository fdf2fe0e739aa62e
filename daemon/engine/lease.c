/*
 * Leases: whose a running job is, whether that outlives a restart, and how they
 * are found.
 */
#include "daemon/engine/core.h"

static int stage_compare(const struct lease *a, const struct lease *b)
{
    uint64_t batch = a->stage->batch->id;
    uint64_t other = b->stage->batch->id;
    if (batch != other) {
        return batch < other ? -1 : 1;
    }
    if (a->stage->index != b->stage->index) {
        return a->stage->index < b->stage->index ? -1 : 1;
    }
    return a->job->id < b->job->id ? -1 : a->job->id > b->job->id;
}

TREE_GENERATE(staged_leases, lease, by_stage, stage_compare)

static int token_compare(const struct lease *a, const struct lease *b)
{
    if (a->token != b->token) {
        return a->token < b->token ? -1 : 1;
    }
    return a->job->id < b->job->id ? -1 : a->job->id > b->job->id;
}

TREE_GENERATE(loaded_leases, lease, by_token, token_compare)

static struct lease_list *list_of(struct engine *engine,
                                  const struct lease *lease)
{
    return lease->session == NULL ? &engine->detached : &lease->session->leases;
}

bool lease_keep(const struct engine *engine, struct lease *lease)
{
    if (lease->kept || engine->full ||
        (lease->session != NULL && !lease->session->kept)) {
        return false;
    }
    lease->kept = true;
    return true;
}

void lease_link(struct engine *engine, struct lease *lease)
{
    const struct job *job = lease->job;
    TAILQ_INSERT_TAIL(list_of(engine, lease), lease, of_session);
    if (lease->session != NULL && job_extra_of(job) != NULL &&
        job_extra_of(job)->stage != NULL) {
        lease->stage = job_extra_of(job)->stage;
        RB_INSERT(staged_leases, &lease->session->staged, lease);
    }
    if (lease->loaded) {
        RB_INSERT(loaded_leases, &engine->loaded_leases, lease);
    }
}

static void leave_stage(struct lease *lease)
{
    if (lease->stage != NULL) {
        RB_REMOVE(staged_leases, &lease->session->staged, lease);
        lease->stage = NULL;
    }
}

void lease_left_stage(const struct job *job)
{
    if (job_lease(job) != NULL) {
        leave_stage(job_lease(job));
    }
}

void lease_give(struct job *job, struct lease *take_lease)
{
    CHECK(!job->leased);
    take_lease->extra = job->more.extra;
    job->more.lease = take_lease;
    job->leased = true;
}

void lease_end(struct engine *engine, struct job *job)
{
    struct lease *lease = job_lease(job);
    if (lease == NULL) {
        return;
    }
    for (size_t i = 0;
         job_extra_of(job) != NULL && i < job_extra_of(job)->limits_count;
         i++) {
        semaphore_job_ended(engine, job_extra_of(job)->limits[i]);
    }
    TAILQ_REMOVE(list_of(engine, lease), lease, of_session);
    leave_stage(lease);
    if (lease->loaded) {
        RB_REMOVE(loaded_leases, &engine->loaded_leases, lease);
    }
    job->leased = false;
    job->more.extra = lease->extra;
    spares_give(&engine->spares, lease);
}

const struct stage *lease_first_stage(const struct session *session,
                                      struct batch_object *batch)
{
    struct job before = {.id = 0};
    struct lease key = {.job = &before, .stage = &batch->stages[0]};
    struct staged_leases staged = session->staged; /* only read */
    const struct lease *lease = RB_NFIND(staged_leases, &staged, &key);
    return lease != NULL && lease->stage->batch == batch ? lease->stage : NULL;
}

const struct lease *lease_loaded_after(const struct engine *engine,
                                       uint64_t token, uint64_t id)
{
    struct job behind = {.id = (id + 1) & JOB_ID_MAX};
    struct lease key = {.job = &behind, .token = token};
    struct loaded_leases loaded = engine->loaded_leases; /* only read */
    const struct lease *lease = RB_NFIND(loaded_leases, &loaded, &key);
    return lease != NULL && lease->token == token ? lease : NULL;
}
