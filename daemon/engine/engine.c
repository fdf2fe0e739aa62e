/*
 * The engine as a whole: its life, its one entry, its one switch of timers.
 */
#include "daemon/engine/core.h"

/* Numbers reserved on disk at a time: few writes, and a restart skips at most
 * so many. */
#define NUMBERS_RESERVED ((uint64_t)1 << 16)

const struct engine_options engine_options_default = {
    .version = "0",
    .store = "memory",
    .discover = {"{}", 2},
    .message_max = MESSAGE_BYTES_DEFAULT,
    .memory_max = MEMORY_BYTES_DEFAULT,
    .pending_max = PENDING_REQUESTS_DEFAULT,
    .pending_bytes_max = PENDING_BYTES_DEFAULT,
    .connections_max = CONNECTIONS_DEFAULT,
    .user_connections_max = USER_CONNECTIONS_DEFAULT,
    .user_pending_max = USER_PENDING_DEFAULT,
    .user_memory_max = USER_MEMORY_DEFAULT,
    .user_objects_max = USER_OBJECTS_DEFAULT,
    .slice_jobs = SLICE_JOBS,
};

typedef void method_fn(struct engine *engine, struct session *session,
                       const struct request *request);

static method_fn *const methods[METHODS] = {
#define METHOD(id, name, role, traits, summary) [METHOD_##id] = method_##id,
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

struct slice slice_copy(struct slice text)
{
    if (text.at == NULL) {
        return (struct slice){0};
    }
    char *copy = mem_alloc(text.len);
    memcpy(copy, text.at, text.len);
    return (struct slice){copy, text.len};
}

void memory_add(struct engine *engine, uint32_t owner, size_t bytes)
{
    engine->memory_used += bytes;
    engine->accounts.at[owner]->memory += bytes;
}

void memory_sub(struct engine *engine, uint32_t owner, size_t bytes)
{
    struct account *account = engine->accounts.at[owner];
    CHECK(engine->memory_used >= bytes && account->memory >= bytes);
    engine->memory_used -= bytes;
    account->memory -= bytes;
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014). */
uint64_t next_random(struct engine *engine)
{
    uint64_t z = (engine->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint64_t next_number(struct engine *engine, struct numbers *numbers)
{
    if (numbers->next + NUMBERS_RESERVED / 2 >= numbers->reserved) {
        numbers->reserved = numbers->next + NUMBERS_RESERVED;
        change_mark(engine, ROW_counters, engine, &engine->counters_saved);
    }
    CHECK(numbers->next < (uint64_t)WIRE_INTEGER_MAX);
    return numbers->next++;
}

uint64_t next_job_id(struct engine *engine)
{
    return next_number(engine, &engine->job_ids);
}

uint64_t next_object_id(struct engine *engine)
{
    return next_number(engine, &engine->object_ids);
}

uint64_t next_token(struct engine *engine)
{
    return next_number(engine, &engine->tokens);
}

static uint64_t reserved_in(const struct engine *engine,
                            const struct numbers *numbers)
{
    if (numbers->next == 1 || numbers->next <= numbers->durable ||
        engine->options.forgetful) {
        return 0;
    }
    return engine->changes.out && numbers->next <= numbers->cut
               ? engine->changes.done + 1
               : change_batch_open(engine);
}

uint64_t change_batch_numbers(const struct engine *engine)
{
    uint64_t jobs = reserved_in(engine, &engine->job_ids);
    uint64_t tokens = reserved_in(engine, &engine->tokens);
    return jobs > tokens ? jobs : tokens;
}

struct row_counters counters_row(const struct engine *engine)
{
    return (struct row_counters){.id = 1,
                                 .jobs_end = engine->job_ids.reserved,
                                 .tokens_end = engine->tokens.reserved,
                                 .objects_end = engine->object_ids.reserved,
                                 .clock_us = engine->now_us};
}

struct engine *engine_new(const struct engine_options *options)
{
    struct engine *engine = mem_zalloc(sizeof(*engine));
    engine->options = *options;
    engine->random = options->seed;
    engine->job_ids.next = 1;
    engine->tokens.next = 1;
    engine->object_ids.next = 1;
    accounts_init(&engine->accounts);
    changes_init(&engine->changes);
    held_init(&engine->held[0]);
    held_init(&engine->held[1]);
    index_init(&engine->jobs);
    out_init(&engine->scratch);
    names_init(&engine->queues);
    TAILQ_INIT(&engine->touched);
    RB_INIT(&engine->contested);
    TAILQ_INIT(&engine->freed);
    TAILQ_INIT(&engine->detached);
    RB_INIT(&engine->loaded_leases);
    TAILQ_INIT(&engine->memory_line);
    TAILQ_INIT(&engine->sweeps);
    names_init(&engine->locks);
    names_init(&engine->semaphores);
    names_init(&engine->events);
    names_init(&engine->barriers);
    TAILQ_INIT(&engine->barriers_unused);
    names_init(&engine->conditions);
    TAILQ_INIT(&engine->given_up);
    RB_INIT(&engine->given_up_by_holder);
    names_init(&engine->batches);
    names_init(&engine->scopes);
    TAILQ_INIT(&engine->batches_touched);
    RB_INIT(&engine->lock_waits);
    timers_init(&engine->timers);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    struct job *job;
    struct effects nowhere;
    effects_init(&nowhere);
    engine->effects = &nowhere;
    engine->shutting_down = true; /* nothing comes of a session's end */
    session_free_all(engine);
    while ((job = index_after(&engine->jobs, 0)) != NULL) {
        job_remove(engine, job);
    }
    sweep_free_all(engine);
    queue_free_all(engine);
    batches_free_all(engine);
    semaphores_free_all(engine);
    events_free_all(engine);
    barriers_free_all(engine);
    CHECK(engine->locks.count == 0 && engine->conditions.count == 0 &&
          TAILQ_EMPTY(&engine->given_up) && engine->scopes.count == 0);
    effects_fini(&nowhere);
    held_fini(&engine->held[0]);
    held_fini(&engine->held[1]);
    index_fini(&engine->jobs);
    out_fini(&engine->scratch);
    CHECK(engine->memory_used == 0);
    accounts_fini(&engine->accounts);
    changes_fini(&engine->changes, &engine->spares);
    spares_fini(&engine->spares);
    mem_free(engine);
}

void engine_configure(struct engine *engine,
                      const struct engine_options *options)
{
    engine->options = *options;
}

static bool numbers_load(struct numbers *numbers, uint64_t end)
{
    numbers->next = end > 0 ? end : 1;
    numbers->reserved = numbers->durable = numbers->next;
    return end <= (uint64_t)WIRE_INTEGER_MAX;
}

static bool counters_load(struct engine *engine, const struct row_counters *row)
{
    if (row->id != 1 || row->clock_us < 0 || row->clock_us > TIME_MAX_US ||
        !numbers_load(&engine->job_ids, row->jobs_end) ||
        !numbers_load(&engine->tokens, row->tokens_end) ||
        !numbers_load(&engine->object_ids, row->objects_end)) {
        return false;
    }
    engine->now_us = row->clock_us;
    engine->counters_saved.on_disk = true;
    return true;
}

bool engine_load(struct engine *engine, enum row_kind kind, const void *row)
{
    switch (kind) {
    case ROW_counters:
        return counters_load(engine, row);
    case ROW_queue:
        return queue_load(engine, row);
    case ROW_session:
        return session_load(engine, row);
    case ROW_job:
        return job_load(engine, row);
    case ROW_outcome:
        return outcome_load(engine, row);
    case ROW_semaphore:
        return semaphore_load(engine, row);
    case ROW_event:
        return event_load(engine, row);
    case ROW_barrier:
        return barrier_load(engine, row);
    case ROW_hold:
        return hold_load(engine, row);
    case ROW_batch:
        return batch_load(engine, row);
    case ROW_KINDS:
        break;
    }
    CHECK(false);
    return false;
}

void engine_loaded(struct engine *engine, int64_t now_us)
{
    engine->skew_us = engine->now_us > now_us ? engine->now_us - now_us : 0;
    engine->now_us = now_us + engine->skew_us;
    sessions_loaded(engine);
    scopes_loaded(engine);
    struct queue *queue, *next;
    HASH_ITER (by_id, engine->queues_by_id, queue, next) {
        job_set_rerank(engine, queue->sets[JOB_RUNNING]);
        queue->idle_since_us = engine->now_us;
        if (queue->deleted) {
            sweep_resume(engine, queue);
        }
    }
    batches_loaded(engine);
    queues_settle(engine); /* a stage may have passed by that */
}

static void fire(struct engine *engine, struct timer *timer)
{
    timer_disarm(&engine->timers, timer);
    switch (timer->kind) {
    case TIMER_WAITER:
        waiter_timed_out(engine, CONTAINER_OF(timer, struct waiter, timer));
        break;
    case TIMER_JOB_SET:
        job_set_due(engine, CONTAINER_OF(timer, struct job_set, timer));
        break;
    case TIMER_SESSION:
        session_grace_over(engine, CONTAINER_OF(timer, struct session, timer));
        break;
    case TIMER_QUEUE:
        queue_timer(engine, CONTAINER_OF(timer, struct queue, timer));
        break;
    case TIMER_SCOPE:
        scope_due(engine, CONTAINER_OF(timer, struct scope, timer));
        break;
    }
}

/* What is due fires in its order, and everything settles in between, so that
 * a job that came back is there for whoever's timeout is due right after. What
 * this step's slice has no room for is due in the next one. */
static void tell_time(struct engine *engine, int64_t now_us)
{
    int64_t target_us = now_us + engine->skew_us;
    if (target_us < engine->now_us) {
        target_us = engine->now_us;
    }
    engine->now_us = target_us;
    struct timer *timer;
    while (engine->slice_left > 0 &&
           (timer = timers_first(&engine->timers)) != NULL &&
           timer->due_us <= target_us) {
        engine->slice_left--;
        fire(engine, timer);
        queues_settle(engine);
    }
}

/* Grants are for those who can be told of them. */
static bool is_pointless(const struct request *request)
{
    return request->notification &&
           (method_row(request->method)->traits & TRAIT_GRANTS) != 0;
}

static void carry_out(struct engine *engine, const struct event *event)
{
    const struct request *request = event->request;
    struct session *session = session_of_conn(engine, event->conn);
    if (session == NULL) {
        return;
    }
    engine->current = (struct current){.event = event,
                                       .request = request,
                                       .session = session,
                                       .size = event->size,
                                       .to = {.session = session,
                                              .conn = event->conn,
                                              .tag = event->tag,
                                              .id = request->id,
                                              .method = request->method}};
    engine->counters.calls[request->method]++;
    session_use_room(engine, session);
    if (pending_find(&session->pending, request->id.key) != NULL) {
        reply_pending_id(engine, &engine->current.to);
    } else if (engine->shutting_down) {
        refuse(engine, ERROR_unavailable,
               "the daemon shuts down: connect again and send it again");
    } else if (!is_pointless(request) && !session_answer_again(engine) &&
               !access_refused(engine) && !room_refused(engine)) {
        methods[request->method](engine, session, request);
    }
    engine->current = (struct current){0};
}

/* No more are given out, so the next start may go on without a gap. */
static void give_back_numbers(struct engine *engine)
{
    if (!engine->options.forgetful) {
        engine->job_ids.reserved = engine->job_ids.next;
        engine->tokens.reserved = engine->tokens.next;
        engine->object_ids.reserved = engine->object_ids.next;
        change_mark(engine, ROW_counters, engine, &engine->counters_saved);
    }
}

static void shut_down(struct engine *engine)
{
    engine->shutting_down = true;
    give_back_numbers(engine);
    struct session *session, *next;
    HASH_ITER (by_conn, engine->sessions_by_conn, session, next) {
        while (!TAILQ_EMPTY(&session->waiters)) {
            waiter_shut_down(engine, TAILQ_FIRST(&session->waiters));
        }
    }
}

void engine_step(struct engine *engine, const struct event *event,
                 struct effects *effects)
{
    engine->effects = effects;
    engine->slice_left = (int)engine->options.slice_jobs;
    engine->sweep_rows = event->sweep_rows;
    tell_time(engine, event->now_us);
    switch (event->type) {
    case EVENT_CONNECTED:
        session_connected(engine, event->conn, &event->peer);
        break;
    case EVENT_REQUEST:
        carry_out(engine, event);
        break;
    case EVENT_ACCESS:
        access_changed(engine, event->conn, event->peer.access);
        break;
    case EVENT_DISCONNECTED:
        session_disconnected(engine, event->conn);
        break;
    case EVENT_PERSISTED:
        change_persisted(engine);
        reply_persisted(engine);
        break;
    case EVENT_SPACE:
        room_changed(engine, event->full);
        break;
    case EVENT_SHUTDOWN:
        shut_down(engine);
        break;
    case EVENT_TIME:
        break;
    }
    queues_settle(engine);
    engine->effects = NULL;
}

int64_t engine_deadline_us(const struct engine *engine)
{
    if (sweeps_are_due(engine)) {
        return engine->now_us - engine->skew_us;
    }
    const struct timer *timer = timers_first(&engine->timers);
    return timer == NULL ? DEADLINE_NEVER : timer->due_us - engine->skew_us;
}

size_t engine_held(const struct engine *engine)
{
    return engine->held[0].count + engine->held[1].count;
}

const struct batch *engine_cut(struct engine *engine)
{
    return change_cut(engine);
}
