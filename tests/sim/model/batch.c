/* Batches: stages that pass one after the other. */
#include "tests/sim/model/inside.h"

static int counts_of(const struct model *m, int b, int stage,
                     int counts[JOB_STATES])
{
    int all = 0;
    memset(counts, 0, JOB_STATES * sizeof(counts[0]));
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->batch == b && job->stage == stage) {
            counts[job->state]++;
            all++;
        }
    }
    counts[JOB_DONE] += m->now.batches[b].done[stage];
    return all;
}

/* Its first dead job, in the order of stages, then of arrival. */
bool m_batch_broken(const struct model *m, int b, int *index)
{
    const struct m_job *first = NULL;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->batch == b && job->state == JOB_DEAD &&
            (first == NULL || job->arrival < first->arrival)) {
            first = job;
            *index = i;
        }
    }
    return first != NULL && !m->now.batches[b].goes_on;
}

static unsigned needs_of(const struct model *m, int b)
{
    unsigned needs = m->now.batches[b].changed;
    for (int i = 0; i < m->now.jobs_count; i++) {
        const struct m_job *job = &m->now.jobs[i];
        if (job->entered && job->batch == b) {
            needs = m_most(needs, job->changed);
        }
    }
    return needs;
}

static const char *state_of(const struct model *m, int b)
{
    const struct m_batch *batch = &m->now.batches[b];
    int job;
    return batch->cancelled                 ? "cancelled"
           : batch->passed == batch->stages ? "done"
           : m_batch_broken(m, b, &job)     ? "broken"
           : batch->sealed                  ? "running"
                                            : "unsealed";
}

/* `moving`: jobs may be on their way to where they count, slice by slice. */
static void write_batch(struct model *m, struct out *out, int b, bool moving)
{
    const struct m_batch *batch = &m->now.batches[b];
    char name[3] = {'b', (char)('0' + b), '\0'};
    int index;
    write_begin_object(out);
    WRITE(out, string, "batch", slice_of(name));
    WRITE(out, string, "state", slice_of(state_of(m, b)));
    WRITE(out, flag, "sealed", batch->sealed);
    WRITE(out, string, "on_failure",
          batch->goes_on ? SLICE("continue") : SLICE("break"));
    write_key(out, SLICE("stages"));
    write_begin_array(out);
    for (int i = 0; i < batch->stages; i++) {
        char stage[3] = {'s', (char)('0' + i), '\0'};
        int counts[JOB_STATES];
        counts_of(m, b, i, counts);
        write_begin_object(out);
        WRITE(out, string, "stage", slice_of(stage));
        WRITE(out, flag, "passed", i < batch->passed);
        if (moving) {
            WRITE(out, json, "counts", SLICE("_"));
        } else {
            m_write_counts(out, counts);
        }
        write_end_object(out);
    }
    write_end_array(out);
    if (strcmp(state_of(m, b), "broken") == 0 && m_batch_broken(m, b, &index)) {
        WRITE(out, json, "job", SLICE("_"));
    }
    m_write_waiting(m, out, M_WAIT_BATCH, b);
    write_end_object(out);
}

static void answer(struct model *m, const struct m_to *to, int b)
{
    bool moving = to->method == METHOD_batch_seal;
    write_batch(m, m_begin(m, to), b, moving);
    m_end(m, needs_of(m, b));
}

/* -1: answered. */
static int wanted(struct model *m, const struct m_to *to, struct slice name)
{
    int b = m_index(name);
    if (!m->now.batches[b].exists) {
        m_error(m, to, ERROR_not_found, NULL, m->now.batches[b].changed);
        return -1;
    }
    return b;
}

/* --- waiting ------------------------------------------------------------ */

