/* queue.get. */
#include "tests/sim/model/inside.h"

static bool permits_there(struct model *m, const struct m_job *job)
{
    for (int i = 0; i < M_SEMAPHORES; i++) {
        if (((job->limits >> i) & 1) != 0 &&
            (m_free(m, i) < 1 ||
             m_waiter_after(m, M_WAIT_SEMAPHORE, i, 0) != NULL)) {
            return false;
        }
    }
    return true;
}

static bool may_run(struct model *m, const struct m_job *job)
{
    const struct m_queue *queue = &m->now.queues[job->queue];
    return m_job_there(job) && job->state == JOB_READY && !queue->paused &&
           (queue->concurrency == 0 ||
            m_count(m, job->queue, JOB_RUNNING) < queue->concurrency) &&
           permits_there(m, job);
}

/* In one queue by its order; of several by priority, then by arrival. */
static bool comes_before(const struct model *m, const struct m_job *a,
                         const struct m_job *b)
{
    if (a->priority != b->priority) {
        return a->priority < b->priority;
    }
    if (a->queue == b->queue && m->now.queues[a->queue].lifo) {
        return a->arrival > b->arrival;
    }
    return a->arrival < b->arrival;
}

/* The first of one queue. */
static struct m_job *first_of(struct model *m, int queue)
{
    struct m_job *first = NULL;
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (job->queue == queue && may_run(m, job) &&
            (first == NULL || comes_before(m, job, first))) {
            first = job;
        }
    }
    return first;
}

/* The first of the firsts. */
static struct m_job *next_job(struct model *m, const struct m_waiter *get)
{
    struct m_job *first = NULL;
    for (int i = 0; i < M_QUEUES; i++) {
        struct m_job *job =
            ((get->queues >> i) & 1) != 0 ? first_of(m, i) : NULL;
        if (job != NULL && (first == NULL || comes_before(m, job, first))) {
            first = job;
        }
    }
    return first;
}

void m_write_finished(struct model *m, struct out *out,
                      const struct m_waiter *get, const char *what)
{
    if (get->finished_len > 0) {
        write_json(out, (struct slice){m->kept.at + get->finished_at,
                                       get->finished_len});
        return;
    }
    write_begin_object(out);
    write_key(out, slice_of(what));
    write_integer(out, get->finished_done);
    write_key(out, SLICE("stale"));
    write_begin_array(out);
    for (int i = 0; i < get->finished_stale_count; i++) {
        if (get->finished_stale[i] < 0) {
            write_json(out, SLICE("_"));
        } else {
            m_write_job_name(out, &m->now.jobs[get->finished_stale[i]]);
        }
    }
    write_end_array(out);
    write_end_object(out);
}

static void write_job(struct model *m, struct out *out, const struct m_job *job,
                      int token)
{
    char queue[M_NAME_SIZE];
    write_begin_object(out);
    write_key(out, SLICE("id"));
    m_write_job_name(out, job);
    write_key(out, SLICE("token"));
    m_write_token(out, token);
    WRITE(out, string, "queue", m_name('q', job->queue, queue));
    WRITE(out, json, "body", slice_of(job->body));
    WRITE(out, number, "priority", job->priority);
    WRITE(out, integer, "attempt", job->attempts);
    m_write_time(m, out, SLICE("put_at"), job->put_at_us);
    if (!job->gone && job->state == JOB_RUNNING) {
        WRITE(out, seconds, "lease", job->length_us);
        m_write_time(m, out, SLICE("until"), job->until_us);
    }
    if (job->key[0] != '\0') {
        WRITE(out, string, "key", slice_of(job->key));
    }
    if (job->batch >= 0 && !job->gone && job->state == JOB_RUNNING) {
        char batch[3] = {'b', (char)('0' + job->batch), '\0'};
        char stage[3] = {'s', (char)('0' + job->stage), '\0'};
        WRITE(out, string, "batch", slice_of(batch));
        WRITE(out, string, "stage", slice_of(stage));
    }
    write_end_object(out);
}

static void keep_token(struct model *m, const struct m_waiter *get)
{
    struct out finished;
    out_init(&finished);
    if (get->has_finished) {
        m_write_finished(m, &finished, get, "done");
    }
    m_keep_token(m, &get->to, (struct slice){finished.at, finished.len});
    out_fini(&finished);
}

/* Answers with what it gets now, maybe nothing. */
void m_get_answer(struct model *m, struct m_waiter *get)
{
    struct m_job *jobs[M_JOBS];
    int count = 0;
    unsigned needs = get->has_finished ? get->finished_needs : 0;
    struct m_job *job;
    while (count < get->max && (job = next_job(m, get)) != NULL) {
        if (!job->was_put && !get->take) {
            needs = m_most(needs, job->changed);
        }
        m_job_run(m, job, get);
        jobs[count++] = job;
        if (get->take) {
            m_job_finish(m, job, (struct slice){NULL, 0});
            needs = m_most(needs, job->changed);
        }
    }
    if (count > 0 && !get->take) {
        keep_token(m, get);
    }
    struct out *out = m_begin(m, &get->to);
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    for (int i = 0; i < count; i++) {
        write_job(m, out, jobs[i], get->to.action);
    }
    write_end_array(out);
    if (get->has_finished) {
        write_key(out, SLICE("finished"));
        m_write_finished(m, out, get, "done");
    }
    write_end_object(out);
    m_end(m, needs);
}

