/* queue.put: all or nothing, in the order of arrival. */
#include "tests/sim/model/inside.h"

/* What a put asks for, job by job. */
struct putting {
    struct put_item items[M_ITEMS];
    int count;
    bool many;
    int batch; /* -1: none */
    int stage;
    bool inside;
};

static void read_items(const struct request *request, struct putting *put)
{
    if (request->puts.at != NULL) {
        put->many = true;
        put->count = (int)request->puts.count;
        memcpy(put->items, request->puts.at,
               request->puts.count * sizeof(put->items[0]));
    } else if (request->bodies.at != NULL) {
        put->many = true;
        put->count = (int)request->bodies.count;
        for (int i = 0; i < put->count; i++) {
            put->items[i] = request->put;
            put->items[i].body = request->bodies.at[i];
        }
    } else {
        put->count = 1;
        put->items[0] = request->put;
    }
}

/* False: answered. */
static bool limits_there(struct model *m, const struct m_to *to,
                         const struct putting *put)
{
    for (int i = 0; i < put->count; i++) {
        for (size_t k = 0; k < put->items[i].limits.count; k++) {
            int s = m_index(put->items[i].limits.at[k]);
            const struct m_semaphore *semaphore = &m->now.semaphores[s];
            if (!semaphore->exists || !semaphore->bounded) {
                m_error(m, to,
                        semaphore->exists ? ERROR_conflict : ERROR_not_found,
                        NULL, semaphore->changed);
                return false;
            }
        }
    }
    return true;
}

/* The first stage of the batch that this session works on; M_STAGES: none. */
static int stage_of_leases(const struct model *m, const struct m_to *to,
                           int batch)
{
    int from = M_STAGES;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->state == JOB_RUNNING &&
            job->batch == batch && !job->detached &&
            job->session == to->session && job->stage < from) {
            from = job->stage;
        }
    }
    return from;
}

/* The stage from which on it may add to the batch though it is sealed;
 * M_STAGES: none; -1: it names a lease that is over, which was answered. */
static int inside_from(struct model *m, const struct m_to *to,
                       const struct request *request, int batch)
{
    if (request->from.id == 0) {
        return stage_of_leases(m, to, batch);
    }
    const struct m_job *job =
        m_leased(m, to, request->from.id, request->from.token);
    if (job == NULL) {
        m_error(m, to, ERROR_stale_token, NULL, 0);
        return -1;
    }
    return job->batch == batch ? job->stage : M_STAGES;
}

/* May it join its batch? False: answered. */
static bool batch_lets(struct model *m, const struct m_to *to,
                       const struct request *request, struct putting *put)
{
    put->batch = -1;
    put->stage = 0;
    if (request->batch.at == NULL) {
        return true;
    }
    put->batch = m_index(request->batch);
    put->stage = m_stage_index(request->stage);
    const struct m_batch *batch = &m->now.batches[put->batch];
    if (!batch->exists || put->stage >= batch->stages) {
        m_error(m, to, ERROR_not_found, NULL, 0);
        return false;
    }
    int from = inside_from(m, to, request, put->batch);
    if (from < 0) {
        return false;
    }
    put->inside = from <= put->stage;
    if (batch->cancelled || put->stage < batch->passed ||
        (batch->sealed && !put->inside)) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return false;
    }
    return true;
}

static const struct m_job *job_of_key(const struct model *m, int queue,
                                      struct slice key)
{
    for (int i = 0; i < m->now.jobs_count && key.at != NULL; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_unfinished(job) && job->queue == queue &&
            slice_equal(slice_of(job->key), key)) {
            return job;
        }
    }
    return NULL;
}

static bool answer_duplicate(struct model *m, const struct m_to *to,
                             const struct putting *put, int queue)
{
    const struct m_job *job =
        put->many ? NULL : job_of_key(m, queue, put->items[0].key);
    if (job == NULL) {
        return false;
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("id"));
    m_write_job_name(out, job);
    WRITE(out, flag, "duplicate", true);
    write_end_object(out);
    m_end(m, job->changed);
    return true;
}

static unsigned bits(struct slices names, int (*index)(struct slice))
{
    unsigned mask = 0;
    for (size_t i = 0; i < names.count; i++) {
        mask |= 1U << index(names.at[i]);
    }
    return mask;
}

unsigned m_unset(const struct model *m, unsigned events)
{
    for (int i = 0; i < M_EVENTS; i++) {
        if (m->now.events[i].set) {
            events &= ~(1U << i);
        }
    }
    return events;
}

