/* Queues: terms, looking, purging, joining. */
#include "tests/sim/model/inside.h"

/* So long unused, a queue that nobody declared vanishes. */
#define IDLE_US ((int64_t)3600 * 1000000)

static const struct m_queue queue_default = {
    .exists = true,
    .durable = true,
    .capacity = 10000,
    .lease_us = 60000000,
    .max_attempts = 5,
    .backoff_base_us = 1000000,
    .backoff_factor = 2,
    .backoff_max_us = 300000000,
};

struct m_queue *m_queue_use(struct model *m, int i)
{
    struct m_queue *queue = &m->now.queues[i];
    if (!queue->exists) {
        *queue = queue_default;
        queue->created_at_us = m->now_us;
        queue->idle_since_us = m->now_us;
    }
    return queue;
}

static void changed(struct model *m, int i)
{
    struct m_queue *queue = &m->now.queues[i];
    if (queue->durable) {
        queue->changed = m_next(m);
    }
}

unsigned m_queue_needs(const struct model *m, int queue)
{
    unsigned needs = m->now.queues[queue].changed;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (job->entered && job->queue == queue) {
            needs = m_most(needs, job->changed);
        }
    }
    return needs;
}

int m_count(const struct model *m, int queue, enum job_state state)
{
    int count = 0;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        count += m_job_there(job) && job->queue == queue && job->state == state;
    }
    return count;
}

int m_count_unfinished(const struct model *m, int queue)
{
    return m_count(m, queue, JOB_HELD) + m_count(m, queue, JOB_DELAYED) +
           m_count(m, queue, JOB_READY) + m_count(m, queue, JOB_RUNNING);
}

void m_write_counts(struct out *out, const int counts[JOB_STATES])
{
    write_key(out, SLICE("counts"));
    write_begin_object(out);
    for (int i = 0; i < JOB_STATES; i++) {
        write_key(out, slice_of(job_state_names[i]));
        write_integer(out, counts[i]);
    }
    write_end_object(out);
}

static int64_t bytes_of(const struct model *m, int queue)
{
    int64_t bytes = 0;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->queue == queue &&
            (job->state == JOB_READY || job->state == JOB_DELAYED)) {
            bytes += (int64_t)strlen(job->body);
        }
    }
    return bytes;
}

static void write_terms(struct out *out, const struct m_queue *queue)
{
    WRITE(out, integer, "capacity", queue->capacity);
    WRITE(out, integer, "max_bytes", queue->max_bytes);
    WRITE(out, string, "order", queue->lifo ? SLICE("lifo") : SLICE("fifo"));
    WRITE(out, integer, "concurrency", queue->concurrency);
    WRITE(out, seconds, "lease", queue->lease_us);
    WRITE(out, integer, "max_attempts", queue->max_attempts);
    write_key(out, SLICE("backoff"));
    write_begin_object(out);
    WRITE(out, seconds, "base", queue->backoff_base_us);
    WRITE(out, number, "factor", queue->backoff_factor);
    WRITE(out, seconds, "max", queue->backoff_max_us);
    WRITE(out, number, "jitter", queue->backoff_jitter);
    write_end_object(out);
    WRITE(out, seconds, "keep_done", queue->keep_done_us);
    WRITE(out, flag, "durable", queue->durable);
}

static int waiting_gets(struct model *m, int queue)
{
    int count = 0;
    struct m_waiter *w = m_waiter_after(m, M_WAIT_GET, -1, 0);
    while (w != NULL) {
        count += ((w->queues >> queue) & 1) != 0;
        w = m_waiter_after(m, M_WAIT_GET, -1, w->serial);
    }
    return count;
}

void m_write_queue(struct model *m, struct out *out, int i)
{
    const struct m_queue *queue = &m->now.queues[i];
    char name[M_NAME_SIZE];
    int counts[JOB_STATES];
    for (int s = 0; s < JOB_STATES; s++) {
        counts[s] = m_count(m, i, (enum job_state)s);
    }
    write_begin_object(out);
    WRITE(out, string, "queue", m_name('q', i, name));
    m_write_counts(out, counts);
    WRITE(out, integer, "unfinished", m_count_unfinished(m, i));
    WRITE(out, integer, "bytes", bytes_of(m, i));
    write_key(out, SLICE("waiting"));
    write_begin_object(out);
    WRITE(out, integer, "put", m_waiters(m, M_WAIT_PUT, i));
    WRITE(out, integer, "get", waiting_gets(m, i));
    WRITE(out, integer, "join", m_waiters(m, M_WAIT_JOIN, i));
    write_end_object(out);
    WRITE(out, json, "rates", SLICE("_"));
    WRITE(out, flag, "paused", queue->paused);
    WRITE(out, flag, "closed", queue->closed);
    write_terms(out, queue);
    WRITE(out, flag, "declared", queue->declared);
    m_write_time(m, out, SLICE("created_at"), queue->created_at_us);
    write_end_object(out);
}