void m_get_nothing(struct model *m, struct m_waiter *get)
{
    get->max = 0;
    m_get_answer(m, get);
}

/* All its queues are closed and have nothing left. */
static bool is_over(const struct model *m, const struct m_waiter *get)
{
    for (int i = 0; i < M_QUEUES; i++) {
        if (((get->queues >> i) & 1) != 0 &&
            (!m->now.queues[i].closed || m_count_unfinished(m, i) > 0)) {
            return false;
        }
    }
    return true;
}

static unsigned over_needs(const struct model *m, const struct m_waiter *get)
{
    unsigned needs = 0;
    for (int i = 0; i < M_QUEUES; i++) {
        if (((get->queues >> i) & 1) != 0) {
            needs = m_most(needs, m_queue_needs(m, i));
        }
    }
    return needs;
}

static bool serve(struct model *m, struct m_waiter *get)
{
    if (next_job(m, get) != NULL) {
        get->used = false;
        m_get_answer(m, get);
        return true;
    }
    if (!is_over(m, get)) {
        return false;
    }
    get->used = false;
    if (get->has_finished) {
        m_get_answer(m, get);
    } else {
        m_error(m, &get->to, ERROR_queue_closed, NULL, over_needs(m, get));
    }
    return true;
}

bool m_gets_served(struct model *m)
{
    struct m_waiter *w = m_waiter_after(m, M_WAIT_GET, -1, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_GET, -1, w->serial)) {
        if (serve(m, w)) {
            return true;
        }
    }
    return false;
}

/* The next job in the order of arrival that still bears the token. */
static const struct m_job *leased_after(const struct model *m, int token,
                                        int arrival)
{
    const struct m_job *next = NULL;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->state == JOB_RUNNING &&
            job->token == token && job->arrival > arrival &&
            (next == NULL || job->arrival < next->arrival)) {
            next = job;
        }
    }
    return next;
}

/* Sent again after a restart: the jobs that still bear its token. */
void m_get_again(struct model *m, const struct m_to *to,
                 const struct m_outcome *outcome)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("jobs"));
    write_begin_array(out);
    const struct m_job *job = leased_after(m, outcome->token, 0);
    for (; job != NULL; job = leased_after(m, outcome->token, job->arrival)) {
        write_job(m, out, job, job->token);
    }
    write_end_array(out);
    if (outcome->len > 0) {
        WRITE(out, json, "finished",
              ((struct slice){m->kept.at + outcome->at, outcome->len}));
    }
    write_end_object(out);
    m->expected[m->expected_count - 1].len =
        m->texts.len - m->expected[m->expected_count - 1].at;
}

void m_queue_get(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    unsigned queues = 0;
    for (size_t i = 0; i < request->queues.count; i++) {
        queues |= 1U << m_index(request->queues.at[i]);
    }
    if (request->queue.at != NULL) {
        queues |= 1U << m_index(request->queue);
    }
    if ((request->queue.at == NULL) == (request->queues.at == NULL) ||
        queues == 0 || request->lease_us == 0 || request->max == 0 ||
        (request->take == 1 &&
         (request->detached == 1 || request->lease_us >= 0))) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    struct m_waiter get = {0};
    if (request->has_done) {
        get.has_finished = true;
        if (!m_finished_before(m, to, &get)) {
            get.finished_needs = m_finish_part(m, to, &request->done, &get);
        }
    }
    for (int i = 0; i < M_QUEUES; i++) {
        if (((queues >> i) & 1) != 0) {
            m_queue_use(m, i);
        }
    }
    struct m_waiter *w = m_wait(m, to, M_WAIT_GET, -1, request->timeout_us);
    w->queues = queues;
    w->max = request->max > 0 ? request->max : 1;
    w->lease_us = request->lease_us;
    w->take = request->take == 1;
    w->detached = request->detached == 1;
    w->has_finished = get.has_finished;
    w->finished_done = get.finished_done;
    w->finished_needs = get.finished_needs;
    w->finished_at = get.finished_at;
    w->finished_len = get.finished_len;
    w->finished_stale_count = get.finished_stale_count;
    memcpy(w->finished_stale, get.finished_stale, sizeof(get.finished_stale));
    int serial = w->serial;
    m_settle(m);
    if (w->used && w->serial == serial && request->timeout_us == 0) {
        w->used = false;
        m_get_answer(m, w);
    } else if (w->used && w->serial == serial && w->has_finished) {
        m_keep_finished(m, w);
    }
}