/* The answer to whoever waits for stages up to `stage`; false: not yet. */
static bool answer_wait(struct model *m, const struct m_to *to, int b,
                        int stage)
{
    const struct m_batch *batch = &m->now.batches[b];
    int index;
    if (batch->passed > stage) {
        struct out *out = m_begin(m, to);
        write_begin_object(out);
        WRITE(out, flag, "passed", true);
        WRITE(out, string, "state", slice_of(state_of(m, b)));
        write_end_object(out);
        m_end(m, needs_of(m, b));
        return true;
    }
    if (batch->cancelled) {
        m_error(m, to, ERROR_broken, "{\"reason\":\"cancelled\"}",
                batch->changed);
        return true;
    }
    if (m_batch_broken(m, b, &index)) {
        m_error(m, to, ERROR_broken, "{\"reason\":_,\"job\":_}",
                batch->changed);
        return true;
    }
    return false;
}

static bool waits_end(struct model *m, int b)
{
    bool moved = false;
    struct m_waiter *w = m_waiter_after(m, M_WAIT_BATCH, b, 0);
    for (; w != NULL; w = m_waiter_after(m, M_WAIT_BATCH, b, w->serial)) {
        if (answer_wait(m, &w->to, b, w->stage)) {
            w->used = false;
            moved = true;
        }
    }
    return moved;
}

/* All of the open stage's jobs have arrived. */
static bool stage_full(const struct model *m, int b)
{
    const struct m_batch *batch = &m->now.batches[b];
    int counts[JOB_STATES];
    counts_of(m, b, batch->passed, counts);
    return counts[JOB_HELD] + counts[JOB_DELAYED] + counts[JOB_READY] +
                   counts[JOB_RUNNING] ==
               0 &&
           (counts[JOB_DEAD] == 0 || batch->goes_on);
}

static void pass(struct model *m, int b)
{
    struct m_batch *batch = &m->now.batches[b];
    int event = M_PLAIN_EVENTS + b * M_STAGES + batch->passed;
    batch->passed++;
    batch->changed = m_next(m);
    m_event_is_set(m, event);
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->batch == b &&
            job->stage == batch->passed) {
            m_job_unheld(m, job);
        }
    }
}

bool m_batches_pass(struct model *m)
{
    bool moved = false;
    for (int b = 0; b < M_BATCHES; b++) {
        const struct m_batch *batch = &m->now.batches[b];
        if (!batch->exists) {
            continue;
        }
        while (batch->sealed && !batch->cancelled &&
               batch->passed < batch->stages && stage_full(m, b)) {
            pass(m, b);
            moved = true;
        }
        moved = waits_end(m, b) || moved;
    }
    return moved;
}

void m_batch_wait(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int b = wanted(m, to, request->batch);
    if (b < 0) {
        return;
    }
    const struct m_batch *batch = &m->now.batches[b];
    int stage = request->stage.at == NULL ? batch->stages - 1
                                          : m_stage_index(request->stage);
    if (stage >= batch->stages) {
        m_error(m, to, ERROR_not_found, NULL, 0);
        return;
    }
    if (answer_wait(m, to, b, stage)) {
        return;
    }
    if (request->timeout_us != 0) {
        struct m_waiter *w =
            m_wait(m, to, M_WAIT_BATCH, b, request->timeout_us);
        w->stage = stage;
        return;
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, flag, "passed", false);
    WRITE(out, string, "state", slice_of(state_of(m, b)));
    write_end_object(out);
    m_end(m, needs_of(m, b));
}

/* --- methods ------------------------------------------------------------ */

static bool same_stages(const struct m_batch *batch,
                        const struct request *request)
{
    return (int)request->stages.count == batch->stages &&
           (request->on_failure == FAILURE_CONTINUE) == batch->goes_on;
}

void m_batch_create(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int b = m_index(request->batch);
    struct m_batch *batch = &m->now.batches[b];
    if (batch->exists && !same_stages(batch, request)) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    if (!batch->exists) {
        *batch =
            (struct m_batch){.exists = true,
                             .goes_on = request->on_failure == FAILURE_CONTINUE,
                             .stages = (int)request->stages.count,
                             .changed = m_next(m)};
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, string, "batch", request->batch);
    write_end_object(out);
    m_end(m, needs_of(m, b));
}

