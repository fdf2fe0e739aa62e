/*
 * queue.put: one job or many, all or nothing, in the order of arrival.
 *
 * The jobs are made from the request at once; a put that finds no room keeps
 * them while it waits, so that nothing has to be read a second time. They enter
 * (get their ids, count against the capacity) in one step.
 */
#include "daemon/engine/core.h"

#include <stdio.h>

static void free_jobs(struct wait_put *put)
{
    mem_free(put->jobs);
    mem_free(put->delays_us);
    put->jobs = NULL;
    put->delays_us = NULL;
    put->count = 0;
}

/* It waits no more. */
static void leave_stage(struct wait_put *put)
{
    if (put->listed) {
        TAILQ_REMOVE(&put->stage->putters, put, of_stage);
        put->listed = false;
    }
}

void put_discard(struct engine *engine, struct wait_put *put)
{
    leave_stage(put);
    for (size_t i = 0; i < put->count; i++) {
        job_discard(engine, put->jobs[i]);
    }
    free_jobs(put);
}

/* What is put, in whichever of the three ways it was written. */
struct load {
    const struct request *request;
    size_t count;
    size_t bytes;     /* of the bodies */
    size_t room_jobs; /* of them, those that need room: the others are held */
    size_t room_bytes;
    struct stage *stage; /* NULL: none */
    bool inside;
    bool many;
};

static struct put_item item_of(const struct load *load, size_t i)
{
    const struct request *request = load->request;
    if (request->puts.at != NULL) {
        return request->puts.at[i];
    }
    struct put_item item = request->put;
    if (request->bodies.at != NULL) {
        item.body = request->bodies.at[i];
    }
    return item;
}

static bool has_terms(const struct put_item *item)
{
    return item->key.at != NULL || item->priority != 0 || item->delay_us >= 0 ||
           item->lease_us >= 0 || item->max_attempts >= 0 ||
           item->keep_done_us >= 0 || item->limits.at != NULL ||
           item->after.at != NULL;
}

/* False: it makes no sense and was refused. */
static bool read_load(struct engine *engine, const struct request *request,
                      struct load *load)
{
    int ways = (request->put.body.at != NULL) + (request->bodies.at != NULL) +
               (request->puts.at != NULL);
    if (ways != 1) {
        refuse_param(engine, "body", "give one of `body`, `bodies` and `jobs`");
        return false;
    }
    if (request->bodies.at != NULL && request->put.key.at != NULL) {
        refuse_param(engine, "key",
                     "`key` goes with `body`: many bodies cannot share one");
        return false;
    }
    if (request->puts.at != NULL && has_terms(&request->put)) {
        refuse_param(engine, "jobs",
                     "with `jobs` the terms stand in each of them");
        return false;
    }
    *load = (struct load){
        .request = request,
        .count = request->puts.at != NULL     ? request->puts.count
                 : request->bodies.at != NULL ? request->bodies.count
                                              : 1,
        .many = request->put.body.at == NULL};
    for (size_t i = 0; i < load->count; i++) {
        struct put_item item = item_of(load, i);
        load->bytes += item.body.len;
        if (item.lease_us == 0) {
            refuse_param(engine, "lease", "`lease` must be more than 0");
            return false;
        }
    }
    return true;
}

/* Are all of the semaphores there, and bounded? False: refused. */
static bool check_limits(struct engine *engine, struct slices limits)
{
    for (size_t i = 0; i < limits.count; i++) {
        const struct semaphore *semaphore =
            semaphore_find(engine, limits.at[i]);
        if (semaphore == NULL) {
            refuse_about(engine, ERROR_not_found, "limits",
                         "`limits` names a semaphore %.*s that is not there: "
                         "semaphore.declare makes it",
                         (int)limits.at[i].len, limits.at[i].at);
            return false;
        }
        if (!semaphore->bounded) {
            refuse(engine, ERROR_conflict,
                   "the semaphore %.*s is unbounded: only a bounded one can "
                   "limit jobs",
                   (int)limits.at[i].len, limits.at[i].at);
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (slice_equal(limits.at[i], limits.at[j])) {
                refuse_param(engine, "limits", "a semaphore is named twice");
                return false;
            }
        }
    }
    return true;
}

