/* Semaphores and events. */
#include "tests/sim/model/inside.h"

static int64_t held(const struct model *m, int i)
{
    int64_t count = 0;
    for (int k = 0; k < M_HOLDS; k++) {
        const struct m_hold *hold = &m->now.holds[k];
        if (hold->used && hold->kind == M_SEMAPHORE && hold->object == i) {
            count += hold->count;
        }
    }
    for (int k = 0; k < m->now.jobs_count; k++) {
        const struct m_job *job = &m->now.jobs[k];
        count += m_job_there(job) && job->state == JOB_RUNNING &&
                 ((job->limits >> i) & 1) != 0;
    }
    return count;
}

int64_t m_free(const struct model *m, int i)
{
    const struct m_semaphore *semaphore = &m->now.semaphores[i];
    int64_t free = semaphore->value - held(m, i);
    return free > 0 ? free : 0;
}

static void changed(struct model *m, int i)
{
    m->now.semaphores[i].changed = m_next(m);
}

static void write_semaphore(struct model *m, struct out *out, int i)
{
    const struct m_semaphore *semaphore = &m->now.semaphores[i];
    char name[M_NAME_SIZE];
    write_begin_object(out);
    WRITE(out, string, "semaphore", m_name('s', i, name));
    WRITE(out, integer, "value", semaphore->value);
    WRITE(out, integer, "free", m_free(m, i));
    WRITE(out, flag, "bounded", semaphore->bounded);
    m_write_holders(m, out, M_SEMAPHORE, i);
    m_write_waiting(m, out, M_WAIT_SEMAPHORE, i);
    write_end_object(out);
}

void m_semaphore_declare(struct model *m, const struct m_to *to,
                         const struct request *request)
{
    int i = m_index(request->semaphore);
    struct m_semaphore *semaphore = &m->now.semaphores[i];
    bool bounded = semaphore->exists ? semaphore->bounded : true;
    if (request->bounded >= 0) {
        bounded = request->bounded == 1;
    }
    if (semaphore->exists && bounded != semaphore->bounded) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    if (!semaphore->exists || request->keep != 1) {
        semaphore->exists = true;
        semaphore->bounded = bounded;
        semaphore->value = request->value;
        changed(m, i);
        m_semaphores_granted(m);
    }
    write_semaphore(m, m_begin(m, to), i);
    m_end(m, semaphore->changed);
}

static void answer_acquired(struct model *m, const struct m_to *to,
                            bool bounded, unsigned needs)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, flag, "acquired", true);
    if (bounded) {
        write_key(out, SLICE("token"));
        m_write_token(out, to->action);
    }
    write_end_object(out);
    m_end(m, needs);
}

static void grant(struct model *m, const struct m_to *to, int i,
                  int64_t permits, bool hold)
{
    struct m_semaphore *semaphore = &m->now.semaphores[i];
    bool kept = m->now.sessions[to->session].kept;
    if (hold) {
        m_hold_new(m, M_SEMAPHORE, i, to, permits);
        m_granted(m, to->action);
    } else {
        semaphore->value -= permits;
    }
    if (!hold) {
        changed(m, i);
    }
    answer_acquired(m, to, hold, kept || !hold ? m_next(m) : 0);
}

bool m_semaphores_granted(struct model *m)
{
    bool moved = false;
    for (int i = 0; i < M_SEMAPHORES; i++) {
        struct m_waiter *w;
        while ((w = m_waiter_after(m, M_WAIT_SEMAPHORE, i, 0)) != NULL &&
               w->permits <= m_free(m, i)) {
            w->used = false;
            grant(m, &w->to, i, w->permits, w->hold);
            moved = true;
        }
    }
    return moved;
}

void m_semaphore_acquire(struct model *m, const struct m_to *to,
                         const struct request *request)
{
    int i = m_index(request->semaphore);
    struct m_semaphore *semaphore = &m->now.semaphores[i];
    int64_t permits = request->permits >= 0 ? request->permits : 1;
    if (permits == 0) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    if (!semaphore->exists) {
        if (request->value < 0) {
            m_error(m, to, ERROR_not_found, NULL, semaphore->changed);
            return;
        }
        semaphore->exists = true;
        semaphore->bounded = true;
        semaphore->value = request->value;
        changed(m, i);
    }
    bool hold = semaphore->bounded || request->hold == 1;
    if (permits <= m_free(m, i) && m_waiters(m, M_WAIT_SEMAPHORE, i) == 0) {
        grant(m, to, i, permits, hold);
        return;
    }
    if (request->timeout_us == 0) {
        struct out *out = m_begin(m, to);
        write_begin_object(out);
        WRITE(out, flag, "acquired", false);
        write_end_object(out);
        m_end(m, 0);
        return;
    }
    struct m_waiter *w =
        m_wait(m, to, M_WAIT_SEMAPHORE, i, request->timeout_us);
    w->permits = permits;
    w->hold = hold;
}

