/*
 * Every invariant of the engine, by the numbers of DESIGN.md (which are those
 * of the promises they serve). Walks everything; for tests, the simulator and
 * the fuzzers, after every step.
 */
#include "daemon/engine/core.h"

/* I7: every job is in exactly one set, in its order, and the counts are the
 * sums. Running jobs, and only they, have a lease (I2). */
static size_t check_set(const struct engine *engine, const struct job_set *set)
{
    size_t count = 0;
    size_t bytes = 0;
    struct job *before = NULL;
    for (struct job *job = job_set_first(set); job != NULL;
         job = job_set_next(job)) {
        CHECK(job->set == set);
        CHECK(index_find(&engine->jobs, job->id) == job);
        CHECK((job_lease(job) != NULL) == (set->state == JOB_RUNNING) ||
              set->doomed);
        CHECK(before == NULL || before->rank <= job->rank);
        if (before != NULL && before->rank == job->rank) {
            CHECK((before->id < job->id) != set->lifo); /* I4 */
        }
        if (job_lease(job) != NULL) {
            CHECK(job_lease(job)->job == job);
            CHECK(job_lease(job)->token < engine->tokens.next); /* I9 */
        }
        count++;
        bytes += job->body_len;
        before = job;
    }
    CHECK(count == set->count && bytes == set->bytes);
    const struct job *first = job_set_first(set);
    bool timed = set->state == JOB_DELAYED || set->state == JOB_RUNNING ||
                 set->state == JOB_DONE;
    if (timed && first != NULL && !set->doomed) {
        CHECK(timer_armed(&set->timer) && set->timer.due_us <= first->rank);
    }
    return count;
}

static size_t check_list(const struct waiter_list *list)
{
    size_t count = 0;
    const struct waiter_link *link;
    TAILQ_FOREACH (link, &list->line, entry) {
        CHECK(link->list == list && link->waiter != NULL);
        count++;
    }
    CHECK(count == list->count);
    return count;
}

/* I12: nobody waits for what is free. */
static void check_waiters(struct engine *engine, struct queue *queue)
{
    if (check_list(&queue->getters) > 0) {
        CHECK(queue_next(engine, queue) == NULL);
        const struct waiter_link *link;
        TAILQ_FOREACH (link, &queue->getters.line, entry) {
            CHECK(!get_is_over(link->waiter) || engine->shutting_down);
        }
    }
    if (check_list(&queue->putters) > 0) {
        const struct wait_put *put = &waiter_first(&queue->putters)->u.put;
        CHECK(!queue->closed && !engine->full);
        CHECK(!queue_has_room(queue, put->room_jobs, put->room_bytes) ||
              queue->wants_memory);
    }
    if (check_list(&queue->joiners) > 0) {
        CHECK(!queue_is_through(queue)); /* I6 */
    }
}

/* One that stands apart is there for the jobs in it, in the order of its queue.
 */
static size_t check_apart(const struct engine *engine,
                          const struct job_set *set, enum apart apart)
{
    CHECK(set->apart == apart && set->count > 0);
    CHECK(set->lifo == (apart == APART_LIMITS && set->queue->terms.lifo));
    return check_set(engine, set);
}

/* I4, I12: jobs with limits stand where whoever looks finds the first one, and
 * no lane is closed for which there is a permit. */
static size_t check_limited(const struct engine *engine,
                            const struct queue *queue)
{
    size_t jobs = 0;
    size_t sets = 0;
    for (struct limited_set *limited = limited_first(queue); limited != NULL;
         limited = limited_next(limited)) {
        const struct lane *lane = limited->lane;
        bool named = false;
        jobs += check_apart(engine, &limited->set, APART_LIMITS);
        CHECK(limited->first_id == job_set_first(&limited->set)->id);
        for (size_t i = 0; i < limited->limits_count; i++) {
            named = named || limited->limits[i] == lane->semaphore;
        }
        CHECK(named);
        CHECK(lane->open || engine->shutting_down ||
              !semaphore_has_permit(lane->semaphore));
        sets++;
    }
    CHECK(sets == limited_in_lanes(queue));
    return jobs;
}

static size_t check_queue(struct engine *engine, struct queue *queue)
{
    size_t jobs = 0;
    CHECK(!queue->touched && !queue->contested);
    CHECK(queue->sets[JOB_READY]->lifo == queue->terms.lifo);
    for (size_t i = 0; i < JOB_STATES; i++) {
        CHECK(queue->sets[i]->queue == queue);
        CHECK(queue->sets[i]->state == (enum job_state)i);
        CHECK(!queue->sets[i]->doomed && !queue->sets[i]->moving);
        jobs += check_set(engine, queue->sets[i]);
    }
    const struct side_set *side;
    TAILQ_FOREACH (side, &queue->held_sets, of_queue) {
        CHECK(stage_is_held(side->stage)); /* I13 */
        jobs += check_apart(engine, &side->set, APART_STAGE);
    }
    jobs += check_limited(engine, queue);
    for (size_t i = 0, sum = 0; i < JOB_STATES; i++) {
        sum += queue->counts[i];
        CHECK(sum <= engine->jobs.count);
    }
    check_waiters(engine, queue);
    return jobs;
}

