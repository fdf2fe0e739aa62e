/* A job's life, and who finishes it. */
#include "tests/sim/model/inside.h"

#include <inttypes.h>
#include <math.h>

bool m_job_there(const struct m_job *job)
{
    return job->entered && !job->gone;
}

bool m_unfinished(const struct m_job *job)
{
    return m_job_there(job) &&
           (job->state == JOB_HELD || job->state == JOB_DELAYED ||
            job->state == JOB_READY || job->state == JOB_RUNNING);
}

struct m_job *m_job_of(struct model *m, uint64_t id)
{
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (m->learnt.jobs[job->action][job->item] == id) {
            return job;
        }
    }
    return NULL;
}

void m_job_changed(struct model *m, struct m_job *job)
{
    job->was_put = false;
    if (m->now.queues[job->queue].durable) {
        job->changed = m_next(m);
    }
}

/* What was born and is gone before the next batch is never written. */
void m_job_gone(const struct model *m, struct m_job *job)
{
    job->gone = true;
    if (job->born == m_next(m)) {
        job->changed = 0;
    }
}

/* Ready, or first delayed. */
static void begin(struct model *m, struct m_job *job)
{
    job->state = job->delay_us > 0 ? JOB_DELAYED : JOB_READY;
    job->delayed_until_us = 0;
    job->until_us = m->now_us + job->delay_us;
}

static bool is_held(const struct model *m, const struct m_job *job)
{
    return job->after != 0 ||
           (job->batch >= 0 && job->stage > m->now.batches[job->batch].passed);
}

void m_job_enter(struct model *m, struct m_job *job)
{
    job->entered = true;
    job->after = m_unset(m, job->after);
    job->arrival = ++m->now.serial;
    job->put_at_us = m->now_us;
    begin(m, job);
    if (is_held(m, job)) {
        job->state = JOB_HELD;
    }
    m_job_changed(m, job);
    job->born = job->changed;
    job->was_put = true;
}

/* Something that held it is gone. */
void m_job_unheld(struct model *m, struct m_job *job)
{
    if (m_job_there(job) && job->state == JOB_HELD) {
        m_job_changed(m, job);
        if (!is_held(m, job)) {
            begin(m, job);
        }
    }
}

static int64_t term(int64_t own, int64_t of_queue)
{
    return own >= 0 ? own : of_queue;
}

void m_job_run(struct model *m, struct m_job *job, const struct m_waiter *get)
{
    const struct m_session *session = &m->now.sessions[get->to.session];
    job->state = JOB_RUNNING;
    job->progress[0] = '\0';
    job->attempts++;
    job->token = get->to.action;
    m_granted(m, job->token);
    job->session = get->detached ? -1 : get->to.session;
    job->detached = get->detached;
    job->kept = !m->full && (get->detached || session->kept);
    job->uid = session->uid;
    job->length_us = term(
        get->lease_us, term(job->lease_us, m->now.queues[job->queue].lease_us));
    job->until_us = m->now_us + job->length_us;
}

/* Whoever waits for this job is told. */
static void tell(struct model *m, const struct m_job *job, const char *state,
                 struct slice key, const char *json)
{
    int index = (int)(job - m->now.jobs);
    struct m_waiter *w = m_waiter_after(m, M_WAIT_JOB, index, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_JOB, index, w->serial)) {
        struct out *out = m_begin(m, &w->to);
        w->used = false;
        write_begin_object(out);
        WRITE(out, string, "state", slice_of(state));
        if (json[0] != '\0') {
            write_key(out, key);
            write_json(out, slice_of(json));
        }
        write_end_object(out);
        m_end(m, job->changed);
    }
}

void m_job_finish(struct model *m, struct m_job *job, struct slice result)
{
    int64_t keep =
        term(job->keep_done_us, m->now.queues[job->queue].keep_done_us);
    job->state = JOB_DONE;
    job->finished_at_us = m->now_us;
    job->until_us = m->now_us + keep;
    job->progress[0] = '\0';
    m_copy(job->result, sizeof(job->result), result);
    m_job_changed(m, job);
    if (keep == 0) {
        m_job_gone(m, job);
    }
    if (job->batch >= 0) {
        m->now.batches[job->batch].done[job->stage]++;
        m->now.batches[job->batch].changed = m_next(m);
        job->batch = -1;
    }
    tell(m, job, "done", SLICE("result"), job->result);
}

