/* A full disk: what would add to it is refused. */
#include "tests/sim/model/inside.h"

static bool queue_has_row(const struct m_queue *queue)
{
    return queue->exists && queue->has_row;
}

static bool declare_adds(const struct model *m, const struct request *request)
{
    const struct m_queue *queue = &m->now.queues[m_index(request->queue)];
    bool durable = request->durable >= 0 ? request->durable == 1
                                         : !queue->exists || queue->durable;
    return durable && !queue_has_row(queue);
}

static bool flag_adds(const struct model *m, const struct request *request)
{
    int i = m_index(request->queue);
    return i >= 0 && m->now.queues[i].exists && m->now.queues[i].durable &&
           !m->now.queues[i].has_row;
}

static bool acquire_adds(const struct model *m, const struct m_to *to,
                         const struct request *request)
{
    const struct m_semaphore *s =
        &m->now.semaphores[m_index(request->semaphore)];
    if (!s->exists) {
        return request->value >= 0;
    }
    return m->now.sessions[to->session].kept &&
           (s->bounded || request->hold == 1);
}

static bool set_adds(const struct model *m, const struct request *request)
{
    int i = m_event_index(request->event);
    return i >= 0 && i < M_PLAIN_EVENTS && !m->now.events[i].set;
}

static bool adds(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    if (request->method == METHOD_queue_put) {
        return true;
    }
    if (request->method == METHOD_queue_declare) {
        return declare_adds(m, request);
    }
    if (request->method == METHOD_queue_pause ||
        request->method == METHOD_queue_resume ||
        request->method == METHOD_queue_close ||
        request->method == METHOD_queue_open) {
        return flag_adds(m, request);
    }
    if (request->method == METHOD_lock_acquire) {
        return m_lock_adds(m, to, request);
    }
    if (request->method == METHOD_semaphore_declare) {
        return !m->now.semaphores[m_index(request->semaphore)].exists;
    }
    if (request->method == METHOD_semaphore_acquire) {
        return acquire_adds(m, to, request);
    }
    if (request->method == METHOD_event_set) {
        return set_adds(m, request);
    }
    if (request->method == METHOD_barrier_wait) {
        return !m_barrier_has_row(m, m_index(request->barrier)) &&
               (request->parties > 1 || request->action == 1);
    }
    if (request->method == METHOD_barrier_abort) {
        return !m_barrier_has_row(m, m_index(request->barrier));
    }
    return request->method == METHOD_batch_create &&
           (request->batch.at == NULL ||
            !m->now.batches[m_index(request->batch)].exists);
}

bool m_no_room(struct model *m, const struct m_to *to,
               const struct request *request)
{
    if (!m->full || !adds(m, to, request)) {
        return false;
    }
    m_error(m, to, ERROR_unavailable, NULL, 0);
    return true;
}

/* Puts that wait are refused when all settles: put.c. */
void m_room_changed(struct model *m, bool full)
{
    m->full = full && !m->forgetful;
    for (int i = 0; i < M_WAITERS && m->full; i++) {
        struct m_waiter *w = &m->waiters[i];
        bool permits = w->kind == M_WAIT_SEMAPHORE && w->hold;
        bool lock = w->kind == M_WAIT_LOCK && !w->back;
        if (w->used && (permits || lock) &&
            m->now.sessions[w->to.session].kept) {
            w->used = false;
            m_error(m, &w->to, ERROR_unavailable, NULL, 0);
        }
    }
}

void m_use_room(struct model *m, int i)
{
    struct m_session *session = &m->now.sessions[i];
    if (session->grace_us == 0 || session->kept || m->full) {
        return;
    }
    session->kept = true;
    session->changed = m_next(m);
    for (int k = 0; k < M_HOLDS; k++) {
        struct m_hold *hold = &m->now.holds[k];
        if (hold->used && hold->session == i) {
            hold->born = m_next(m);
            hold->changed = m_next(m);
        }
    }
}
