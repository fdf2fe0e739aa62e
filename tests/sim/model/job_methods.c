/* job.*: looking at jobs, waiting for them, mending them. */
#include "tests/sim/model/inside.h"

static void write_consumer(struct model *m, struct out *out,
                           const struct m_job *job)
{
    write_key(out, SLICE("consumer"));
    write_begin_object(out);
    if (job->session >= 0) {
        const struct m_session *session = &m->now.sessions[job->session];
        m_write_session_name(out, session);
        if (session->client[0] != '\0') {
            WRITE(out, string, "client", slice_of(session->client));
        }
        if (session->conn != 0) {
            WRITE(out, integer, "pid", session->pid);
        }
    }
    WRITE(out, integer, "uid", job->uid);
    write_key(out, SLICE("token"));
    m_write_token(out, job->token);
    WRITE(out, flag, "detached", job->detached);
    write_end_object(out);
}

static void write_text(struct out *out, struct slice key, const char *json)
{
    if (json[0] != '\0') {
        write_key(out, key);
        write_json(out, slice_of(json));
    }
}

static void write_job(struct model *m, struct out *out, const struct m_job *job)
{
    char queue[M_NAME_SIZE];
    write_begin_object(out);
    write_key(out, SLICE("id"));
    m_write_job_name(out, job);
    WRITE(out, string, "queue", m_name('q', job->queue, queue));
    WRITE(out, string, "state", slice_of(job_state_names[job->state]));
    WRITE(out, number, "priority", job->priority);
    WRITE(out, integer, "attempts", job->attempts);
    WRITE(out, integer, "crashes", job->crashes);
    m_write_time(m, out, SLICE("put_at"), job->put_at_us);
    WRITE(out, json, "body", slice_of(job->body));
    if (job->state == JOB_DELAYED) {
        m_write_time(m, out, SLICE("due"), job->until_us);
    }
    if (job->state == JOB_RUNNING) {
        m_write_time(m, out, SLICE("until"), job->until_us);
        write_consumer(m, out, job);
    }
    if (job->batch >= 0) {
        char batch[3] = {'b', (char)('0' + job->batch), '\0'};
        char stage[3] = {'s', (char)('0' + job->stage), '\0'};
        WRITE(out, string, "batch", slice_of(batch));
        WRITE(out, string, "stage", slice_of(stage));
    }
    if (job->key[0] != '\0') {
        WRITE(out, string, "key", slice_of(job->key));
    }
    if (job->state == JOB_RUNNING) {
        write_text(out, SLICE("progress"), job->progress);
    }
    write_text(out, SLICE("result"), job->result);
    write_text(out, SLICE("error"), job->error);
    if (job->state == JOB_DONE || job->state == JOB_DEAD) {
        m_write_time(m, out, SLICE("finished_at"), job->finished_at_us);
    }
    write_end_object(out);
}

/* NULL: answered. */
static struct m_job *wanted(struct model *m, const struct m_to *to, uint64_t id)
{
    struct m_job *job = m_job_of(m, id);
    if (job == NULL || !m_job_there(job) ||
        !m_sees(m, to, KIND_queue, job->queue)) {
        m_error(m, to, ERROR_not_found, NULL,
                job == NULL || m_job_there(job) ? 0 : job->changed);
        return NULL;
    }
    return job;
}

void m_job_show(struct model *m, const struct m_to *to,
                const struct request *request)
{
    const struct m_job *job = wanted(m, to, request->job);
    if (job != NULL) {
        write_job(m, m_begin(m, to), job);
        m_end(m, job->changed);
    }
}

/* The next one in the order of arrival. */
static const struct m_job *next_of(const struct model *m, int queue, int state,
                                   int arrival)
{
    const struct m_job *next = NULL;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->arrival > arrival &&
            (queue < 0 || job->queue == queue) &&
            (state < 0 || (int)job->state == state) &&
            (next == NULL || job->arrival < next->arrival)) {
            next = job;
        }
    }
    return next;
}

void m_job_list(struct model *m, const struct m_to *to,
                const struct request *request)
{
    int queue = request->queue.at == NULL ? -1 : m_index(request->queue);
    if (queue >= 0 && !m->now.queues[queue].exists) {
        m_error(m, to, ERROR_not_found, NULL, 0);
        return;
    }
    unsigned needs = 0;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    const struct m_job *job = next_of(m, queue, request->state, 0);
    for (; job != NULL; job = next_of(m, queue, request->state, job->arrival)) {
        if (m_sees(m, to, KIND_queue, job->queue)) {
            write_job(m, out, job);
        }
    }
    write_end_array(out);
    write_end_object(out);
    for (int i = 0; i < M_QUEUES; i++) {
        if (queue < 0 || queue == i) {
            needs = m_most(needs, m_queue_needs(m, i));
        }
    }
    m_end(m, needs);
}

void m_job_wait(struct model *m, const struct m_to *to,
                const struct request *request)
{
    const struct m_job *job = wanted(m, to, request->job);
    if (job == NULL) {
        return;
    }
    if (m_unfinished(job) && request->timeout_us != 0) {
        m_wait(m, to, M_WAIT_JOB, (int)(job - m->now.jobs),
               request->timeout_us);
        return;
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(job_state_names[job->state]));
    if (job->state == JOB_DONE) {
        write_text(out, SLICE("result"), job->result);
    }
    if (job->state == JOB_DEAD) {
        write_text(out, SLICE("error"), job->error);
    }
    write_end_object(out);
    m_end(m, job->changed);
}

static void count_reply(struct model *m, const struct m_to *to, int count,
                        unsigned needs)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, integer, "retried", count);
    write_end_object(out);
    m_end(m, needs);
}

/* The dead jobs of a queue, in the order of their ends, then of arrival. */
static struct m_job *next_dead(struct model *m, int queue, bool *tried)
{
    struct m_job *next = NULL;
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->queue == queue && job->state == JOB_DEAD &&
            !tried[i] &&
            (next == NULL || job->finished_at_us < next->finished_at_us ||
             (job->finished_at_us == next->finished_at_us &&
              job->arrival < next->arrival))) {
            next = job;
        }
    }
    if (next != NULL) {
        tried[next - m->now.jobs] = true;
    }
    return next;
}

static void retry_queue(struct model *m, const struct m_to *to, int queue)
{
    bool tried[M_JOBS] = {false};
    int retried = 0;
    if (queue < 0 || !m->now.queues[queue].exists) {
        m_error(m, to, ERROR_not_found, NULL, 0);
        return;
    }
    struct m_job *job;
    while ((job = next_dead(m, queue, tried)) != NULL) {
        if (!m_key_taken(m, job)) {
            m_job_revive(m, job);
            retried++;
        }
    }
    count_reply(m, to, retried, m_queue_needs(m, queue));
}

void m_job_retry(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    if ((request->job == 0) == (request->queue.at == NULL)) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    if (request->queue.at != NULL) {
        retry_queue(m, to, m_index(request->queue));
        return;
    }
    struct m_job *job = wanted(m, to, request->job);
    if (job == NULL) {
        return;
    }
    if (job->state != JOB_DEAD || m_key_taken(m, job)) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    m_job_revive(m, job);
    count_reply(m, to, 1, job->changed);
}

void m_job_cancel(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    struct m_job *job = wanted(m, to, request->job);
    if (job == NULL) {
        return;
    }
    enum job_state state = job->state;
    m_job_remove(m, job);
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(job_state_names[state]));
    write_end_object(out);
    m_end(m, job->changed);
}
