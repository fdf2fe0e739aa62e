/* Barriers: all parties are released together, or none is. */
#include "tests/sim/model/inside.h"

static void broken_error(struct model *m, const struct m_to *to,
                         const char *reason)
{
    char data[48];
    (void)snprintf(data, sizeof(data), "{\"reason\":\"%s\"}", reason);
    m_error(m, to, ERROR_broken, data, 0);
}

static void forget_rounds(struct model *m, int i)
{
    for (int k = 0; k < M_ROUNDS; k++) {
        struct m_round *round = &m->now.rounds[k];
        round->used = round->used && round->barrier != i;
    }
}

/* Whoever waits is told. */
static void tell(struct model *m, int i, const char *reason,
                 const struct m_waiter *but)
{
    struct m_waiter *w = m_waiter_after(m, M_WAIT_BARRIER, i, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_BARRIER, i, w->serial)) {
        if (w != but) {
            w->used = false;
            broken_error(m, &w->to, reason);
        }
    }
    forget_rounds(m, i);
}

void m_barrier_break(struct model *m, int i, const char *reason,
                     const struct m_waiter *but)
{
    struct m_barrier *barrier = &m->now.barriers[i];
    if (!barrier->broken) {
        barrier->broken = true;
        m_copy(barrier->reason, sizeof(barrier->reason), slice_of(reason));
        const struct m_barrier *last = &m_last(m)->barriers[i];
        /* In use, it would be broken by a restart as well. */
        barrier->changed = last->broken || last->in_use ? 0 : m_next(m);
    }
    tell(m, i, reason, but);
}

/* Those who wait for the round that fills at present. */
static int waiting(const struct model *m, int i)
{
    int count = 0;
    for (int k = 0; k < M_WAITERS; k++) {
        const struct m_waiter *w = &m->waiters[k];
        count += w->used && w->kind == M_WAIT_BARRIER && w->object == i &&
                 !w->acting;
    }
    return count;
}

/* Somebody waits, be it for an action. */
static bool is_empty(const struct model *m, int i)
{
    for (int k = 0; k < M_ROUNDS; k++) {
        if (m->now.rounds[k].used && m->now.rounds[k].barrier == i) {
            return false;
        }
    }
    return waiting(m, i) == 0;
}

bool m_barrier_has_row(const struct model *m, int i)
{
    return m->now.barriers[i].broken || !is_empty(m, i);
}

static void answer_released(struct model *m, const struct m_to *to, int index,
                            int generation, bool action)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, integer, "index", index);
    WRITE(out, integer, "generation", generation);
    if (action) {
        WRITE(out, flag, "action", true);
    }
    write_end_object(out);
    m_end(m, 0);
}

static void release(struct model *m, int i, int generation)
{
    struct m_waiter *w = m_waiter_after(m, M_WAIT_BARRIER, i, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_BARRIER, i, w->serial)) {
        if (w->generation == generation) {
            w->used = false;
            answer_released(m, &w->to, w->index, generation, false);
        }
    }
}

static void begin_action(struct model *m, const struct m_to *to, int i,
                         int generation)
{
    struct m_round *round = m->now.rounds;
    while (round->used) {
        round++;
        CHECK(round < m->now.rounds + M_ROUNDS);
    }
    *round = (struct m_round){true, i, generation, to->session};
    for (int k = 0; k < M_WAITERS; k++) {
        struct m_waiter *w = &m->waiters[k];
        if (w->used && w->kind == M_WAIT_BARRIER && w->object == i &&
            w->generation == generation) {
            w->acting = true;
        }
    }
}

void m_barrier_wait(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int i = m_index(request->barrier);
    struct m_barrier *barrier = &m->now.barriers[i];
    int here = waiting(m, i);
    if (request->parties == 0) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    if (barrier->broken) {
        broken_error(m, to, barrier->reason);
        return;
    }
    if (!is_empty(m, i) && barrier->parties != request->parties) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    int generation = barrier->generation;
    if (here + 1 == request->parties) {
        barrier->generation++;
        barrier->parties = (int)request->parties;
        answer_released(m, to, here, generation, request->action == 1);
        if (request->action == 1) {
            begin_action(m, to, i, generation);
        } else {
            release(m, i, generation);
        }
        return;
    }
    if (request->timeout_us == 0) {
        broken_error(m, to, "timeout");
        m_barrier_break(m, i, "timeout", NULL);
        return;
    }
    barrier->parties = (int)request->parties;
    struct m_waiter *w = m_wait(m, to, M_WAIT_BARRIER, i, request->timeout_us);
    w->index = here;
    w->generation = generation;
}