static bool all_set(const struct engine *engine, struct slices events)
{
    for (size_t i = 0; i < events.count; i++) {
        if (!event_is_set(engine, events.at[i])) {
            return false;
        }
    }
    return true;
}

/* Which of the jobs would need room now. */
static void count_room(const struct engine *engine, struct load *load)
{
    if (load->stage != NULL && stage_is_held(load->stage)) {
        return;
    }
    for (size_t i = 0; i < load->count; i++) {
        struct put_item item = item_of(load, i);
        if (all_set(engine, item.after)) {
            load->room_jobs++;
            load->room_bytes += item.body.len;
        }
    }
}

/* The batch it is for, and what its jobs name. False: refused. */
static bool read_holds(struct engine *engine, const struct request *request,
                       struct load *load)
{
    if ((request->batch.at == NULL) != (request->stage.at == NULL)) {
        refuse_param(engine, request->batch.at == NULL ? "batch" : "stage",
                     "`batch` and `stage` go together");
        return false;
    }
    if (request->batch.at != NULL) {
        load->stage = batch_stage_wanted(engine, request, &load->inside);
        if (load->stage == NULL) {
            return false;
        }
    }
    size_t events = 0;
    for (size_t i = 0; i < load->count; i++) {
        struct put_item item = item_of(load, i);
        if (!check_limits(engine, item.limits)) {
            return false;
        }
        events += events_missing(engine, item.after.at, item.after.count);
    }
    if (names_full_of(engine, &engine->events, events, "events")) {
        return false;
    }
    count_room(engine, load);
    return true;
}

/* What its jobs take up: many small ones more than the line they came in. */
static size_t load_size(const struct engine *engine, const struct load *load)
{
    size_t size = load->bytes + load->count * sizeof(struct job);
    return size > engine->current.event->size ? size
                                              : engine->current.event->size;
}

/* Makes the jobs. */
static struct wait_put make_put(struct engine *engine, struct queue *queue,
                                const struct load *load)
{
    struct wait_put put = {.queue = queue,
                           .many = load->many,
                           .room_jobs = load->room_jobs,
                           .room_bytes = load->room_bytes,
                           .inside = load->inside,
                           .stage = load->stage};
    uint32_t owner = account_at_hand(engine);
    put.jobs = mem_alloc(load->count * sizeof(struct job *));
    put.delays_us = mem_alloc(load->count * sizeof(*put.delays_us));
    for (size_t i = 0; i < load->count; i++) {
        struct put_item item = item_of(load, i);
        put.jobs[i] = job_new(engine, owner, &item);
        put.delays_us[i] = item.delay_us;
    }
    put.count = load->count;
    return put;
}

/* The unfinished job that bears this one's key already; NULL: none does. */
static struct job *duplicate_of(struct engine *engine, struct queue *queue,
                                const struct job *job)
{
    if (job_extra_of(job) == NULL || job_extra_of(job)->key.at == NULL) {
        return NULL;
    }
    return job_of_key(engine, queue, job_extra_of(job)->key);
}

static void write_duplicates(struct out *out, const struct wait_put *put,
                             const uint64_t *duplicates, size_t count)
{
    if (count == 0) {
        return;
    }
    if (!put->many) {
        WRITE(out, flag, "duplicate", true);
        return;
    }
    write_key(out, SLICE("duplicates"));
    write_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        write_integer(out, (int64_t)duplicates[i]);
    }
    write_end_array(out);
}

/* All of them enter, and the answer is written. */
static void enter(struct engine *engine, struct wait_put *put, struct out *out)
{
    uint64_t *duplicates = mem_alloc(put->count * sizeof(*duplicates));
    size_t duplicates_count = 0;
    write_begin_object(out);
    write_key(out, put->many ? SLICE("ids") : SLICE("id"));
    if (put->many) {
        write_begin_array(out);
    }
    for (size_t i = 0; i < put->count; i++) {
        struct job *job = put->jobs[i];
        struct job *old = duplicate_of(engine, put->queue, job);
        if (old != NULL) {
            job_discard(engine, job);
            job = old;
            duplicates[duplicates_count++] = old->id;
        } else {
            job_enter(engine, job, put->queue, put->delays_us[i], put->stage);
        }
        write_integer(out, (int64_t)job->id);
    }
    if (put->many) {
        write_end_array(out);
    }
    write_duplicates(out, put, duplicates, duplicates_count);
    write_end_object(out);
    rate_add(&put->queue->put_rate, engine->now_us,
             put->count - duplicates_count);
    mem_free(duplicates);
    leave_stage(put);
    free_jobs(put);
}