void m_job_die(struct model *m, struct m_job *job)
{
    job->state = JOB_DEAD;
    job->finished_at_us = m->now_us;
    job->progress[0] = '\0';
    m_job_changed(m, job);
    tell(m, job, "dead", SLICE("error"), job->error);
}

void m_job_remove(struct model *m, struct m_job *job)
{
    m_job_changed(m, job);
    m_job_gone(m, job);
    tell(m, job, "cancelled", SLICE("error"), "");
}

static int64_t max_attempts(const struct model *m, const struct m_job *job)
{
    return term(job->max_attempts, m->now.queues[job->queue].max_attempts);
}

static bool used_up(const struct model *m, const struct m_job *job)
{
    int64_t max = max_attempts(m, job);
    return max > 0 && job->attempts >= max;
}

/* Its consumer or its lease is gone. */
void m_job_crashed(struct model *m, struct m_job *job)
{
    job->crashes++;
    m_copy(job->error, sizeof(job->error), SLICE("_"));
    if (used_up(m, job)) {
        m_job_die(m, job);
        return;
    }
    job->state = JOB_READY;
    job->delayed_until_us = 0;
    job->progress[0] = '\0';
    m_job_changed(m, job);
}

bool m_key_taken(const struct model *m, const struct m_job *job)
{
    for (int i = 0; i < m->now.jobs_count && job->key[0] != '\0'; i++) {
        const struct m_job *other = &m->now.jobs[i];
        if (other != job && m_unfinished(other) && other->queue == job->queue &&
            strcmp(other->key, job->key) == 0) {
            return true;
        }
    }
    return false;
}

void m_job_revive(struct model *m, struct m_job *job)
{
    job->attempts = 0;
    job->crashes = 0;
    job->state = JOB_READY;
    job->delayed_until_us = 0;
    m_job_changed(m, job);
}

/* --- done, fail, extend ------------------------------------------------- */

/* The job that this user may finish under this token; NULL: stale. */
struct m_job *m_leased(struct model *m, const struct m_to *to, uint64_t id,
                       uint64_t token)
{
    struct m_job *job = m_job_of(m, id);
    uint32_t uid = m->now.sessions[to->session].uid;
    if (job == NULL || !m_job_there(job) || job->state != JOB_RUNNING ||
        m->learnt.tokens[job->token] != token ||
        (job->uid != uid && uid != 0) || !m_sees_leased(m, to, job->queue)) {
        return NULL;
    }
    return job;
}

static int part_count(const struct done_part *part)
{
    return part->ids.at != NULL    ? (int)part->ids.count
           : part->jobs.at != NULL ? (int)part->jobs.count
                                   : 1;
}

static struct done_item part_item(const struct done_part *part, int i)
{
    if (part->ids.at != NULL) {
        return (struct done_item){.id = part->ids.at[i],
                                  .token = part->one.token};
    }
    return part->jobs.at != NULL ? part->jobs.at[i] : part->one;
}

static void extend(struct model *m, struct m_job *job,
                   const struct request *request)
{
    job->length_us =
        request->lease_us >= 0 ? request->lease_us : job->length_us;
    job->until_us = m->now_us + job->length_us;
    if (!job->kept && !m->full &&
        (job->detached || m->now.sessions[job->session].kept)) {
        job->kept = true;
        m_job_changed(m, job);
    }
    if (request->progress.at != NULL) {
        m_copy(job->progress, sizeof(job->progress), request->progress);
    }
}

/* Each of many: finished, or with a request extended. */
static unsigned each_part(struct model *m, const struct m_to *to,
                          const struct done_part *part, struct m_waiter *get,
                          const struct request *request)
{
    unsigned needs = 0;
    for (int i = 0; i < part_count(part); i++) {
        struct done_item item = part_item(part, i);
        struct m_job *job = m_leased(m, to, item.id, item.token);
        if (job == NULL) {
            job = m_job_of(m, item.id);
            get->finished_stale[get->finished_stale_count++] =
                job == NULL ? -1 : (int)(job - m->now.jobs);
        } else if (request != NULL) {
            extend(m, job, request);
            get->finished_done++;
        } else {
            m_job_finish(m, job, item.result);
            needs = m_most(needs, job->changed);
            get->finished_done++;
        }
    }
    return needs;
}

