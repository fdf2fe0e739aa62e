/* The methods of queues but for putting, getting and finishing. */
#include "daemon/engine/core.h"

#include <stdio.h>

struct queue *queue_wanted(struct engine *engine, struct slice name)
{
    struct queue *queue = queue_find(engine, name);
    if (queue == NULL) {
        refuse_about(engine, ERROR_not_found, "queue",
                     "there is no queue %.*s: queue.list tells which there are",
                     (int)name.len, name.at);
    }
    return queue;
}

static void write_terms(struct out *out, const struct queue_terms *terms)
{
    WRITE(out, integer, "capacity", terms->capacity);
    WRITE(out, integer, "max_bytes", terms->max_bytes);
    WRITE(out, string, "order", terms->lifo ? SLICE("lifo") : SLICE("fifo"));
    WRITE(out, integer, "concurrency", terms->concurrency);
    WRITE(out, seconds, "lease", terms->lease_us);
    WRITE(out, integer, "max_attempts", terms->max_attempts);
    write_key(out, SLICE("backoff"));
    write_begin_object(out);
    WRITE(out, seconds, "base", terms->backoff_base_us);
    WRITE(out, number, "factor", terms->backoff_factor);
    WRITE(out, seconds, "max", terms->backoff_max_us);
    WRITE(out, number, "jitter", terms->backoff_jitter);
    write_end_object(out);
    WRITE(out, seconds, "keep_done", terms->keep_done_us);
    WRITE(out, flag, "durable", terms->durable);
}

static void write_waiting(struct out *out, const struct queue *queue)
{
    write_key(out, SLICE("waiting"));
    write_begin_object(out);
    WRITE(out, integer, "put", (int64_t)queue->putters.count);
    WRITE(out, integer, "get", (int64_t)queue->getters.count);
    WRITE(out, integer, "join", (int64_t)queue->joiners.count);
    write_end_object(out);
}

static void write_rates(const struct engine *engine, struct out *out,
                        const struct queue *queue)
{
    write_key(out, SLICE("rates"));
    write_begin_object(out);
    WRITE(out, number, "put", rate_read(&queue->put_rate, engine->now_us));
    WRITE(out, number, "get", rate_read(&queue->get_rate, engine->now_us));
    WRITE(out, number, "done", rate_read(&queue->done_rate, engine->now_us));
    write_end_object(out);
}

void queue_write(const struct engine *engine, struct out *out,
                 const struct queue *queue)
{
    write_begin_object(out);
    WRITE(out, string, "queue", queue->named.name);
    write_key(out, SLICE("counts"));
    write_begin_object(out);
    for (size_t i = 0; i < JOB_STATES; i++) {
        write_key(out, slice_of(job_state_names[i]));
        write_integer(out, (int64_t)queue_count(queue, (enum job_state)i));
    }
    write_end_object(out);
    WRITE(out, integer, "unfinished", (int64_t)queue_unfinished(queue));
    WRITE(out, integer, "bytes", (int64_t)queue_bytes(queue));
    write_waiting(out, queue);
    write_rates(engine, out, queue);
    WRITE(out, flag, "paused", queue->paused);
    WRITE(out, flag, "closed", queue->closed);
    write_terms(out, &queue->terms);
    WRITE(out, flag, "declared", queue->declared);
    WRITE(out, seconds, "created_at",
          wire_time_us(engine, queue->created_at_us));
    const struct job *oldest = limited_first_look(queue);
    if (oldest != NULL) {
        WRITE(out, seconds, "oldest_ready_at",
              wire_time_us(engine, oldest->put_at_us));
    }
    write_end_object(out);
}

static void answer_queue(struct engine *engine, const struct queue *queue)
{
    queue_write(engine, answer_begin(engine), queue);
    answer_end(engine, sweep_seen(engine, queue->swept_by));
}

static void set_count(int64_t *term, int64_t wanted)
{
    if (wanted >= 0) {
        *term = wanted;
    }
}

/* The terms named, over those there are. */
static struct queue_terms new_terms(const struct queue_terms *old,
                                    const struct request *request)
{
    struct queue_terms terms = *old;
    set_count(&terms.capacity, request->capacity);
    set_count(&terms.max_bytes, request->max_bytes);
    set_count(&terms.concurrency, request->concurrency);
    set_count(&terms.lease_us, request->lease_us);
    set_count(&terms.max_attempts, request->max_attempts);
    set_count(&terms.backoff_base_us, request->backoff.base_us);
    set_count(&terms.backoff_max_us, request->backoff.max_us);
    set_count(&terms.keep_done_us, request->keep_done_us);
    if (request->backoff.factor != -1) {
        terms.backoff_factor = request->backoff.factor;
    }
    if (request->backoff.jitter != -1) {
        terms.backoff_jitter = request->backoff.jitter;
    }
    if (request->order >= 0) {
        terms.lifo = request->order == ORDER_LIFO;
    }
    if (request->durable >= 0) {
        terms.durable = request->durable == 1;
    }
    return terms;
}

static bool has_jobs(const struct queue *queue)
{
    size_t count = 0;
    for (size_t i = 0; i < JOB_STATES; i++) {
        count += queue->counts[i];
    }
    return count > 0;
}

static bool has_row(const struct queue *queue)
{
    return queue->saved.on_disk || queue->saved.dirty;
}

bool queue_declare_adds(const struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    const struct queue *queue = queue_find(engine, request->queue);
    bool durable = request->durable >= 0
                       ? request->durable == 1
                       : queue == NULL || queue->terms.durable;
    return durable && (queue == NULL || !has_row(queue));
}