void m_barrier_pass(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int i = m_index(request->barrier);
    for (int k = 0; k < M_ROUNDS; k++) {
        struct m_round *round = &m->now.rounds[k];
        if (round->used && round->barrier == i &&
            round->generation == request->generation &&
            round->session == to->session) {
            round->used = false;
            release(m, i, round->generation);
            m_empty(m, to, 0);
            return;
        }
    }
    m_error(m, to, ERROR_broken, NULL, 0);
}

void m_barrier_reset(struct model *m, const struct m_to *to,
                     const struct request *request)
{
    int i = m_index(request->barrier);
    struct m_barrier *barrier = &m->now.barriers[i];
    const struct m_barrier *last = &m_last(m)->barriers[i];
    barrier->changed = last->broken || last->in_use ? m_next(m) : 0;
    barrier->broken = false;
    tell(m, i, "reset", NULL);
    m_empty(m, to, barrier->changed);
}

void m_barrier_end(struct model *m, int i)
{
    const struct m_barrier *last = &m_last(m)->barriers[i];
    tell(m, i, "reset", NULL);
    m->now.barriers[i] = (struct m_barrier){
        .changed = last->broken || last->in_use ? m_next(m) : 0};
}

void m_barrier_abort(struct model *m, const struct m_to *to,
                     const struct request *request)
{
    int i = m_index(request->barrier);
    m_barrier_break(m, i, "aborted", NULL);
    m_empty(m, to, m->now.barriers[i].changed);
}

void m_barriers_cut(struct model *m)
{
    for (int i = 0; i < M_BARRIERS; i++) {
        m->now.barriers[i].in_use = !is_empty(m, i);
    }
}

static void write_waiting(struct model *m, struct out *out, int i)
{
    WRITE(out, integer, "waiters", waiting(m, i));
    write_key(out, SLICE("waiting"));
    write_begin_array(out);
    struct m_waiter *w = m_waiter_after(m, M_WAIT_BARRIER, i, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_BARRIER, i, w->serial)) {
        if (!w->acting) {
            m_write_waiter(m, out, w);
        }
    }
    write_end_array(out);
}

static void write_acting(struct model *m, struct out *out, int i)
{
    int rounds = 0;
    for (int k = 0; k < M_ROUNDS; k++) {
        rounds += m->now.rounds[k].used && m->now.rounds[k].barrier == i;
    }
    WRITE(out, integer, "passing", rounds);
    write_key(out, SLICE("acting"));
    write_begin_array(out);
    for (int g = 0; g < m->now.barriers[i].generation; g++) {
        for (int k = 0; k < M_ROUNDS; k++) {
            const struct m_round *round = &m->now.rounds[k];
            if (!round->used || round->barrier != i || round->generation != g) {
                continue;
            }
            int count = 0;
            for (int n = 0; n < M_WAITERS; n++) {
                const struct m_waiter *w = &m->waiters[n];
                count += w->used && w->kind == M_WAIT_BARRIER &&
                         w->object == i && w->acting && w->generation == g;
            }
            write_begin_object(out);
            WRITE(out, integer, "generation", g);
            m_write_session(out, &m->now.sessions[round->session]);
            WRITE(out, integer, "waiters", count);
            write_end_object(out);
        }
    }
    write_end_array(out);
}

static void write_barrier(struct model *m, struct out *out, int i)
{
    const struct m_barrier *barrier = &m->now.barriers[i];
    char name[M_NAME_SIZE];
    write_begin_object(out);
    WRITE(out, string, "barrier", m_name('r', i, name));
    WRITE(out, integer, "parties", is_empty(m, i) ? 0 : barrier->parties);
    WRITE(out, integer, "missing",
          waiting(m, i) > 0 ? barrier->parties - waiting(m, i) : 0);
    WRITE(out, flag, "broken", barrier->broken);
    if (barrier->broken) {
        WRITE(out, string, "reason", slice_of(barrier->reason));
    }
    WRITE(out, integer, "generation", barrier->generation);
    write_acting(m, out, i);
    write_waiting(m, out, i);
    write_end_object(out);
}

void m_barrier_show(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int i = m_index(request->barrier);
    write_barrier(m, m_begin(m, to), i);
    m_end(m, 0);
}

void m_barrier_list(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    (void)request;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("barriers"));
    write_begin_array(out);
    for (int i = 0; i < M_BARRIERS; i++) {
        bool listed = m->now.barriers[i].broken || !is_empty(m, i);
        if (listed && m_sees(m, to, KIND_barrier, i)) {
            write_barrier(m, out, i);
        }
    }
    write_end_array(out);
    write_end_object(out);
    m_end(m, 0);
}