static void check_leases(const struct session *session)
{
    const struct lease *lease;
    TAILQ_FOREACH (lease, &session->leases, of_session) {
        CHECK(lease->session == session && job_lease(lease->job) == lease);
    }
}

static size_t check_sweeps(const struct engine *engine)
{
    size_t jobs = 0;
    const struct sweep *sweep;
    TAILQ_FOREACH (sweep, &engine->sweeps, entry) {
        if (sweep->set != NULL) {
            CHECK(sweep->set->doomed != sweep->set->moving);
            jobs += check_set(engine, sweep->set);
        }
        if (sweep->event != NULL) {
            CHECK(sweep->event->set && sweep->event->sweep == sweep);
        }
        if (sweep->session != NULL) {
            check_leases(sweep->session);
        }
    }
    return jobs;
}

/* I8: what a session holds, it holds alone. I15: its waiters are counted. */
static void check_session(const struct session *session)
{
    size_t count = 0;
    size_t bytes = 0;
    const struct waiter *waiter;
    TAILQ_FOREACH (waiter, &session->waiters, of_session) {
        CHECK(waiter->session == session);
        if (waiter->to.id.key != 0) {
            const struct pending_slot *slot =
                pending_find(&session->pending, waiter->to.id.key);
            CHECK(slot != NULL && slot->waiter == waiter);
        }
        count++;
        bytes += waiter->size;
    }
    CHECK(count == session->waiters_count && bytes == session->waiters_bytes);
    CHECK(!session->ended);
    check_leases(session);
    CHECK(session->outcomes_count <= OUTCOMES_MAX);
}

/* I14: what is dirty stands in the open batch, once. */
static void check_changes(const struct changes *changes)
{
    size_t live = 0;
    for (size_t i = 0; i < changes->open_count; i++) {
        const struct change *change = &changes->open[i];
        live += change->object != NULL || change->id != 0;
        if (change->object != NULL && change->kind == ROW_job) {
            const struct job *job = change->object;
            CHECK(job->saved.dirty && job->saved.at == i);
        }
    }
    CHECK(live == changes->open_live);
}

/* I5: permits taken are those that sessions and running jobs hold. */
static void check_semaphore(const struct semaphore *semaphore)
{
    size_t held = 0;
    size_t held_in_all = 0;
    size_t holds = 0;
    const struct hold *hold;
    TAILQ_FOREACH (hold, &semaphore->holds, of_object) {
        const struct hold *first =
            holders_first(&semaphore->holds_by_holder, hold->session);
        held += hold->count;
        held_in_all += hold == first ? hold->held_in_all : 0;
        holds++;
    }
    CHECK(holds == semaphore->holds_count && held == held_in_all);
    CHECK((int64_t)held + semaphore->running == semaphore->taken);
    const struct waiter *waiter = waiter_first(&semaphore->waiters);
    if (waiter != NULL) { /* I12 */
        CHECK(waiter->u.semaphore.permits >
              semaphore->value - semaphore->taken);
    }
}

/* I8: one owner, whose levels are those of its sessions. */
static void check_lock(const struct lock *lock)
{
    size_t levels = 0;
    size_t holds = 0;
    const struct hold *hold;
    TAILQ_FOREACH (hold, &lock->holds, of_object) {
        CHECK(hold->count > 0 && hold->token == lock->token);
        levels += hold->count;
        holds++;
    }
    CHECK(holds == lock->holds_count);
    CHECK(levels == lock->levels);
    CHECK((levels > 0) == (lock->owner.at != NULL));
    CHECK(levels > 0); /* I12: a free lock is given to whoever waits */
}

/* I10, I13: the stages that passed have no party left, or go on over dead. */
static void check_batch(const struct batch_object *batch)
{
    CHECK(!batch->touched && batch->passed <= batch->stages_count);
    for (size_t i = 0; i < batch->passed; i++) {
        CHECK(batch->stages[i].open == 0 || batch->goes_on);
    }
}

/* I11, I13: what is set holds nothing any more, but what is being released. */
static void check_event(const struct event_object *event)
{
    size_t jobs = 0;
    const struct after *after;
    TAILQ_FOREACH (after, &event->jobs, of_event) {
        CHECK(after->event == event);
        jobs++;
    }
    CHECK(jobs == event->jobs_count);
    CHECK(!event->set || jobs == 0 || event->sweep != NULL);
    CHECK(!event->set || event->waiters.count == 0);
}