unsigned m_finish_part(struct model *m, const struct m_to *to,
                       const struct done_part *part, struct m_waiter *get)
{
    return each_part(m, to, part, get, NULL);
}

static bool is_many(const struct done_part *part)
{
    return part->ids.at != NULL || part->jobs.at != NULL;
}

static void answer_many(struct model *m, const struct m_to *to,
                        const struct request *request, const char *what)
{
    struct m_waiter get = {0};
    bool done = request->method == METHOD_queue_done;
    unsigned needs =
        each_part(m, to, &request->done, &get, done ? NULL : request);
    struct out *out = m_begin(m, to);
    m_write_finished(m, out, &get, what);
    m_end(m, needs);
}

void m_queue_done(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    if (is_many(&request->done)) {
        answer_many(m, to, request, "done");
        return;
    }
    const struct done_item *item = &request->done.one;
    struct m_job *job = m_leased(m, to, item->id, item->token);
    if (job == NULL) {
        m_error(m, to, ERROR_stale_token, NULL, 0);
        return;
    }
    m_job_finish(m, job, item->result);
    m_empty(m, to, job->changed);
}

void m_queue_extend(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    if (is_many(&request->done)) {
        answer_many(m, to, request, "extended");
        return;
    }
    const struct done_item *item = &request->done.one;
    struct m_job *job = m_leased(m, to, item->id, item->token);
    if (job == NULL) {
        m_error(m, to, ERROR_stale_token, NULL, 0);
        return;
    }
    extend(m, job, request);
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    m_write_time(m, out, SLICE("until"), job->until_us);
    write_end_object(out);
    m_end(m, 0);
}

/* Less a random part: as the engine chose, within what it may. */
static int64_t jittered(struct model *m, const struct m_job *job,
                        int64_t most_us)
{
    double jitter = m->now.queues[job->queue].backoff_jitter;
    if (jitter == 0 || most_us == 0) {
        return most_us;
    }
    uint64_t id = m->learnt.jobs[job->action][job->item];
    int64_t us = m->due(m->due_arg, id) - m->now_us;
    if (us > most_us || (double)us < (double)most_us * (1 - jitter) - 1) {
        model_fault(m,
                    "a backoff of %" PRId64 " us, less %g of it, is %" PRId64,
                    most_us, jitter, us);
    }
    return us;
}

static int64_t backoff(const struct model *m, const struct m_job *job)
{
    const struct m_queue *queue = &m->now.queues[job->queue];
    double wait_us = (double)queue->backoff_base_us *
                     pow(queue->backoff_factor, job->attempts - 1);
    return wait_us < (double)queue->backoff_max_us ? (int64_t)ceil(wait_us)
                                                   : queue->backoff_max_us;
}

static void try_again(struct model *m, struct m_job *job, int64_t delay_us,
                      bool is_free)
{
    job->attempts -= is_free;
    job->state = delay_us > 0 ? JOB_DELAYED : JOB_READY;
    job->delayed_until_us = 0;
    job->until_us = m->now_us + delay_us;
    job->progress[0] = '\0';
    m_job_changed(m, job);
}

void m_queue_fail(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    const struct done_item *item = &request->done.one;
    if (request->dead == 1 && (request->free == 1 || request->delay_us >= 0)) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    struct m_job *job = m_leased(m, to, item->id, item->token);
    if (job == NULL) {
        m_error(m, to, ERROR_stale_token, NULL, 0);
        return;
    }
    if (request->failure.at != NULL) {
        m_copy(job->error, sizeof(job->error), request->failure);
    }
    if (request->dead == 1 || (request->free != 1 && used_up(m, job))) {
        m_job_die(m, job);
    } else {
        int64_t delay_us = request->delay_us >= 0
                               ? request->delay_us
                               : jittered(m, job, backoff(m, job));
        try_again(m, job, delay_us, request->free == 1);
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(job_state_names[job->state]));
    if (job->state == JOB_DELAYED) {
        m_write_time(m, out, SLICE("due"), job->until_us);
    }
    write_end_object(out);
    m_end(m, job->changed);
}