/* Jobs are counted in memory_used from the moment they are made. */
static bool memory_fits(const struct engine *engine)
{
    return engine->memory_used <= engine->options.memory_max;
}

bool put_memory_fits(const struct engine *engine, const struct queue *queue)
{
    (void)queue;
    return memory_fits(engine);
}

/* More than there will ever be room for: why, if so. */
static bool is_hopeless(const struct queue_terms *terms, size_t jobs,
                        size_t bytes, struct complaint *why)
{
    bool count = terms->capacity > 0 && jobs > (size_t)terms->capacity;
    bool size = terms->max_bytes > 0 && bytes > (size_t)terms->max_bytes;
    if (!count && !size) {
        return false;
    }
    complain(why, ERROR_queue_full,
             "%zu jobs of %zu bytes can never enter a queue with a %s of "
             "%lld: put fewer at a time, or give it more",
             jobs, bytes, count ? "capacity" : "max_bytes",
             (long long)(count ? terms->capacity : terms->max_bytes));
    why->hopeless = true;
    why->data = SLICE("\"reason\":\"never\"");
    return true;
}

/* The events to be made when it enters; since it came there may have been
 * others of its user. */
static size_t events_of(const struct engine *engine, const struct wait_put *put)
{
    size_t events = 0;
    for (size_t i = 0; i < put->count; i++) {
        const struct job_extra *extra = job_extra_of(put->jobs[i]);
        if (extra != NULL && extra->row_after.at != NULL) {
            struct slice names[NAME_LIST_MAX];
            size_t count = names_split(extra->row_after, names, NAME_LIST_MAX);
            events += events_missing(engine, names, count);
        }
    }
    return events;
}

bool put_admit(struct engine *engine, struct queue *queue)
{
    struct waiter *waiter = waiter_first(&queue->putters);
    if (waiter == NULL || queue->closed || engine->full) {
        return false;
    }
    struct wait_put *put = &waiter->u.put;
    if (put->stage != NULL && !stage_admits(put->stage, put->inside)) {
        waiter_refuse(engine, waiter, ERROR_conflict,
                      "the batch was sealed, cancelled, or went past this "
                      "stage while the put waited");
        return true;
    }
    struct complaint why;
    if (is_hopeless(&queue->terms, put->room_jobs, put->room_bytes, &why)) {
        waiter_refuse_with(engine, waiter, &why); /* it was made smaller */
        return true;
    }
    bool duplicate =
        !put->many && duplicate_of(engine, queue, put->jobs[0]) != NULL;
    if (!duplicate && !queue_has_room(queue, put->room_jobs, put->room_bytes)) {
        return false;
    }
    if (!duplicate && !memory_fits(engine)) {
        queue_join_memory_line(engine, queue);
        return false;
    }
    if (names_lack(engine, &engine->events, waiter->account,
                   events_of(engine, put), "events", &why)) {
        waiter_refuse_with(engine, waiter, &why);
        return true;
    }
    enter(engine, put, waiter_begin(engine, waiter));
    waiter_reply(engine, waiter, queue_seen(engine, queue));
    return true;
}

static bool refuse_hopeless(struct engine *engine,
                            const struct queue_terms *terms,
                            const struct load *load)
{
    struct complaint why;
    if (!is_hopeless(terms, load->room_jobs, load->room_bytes, &why)) {
        return false;
    }
    reply_error(engine, &engine->current.to, &why);
    return true;
}

/* `queue` may be NULL: it would be made, but there is no memory. */
static void refuse_full(struct engine *engine, const struct queue *queue)
{
    struct slice name = engine->current.request->queue;
    refuse(engine, ERROR_queue_full,
           "%.*s is full (%zu jobs): wait with a timeout, or give it more "
           "capacity",
           (int)name.len, name.at,
           queue == NULL ? 0
                         : queue_count(queue, JOB_READY) +
                               queue_count(queue, JOB_DELAYED));
}