/* By its token of the same user, or of this session. */
static bool is_callers(const struct model *m, const struct m_hold *hold,
                       int session, uint64_t token)
{
    const struct m_session *sessions = m->now.sessions;
    return token != 0 ? m->learnt.tokens[hold->token] == token &&
                            sessions[hold->session].uid == sessions[session].uid
                      : hold->session == session;
}

static struct m_hold *oldest(struct model *m, int i, int session,
                             uint64_t token)
{
    struct m_hold *first = NULL;
    for (int k = 0; k < M_HOLDS; k++) {
        struct m_hold *hold = &m->now.holds[k];
        if (hold->used && hold->kind == M_SEMAPHORE && hold->object == i &&
            is_callers(m, hold, session, token) &&
            (first == NULL || hold->serial < first->serial)) {
            first = hold;
        }
    }
    return first;
}

static int64_t to_give(struct model *m, int i, int session, uint64_t token)
{
    int64_t count = 0;
    for (int k = 0; k < M_HOLDS; k++) {
        const struct m_hold *hold = &m->now.holds[k];
        if (hold->used && hold->kind == M_SEMAPHORE && hold->object == i &&
            is_callers(m, hold, session, token)) {
            count += hold->count;
        }
    }
    return count;
}

/* Of the bounded one; the batch that this is in. */
static unsigned give_back(struct model *m, int i, int session, uint64_t token,
                          int64_t permits)
{
    unsigned needs = 0;
    while (permits > 0) {
        struct m_hold *hold = oldest(m, i, session, token);
        int64_t part = permits < hold->count ? permits : hold->count;
        hold->count -= part;
        permits -= part;
        needs = m_most(needs, m_hold_changed(m, hold));
    }
    return needs;
}

void m_semaphore_release(struct model *m, const struct m_to *to,
                         const struct request *request)
{
    int i = m_index(request->semaphore);
    struct m_semaphore *semaphore = &m->now.semaphores[i];
    int64_t permits = request->permits >= 0 ? request->permits : 1;
    unsigned needs;
    if (permits == 0) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    if (!semaphore->exists) {
        m_error(m, to, ERROR_not_found, NULL, semaphore->changed);
        return;
    }
    if (semaphore->bounded || request->token != 0) {
        if (to_give(m, i, to->session, request->token) < permits) {
            m_error(m, to, ERROR_over_release, NULL, 0);
            return;
        }
        needs = give_back(m, i, to->session, request->token, permits);
    } else {
        semaphore->value += permits;
        changed(m, i);
        needs = semaphore->changed;
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, integer, "free", m_free(m, i));
    write_end_object(out);
    m_end(m, needs);
}

void m_semaphore_show(struct model *m, const struct m_to *to,
                      const struct request *request)
{
    int i = m_index(request->semaphore);
    if (!m->now.semaphores[i].exists) {
        m_error(m, to, ERROR_not_found, NULL, m->now.semaphores[i].changed);
        return;
    }
    write_semaphore(m, m_begin(m, to), i);
    m_end(m, m_holds_needs(m, M_SEMAPHORE, i, m->now.semaphores[i].changed));
}

void m_semaphore_list(struct model *m, const struct m_to *to,
                      const struct request *request)
{
    (void)request;
    unsigned needs = 0;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("semaphores"));
    write_begin_array(out);
    for (int i = 0; i < M_SEMAPHORES; i++) {
        needs = m_most(needs, m->now.semaphores[i].changed);
        if (m->now.semaphores[i].exists && m_sees(m, to, KIND_semaphore, i)) {
            write_semaphore(m, out, i);
        }
    }
    write_end_array(out);
    write_end_object(out);
    m_end(m, needs);
}

static bool jobs_name_it(const struct model *m, int i)
{
    for (int k = 0; k < m->now.jobs_count; k++) {
        const struct m_job *job = &m->now.jobs[k];
        if (!job->gone && ((job->limits >> i) & 1) != 0) {
            return true;
        }
    }
    return false;
}

static void forget(struct model *m, int i)
{
    struct m_semaphore *semaphore = &m->now.semaphores[i];
    struct m_waiter *w;
    while ((w = m_waiter_after(m, M_WAIT_SEMAPHORE, i, 0)) != NULL) {
        w->used = false;
        m_error(m, &w->to, ERROR_not_found, NULL, 0);
    }
    for (int k = 0; k < M_HOLDS; k++) {
        struct m_hold *hold = &m->now.holds[k];
        hold->used =
            hold->used && !(hold->kind == M_SEMAPHORE && hold->object == i);
    }
    semaphore->exists = false;
    semaphore->changed = m_last(m)->semaphores[i].exists ? m_next(m) : 0;
}

