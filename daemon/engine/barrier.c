#include "daemon/engine/barrier.h"

#include "daemon/engine/core.h"

#include <stdio.h>

static int round_compare(const struct round *a, const struct round *b)
{
    return a->generation < b->generation ? -1 : a->generation > b->generation;
}

TREE_GENERATE(round_tree, round, entry, round_compare)

static struct barrier *barrier_find(const struct engine *engine,
                                    struct slice name)
{
    struct named *named = names_find(&engine->barriers, name);
    return named == NULL ? NULL : CONTAINER_OF(named, struct barrier, named);
}

static struct barrier *barrier_new(struct engine *engine, uint64_t id,
                                   struct slice name)
{
    struct barrier *barrier = mem_zalloc(sizeof(*barrier));
    barrier->id = id;
    RB_INIT(&barrier->passing);
    names_add(engine, &engine->barriers, &barrier->named, name,
              account_at_hand(engine));
    return barrier;
}

static struct barrier *barrier_use(struct engine *engine, struct slice name)
{
    struct barrier *barrier = barrier_find(engine, name);
    return barrier != NULL ? barrier : barrier_new(engine, 0, name);
}

static bool is_empty(const struct barrier *barrier)
{
    return barrier->filling == NULL && RB_EMPTY(&barrier->passing);
}

static void set_unused(struct engine *engine, struct barrier *barrier,
                       bool unused)
{
    if (barrier->unused == unused) {
        return;
    }
    barrier->unused = unused;
    if (unused) {
        TAILQ_INSERT_TAIL(&engine->barriers_unused, barrier, of_unused);
        engine->barriers_unused_count++;
    } else {
        TAILQ_REMOVE(&engine->barriers_unused, barrier, of_unused);
        engine->barriers_unused_count--;
    }
}

static void barrier_free(struct engine *engine, struct barrier *barrier)
{
    CHECK(is_empty(barrier));
    set_unused(engine, barrier, false);
    change_gone(engine, ROW_barrier, barrier->id, &barrier->saved);
    names_remove(engine, &engine->barriers, &barrier->named);
    mem_free(barrier);
}

/* In use or broken it has a row; else it may be forgotten one day. The barrier
 * itself may be gone after this, if it is not in use. */
static void changed(struct engine *engine, struct barrier *barrier)
{
    if (!is_empty(barrier) || barrier->broken != NULL) {
        set_unused(engine, barrier, false);
        if (!engine->options.forgetful && !barrier->saved.on_disk &&
            !barrier->saved.dirty) {
            /* The row of the last use may be gone in the same batch. */
            barrier->id = next_object_id(engine);
            change_mark(engine, ROW_barrier, barrier, &barrier->saved);
        }
        return;
    }
    change_gone(engine, ROW_barrier, barrier->id, &barrier->saved);
    set_unused(engine, barrier, true);
    if (engine->barriers_unused_count > BARRIERS_REMEMBERED) {
        barrier_free(engine, TAILQ_FIRST(&engine->barriers_unused));
    }
}

bool barrier_load(struct engine *engine, const struct row_barrier *row)
{
    if (row->id == 0 || row->id >= engine->object_ids.next ||
        row->name.at == NULL || barrier_find(engine, row->name) != NULL) {
        return false;
    }
    struct barrier *barrier = barrier_new(engine, row->id, row->name);
    names_own(engine, &barrier->named, row->uid);
    barrier->broken = "restart";
    barrier->saved.on_disk = true;
    return true;
}

struct row_barrier barrier_row(const struct engine *engine,
                               const struct barrier *barrier)
{
    return (struct row_barrier){.id = barrier->id,
                                .name = barrier->named.name,
                                .uid =
                                    account_uid(engine, barrier->named.owner)};
}