static void check_names(const struct engine *engine)
{
    for (struct named *named = names_from(&engine->locks, SLICE(""), false);
         named != NULL; named = names_next(named)) {
        check_lock(CONTAINER_OF(named, const struct lock, named));
    }
    for (struct named *named =
             names_from(&engine->semaphores, SLICE(""), false);
         named != NULL; named = names_next(named)) {
        check_semaphore(CONTAINER_OF(named, const struct semaphore, named));
    }
    for (struct named *named = names_from(&engine->events, SLICE(""), false);
         named != NULL; named = names_next(named)) {
        check_event(CONTAINER_OF(named, const struct event_object, named));
    }
    for (struct named *named = names_from(&engine->batches, SLICE(""), false);
         named != NULL; named = names_next(named)) {
        check_batch(CONTAINER_OF(named, const struct batch_object, named));
    }
}

/* The numbers are those of scope.h. */
static void check_scopes(const struct engine *engine)
{
    size_t keepers = 0;
    struct named *named = names_from(&engine->scopes, SLICE(""), false);
    for (; named != NULL; named = names_next(named)) {
        const struct scope *scope =
            CONTAINER_OF(named, const struct scope, named);
        CHECK(scope->things > 0 || scope->keepers > 0);             /* 1 */
        CHECK(timer_armed(&scope->timer) == (scope->keepers == 0)); /* 2 */
        keepers += scope->keepers;
    }
    struct session *session, *next;
    HASH_ITER (by_id, engine->sessions_by_id, session, next) {
        keepers -= session->scopes_count;
    }
    CHECK(keepers == 0);
}

/* I9: none is given out that is not reserved. */
static void check_numbers(const struct numbers *numbers)
{
    CHECK(numbers->next == 1 || numbers->next <= numbers->reserved);
}

/* What sessions hold that counts as an object. */
static size_t held_objects(const struct engine *engine)
{
    size_t count = 0;
    struct session *session, *next;
    HASH_ITER (by_id, engine->sessions_by_id, session, next) {
        const struct hold *hold;
        const struct round *round;
        TAILQ_FOREACH (hold, &session->holds, of_session) {
            count += hold->charged;
        }
        TAILQ_FOREACH (round, &session->rounds, of_actor) {
            CHECK(round->actor == session);
            count++;
        }
    }
    return count;
}

/* I15: what is charged to the users is all there is. */
static void check_accounts(const struct engine *engine)
{
    size_t memory = 0;
    size_t waiters = 0;
    size_t waiting_bytes = 0;
    size_t connections = 0;
    size_t objects = 0;
    for (uint32_t i = 0; i < engine->accounts.count; i++) {
        const struct account *account = engine->accounts.at[i];
        memory += account->memory;
        waiters += account->waiters;
        waiting_bytes += account->waiting_bytes;
        connections += account->connections;
        objects += account->objects;
    }
    CHECK(memory == engine->memory_used);
    CHECK(waiters == engine->waiters_count);
    CHECK(waiting_bytes == engine->waiting_bytes);
    CHECK(connections == engine->sessions_count);
    const struct names *kinds[] = {
        &engine->queues,  &engine->locks,    &engine->semaphores,
        &engine->events,  &engine->barriers, &engine->conditions,
        &engine->batches, &engine->scopes,
    };
    size_t weight = held_objects(engine);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (struct named *named = names_from(kinds[i], SLICE(""), false);
             named != NULL; named = names_next(named)) {
            weight += named->weight;
        }
    }
    CHECK(objects == weight);
}

void engine_check(struct engine *engine)
{
    size_t jobs = check_sweeps(engine);
    size_t waiters = 0;
    size_t counts[JOB_STATES] = {0};
    struct queue *queue, *next_queue;
    HASH_ITER (by_id, engine->queues_by_id, queue, next_queue) {
        jobs += check_queue(engine, queue);
        for (size_t i = 0; i < JOB_STATES; i++) {
            counts[i] += queue->counts[i];
        }
    }
    CHECK(memcmp(counts, engine->counts, sizeof(counts)) == 0);
    CHECK(jobs == engine->jobs.count && TAILQ_EMPTY(&engine->freed));
    struct session *session, *next_session;
    HASH_ITER (by_id, engine->sessions_by_id, session, next_session) {
        check_session(session);
        waiters += session->waiters_count;
    }
    CHECK(waiters == engine->waiters_count);
    check_names(engine);
    check_scopes(engine);
    check_accounts(engine);
    check_changes(&engine->changes);
    check_numbers(&engine->job_ids);
    check_numbers(&engine->tokens);
    check_numbers(&engine->object_ids);
}
