/* What outlives a restart. */
#include "tests/sim/model/inside.h"

/* A session without grace is over; one with it is away. */
static void session_restarts(struct model *m, int i)
{
    struct m_session *session = &m->now.sessions[i];
    if (!session->used) {
        return;
    }
    if (!session->kept) {
        session->used = false;
        return;
    }
    session->conn = 0;
    session->keeps = false;
    session->pid = 0;
    session->away_until_us = m->now_us + session->grace_us;
    session->changed = 0;
}

/* A running job is ready, untried, unless its lease outlives the restart. */
static void job_restarts(struct model *m, struct m_job *job)
{
    job->changed = 0;
    job->born = 0;
    job->was_put = false;
    if (!job->entered || !m->now.queues[job->queue].durable ||
        !m->now.queues[job->queue].exists) {
        job->gone = true;
        return;
    }
    if (job->gone || job->state != JOB_RUNNING) {
        return;
    }
    if (job->kept && (job->detached || (job->session >= 0 &&
                                        m->now.sessions[job->session].used))) {
        job->until_us = m->now_us + job->length_us;
        return;
    }
    job->state = JOB_READY;
    job->attempts--;
    job->progress[0] = '\0';
}

/* The end of a delay is not written: if time begins anew before it, since the
 * clock was set back and nothing was written from then on, it goes on. */
static void delay_restarts(const struct model *m, struct m_job *job)
{
    if (job->state == JOB_READY && job->delayed_until_us > m->now_us) {
        job->state = JOB_DELAYED;
        job->until_us = job->delayed_until_us;
    }
}

static void queue_restarts(struct m_queue *queue, int64_t now_us)
{
    queue->changed = 0;
    queue->idle_since_us = now_us;
    queue->exists = queue->exists && queue->durable && queue->has_row;
}

static void hold_restarts(const struct model *m, struct m_hold *hold)
{
    hold->used = hold->used && m->now.sessions[hold->session].used;
    hold->born = 0;
    hold->loaded = true;
    hold->changed = 0;
}

/* In use or broken: broken. */
static void barrier_restarts(struct model *m, int i)
{
    struct m_barrier *barrier = &m->now.barriers[i];
    bool used = barrier->broken || barrier->in_use;
    *barrier = (struct m_barrier){.broken = used};
    if (used) {
        m_copy(barrier->reason, sizeof(barrier->reason), SLICE("restart"));
    }
}

static void objects_restart(struct model *m)
{
    for (int i = 0; i < M_BARRIERS; i++) {
        barrier_restarts(m, i);
    }
    for (int i = 0; i < M_ROUNDS; i++) {
        m->now.rounds[i].used = false;
    }
    for (int i = 0; i < M_LOCKS; i++) {
        m->now.locks[i].changed = 0;
    }
    for (int i = 0; i < M_SEMAPHORES; i++) {
        m->now.semaphores[i].changed = 0;
    }
    for (int i = 0; i < M_EVENTS; i++) {
        m->now.events[i].changed = 0;
    }
    for (int i = 0; i < M_BATCHES; i++) {
        m->now.batches[i].changed = 0;
    }
}

static void outcomes_restart(struct model *m)
{
    for (int i = 0; i < m->now.outcomes_count; i++) {
        struct m_outcome *outcome = &m->now.outcomes[i];
        outcome->loaded = true;
        outcome->used = outcome->used && m->now.sessions[outcome->session].used;
    }
}

void model_crash(struct model *m, int64_t clock_us, int64_t disk_clock_us)
{
    int serial = m->now.serial;
    m->now = *m->disk;
    m->now.serial = serial;
    m->skew_us = disk_clock_us > clock_us ? disk_clock_us - clock_us : 0;
    m->now_us = clock_us + m->skew_us;
    m->cuts = 0;
    m->persisted = 0;
    m->full = false;
    m->fresh = true;
    m->shutting_down = false;
    m->expected_count = 0;
    m->texts.len = 0;
    memset(m->waiters, 0, sizeof(m->waiters));
    for (int i = 0; i < M_SESSIONS; i++) {
        session_restarts(m, i);
    }
    for (int i = 0; i < m->now.jobs_count; i++) {
        job_restarts(m, &m->now.jobs[i]);
        delay_restarts(m, &m->now.jobs[i]);
    }
    for (int i = 0; i < M_QUEUES; i++) {
        queue_restarts(&m->now.queues[i], m->now_us);
    }
    for (int i = 0; i < M_HOLDS; i++) {
        hold_restarts(m, &m->now.holds[i]);
    }
    for (int i = 0; i < M_GIVEN; i++) {
        struct m_given *given = &m->now.given[i];
        given->used = given->used && m->now.sessions[given->session].used;
        given->waited = false;
    }
    objects_restart(m);
    outcomes_restart(m);
    *m->disk = m->now;
}
