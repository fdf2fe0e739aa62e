/* Sessions, and what the daemon says of itself. */
#include "tests/sim/model/inside.h"

/* Nobody keeps the scope any more: a semaphore stays that jobs name, also such
 * as go with it. */
static void scope_ends(struct model *m)
{
    m_queue_waiters_end(m, 0); /* with jobs that had not entered */
    m_semaphore_end(m, 0);
    m_queue_end(m, 0);
    m_barrier_end(m, 0);
    m_event_end(m, M_SCOPE_EVENT);
}

static bool is_kept(const struct model *m)
{
    for (int i = 0; i < M_SESSIONS; i++) {
        if (m->now.sessions[i].used && m->now.sessions[i].keeps) {
            return true;
        }
    }
    return false;
}

/* Before what it held is free, and its jobs are back, if that goes. */
static void unkeep(struct model *m, struct m_session *session)
{
    bool kept = session->keeps;
    session->keeps = false;
    if (kept && !m->shutting_down && !is_kept(m)) {
        (void)m_semaphores_granted(m); /* who stood behind its requests */
        scope_ends(m);
    }
}

/* What it holds is free, and it leaves every line. */
void m_session_end(struct model *m, int i)
{
    struct m_session *session = &m->now.sessions[i];
    bool left[M_WAITERS];
    for (int k = 0; k < M_WAITERS; k++) {
        struct m_waiter *w = &m->waiters[k];
        left[k] = w->used && w->to.session == i;
        w->used = w->used && !left[k];
    }
    for (int k = 0; k < M_WAITERS; k++) {
        if (left[k]) {
            m_leave(m, &m->waiters[k], "a party is gone");
        }
    }
    unkeep(m, session);
    for (int k = 0; k < m->now.jobs_count; k++) {
        struct m_job *job = &m->now.jobs[k];
        if (m_job_there(job) && job->state == JOB_RUNNING && !job->detached &&
            job->session == i) {
            m_job_crashed(m, job);
        }
    }
    for (int k = 0; k < M_HOLDS; k++) {
        struct m_hold *hold = &m->now.holds[k];
        if (hold->used && hold->session == i) {
            m_hold_lost(m, hold);
        }
    }
    for (int k = 0; k < M_GIVEN; k++) {
        struct m_given *given = &m->now.given[k];
        given->used = given->used && given->session != i;
    }
    for (int k = 0; k < M_ROUNDS; k++) {
        const struct m_round *round = &m->now.rounds[k];
        if (round->used && round->session == i) {
            m_barrier_break(m, round->barrier, "a party is gone", NULL);
        }
    }
    for (int k = 0; k < m->now.outcomes_count; k++) {
        struct m_outcome *outcome = &m->now.outcomes[k];
        outcome->used = outcome->used && outcome->session != i;
    }
    session->used = false;
}

static bool keeps_scope(const struct m_session *session,
                        const struct request *request)
{
    return request->scopes.count > 0 && session->uid == M_SCOPE_OF;
}

static bool has_something(const struct model *m, const struct m_to *to)
{
    for (int i = 0; i < M_WAITERS; i++) {
        if (m->waiters[i].used && m->waiters[i].to.session == to->session) {
            return true;
        }
    }
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->state == JOB_RUNNING && !job->detached &&
            job->session == to->session) {
            return true;
        }
    }
    for (int i = 0; i < M_HOLDS; i++) {
        if (m->now.holds[i].used && m->now.holds[i].session == to->session) {
            return true;
        }
    }
    for (int i = 0; i < M_ROUNDS; i++) {
        if (m->now.rounds[i].used && m->now.rounds[i].session == to->session) {
            return true;
        }
    }
    for (size_t i = 0; i < m->expected_count; i++) {
        if (m->expected[i].to.conn == to->conn) {
            return true;
        }
    }
    return false;
}

static void answer_open(struct model *m, const struct m_to *to, int action,
                        bool resumed, unsigned needs)
{
    char session[24];
    char secret[24];
    (void)snprintf(session, sizeof(session), "$s%d", action);
    (void)snprintf(secret, sizeof(secret), "$x%d", action);
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, json, "session", slice_of(session));
    WRITE(out, json, "secret", slice_of(secret));
    WRITE(out, flag, "resumed", resumed);
    write_end_object(out);
    m_end(m, needs);
}

/* The session that may be taken up; -1: none. */
static int resumable(const struct model *m, const struct m_to *to,
                     const struct resume_part *resume)
{
    for (int i = 0; i < M_SESSIONS; i++) {
        const struct m_session *s = &m->now.sessions[i];
        if (s->used && s->conn == 0 &&
            m->learnt.sessions[s->action] == resume->session &&
            s->uid == m->now.sessions[to->session].uid &&
            slice_equal(slice_of(m->learnt.secrets[s->action]),
                        resume->secret)) {
            return i;
        }
    }
    return -1;
}

static void resume(struct model *m, const struct m_to *to, int away)
{
    struct m_session *here = &m->now.sessions[to->session];
    struct m_session *session = &m->now.sessions[away];
    session->conn = here->conn;
    session->pid = here->pid;
    session->access = here->access;
    here->used = false;
    struct m_to answer = *to;
    answer.session = away;
    answer_open(m, &answer, session->action, true, session->changed);
}

void m_session_open(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    struct m_session *session = &m->now.sessions[to->session];
    if (request->grace_us > (int64_t)GRACE_SECONDS_MAX * 1000000) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    if (session->opened || has_something(m, to)) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    int away =
        request->resume.session == 0 ? -1 : resumable(m, to, &request->resume);
    if (away >= 0) {
        m->now.sessions[away].keeps = keeps_scope(session, request);
        resume(m, to, away);
        return;
    }
    session->opened = true;
    session->keeps = keeps_scope(session, request);
    session->action = to->action;
    session->grace_us = request->grace_us > 0 ? request->grace_us : 0;
    m_copy(session->client, sizeof(session->client), request->client);
    m_use_room(m, to->session);
    answer_open(m, to, to->action, false, session->changed);
}

void m_end_wait(struct model *m, struct m_waiter *w, enum error error,
                const char *why)
{
    w->used = false;
    if (w->kind == M_WAIT_GET && w->has_finished) {
        m_get_nothing(m, w);
        return;
    }
    m_error(m, &w->to, error, NULL, 0);
    m_leave(m, w, why);
}

void m_session_cancel(struct model *m, const struct m_to *to,
                      const struct request *request)
{
    int64_t id = -1;
    (void)scan_integer(request->pending, &id);
    bool cancelled = false;
    for (int i = 0; i < M_WAITERS; i++) {
        struct m_waiter *w = &m->waiters[i];
        if (w->used && w->to.session == to->session && w->to.id == id) {
            m_end_wait(m, w, ERROR_cancelled, "cancelled");
            cancelled = true;
            break;
        }
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, flag, "cancelled", cancelled);
    write_end_object(out);
    m_end(m, 0);
}

static void anything(struct model *m, const struct m_to *to)
{
    write_json(m_begin(m, to), SLICE("_"));
    m_end(m, 0);
}

void m_server_info(struct model *m, const struct m_to *to,
                   const struct request *request)
{
    (void)request;
    anything(m, to);
}

void m_server_stats(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    (void)request;
    anything(m, to);
}

void m_rpc_discover(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    (void)request;
    anything(m, to);
}