void m_semaphore_end(struct model *m, int i)
{
    if (m->now.semaphores[i].exists && !jobs_name_it(m, i)) {
        forget(m, i);
    }
}

void m_semaphore_delete(struct model *m, const struct m_to *to,
                        const struct request *request)
{
    int i = m_index(request->semaphore);
    struct m_semaphore *semaphore = &m->now.semaphores[i];
    if (!semaphore->exists) {
        m_error(m, to, ERROR_not_found, NULL, semaphore->changed);
        return;
    }
    bool used = held(m, i) > 0 || m_waiters(m, M_WAIT_SEMAPHORE, i) > 0;
    if (jobs_name_it(m, i) || (used && request->force != 1)) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    forget(m, i);
    m_empty(m, to, semaphore->changed);
}

/* --- events ------------------------------------------------------------- */

static void answer_set(struct model *m, const struct m_to *to, int i, bool set)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, flag, "set", set);
    write_end_object(out);
    m_end(m, m->now.events[i].changed);
}

void m_event_is_set(struct model *m, int i)
{
    struct m_event *event = &m->now.events[i];
    if (event->set) {
        return;
    }
    event->set = true;
    event->changed = m_next(m);
    struct m_waiter *w;
    while ((w = m_waiter_after(m, M_WAIT_EVENT, i, 0)) != NULL) {
        w->used = false;
        answer_set(m, &w->to, i, true);
    }
    for (int k = 0; k < m->now.jobs_count; k++) {
        struct m_job *job = &m->now.jobs[k];
        if (m_job_there(job) && ((job->after >> i) & 1) != 0) {
            job->after &= ~(1U << i);
            m_job_unheld(m, job);
        }
    }
}

static bool is_forbidden(struct model *m, const struct m_to *to, int i)
{
    if (i >= M_PLAIN_EVENTS) {
        m_error(m, to, ERROR_forbidden, NULL, 0);
    }
    return i >= M_PLAIN_EVENTS;
}

void m_event_set(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    int i = m_event_index(request->event);
    if (!is_forbidden(m, to, i)) {
        m_event_is_set(m, i);
        m_empty(m, to, m->now.events[i].changed);
    }
}

void m_event_end(struct model *m, int i)
{
    if (m->now.events[i].set) {
        m->now.events[i].set = false;
        m->now.events[i].changed = m_last(m)->events[i].set ? m_next(m) : 0;
    }
}

void m_event_clear(struct model *m, const struct m_to *to,
                   const struct request *request)
{
    int i = m_event_index(request->event);
    if (is_forbidden(m, to, i)) {
        return;
    }
    m_event_end(m, i);
    m_empty(m, to, m->now.events[i].changed);
}

void m_event_wait(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int i = m_event_index(request->event);
    if (m->now.events[i].set || request->timeout_us == 0) {
        answer_set(m, to, i, m->now.events[i].set);
    } else {
        m_wait(m, to, M_WAIT_EVENT, i, request->timeout_us);
    }
}

/* Jobs that wait for it. */
static int held_by(const struct model *m, int i)
{
    int count = 0;
    for (int k = 0; k < m->now.jobs_count; k++) {
        const struct m_job *job = &m->now.jobs[k];
        count += m_job_there(job) && ((job->after >> i) & 1) != 0;
    }
    return count;
}

static void write_event(struct model *m, struct out *out, int i)
{
    char name[24];
    m_event_name(i, name, sizeof(name));
    write_begin_object(out);
    WRITE(out, string, "event", slice_of(name));
    WRITE(out, flag, "set", m->now.events[i].set);
    WRITE(out, integer, "jobs", held_by(m, i));
    m_write_waiting(m, out, M_WAIT_EVENT, i);
    write_end_object(out);
}

void m_event_show(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int i = m_event_index(request->event);
    write_event(m, m_begin(m, to), i);
    m_end(m, m->now.events[i].changed);
}

/* Requests wait for it, or jobs. */
static bool is_waited_for(const struct model *m, int i)
{
    return held_by(m, i) > 0 || m_waiters(m, M_WAIT_EVENT, i) > 0;
}

void m_event_list(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    (void)request;
    unsigned needs = 0;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("events"));
    write_begin_array(out);
    for (int k = 0; k < M_EVENTS; k++) {
        int i = (k + M_PLAIN_EVENTS) % M_EVENTS; /* "batch/..." first */
        needs = m_most(needs, m->now.events[i].changed);
        bool listed = m->now.events[i].set || is_waited_for(m, i);
        if (listed && m_sees(m, to, KIND_event, i)) {
            write_event(m, out, i);
        }
    }
    write_end_array(out);
    write_end_object(out);
    m_end(m, needs);
}