static void complain_broken(struct complaint *why, const char *reason,
                            char data[64])
{
    complain(why, ERROR_broken,
             "the barrier is broken (%s): barrier.reset makes it whole again",
             reason);
    (void)snprintf(data, 64, "\"reason\":\"%s\"", reason);
    why->data = slice_of(data);
}

static void refuse_broken(struct engine *engine, const char *reason)
{
    struct complaint why;
    char data[64];
    complain_broken(&why, reason, data);
    reply_error(engine, &engine->current.to, &why);
}

void barrier_refuse(struct engine *engine, struct waiter *take_waiter,
                    const char *reason)
{
    struct complaint why;
    char data[64];
    complain_broken(&why, reason, data);
    waiter_refuse_with(engine, take_waiter, &why);
}

static struct round *round_new(struct barrier *barrier)
{
    struct round *round = mem_zalloc(sizeof(*round));
    round->barrier = barrier;
    round->generation = barrier->generation;
    waiter_list_init(&round->waiters);
    return round;
}

/* Takes a passing round out of the barrier and from its actor. */
static void round_unlink(struct engine *engine, struct round *round)
{
    round->barrier->passing_count--;
    engine->accounts.at[round->account]->objects--;
    RB_REMOVE(round_tree, &round->barrier->passing, round);
    TAILQ_REMOVE(&round->actor->rounds, round, of_actor);
}

/* Everyone in it is told, and it is no more. */
static void round_break(struct engine *engine, struct round *round,
                        const char *reason)
{
    struct waiter *waiter;
    while ((waiter = waiter_first(&round->waiters)) != NULL) {
        waiter->u.barrier.round = NULL; /* it does not break it again */
        barrier_refuse(engine, waiter, reason);
    }
    mem_free(round);
}

static void break_rounds(struct engine *engine, struct barrier *barrier,
                         const char *reason)
{
    struct round *round;
    while ((round = RB_MIN(round_tree, &barrier->passing)) != NULL) {
        round_unlink(engine, round);
        round_break(engine, round, reason);
    }
    round = barrier->filling;
    barrier->filling = NULL;
    if (round != NULL) {
        round_break(engine, round, reason);
    }
}

static void break_barrier(struct engine *engine, struct barrier *barrier,
                          const char *reason)
{
    if (barrier->broken == NULL) {
        barrier->broken = reason;
    }
    break_rounds(engine, barrier, reason);
    changed(engine, barrier);
}

void barrier_left(struct engine *engine, struct waiter *take_waiter,
                  const char *why)
{
    struct round *round = take_waiter->u.barrier.round;
    if (round != NULL) {
        struct barrier *barrier = round->barrier;
        take_waiter->u.barrier.round = NULL;
        waiter_leave_lines(take_waiter);
        break_barrier(engine, barrier, why);
    }
}

void barrier_actor_gone(struct engine *engine, struct round *round)
{
    break_barrier(engine, round->barrier, "a party is gone");
}

static void write_place(struct out *out, size_t index, uint64_t generation,
                        bool action)
{
    write_begin_object(out);
    WRITE(out, integer, "index", (int64_t)index);
    WRITE(out, integer, "generation", (int64_t)generation);
    if (action) {
        WRITE(out, flag, "action", true);
    }
    write_end_object(out);
}

/* All of them at once, in the order of their indexes. */
static void round_release(struct engine *engine, struct round *round)
{
    struct waiter *waiter;
    while ((waiter = waiter_first(&round->waiters)) != NULL) {
        waiter->u.barrier.round = NULL;
        write_place(waiter_begin(engine, waiter), waiter->u.barrier.index,
                    round->generation, false);
        waiter_reply(engine, waiter, 0);
    }
    mem_free(round);
}

/* The others wait on, without their timeouts, until it calls barrier.pass. */
static void round_pass(struct engine *engine, struct round *round,
                       struct session *actor)
{
    const struct waiter_link *link;
    TAILQ_FOREACH (link, &round->waiters.line, entry) {
        timer_disarm(&engine->timers, &link->waiter->timer);
    }
    round->actor = actor;
    round->account = session_account(engine, actor);
    round->barrier->passing_count++;
    engine->accounts.at[round->account]->objects++;
    RB_INSERT(round_tree, &round->barrier->passing, round);
    TAILQ_INSERT_TAIL(&actor->rounds, round, of_actor);
}