/* What was asked for; -1: it is not there, which was answered. */
static int wanted(struct model *m, const struct m_to *to, struct slice name)
{
    int i = m_index(name);
    if (i < 0 || !m->now.queues[i].exists) {
        m_error(m, to, ERROR_not_found, NULL, i < 0 ? 0 : m_queue_needs(m, i));
        return -1;
    }
    return i;
}

static void answer(struct model *m, const struct m_to *to, int i)
{
    m_write_queue(m, m_begin(m, to), i);
    m_end(m, m_queue_needs(m, i));
}

static bool has_jobs(const struct model *m, int i)
{
    return m_count_unfinished(m, i) + m_count(m, i, JOB_DONE) +
               m_count(m, i, JOB_DEAD) >
           0;
}

static bool is_used(struct model *m, int i)
{
    return has_jobs(m, i) || m_waiters(m, M_WAIT_PUT, i) > 0 ||
           waiting_gets(m, i) > 0 || m_waiters(m, M_WAIT_JOIN, i) > 0;
}

static bool bad_terms(const struct request *request)
{
    return request->lease_us == 0 ||
           (request->backoff.factor != -1 && request->backoff.factor < 1) ||
           request->backoff.jitter > 1;
}

static void set_count(int64_t *term, int64_t wanted_value)
{
    *term = wanted_value >= 0 ? wanted_value : *term;
}

static void set_terms(struct m_queue *queue, const struct request *request)
{
    set_count(&queue->capacity, request->capacity);
    set_count(&queue->max_bytes, request->max_bytes);
    set_count(&queue->concurrency, request->concurrency);
    set_count(&queue->lease_us, request->lease_us);
    set_count(&queue->max_attempts, request->max_attempts);
    set_count(&queue->backoff_base_us, request->backoff.base_us);
    set_count(&queue->backoff_max_us, request->backoff.max_us);
    set_count(&queue->keep_done_us, request->keep_done_us);
    if (request->backoff.factor != -1) {
        queue->backoff_factor = request->backoff.factor;
    }
    if (request->backoff.jitter != -1) {
        queue->backoff_jitter = request->backoff.jitter;
    }
    if (request->order >= 0) {
        queue->lifo = request->order == ORDER_LIFO;
    }
    if (request->durable >= 0) {
        queue->durable = request->durable == 1;
    }
}

void m_queue_declare(struct model *m, const struct m_to *to,
                     const struct request *request)
{
    int i = m_index(request->queue);
    if (bad_terms(request)) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    struct m_queue *queue = &m->now.queues[i];
    struct m_queue before = *queue;
    queue = m_queue_use(m, i);
    bool other =
        (request->order >= 0 &&
         (request->order == ORDER_LIFO) != queue->lifo) ||
        (request->durable >= 0 && (request->durable == 1) != queue->durable);
    if (other && has_jobs(m, i)) {
        *queue = before;
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    bool was_durable = before.exists && before.durable && before.has_row;
    set_terms(queue, request);
    queue->declared = true;
    queue->has_row = queue->durable;
    changed(m, i);
    if (was_durable && !queue->durable) {
        const struct m_queue *last = &m_last(m)->queues[i];
        bool written = last->exists && last->durable && last->has_row;
        queue->changed = written ? m_next(m) : 0;
    }
    m_settle(m);
    answer(m, to, i);
}

static void set_flag(struct model *m, const struct m_to *to, struct slice name,
                     size_t offset, bool value)
{
    int i = wanted(m, to, name);
    if (i < 0) {
        return;
    }
    bool *flag = (bool *)((char *)&m->now.queues[i] + offset);
    if (*flag != value) {
        *flag = value;
        m->now.queues[i].has_row = m->now.queues[i].durable;
        changed(m, i);
    }
    if (offset == offsetof(struct m_queue, closed) && value) {
        struct m_waiter *w = m_waiter_after(m, M_WAIT_PUT, i, 0);
        for (; w != NULL; w = m_waiter_after(m, M_WAIT_PUT, i, w->serial)) {
            m_error(m, &w->to, ERROR_queue_closed, NULL, m_queue_needs(m, i));
            m_leave(m, w, "cancelled");
        }
    }
    m_settle(m);
    answer(m, to, i);
}

void m_queue_pause(struct model *m, const struct m_to *to,
                   const struct request *request)
{
    set_flag(m, to, request->queue, offsetof(struct m_queue, paused), true);
}

void m_queue_resume(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    set_flag(m, to, request->queue, offsetof(struct m_queue, paused), false);
}

void m_queue_close(struct model *m, const struct m_to *to,
                   const struct request *request)
{
    set_flag(m, to, request->queue, offsetof(struct m_queue, closed), true);
}

void m_queue_open(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    set_flag(m, to, request->queue, offsetof(struct m_queue, closed), false);
}

static void count_reply(struct model *m, const struct m_to *to,
                        struct slice key, int count, unsigned needs)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, key);
    write_integer(out, count);
    write_end_object(out);
    m_end(m, needs);
}

