/*
 * Sets of jobs: the jobs of one queue in one state, in their order.
 *
 * Counts are kept where a job goes in and out, so that they are sums at every
 * moment.
 */
#include "daemon/engine/core.h"
#include "daemon/engine/job_place.h"

/* Are ranks of this state times at which something happens? */
static bool is_timed(enum job_state state)
{
    return state == JOB_DELAYED || state == JOB_RUNNING || state == JOB_DONE;
}

void job_set_init(struct job_set *set, struct queue *queue,
                  enum job_state state)
{
    *set = (struct job_set){.queue = queue, .state = state, .made_for = state};
    set->lifo = state == JOB_READY && queue->terms.lifo;
    set->timer.kind = TIMER_JOB_SET;
}

struct job *job_set_first(const struct job_set *set)
{
    return set->tree.first;
}

struct job *job_set_next(struct job *job)
{
    return job_tree_next(&job->set->tree, job);
}

void job_set_count(const struct job_set *set, size_t jobs, size_t bytes,
                   bool more)
{
    struct queue *queue = set->queue;
    if (set->doomed) {
        return; /* they do not count any more */
    }
    queue->counts[set->state] += more ? jobs : -jobs;
    queue->counts_of_all[set->state] += more ? jobs : -jobs;
    queue->over = queue->over && !more;
    if (set->state == JOB_READY || set->state == JOB_DELAYED) {
        queue->bytes += more ? bytes : -bytes;
    }
}

/* By state, in its queue and its stage. */
static void count_job(const struct job *job, const struct job_set *set,
                      bool more)
{
    job_set_count(set, 1, job->body_len, more);
    if (job_extra_of(job) != NULL && job_extra_of(job)->stage != NULL &&
        set->made_for != JOB_DONE) {
        job_extra_of(job)->stage->counts[set->made_for] +=
            more ? 1 : -(size_t)1;
    }
}

void job_link(struct engine *engine, struct job *job, struct job_set *set,
              int64_t rank)
{
    CHECK(job->set == NULL);
    job->set = set;
    job->rank = rank;
    job_tree_add(&set->tree, job);
    set->count++;
    set->bytes += job->body_len;
    count_job(job, set, true);
    if (is_timed(set->state) && !set->doomed &&
        (!timer_armed(&set->timer) || rank < set->timer.due_us)) {
        timer_arm(&engine->timers, &set->timer, rank);
    }
    if (set->apart == APART_LIMITS) {
        limited_changed(set);
    }
}

void job_unlink(struct job *job)
{
    struct job_set *set = job->set;
    job_tree_remove(&set->tree, job);
    set->count--;
    set->bytes -= job->body_len;
    count_job(job, set, false);
    job->set = NULL;
    if (set->apart == APART_LIMITS) {
        limited_changed(set);
    } else if (set->apart == APART_STAGE) {
        side_set_left(set);
    }
}

/* Its time has come. */
static void is_due(struct engine *engine, struct job *job)
{
    if (job->set->state == JOB_DELAYED) {
        job_due(engine, job);
    } else if (job->set->state == JOB_RUNNING) {
        job_crashed(engine, job, SLICE("\"its lease expired\""));
    } else {
        CHECK(job->set->state == JOB_DONE);
        job_vanish(engine, job);
    }
}

void job_set_due(struct engine *engine, struct job_set *set)
{
    struct job *job;
    while ((job = job_set_first(set)) != NULL && job->rank <= engine->now_us &&
           engine->slice_left > 0) {
        engine->slice_left--;
        is_due(engine, job);
    }
    if (job != NULL) {
        timer_arm(&engine->timers, &set->timer, job->rank);
    }
}

bool job_catch_up(struct engine *engine, struct job *job)
{
    if (job_lease(job) != NULL && job_lease(job)->session != NULL &&
        job_lease(job)->session->ended) {
        job_consumer_gone(engine, job);
    } else if (is_timed(job->set->state) && job->rank <= engine->now_us) {
        bool stays = job->set->state != JOB_DONE;
        is_due(engine, job);
        return stays;
    } else {
        after_catch_up(engine, job);
    }
    return true;
}

void job_set_rerank(struct engine *engine, struct job_set *set)
{
    struct job *job;
    struct job_set old = *set;
    struct queue *queue = set->queue;
    timer_disarm(&engine->timers, &set->timer);
    job_set_init(set, queue, old.state);
    while ((job = job_set_first(&old)) != NULL) {
        job_tree_remove(&old.tree, job);
        count_job(job, set, false);
        job->set = NULL;
        job_link(engine, job, set,
                 later(engine->now_us, job_lease(job)->length_us));
    }
}