/* The last party has come: it is the request at hand. */
static void complete(struct engine *engine, struct barrier *barrier,
                     struct session *session, bool action)
{
    struct round *round = barrier->filling;
    size_t index = barrier->parties - 1;
    barrier->filling = NULL;
    barrier->generation++;
    if (round == NULL) { /* a barrier of one */
        round = round_new(barrier);
        round->generation = barrier->generation - 1;
    }
    write_place(answer_begin(engine), index, round->generation, action);
    answer_end(engine, 0);
    if (action) {
        round_pass(engine, round, session);
    } else {
        round_release(engine, round);
    }
    changed(engine, barrier);
}

static void wait_for_parties(struct engine *engine,
                             const struct request *request,
                             struct barrier *barrier)
{
    if (request->timeout_us == 0) {
        refuse_broken(engine, "timeout");
        break_barrier(engine, barrier, "timeout");
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_BARRIER, 1, request->timeout_us);
    if (waiter == NULL) {
        changed(engine, barrier);
        return;
    }
    if (barrier->filling == NULL) {
        barrier->filling = round_new(barrier);
    }
    struct round *round = barrier->filling;
    waiter->u.barrier = (struct wait_barrier){round, round->waiters.count};
    waiter_join_line(waiter, &round->waiters);
    changed(engine, barrier);
}

/* In use or broken it has a row. */
static bool has_row(const struct barrier *barrier)
{
    return barrier != NULL && (!is_empty(barrier) || barrier->broken != NULL);
}

bool barrier_abort_adds(const struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    return !has_row(barrier_find(engine, request->barrier));
}

bool barrier_wait_adds(const struct engine *engine, struct session *session,
                       const struct request *request)
{
    return (request->parties > 1 || request->action == 1) &&
           barrier_abort_adds(engine, session, request);
}

void method_barrier_wait(struct engine *engine, struct session *session,
                         const struct request *request)
{
    if (request->parties == 0) {
        refuse_param(engine, "parties", "`parties` must be at least 1");
        return;
    }
    if (names_full(engine, &engine->barriers, request->barrier, "barriers")) {
        return;
    }
    struct barrier *barrier = barrier_use(engine, request->barrier);
    size_t parties = (size_t)request->parties;
    if (barrier->broken != NULL) {
        refuse_broken(engine, barrier->broken);
        return;
    }
    set_unused(engine, barrier, false);
    if (is_empty(barrier)) {
        barrier->parties = parties;
    } else if (barrier->parties != parties) {
        refuse(engine, ERROR_conflict,
               "%.*s is a barrier of %zu parties: every party must say the "
               "same",
               (int)request->barrier.len, request->barrier.at,
               barrier->parties);
        return;
    }
    size_t there =
        barrier->filling == NULL ? 0 : barrier->filling->waiters.count;
    if (there + 1 == parties) {
        if (request->action == 1 && account_refused_objects(engine, 1)) {
            changed(engine, barrier);
            return;
        }
        complete(engine, barrier, session, request->action == 1);
    } else {
        wait_for_parties(engine, request, barrier);
    }
}

static void answer_empty(struct engine *engine, uint64_t batch)
{
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_end_object(out);
    answer_end(engine, batch);
}

void method_barrier_pass(struct engine *engine, struct session *session,
                         const struct request *request)
{
    struct barrier *barrier = barrier_find(engine, request->barrier);
    struct round key = {.generation = (uint64_t)request->generation};
    struct round *round =
        barrier == NULL ? NULL : RB_FIND(round_tree, &barrier->passing, &key);
    if (round == NULL || round->actor != session) {
        refuse_broken(engine, "that generation is over, or another's");
        return;
    }
    round_unlink(engine, round);
    answer_empty(engine, 0);
    round_release(engine, round);
    changed(engine, barrier);
}