bool queue_flag_adds(const struct engine *engine, struct session *session,
                     const struct request *request)
{
    (void)session;
    const struct queue *queue = queue_find(engine, request->queue);
    return queue != NULL && queue->terms.durable && !has_row(queue);
}

void method_queue_declare(struct engine *engine, struct session *session,
                          const struct request *request)
{
    (void)session;
    struct queue *queue = queue_find(engine, request->queue);
    if (request->lease_us == 0) {
        refuse_param(engine, "lease", "`lease` must be more than 0");
        return;
    }
    struct queue_terms terms = new_terms(
        queue == NULL ? &queue_terms_default : &queue->terms, request);
    if (queue != NULL && (has_jobs(queue) || queue->sweeps > 0) &&
        (terms.lifo != queue->terms.lifo ||
         terms.durable != queue->terms.durable)) {
        refuse(engine, ERROR_conflict,
               "%.*s has jobs, so its order and durability cannot change: "
               "let them be finished first",
               (int)request->queue.len, request->queue.at);
        return;
    }
    queue = queue_use(engine, request->queue);
    if (queue == NULL) {
        return;
    }
    if (queue->terms.durable && !terms.durable) {
        change_gone(engine, ROW_queue, queue->id, &queue->saved);
        queue->forgets_in = change_batch_seen(engine);
    } else if (!queue->terms.durable && terms.durable &&
               queue->forgets_in > engine->changes.done) {
        change_stays(engine, ROW_queue, queue->id, &queue->saved);
    }
    queue->terms = terms;
    queue_set_order(queue, terms.lifo);
    queue->declared = true;
    queue_changed(engine, queue);
    queue_touch(engine, queue);
    queues_settle(engine);
    answer_queue(engine, queue);
}

void join_answer(struct engine *engine, struct waiter *take_waiter, bool joined)
{
    const struct queue *queue = take_waiter->u.join;
    struct out *out = waiter_begin(engine, take_waiter);
    write_begin_object(out);
    WRITE(out, flag, "joined", joined);
    WRITE(out, integer, "dead", (int64_t)queue_count(queue, JOB_DEAD));
    write_end_object(out);
    waiter_reply(engine, take_waiter, queue_seen(engine, queue));
}

void method_queue_join(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    struct queue *queue = queue_find(engine, request->queue);
    bool joined = queue == NULL || queue_is_through(queue);
    if (joined || request->timeout_us == 0) {
        struct out *out = answer_begin(engine);
        write_begin_object(out);
        WRITE(out, flag, "joined", joined);
        WRITE(out, integer, "dead",
              queue == NULL ? 0 : (int64_t)queue_count(queue, JOB_DEAD));
        write_end_object(out);
        answer_end(engine, queue == NULL ? change_batch_seen(engine)
                                         : queue_seen(engine, queue));
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_JOIN, 1, request->timeout_us);
    if (waiter != NULL) {
        waiter->u.join = queue;
        waiter_join_line(waiter, &queue->joiners);
    }
}

/* Pause, resume, close and open are one thing: a flag of the queue. */
static void set_flag(struct engine *engine, const struct request *request,
                     bool close, bool value)
{
    struct queue *queue = queue_wanted(engine, request->queue);
    if (queue == NULL) {
        return;
    }
    bool *flag = close ? &queue->closed : &queue->paused;
    if (*flag != value) {
        *flag = value;
        queue_changed(engine, queue);
        queue_touch(engine, queue);
    }
    if (close && value) {
        waiter_refuse_all(engine, &queue->putters, ERROR_queue_closed,
                          "the queue was closed meanwhile");
    }
    queues_settle(engine);
    answer_queue(engine, queue);
}

void method_queue_pause(struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    set_flag(engine, request, false, true);
}

void method_queue_resume(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    set_flag(engine, request, false, false);
}

void method_queue_close(struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    set_flag(engine, request, true, true);
}

void method_queue_open(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    set_flag(engine, request, true, false);
}

void method_queue_purge(struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    struct queue *queue = queue_wanted(engine, request->queue);
    if (queue != NULL) {
        sweep_begin(engine, queue, request->states, SWEEP_PURGE);
    }
}

static bool in_use(const struct queue *queue)
{
    return has_jobs(queue) || queue->putters.count > 0 ||
           queue->getters.count > 0 || queue->joiners.count > 0;
}

void method_queue_delete(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    struct queue *queue = queue_wanted(engine, request->queue);
    if (queue == NULL) {
        return;
    }
    if (request->force != 1 && in_use(queue)) {
        refuse_about(
            engine, ERROR_conflict, "force",
            "%.*s has jobs or is waited for: with `force` it is deleted "
            "all the same",
            (int)queue->named.name.len, queue->named.name.at);
        return;
    }
    sweep_begin(engine, queue, (1U << JOB_STATES) - 1, SWEEP_DELETE);
}

void method_queue_show(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    const struct queue *queue = queue_wanted(engine, request->queue);
    if (queue != NULL) {
        answer_queue(engine, queue);
    }
}

bool page_limit(struct engine *engine, const struct request *request,
                size_t *limit)
{
    if (request->limit > PAGE_MAX) {
        refuse_param(engine, "limit", "`limit` is from 1 to %d", PAGE_MAX);
        return false;
    }
    *limit = request->limit < 0 ? PAGE_DEFAULT : (size_t)request->limit;
    return true;
}

static void write_named(const struct engine *engine, struct out *out,
                        const struct named *named)
{
    queue_write(engine, out, CONTAINER_OF(named, const struct queue, named));
}

void method_queue_list(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    names_answer_list(engine, request, &engine->queues, SLICE("queues"),
                      write_named, NULL);
}