static int job_new(struct model *m, const struct m_to *to,
                   const struct putting *put, int i, int queue)
{
    const struct put_item *item = &put->items[i];
    CHECK(m->now.jobs_count < M_JOBS);
    struct m_job *job = &m->now.jobs[m->now.jobs_count];
    *job = (struct m_job){
        .action = to->action,
        .item = i,
        .queue = queue,
        .priority = item->priority,
        .delay_us = item->delay_us > 0 ? item->delay_us : 0,
        .lease_us = item->lease_us,
        .max_attempts = item->max_attempts,
        .keep_done_us = item->keep_done_us,
        .session = -1,
        .batch = put->batch,
        .stage = put->stage,
        .limits = bits(item->limits, m_index),
        .after = bits(item->after, m_event_index),
    };
    m_copy(job->body, sizeof(job->body), item->body);
    m_copy(job->key, sizeof(job->key), item->key);
    return m->now.jobs_count++;
}

/* Will it stand still for an event or a stage? */
static bool is_held(const struct model *m, const struct m_job *job)
{
    return m_unset(m, job->after) != 0 ||
           (job->batch >= 0 && job->stage > m->now.batches[job->batch].passed);
}

/* How many of its jobs need room, and their bytes. */
static int room_needed(const struct model *m, const struct m_waiter *put,
                       int64_t *bytes)
{
    int jobs = 0;
    *bytes = 0;
    for (int i = 0; i < put->jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[put->jobs[i]];
        if (!is_held(m, job)) {
            jobs++;
            *bytes += (int64_t)strlen(job->body);
        }
    }
    return jobs;
}

static bool within(const struct m_queue *queue, int64_t jobs, int64_t bytes)
{
    return (queue->capacity == 0 || jobs <= queue->capacity) &&
           (queue->max_bytes == 0 || bytes <= queue->max_bytes);
}

static bool fits(const struct model *m, const struct m_waiter *put)
{
    int64_t bytes = put->room_bytes;
    int64_t jobs = put->room_jobs;
    if (jobs == 0) {
        return true;
    }
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->queue == put->object &&
            (job->state == JOB_READY || job->state == JOB_DELAYED)) {
            jobs++;
            bytes += (int64_t)strlen(job->body);
        }
    }
    return within(&m->now.queues[put->object], jobs, bytes);
}

/* Not even into an empty queue. */
static bool never_fits(const struct model *m, const struct m_waiter *put)
{
    return !within(&m->now.queues[put->object], put->room_jobs,
                   put->room_bytes);
}

/* The jobs enter, but for those whose key is there already. */
static void enter(struct model *m, const struct m_waiter *put)
{
    struct m_queue *queue = &m->now.queues[put->object];
    const struct m_job *jobs[M_ITEMS];
    bool same[M_ITEMS] = {false};
    unsigned needs = 0;
    int same_count = 0;
    for (int i = 0; i < put->jobs_count; i++) {
        struct m_job *job = &m->now.jobs[put->jobs[i]];
        struct slice key = {NULL, 0};
        if (job->key[0] != '\0') {
            key = slice_of(job->key);
        }
        jobs[i] = job_of_key(m, put->object, key);
        same[i] = jobs[i] != NULL;
        if (same[i]) {
            job->gone = true;
            same_count++;
        } else {
            m_job_enter(m, job);
            jobs[i] = job;
        }
        needs = m_most(needs, jobs[i]->changed);
    }
    queue->has_row = queue->durable;
    struct out *out = m_begin(m, &put->to);
    write_begin_object(out);
    write_key(out, put->many ? SLICE("ids") : SLICE("id"));
    if (put->many) {
        write_begin_array(out);
    }
    for (int i = 0; i < put->jobs_count; i++) {
        m_write_job_name(out, jobs[i]);
    }
    if (put->many) {
        write_end_array(out);
    }
    if (same_count > 0 && !put->many) {
        WRITE(out, flag, "duplicate", true);
    } else if (same_count > 0) {
        write_key(out, SLICE("duplicates"));
        write_begin_array(out);
        for (int i = 0; i < put->jobs_count; i++) {
            if (same[i]) {
                m_write_job_name(out, jobs[i]);
            }
        }
        write_end_array(out);
    }
    write_end_object(out);
    m_end(m, needs);
}

/* Its batch may have been sealed, passed or cancelled while it waited. */
static bool batch_still_lets(const struct model *m, const struct m_waiter *put)
{
    const struct m_job *job = &m->now.jobs[put->jobs[0]];
    if (job->batch < 0) {
        return true;
    }
    const struct m_batch *batch = &m->now.batches[job->batch];
    return batch->exists && !batch->cancelled && job->stage >= batch->passed &&
           (!batch->sealed || put->inside);
}