void method_barrier_reset(struct engine *engine, struct session *session,
                          const struct request *request)
{
    (void)session;
    struct barrier *barrier = barrier_find(engine, request->barrier);
    if (barrier != NULL) {
        break_rounds(engine, barrier, "reset");
        barrier->broken = NULL;
        changed(engine, barrier);
    }
    answer_empty(engine, change_batch_seen(engine));
}

void method_barrier_abort(struct engine *engine, struct session *session,
                          const struct request *request)
{
    (void)session;
    if (names_full(engine, &engine->barriers, request->barrier, "barriers")) {
        return;
    }
    break_barrier(engine, barrier_use(engine, request->barrier), "aborted");
    answer_empty(engine, change_batch_seen(engine));
}

void barrier_end(struct engine *engine, struct named *named)
{
    struct barrier *barrier = CONTAINER_OF(named, struct barrier, named);
    break_rounds(engine, barrier, "reset");
    barrier_free(engine, barrier);
}

static bool is_listed(const struct named *named)
{
    return !CONTAINER_OF(named, const struct barrier, named)->unused;
}

/* The rounds whose action is under way: `passing`, `acting`. */
static void write_acting(const struct barrier *barrier, struct out *out)
{
    struct round_tree passing = barrier->passing; /* only read */
    struct round *round;
    size_t shown = 0;
    WRITE(out, integer, "passing", (int64_t)barrier->passing_count);
    write_key(out, SLICE("acting"));
    write_begin_array(out);
    RB_FOREACH (round, round_tree, &passing) {
        if (shown++ == WAITERS_SHOWN_MAX) {
            break;
        }
        write_begin_object(out);
        WRITE(out, integer, "generation", (int64_t)round->generation);
        session_write(out, round->actor);
        WRITE(out, integer, "waiters", (int64_t)round->waiters.count);
        write_end_object(out);
    }
    write_end_array(out);
}

static void write_object(const struct engine *engine, struct out *out,
                         const struct named *named)
{
    const struct barrier *barrier =
        CONTAINER_OF(named, const struct barrier, named);
    struct waiter_list none;
    waiter_list_init(&none);
    const struct waiter_list *waiters =
        barrier->filling == NULL ? &none : &barrier->filling->waiters;
    write_begin_object(out);
    WRITE(out, string, "barrier", named->name);
    WRITE(out, integer, "parties",
          is_empty(barrier) ? 0 : (int64_t)barrier->parties);
    WRITE(out, integer, "missing",
          waiters->count == 0 ? 0
                              : (int64_t)(barrier->parties - waiters->count));
    WRITE(out, flag, "broken", barrier->broken != NULL);
    if (barrier->broken != NULL) {
        WRITE(out, string, "reason", slice_of(barrier->broken));
    }
    WRITE(out, integer, "generation", (int64_t)barrier->generation);
    write_acting(barrier, out);
    waiters_write(engine, out, waiters);
    write_end_object(out);
}

void method_barrier_show(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    struct barrier none = {.named = {.name = request->barrier}};
    const struct barrier *barrier = barrier_find(engine, request->barrier);
    RB_INIT(&none.passing);
    write_object(engine, answer_begin(engine),
                 barrier == NULL ? &none.named : &barrier->named);
    answer_end(engine, change_batch_seen(engine));
}

void method_barrier_list(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    names_answer_list(engine, request, &engine->barriers, SLICE("barriers"),
                      write_object, is_listed);
}

void barriers_free_all(struct engine *engine)
{
    struct named *named;
    while ((named = names_from(&engine->barriers, SLICE(""), false)) != NULL) {
        barrier_free(engine, CONTAINER_OF(named, struct barrier, named));
    }
}
