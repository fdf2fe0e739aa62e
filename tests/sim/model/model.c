/* Events, waiters, what a crash leaves. */
#include "proto/memory.h"
#include "tests/sim/model/inside.h"

#include <inttypes.h>
#include <stdarg.h>

void model_fault(struct model *m, const char *format, ...)
{
    va_list args;
    if (m->fault[0] != '\0') {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(m->fault, sizeof(m->fault), format, args);
    va_end(args);
}

unsigned m_next(const struct model *m)
{
    return m->forgetful ? 0 : m->cuts + 1;
}

const struct m_state *m_last(const struct model *m)
{
    return m->cuts > m->persisted && !m->written ? m->cut : m->disk;
}

unsigned m_most(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* --- waiters ------------------------------------------------------------ */

struct m_waiter *m_wait(struct model *m, const struct m_to *to,
                        enum m_wait kind, int object, int64_t timeout_us)
{
    struct m_waiter *waiter = m->waiters;
    while (waiter->used) {
        waiter++;
        CHECK(waiter < m->waiters + M_WAITERS);
    }
    *waiter = (struct m_waiter){
        .used = true,
        .kind = kind,
        .to = *to,
        .serial = ++m->now.serial,
        .since_us = m->now_us,
        .deadline_us = timeout_us < 0 ? DEADLINE_NEVER : m->now_us + timeout_us,
        .object = object,
    };
    return waiter;
}

struct m_waiter *m_waiter_after(struct model *m, enum m_wait kind, int object,
                                int serial)
{
    struct m_waiter *first = NULL;
    for (struct m_waiter *w = m->waiters; w < m->waiters + M_WAITERS; w++) {
        if (w->used && w->kind == kind && w->serial > serial &&
            (object < 0 || w->object == object) &&
            (first == NULL || w->serial < first->serial)) {
            first = w;
        }
    }
    return first;
}

int m_waiters(const struct model *m, enum m_wait kind, int object)
{
    int count = 0;
    for (const struct m_waiter *w = m->waiters; w < m->waiters + M_WAITERS;
         w++) {
        count += w->used && w->kind == kind && w->object == object;
    }
    return count;
}

static void drop_put(struct model *m, struct m_waiter *w)
{
    for (int i = 0; i < w->jobs_count; i++) {
        m->now.jobs[w->jobs[i]].gone = true;
    }
}

void m_leave(struct model *m, struct m_waiter *w, const char *why)
{
    w->used = false;
    if (w->kind == M_WAIT_PUT) {
        drop_put(m, w);
    } else if (w->kind == M_WAIT_BARRIER) {
        m_barrier_break(m, w->object, why, w);
    }
    m_condition_left(m, w);
}

void m_write_session_name(struct out *out, const struct m_session *session)
{
    write_key(out, SLICE("session"));
    if (session->action != 0) {
        char name[24];
        (void)snprintf(name, sizeof(name), "$s%d", session->action);
        write_json(out, slice_of(name));
    } else {
        write_json(out, SLICE("_"));
    }
}

void m_write_session(struct out *out, const struct m_session *session)
{
    m_write_session_name(out, session);
    if (session->client[0] != '\0') {
        WRITE(out, string, "client", slice_of(session->client));
    }
    if (session->conn != 0) {
        WRITE(out, integer, "pid", session->pid);
    }
    WRITE(out, integer, "uid", session->uid);
    WRITE(out, flag, "away", session->conn == 0);
}

void m_write_waiter(const struct model *m, struct out *out,
                    const struct m_waiter *w)
{
    write_begin_object(out);
    m_write_session(out, &m->now.sessions[w->to.session]);
    m_write_time(m, out, SLICE("since"), w->since_us);
    write_end_object(out);
}

void m_write_waiting(struct model *m, struct out *out, enum m_wait kind,
                     int object)
{
    WRITE(out, integer, "waiters", m_waiters(m, kind, object));
    write_key(out, SLICE("waiting"));
    write_begin_array(out);
    struct m_waiter *w = m_waiter_after(m, kind, object, 0);
    while (w != NULL) {
        m_write_waiter(m, out, w);
        w = m_waiter_after(m, kind, object, w->serial);
    }
    write_end_array(out);
}

/* --- time --------------------------------------------------------------- */

static void flag_reply(struct model *m, const struct m_waiter *w,
                       struct slice key, bool value, unsigned needs)
{
    struct out *out = m_begin(m, &w->to);
    write_begin_object(out);
    write_key(out, key);
    write_flag(out, value);
    write_end_object(out);
    m_end(m, needs);
}

static void join_timed_out(struct model *m, const struct m_waiter *w)
{
    struct out *out = m_begin(m, &w->to);
    write_begin_object(out);
    WRITE(out, flag, "joined", false);
    WRITE(out, integer, "dead", m_count(m, w->object, JOB_DEAD));
    write_end_object(out);
    m_end(m, m_queue_needs(m, w->object));
}

static void job_timed_out(struct model *m, const struct m_waiter *w)
{
    const struct m_job *job = &m->now.jobs[w->object];
    struct out *out = m_begin(m, &w->to);
    write_begin_object(out);
    WRITE(out, string, "state", slice_of(job_state_names[job->state]));
    write_end_object(out);
    m_end(m, job->changed);
}

static void batch_timed_out(struct model *m, const struct m_waiter *w)
{
    const struct m_batch *batch = &m->now.batches[w->object];
    struct out *out = m_begin(m, &w->to);
    write_begin_object(out);
    WRITE(out, flag, "passed", false);
    WRITE(out, string, "state",
          batch->sealed ? SLICE("running") : SLICE("unsealed"));
    write_end_object(out);
    m_end(m, batch->changed);
}

static void timed_out(struct model *m, struct m_waiter *w)
{
    if (w->kind == M_WAIT_CONDITION) {
        m_condition_back(m, w, false);
        return;
    }
    w->used = false;
    switch (w->kind) {
    case M_WAIT_PUT:
        m_error(m, &w->to, ERROR_queue_full, NULL, 0);
        drop_put(m, w);
        break;
    case M_WAIT_GET:
        m_get_nothing(m, w);
        break;
    case M_WAIT_JOIN:
        join_timed_out(m, w);
        break;
    case M_WAIT_JOB:
        job_timed_out(m, w);
        break;
    case M_WAIT_LOCK:
    case M_WAIT_SEMAPHORE:
        flag_reply(m, w, SLICE("acquired"), false, 0);
        break;
    case M_WAIT_EVENT:
        flag_reply(m, w, SLICE("set"), false, 0);
        break;
    case M_WAIT_BARRIER:
        m_error(m, &w->to, ERROR_broken, "{\"reason\":\"timeout\"}", 0);
        m_barrier_break(m, w->object, "timeout", NULL);
        break;
    case M_WAIT_BATCH:
        batch_timed_out(m, w);
        break;
    case M_WAIT_CONDITION:
        break;
    }
}

static int64_t job_deadline(const struct m_job *job)
{
    bool timed = job->entered && !job->gone &&
                 (job->state == JOB_DELAYED || job->state == JOB_RUNNING ||
                  job->state == JOB_DONE);
    return timed ? job->until_us : DEADLINE_NEVER;
}

static void job_due(struct model *m, struct m_job *job)
{
    if (job->state == JOB_DELAYED) {
        job->state = JOB_READY;
        job->delayed_until_us = job->until_us;
    } else if (job->state == JOB_RUNNING) {
        m_job_crashed(m, job);
    } else {
        m_job_changed(m, job);
        m_job_gone(m, job);
    }
}

/* Jobs of two queues are due at once, and a get waits for both: whichever is
 * looked at first goes to it. */
static bool is_unclear(const struct model *m, int64_t due_us)
{
    unsigned queues = 0;
    for (int i = 0; i < m->now.jobs_count; i++) {
        if (job_deadline(&m->now.jobs[i]) == due_us) {
            queues |= 1U << m->now.jobs[i].queue;
        }
    }
    for (int i = 0; i < M_WAITERS && queues != 0; i++) {
        const struct m_waiter *w = &m->waiters[i];
        unsigned both = w->queues & queues;
        if (w->used && w->kind == M_WAIT_GET &&
            ((both & (both - 1)) != 0 ||
             (both != 0 && w->deadline_us == due_us))) {
            return true;
        }
    }
    return false;
}

/* Everything that is due, the earliest first. */
static void pass_time(struct model *m)
{
    for (;;) {
        int64_t first = DEADLINE_NEVER;
        struct m_waiter *waiter = NULL;
        struct m_job *job = NULL;
        int session = -1;
        int queue = -1;
        for (int i = 0; i < m->now.jobs_count; i++) {
            if (job_deadline(&m->now.jobs[i]) < first) {
                job = &m->now.jobs[i];
                first = job_deadline(job);
            }
        }
        for (int i = 0; i < M_WAITERS; i++) {
            struct m_waiter *w = &m->waiters[i];
            if (w->used && w->deadline_us < first && !w->acting) {
                waiter = w;
                first = w->deadline_us;
            }
        }
        for (int i = 0; i < M_SESSIONS; i++) {
            const struct m_session *s = &m->now.sessions[i];
            if (s->used && s->conn == 0 && s->away_until_us < first) {
                session = i;
                first = s->away_until_us;
            }
        }
        for (int i = 0; i < M_QUEUES; i++) {
            if (m_queue_ends(m, i) < first) {
                queue = i;
                first = m_queue_ends(m, i);
            }
        }
        if (first > m->now_us) {
            return;
        }
        if (first < m->now_us && !m->fresh) {
            model_fault(m, "the engine slept through what was due at %" PRId64,
                        first - WORLD_START_US);
        }
        m->unclear = m->unclear || is_unclear(m, first);
        if (queue >= 0) {
            m_queue_vanishes(m, queue);
        } else if (session >= 0) {
            m_session_end(m, session);
        } else if (waiter != NULL) {
            timed_out(m, waiter);
        } else {
            job_due(m, job);
        }
    }
}

/* Until nothing moves. */
void m_settle(struct model *m)
{
    bool moved = true;
    while (moved) {
        moved = m_batches_pass(m);
        moved = m_puts_enter(m) || moved;
        moved = m_locks_granted(m) || moved;
        moved = m_semaphores_granted(m) || moved;
        moved = m_gets_served(m) || moved;
        moved = moved || m_joins_return(m); /* when nobody else moves */
    }
}

/* --- events ------------------------------------------------------------- */

static int session_of(const struct model *m, uint64_t conn)
{
    for (int i = 0; i < M_SESSIONS; i++) {
        if (m->now.sessions[i].used && m->now.sessions[i].conn == conn) {
            return i;
        }
    }
    return -1;
}

static void connected(struct model *m, const struct event *event)
{
    int i = 0;
    while (m->now.sessions[i].used) {
        CHECK(++i < M_SESSIONS);
    }
    m->now.sessions[i] = (struct m_session){.used = true,
                                            .conn = event->conn,
                                            .uid = event->peer.uid,
                                            .pid = event->peer.pid,
                                            .access = event->peer.access,
                                            .serial = ++m->now.serial};
}

typedef void method_function(struct model *m, const struct m_to *to,
                             const struct request *request);

static method_function *const methods[METHODS] = {
#define METHOD(id, name, role, traits, summary) [METHOD_##id] = m_##id,
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

static int64_t id_number(const struct request *request)
{
    int64_t id = -1;
    if (request->id.json.at != NULL) {
        (void)scan_integer(request->id.json, &id);
    }
    return id;
}

static void requested(struct model *m, const struct event *event)
{
    const struct request *request = event->request;
    struct m_to to = {.conn = event->conn,
                      .id = id_number(request),
                      .method = request->method,
                      .session = session_of(m, event->conn),
                      .action = m->action};
    unsigned traits = method_row(request->method)->traits;
    if (to.session < 0) {
        return;
    }
    m_use_room(m, to.session);
    if ((traits & TRAIT_GRANTS) != 0 && to.id < 0) {
        return;
    }
    if (to.id >= 0 && m_pending(m, to.conn, to.id)) {
        to.id = 0; /* null */
        m_error(m, &to, ERROR_invalid_request, NULL, 0);
        return;
    }
    if (m->shutting_down) {
        m_error(m, &to, ERROR_unavailable, NULL, 0);
        return;
    }
    if (!m_again(m, &to) && !m_forbidden(m, &to, request) &&
        !m_no_room(m, &to, request)) {
        methods[request->method](m, &to, request);
    }
}

static void disconnected(struct model *m, uint64_t conn)
{
    int session = session_of(m, conn);
    size_t kept = 0;
    for (size_t i = 0; i < m->expected_count; i++) {
        if (m->expected[i].to.conn != conn) {
            m->expected[kept++] = m->expected[i];
        }
    }
    m->expected_count = kept;
    m_session_end(m, session);
}

static void shutdown_begins(struct model *m)
{
    m->shutting_down = true;
    for (int i = 0; i < M_WAITERS; i++) {
        struct m_waiter *w = &m->waiters[i];
        if (!w->used) {
            continue;
        }
        if (w->kind == M_WAIT_BARRIER) {
            m_barrier_break(m, w->object, "restart", NULL);
            continue;
        }
        w->used = false;
        if (w->kind == M_WAIT_GET && w->has_finished) {
            m_get_nothing(m, w);
        } else {
            m_error(m, &w->to, ERROR_unavailable, NULL, 0);
        }
        if (w->kind == M_WAIT_PUT) {
            drop_put(m, w);
        }
    }
}

void model_event(struct model *m, const struct event *event)
{
    if (m->unclear) {
        return;
    }
    m->now_us = event->now_us + m->skew_us;
    m->entered = 0;
    m->step++;
    m_queues_used(m);
    pass_time(m);
    m->fresh = false;
    switch (event->type) {
    case EVENT_CONNECTED:
        connected(m, event);
        break;
    case EVENT_REQUEST:
        requested(m, event);
        break;
    case EVENT_DISCONNECTED:
        disconnected(m, event->conn);
        break;
    case EVENT_SPACE:
        m_room_changed(m, event->full);
        break;
    case EVENT_SHUTDOWN:
        shutdown_begins(m);
        break;
    case EVENT_PERSISTED:
        m->persisted++;
        break;
    case EVENT_ACCESS:
        m_access_changed(m, session_of(m, event->conn), event->peer.access);
        break;
    case EVENT_TIME:
        break;
    }
    if (!m->shutting_down) {
        m_settle(m);
    }
}

void model_refused(struct model *m, uint64_t conn, struct slice id,
                   enum method method, enum error error)
{
    struct m_to to = {.conn = conn, .method = method, .action = m->action};
    if (id.at == NULL || *id.at == 'n' || !scan_integer(id, &to.id)) {
        to.id = 0;
    }
    if (method < METHODS) {
        m_error(m, &to, error, NULL, 0);
    }
}

/* --- the disk ----------------------------------------------------------- */

static void state_copy(struct m_state *to, const struct m_state *from)
{
    memcpy(to, from, offsetof(struct m_state, jobs));
    memcpy(to->jobs, from->jobs,
           (size_t)from->jobs_count * sizeof(from->jobs[0]));
    memcpy(to->outcomes, from->outcomes,
           (size_t)from->outcomes_count * sizeof(from->outcomes[0]));
}

void model_cut(struct model *m)
{
    m->cuts++;
    m_barriers_cut(m);
    m->written = false;
    state_copy(m->cut, &m->now);
}

void model_written(struct model *m)
{
    struct m_state *disk = m->cut;
    m->cut = m->disk;
    m->disk = disk;
    m->written = true;
}

void model_init(struct model *m, struct model_grid *grid)
{
    *m = (struct model){.grid = grid};
    m->cut = mem_zalloc(sizeof(*m->cut));
    m->disk = mem_zalloc(sizeof(*m->disk));
    m->now_us = WORLD_START_US;
    out_init(&m->texts);
    out_init(&m->kept);
    arena_init(&m->arena);
}

void model_fini(struct model *m)
{
    out_fini(&m->texts);
    out_fini(&m->kept);
    arena_fini(&m->arena);
    mem_free(m->expected);
    mem_free(m->cut);
    mem_free(m->disk);
}