/* Held jobs do not wait for memory: that might be for ever. */
static void refuse_memory(struct engine *engine)
{
    struct complaint why;
    complain(&why, ERROR_limit,
             "the daemon's memory for jobs is used up: held jobs cannot wait "
             "for it; finish or purge some first");
    (void)snprintf(why.limit, sizeof(why.limit), "max_memory");
    why.value = (int64_t)engine->options.memory_max;
    reply_error(engine, &engine->current.to, &why);
}

/* May it not wait? Then it was refused. */
static bool refuse_wait(struct engine *engine, const struct queue *queue)
{
    if (engine->current.request->timeout_us == 0) {
        refuse_full(engine, queue);
        return true;
    }
    return waiter_refused(engine);
}

static void wait_for_room(struct engine *engine, struct queue *queue,
                          const struct load *load)
{
    struct waiter *waiter =
        waiter_new(engine, WAITER_PUT, 1, load->request->timeout_us);
    CHECK(waiter != NULL);
    struct wait_put *put = &waiter->u.put;
    *put = make_put(engine, queue, load);
    if (put->stage != NULL) {
        TAILQ_INSERT_TAIL(&put->stage->putters, put, of_stage);
        put->listed = true;
    }
    waiter_join_line(waiter, &queue->putters);
    queue_touch(engine, queue);
}

static bool refuse_closed(struct engine *engine, const struct queue *queue)
{
    if (!queue->closed) {
        return false;
    }
    refuse(engine, ERROR_queue_closed,
           "%.*s is closed: queue.open lets jobs in again",
           (int)queue->named.name.len, queue->named.name.at);
    return true;
}

/* Is the one job there already? It is answered before room is asked for. */
static bool answer_duplicate(struct engine *engine, struct queue *queue,
                             const struct load *load)
{
    struct slice key = item_of(load, 0).key;
    struct job *old =
        load->many || key.at == NULL ? NULL : job_of_key(engine, queue, key);
    if (old == NULL) {
        return false;
    }
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, integer, "id", (int64_t)old->id);
    WRITE(out, flag, "duplicate", true);
    write_end_object(out);
    answer_end(engine, queue_seen(engine, queue));
    return true;
}

/* Is there no room for it, and it may not wait for that? Then it was refused,
 * and nothing has changed. `queue` may be NULL: it is still to be made. */
static bool refuse_size(struct engine *engine, const struct queue *queue,
                        const struct load *load, bool *waits)
{
    engine->current.size = load_size(engine, load);
    if (account_refused_memory(engine, engine->current.size)) {
        return true;
    }
    bool fits = engine->memory_used + engine->current.size <=
                engine->options.memory_max;
    if (!fits && load->room_jobs == 0) {
        refuse_memory(engine);
        return true;
    }
    *waits =
        !fits || (load->room_jobs > 0 && queue != NULL &&
                  (queue->putters.count > 0 ||
                   !queue_has_room(queue, load->room_jobs, load->room_bytes)));
    return *waits && refuse_wait(engine, queue);
}

/* Whatever queue it is for. */
bool queue_put_adds(const struct engine *engine, struct session *session,
                    const struct request *request)
{
    (void)engine;
    (void)session;
    (void)request;
    return true;
}

void method_queue_put(struct engine *engine, struct session *session,
                      const struct request *request)
{
    struct load load;
    (void)session;
    if (!read_load(engine, request, &load) ||
        !read_holds(engine, request, &load)) {
        return;
    }
    struct queue *queue = queue_find(engine, request->queue);
    if ((queue != NULL && (refuse_closed(engine, queue) ||
                           answer_duplicate(engine, queue, &load))) ||
        refuse_hopeless(engine,
                        queue == NULL ? &queue_terms_default : &queue->terms,
                        &load)) {
        return;
    }
    if (load.stage != NULL && queue != NULL && !queue->terms.durable) {
        refuse(engine, ERROR_conflict,
               "%.*s is in memory only: the jobs of a batch go to durable "
               "queues",
               (int)request->queue.len, request->queue.at);
        return;
    }
    bool waits;
    if (refuse_size(engine, queue, &load, &waits)) {
        return;
    }
    if (queue == NULL && (queue = queue_use(engine, request->queue)) == NULL) {
        return;
    }
    if (waits) {
        wait_for_room(engine, queue, &load);
        return;
    }
    struct wait_put put = make_put(engine, queue, &load);
    enter(engine, &put, answer_begin(engine));
    answer_end(engine, queue_seen(engine, queue));
}