/* Removes the jobs in these states; how many. */
static int remove_jobs(struct model *m, int queue, unsigned states)
{
    int removed = 0;
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->queue == queue &&
            ((states >> job->state) & 1) != 0) {
            m_job_remove(m, job);
            removed++;
        }
    }
    return removed;
}

void m_queue_purge(struct model *m, const struct m_to *to,
                   const struct request *request)
{
    int i = wanted(m, to, request->queue);
    if (i >= 0) {
        int removed = remove_jobs(m, i, request->states);
        count_reply(m, to, SLICE("removed"), removed, m_queue_needs(m, i));
    }
}

void m_queue_waiters_end(struct model *m, int i)
{
    struct m_waiter *w;
    while ((w = m_waiter_after(m, M_WAIT_PUT, i, 0)) != NULL) {
        m_error(m, &w->to, ERROR_not_found, NULL, 0);
        m_leave(m, w, "cancelled");
    }
    for (w = m_waiter_after(m, M_WAIT_GET, -1, 0); w != NULL;
         w = m_waiter_after(m, M_WAIT_GET, -1, w->serial)) {
        if (((w->queues >> i) & 1) == 0) {
            continue;
        }
        w->used = false;
        if (w->has_finished) {
            m_get_nothing(m, w);
        } else {
            m_error(m, &w->to, ERROR_not_found, NULL, 0);
        }
    }
    while ((w = m_waiter_after(m, M_WAIT_JOIN, i, 0)) != NULL) {
        w->used = false;
        struct out *out = m_begin(m, &w->to);
        write_begin_object(out);
        WRITE(out, flag, "joined", true);
        WRITE(out, integer, "dead", m_count(m, i, JOB_DEAD));
        write_end_object(out);
        m_end(m, 0);
    }
}

/* Out of reach, with all it had. */
static void forget(struct model *m, int i)
{
    changed(m, i);
    if (!m_last(m)->queues[i].exists || !m_last(m)->queues[i].has_row) {
        m->now.queues[i].changed = 0;
    }
    m->now.queues[i].exists = false;
}

void m_queue_end(struct model *m, int i)
{
    if (m->now.queues[i].exists) {
        m_queue_waiters_end(m, i);
        (void)remove_jobs(m, i, ~0U);
        forget(m, i);
    }
}

void m_queue_delete(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int i = wanted(m, to, request->queue);
    if (i < 0) {
        return;
    }
    if (is_used(m, i) && request->force != 1) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    m_queue_waiters_end(m, i);
    int removed = remove_jobs(m, i, ~0U);
    forget(m, i);
    count_reply(m, to, SLICE("removed"), removed, m_queue_needs(m, i));
}

/* --- queues that vanish ------------------------------------------------- */

void m_queues_used(struct model *m)
{
    for (int i = 0; i < M_QUEUES; i++) {
        struct m_queue *queue = &m->now.queues[i];
        if (queue->declared || queue->paused || queue->closed ||
            is_used(m, i)) {
            queue->idle_since_us = m->now_us;
        }
    }
}

int64_t m_queue_ends(const struct model *m, int i)
{
    const struct m_queue *queue = &m->now.queues[i];
    return queue->exists ? queue->idle_since_us + IDLE_US : DEADLINE_NEVER;
}

void m_queue_vanishes(struct model *m, int i)
{
    forget(m, i);
}

void m_queue_show(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int i = wanted(m, to, request->queue);
    if (i >= 0) {
        answer(m, to, i);
    }
}

void m_queue_list(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    (void)request;
    unsigned needs = 0;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("queues"));
    write_begin_array(out);
    for (int i = 0; i < M_QUEUES; i++) {
        needs = m_most(needs, m_queue_needs(m, i));
        if (m->now.queues[i].exists && m_sees(m, to, KIND_queue, i)) {
            m_write_queue(m, out, i);
        }
    }
    write_end_array(out);
    write_end_object(out);
    m_end(m, needs);
}

/* --- join --------------------------------------------------------------- */

static void answer_join(struct model *m, const struct m_to *to, int queue,
                        bool joined)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, flag, "joined", joined);
    WRITE(out, integer, "dead", m_count(m, queue, JOB_DEAD));
    write_end_object(out);
    m_end(m, m_queue_needs(m, queue));
}

bool m_joins_return(struct model *m)
{
    bool moved = false;
    struct m_waiter *w = m_waiter_after(m, M_WAIT_JOIN, -1, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_JOIN, -1, w->serial)) {
        if (m_count_unfinished(m, w->object) == 0) {
            w->used = false;
            answer_join(m, &w->to, w->object, true);
            moved = true;
        }
    }
    return moved;
}

void m_queue_join(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int i = m_index(request->queue);
    bool joined = !m->now.queues[i].exists || m_count_unfinished(m, i) == 0;
    if (joined || request->timeout_us == 0) {
        answer_join(m, to, i, joined);
    } else {
        m_wait(m, to, M_WAIT_JOIN, i, request->timeout_us);
    }
}