void m_batch_seal(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int b = wanted(m, to, request->batch);
    if (b >= 0) {
        if (!m->now.batches[b].sealed && !m->now.batches[b].cancelled) {
            m->now.batches[b].sealed = true;
            m->now.batches[b].changed = m_next(m);
            m_batches_pass(m);
        }
        answer(m, to, b);
    }
}

void m_batch_show(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    int b = wanted(m, to, request->batch);
    if (b >= 0) {
        answer(m, to, b);
    }
}

void m_batch_list(struct model *m, const struct m_to *to,
                  const struct request *request)
{
    (void)request;
    unsigned needs = 0;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("batches"));
    write_begin_array(out);
    for (int b = 0; b < M_BATCHES; b++) {
        needs = m_most(needs, needs_of(m, b));
        if (m->now.batches[b].exists && m_sees(m, to, KIND_batch, b)) {
            write_batch(m, out, b, false);
        }
    }
    write_end_array(out);
    write_end_object(out);
    m_end(m, needs);
}

static void count_reply(struct model *m, const struct m_to *to,
                        struct slice key, int count, int b)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, key);
    write_integer(out, count);
    write_end_object(out);
    m_end(m, needs_of(m, b));
}

void m_batch_cancel(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int b = wanted(m, to, request->batch);
    if (b < 0) {
        return;
    }
    struct m_batch *batch = &m->now.batches[b];
    int cancelled = 0;
    if (batch->passed == batch->stages && !batch->cancelled) {
        m_error(m, to, ERROR_conflict, NULL, batch->changed);
        return;
    }
    batch->cancelled = true;
    batch->changed = m_next(m);
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->batch == b) {
            m_job_remove(m, job);
            cancelled++;
        }
    }
    count_reply(m, to, SLICE("cancelled"), cancelled, b);
}

void m_batch_retry(struct model *m, const struct m_to *to,
                   const struct request *request)
{
    int b = wanted(m, to, request->batch);
    int retried = 0;
    if (b < 0) {
        return;
    }
    if (m->now.batches[b].cancelled) {
        m_error(m, to, ERROR_conflict, NULL, m->now.batches[b].changed);
        return;
    }
    for (int i = 0; i < m->now.jobs_count; i++) {
        struct m_job *job = &m->now.jobs[i];
        if (m_job_there(job) && job->batch == b && job->state == JOB_DEAD &&
            !m_key_taken(m, job)) {
            m_job_revive(m, job);
            retried++;
        }
    }
    count_reply(m, to, SLICE("retried"), retried, b);
}

/* Jobs, or puts that wait for room. */
static bool has_jobs(const struct model *m, int b)
{
    for (int i = 0; i < m->now.jobs_count; i++) {
        if (!m->now.jobs[i].gone && m->now.jobs[i].batch == b) {
            return true;
        }
    }
    return false;
}

void m_batch_delete(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int b = wanted(m, to, request->batch);
    if (b < 0) {
        return;
    }
    struct m_batch *batch = &m->now.batches[b];
    if (has_jobs(m, b)) {
        m_error(m, to, ERROR_conflict, NULL, 0);
        return;
    }
    struct m_waiter *w;
    while ((w = m_waiter_after(m, M_WAIT_BATCH, b, 0)) != NULL) {
        w->used = false;
        m_error(m, &w->to, ERROR_not_found, NULL, 0);
    }
    batch->exists = false;
    batch->changed = m_last(m)->batches[b].exists ? m_next(m) : 0;
    for (int i = 0; i < M_STAGES; i++) {
        struct m_event *event =
            &m->now.events[M_PLAIN_EVENTS + b * M_STAGES + i];
        event->set = false;
        event->changed = batch->changed;
    }
    m_empty(m, to, batch->changed);
}