/* Its one job is there already. */
static bool is_duplicate(const struct model *m, const struct m_waiter *put)
{
    const struct m_job *job = &m->now.jobs[put->jobs[0]];
    return !put->many && job->key[0] != '\0' &&
           job_of_key(m, put->object, slice_of(job->key)) != NULL;
}

/* The first in line: in, or refused; false: it goes on waiting. */
static bool first_enters(struct model *m, struct m_waiter *put)
{
    bool lets = batch_still_lets(m, put);
    if (m->full || never_fits(m, put) || !lets) {
        enum error error = m->full ? ERROR_unavailable
                           : !lets ? ERROR_conflict
                                   : ERROR_queue_full;
        m_error(m, &put->to, error, NULL, 0);
        m_leave(m, put, "");
        return true;
    }
    if (!fits(m, put) && !is_duplicate(m, put)) {
        return false;
    }
    put->used = false;
    enter(m, put);
    return true;
}

/* Of several queues that got room in one step it is not said whose put enters
 * first, and so which jobs came first. */
bool m_puts_enter(struct model *m)
{
    bool moved = false;
    for (int i = 0; i < M_QUEUES; i++) {
        int jobs = m->now.serial;
        struct m_waiter *put;
        while ((put = m_waiter_after(m, M_WAIT_PUT, i, 0)) != NULL &&
               first_enters(m, put)) {
            moved = true;
        }
        if (m->now.serial != jobs) {
            m->unclear = m->unclear || (m->entered & ~(1U << i)) != 0;
            m->entered |= 1U << i;
        }
    }
    return moved;
}

static bool has_terms(const struct request *request)
{
    const struct put_item *item = &request->put;
    return item->key.at != NULL || item->priority != 0 || item->delay_us >= 0 ||
           item->lease_us >= 0 || item->max_attempts >= 0 ||
           item->keep_done_us >= 0 || item->limits.at != NULL ||
           item->after.at != NULL;
}

static bool bad_put(const struct request *request)
{
    int forms = (request->put.body.at != NULL) + (request->bodies.at != NULL) +
                (request->puts.at != NULL);
    return forms != 1 || (request->puts.at != NULL && has_terms(request)) ||
           (request->bodies.at != NULL && request->put.key.at != NULL) ||
           request->put.lease_us == 0 ||
           (request->batch.at == NULL) != (request->stage.at == NULL);
}

/* False: answered. */
static bool may_put(struct model *m, const struct m_to *to,
                    const struct request *request, struct putting *put)
{
    const struct m_queue *queue = &m->now.queues[m_index(request->queue)];
    if (bad_put(request)) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return false;
    }
    read_items(request, put);
    if (!batch_lets(m, to, request, put) || !limits_there(m, to, put)) {
        return false;
    }
    if (queue->exists && queue->closed) {
        m_error(m, to, ERROR_queue_closed, NULL,
                m_queue_needs(m, m_index(request->queue)));
        return false;
    }
    return true;
}

void m_queue_put(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    struct putting put = {0};
    int queue = m_index(request->queue);
    if (!may_put(m, to, request, &put) ||
        answer_duplicate(m, to, &put, queue)) {
        return;
    }
    bool first = m_waiter_after(m, M_WAIT_PUT, queue, 0) == NULL;
    bool there = m->now.queues[queue].exists;
    m_queue_use(m, queue);
    struct m_waiter *w = m_wait(m, to, M_WAIT_PUT, queue, request->timeout_us);
    w->many = put.many;
    w->inside = put.inside;
    w->jobs_count = put.count;
    for (int i = 0; i < put.count; i++) {
        w->jobs[i] = job_new(m, to, &put, i, queue);
    }
    w->room_jobs = room_needed(m, w, &w->room_bytes);
    if (never_fits(m, w)) {
        m_error(m, to, ERROR_queue_full, "{\"reason\":\"never\"}", 0);
        m_leave(m, w, "cancelled");
        m->now.queues[queue].exists = there;
        return;
    }
    if (put.batch >= 0 && !m->now.queues[queue].durable) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        m_leave(m, w, "cancelled");
    } else if (w->room_jobs == 0 || (first && fits(m, w))) {
        w->used = false;
        enter(m, w);
    } else if (request->timeout_us == 0) {
        m_error(m, to, ERROR_queue_full, NULL, 0);
        m_leave(m, w, "cancelled");
    }
}
