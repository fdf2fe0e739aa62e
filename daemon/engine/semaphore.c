#include "daemon/engine/semaphore.h"

#include "daemon/engine/core.h"

struct semaphore *semaphore_find(const struct engine *engine, struct slice name)
{
    struct named *named = names_find(&engine->semaphores, name);
    return named == NULL ? NULL : CONTAINER_OF(named, struct semaphore, named);
}

static struct semaphore *semaphore_new(struct engine *engine, uint64_t id,
                                       struct slice name, int64_t value,
                                       bool bounded)
{
    struct semaphore *semaphore = mem_zalloc(sizeof(*semaphore));
    semaphore->id = id;
    semaphore->value = value;
    semaphore->bounded = bounded;
    TAILQ_INIT(&semaphore->holds);
    waiter_list_init(&semaphore->waiters);
    TAILQ_INIT(&semaphore->lanes);
    names_add(engine, &engine->semaphores, &semaphore->named, name,
              account_at_hand(engine));
    return semaphore;
}

static void changed(struct engine *engine, struct semaphore *semaphore)
{
    change_mark(engine, ROW_semaphore, semaphore, &semaphore->saved);
}

static int64_t permits_free(const struct semaphore *semaphore)
{
    return semaphore->value - semaphore->taken;
}

bool semaphore_load(struct engine *engine, const struct row_semaphore *row)
{
    if (row->id == 0 || row->id >= engine->object_ids.next ||
        row->name.at == NULL || row->value < 0 ||
        semaphore_find(engine, row->name) != NULL) {
        return false;
    }
    struct semaphore *semaphore = semaphore_new(engine, row->id, row->name,
                                                row->value, row->bounded != 0);
    names_own(engine, &semaphore->named, row->uid);
    semaphore->saved.on_disk = true;
    return true;
}

struct row_semaphore semaphore_row(const struct engine *engine,
                                   const struct semaphore *semaphore)
{
    return (struct row_semaphore){
        .id = semaphore->id,
        .name = semaphore->named.name,
        .value = semaphore->value,
        .bounded = semaphore->bounded,
        .uid = account_uid(engine, semaphore->named.owner)};
}

/* Does a grant belong to its session? */
static bool is_held(const struct semaphore *semaphore,
                    const struct request *request)
{
    return semaphore->bounded || request->hold == 1;
}

static int token_compare(const struct hold *a, const struct hold *b)
{
    return a->token < b->token ? -1 : a->token > b->token;
}

TREE_GENERATE(hold_tokens, hold, by_token, token_compare)

static struct hold *hold_permits(struct engine *engine,
                                 struct semaphore *semaphore,
                                 struct session *session, uint64_t token,
                                 size_t permits)
{
    struct hold *hold = hold_new(engine, HOLD_PERMITS, session, semaphore,
                                 &semaphore->holds, token, permits);
    RB_INSERT(hold_tokens, &semaphore->holds_by_token, hold);
    holders_add(&semaphore->holds_by_holder, hold);
    return hold;
}

static void end_hold(struct engine *engine, struct semaphore *semaphore,
                     struct hold *take_hold)
{
    RB_REMOVE(hold_tokens, &semaphore->holds_by_token, take_hold);
    holders_remove(&semaphore->holds_by_holder, take_hold);
    hold_end(engine, take_hold, &semaphore->holds);
}

/* Taken by a session: a hold of its own for each grant. The token, or 0. */
static uint64_t take(struct engine *engine, struct semaphore *semaphore,
                     struct session *session, int64_t permits, bool held)
{
    if (!held) {
        semaphore->value -= permits;
        changed(engine, semaphore);
        return 0;
    }
    semaphore->taken += permits;
    uint64_t token = next_token(engine);
    hold_changed(engine, hold_permits(engine, semaphore, session, token,
                                      (size_t)permits));
    return token;
}

static void write_acquired(struct out *out, uint64_t token)
{
    write_begin_object(out);
    WRITE(out, flag, "acquired", true);
    if (token != 0) {
        WRITE(out, integer, "token", (int64_t)token);
    }
    write_end_object(out);
}

static uint64_t grant_batch(const struct engine *engine,
                            const struct session *session, bool held)
{
    return !held || session->kept ? change_batch_seen(engine)
                                  : change_batch_numbers(engine);
}

void semaphore_settle(struct engine *engine, struct semaphore *semaphore)
{
    struct waiter *waiter;
    while ((waiter = waiter_first(&semaphore->waiters)) != NULL &&
           waiter->u.semaphore.permits <= permits_free(semaphore)) {
        struct session *session = waiter->session;
        bool held = waiter->u.semaphore.held;
        uint64_t token =
            take(engine, semaphore, session, waiter->u.semaphore.permits, held);
        waiter->u.semaphore.granted = true;
        write_acquired(waiter_begin(engine, waiter), token);
        waiter_reply(engine, waiter, grant_batch(engine, session, held));
    }
    if (semaphore_has_permit(semaphore)) {
        limited_freed(engine, semaphore);
    }
}

bool semaphore_has_permit(const struct semaphore *semaphore)
{
    return permits_free(semaphore) > 0 && semaphore->waiters.count == 0;
}

void semaphore_job_began(struct semaphore *semaphore)
{
    semaphore->taken++;
    semaphore->running++;
}

void semaphore_job_ended(struct engine *engine, struct semaphore *semaphore)
{
    semaphore->taken--;
    semaphore->running--;
    semaphore_settle(engine, semaphore);
}

void semaphore_answer_timeout(struct engine *engine, struct waiter *take_waiter)
{
    struct out *out = waiter_begin(engine, take_waiter);
    write_begin_object(out);
    WRITE(out, flag, "acquired", false);
    write_end_object(out);
    waiter_reply(engine, take_waiter, 0);
}

void semaphore_waiter_left(struct engine *engine, struct waiter *waiter)
{
    /* At a shutdown all of them are refused, in whichever order. */
    if (!waiter->u.semaphore.granted && !engine->shutting_down) {
        semaphore_settle(engine, waiter->u.semaphore.semaphore);
    }
}

static void give_back(struct engine *engine, struct semaphore *semaphore,
                      struct hold *hold, size_t permits)
{
    holders_give_back(&semaphore->holds_by_holder, hold, permits);
    semaphore->taken -= (int64_t)permits;
    hold_changed(engine, hold);
    if (hold->count == 0) {
        end_hold(engine, semaphore, hold);
    }
}

void semaphore_hold_release(struct engine *engine, struct hold *hold)
{
    struct semaphore *semaphore = hold->object;
    give_back(engine, semaphore, hold, hold->count);
    semaphore_settle(engine, semaphore);
}

struct hold *semaphore_load_hold(struct engine *engine, struct session *session,
                                 const struct row_hold *row)
{
    struct semaphore *semaphore = semaphore_find(engine, row->object);
    struct hold same = {.token = row->token};
    if (semaphore == NULL ||
        RB_FIND(hold_tokens, &semaphore->holds_by_token, &same) != NULL) {
        return NULL;
    }
    semaphore->taken += (int64_t)row->count;
    return hold_permits(engine, semaphore, session, row->token, row->count);
}

static void write_object(const struct engine *engine, struct out *out,
                         const struct named *named)
{
    const struct semaphore *semaphore =
        CONTAINER_OF(named, const struct semaphore, named);
    write_begin_object(out);
    WRITE(out, string, "semaphore", named->name);
    WRITE(out, integer, "value", semaphore->value);
    WRITE(out, integer, "free",
          permits_free(semaphore) < 0 ? 0 : permits_free(semaphore));
    WRITE(out, flag, "bounded", semaphore->bounded);
    WRITE(out, integer, "jobs", semaphore->running);
    holds_write(engine, out, &semaphore->holds, semaphore->holds_count);
    waiters_write(engine, out, &semaphore->waiters);
    write_end_object(out);
}

static void refuse_none(struct engine *engine, struct slice name)
{
    refuse_about(engine, ERROR_not_found, "semaphore",
                 "there is no semaphore %.*s: declare it, or give `value` with "
                 "semaphore.acquire",
                 (int)name.len, name.at);
}

bool semaphore_declare_adds(const struct engine *engine,
                            struct session *session,
                            const struct request *request)
{
    (void)session;
    return semaphore_find(engine, request->semaphore) == NULL;
}

void method_semaphore_declare(struct engine *engine, struct session *session,
                              const struct request *request)
{
    (void)session;
    struct semaphore *semaphore = semaphore_find(engine, request->semaphore);
    bool bounded = request->bounded != 0;
    bool was_there = semaphore != NULL;
    if (semaphore == NULL) {
        if (names_full(engine, &engine->semaphores, request->semaphore,
                       "semaphores")) {
            return;
        }
        semaphore = semaphore_new(engine, next_object_id(engine),
                                  request->semaphore, request->value, bounded);
    } else if (semaphore->bounded !=
               (request->bounded < 0 ? semaphore->bounded : bounded)) {
        refuse_about(
            engine, ERROR_conflict, "bounded",
            "%.*s is %sbounded: delete it before declaring it otherwise",
            (int)request->semaphore.len, request->semaphore.at,
            semaphore->bounded ? "" : "un");
        return;
    }
    if (!was_there || request->keep != 1) {
        semaphore->value = request->value;
        changed(engine, semaphore);
        semaphore_settle(engine, semaphore);
    }
    write_object(engine, answer_begin(engine), &semaphore->named);
    answer_end(engine, change_batch_seen(engine));
}

/* The one named; made if a value came with it. NULL: refused. */
static struct semaphore *semaphore_wanted(struct engine *engine,
                                          const struct request *request)
{
    struct semaphore *semaphore = semaphore_find(engine, request->semaphore);
    if (semaphore != NULL) {
        return semaphore;
    }
    if (request->value < 0) {
        refuse_none(engine, request->semaphore);
        return NULL;
    }
    bool waits = request->permits > request->value ||
                 (request->permits < 0 && request->value < 1);
    if (names_full(engine, &engine->semaphores, request->semaphore,
                   "semaphores") ||
        account_refused_objects(engine, 2) || /* with the permits' hold */
        (waits && request->timeout_us != 0 && waiter_refused(engine))) {
        return NULL;
    }
    semaphore = semaphore_new(engine, next_object_id(engine),
                              request->semaphore, request->value, true);
    changed(engine, semaphore);
    return semaphore;
}

bool semaphore_acquire_adds(const struct engine *engine,
                            struct session *session,
                            const struct request *request)
{
    const struct semaphore *semaphore =
        semaphore_find(engine, request->semaphore);
    return semaphore == NULL ? request->value >= 0
                             : session->kept && is_held(semaphore, request);
}

void method_semaphore_acquire(struct engine *engine, struct session *session,
                              const struct request *request)
{
    int64_t permits = request->permits < 0 ? 1 : request->permits;
    if (permits == 0) {
        refuse_param(engine, "permits", "`permits` must be at least 1");
        return;
    }
    struct semaphore *semaphore = semaphore_wanted(engine, request);
    if (semaphore == NULL) {
        return;
    }
    bool held = is_held(semaphore, request);
    bool now =
        semaphore->waiters.count == 0 && permits <= permits_free(semaphore);
    if (held && (now || request->timeout_us != 0) &&
        account_refused_objects(engine, 1)) {
        return;
    }
    if (now) {
        uint64_t token = take(engine, semaphore, session, permits, held);
        write_acquired(answer_begin(engine), token);
        answer_end(engine, grant_batch(engine, session, held));
        return;
    }
    if (request->timeout_us == 0) {
        struct out *out = answer_begin(engine);
        write_begin_object(out);
        WRITE(out, flag, "acquired", false);
        write_end_object(out);
        answer_end(engine, 0);
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_SEMAPHORE, 1, request->timeout_us);
    if (waiter != NULL) {
        waiter->u.semaphore = (struct wait_semaphore){
            .semaphore = semaphore, .permits = permits, .held = held};
        waiter_join_line(waiter, &semaphore->waiters);
    }
}

/* The hold under that token: whoever has it may release, from any session of
 * the same user. */
static struct hold *hold_of_token(struct semaphore *semaphore,
                                  const struct session *session, uint64_t token)
{
    struct hold key = {.token = token};
    struct hold *hold = RB_FIND(hold_tokens, &semaphore->holds_by_token, &key);
    return hold != NULL && session_is_of(session, hold->session->peer.uid)
               ? hold
               : NULL;
}

/* Permits of one session, over several of its holds; false: not so many. */
static bool release_permits(struct engine *engine, struct semaphore *semaphore,
                            struct session *session, uint64_t token,
                            size_t permits)
{
    struct hold *hold;
    if (token != 0) {
        hold = hold_of_token(semaphore, session, token);
        if (hold == NULL || hold->count < permits) {
            return false;
        }
        give_back(engine, semaphore, hold, permits);
        return true;
    }
    hold = holders_first(&semaphore->holds_by_holder, session);
    if (hold == NULL || hold->held_in_all < permits) {
        return false;
    }
    while (permits > 0) {
        hold = holders_first(&semaphore->holds_by_holder, session);
        size_t some = hold->count < permits ? hold->count : permits;
        permits -= some;
        give_back(engine, semaphore, hold, some);
    }
    return true;
}

void method_semaphore_release(struct engine *engine, struct session *session,
                              const struct request *request)
{
    int64_t permits = request->permits < 0 ? 1 : request->permits;
    struct semaphore *semaphore = semaphore_find(engine, request->semaphore);
    if (semaphore == NULL) {
        refuse_none(engine, request->semaphore);
        return;
    }
    if (permits == 0) {
        refuse_param(engine, "permits", "`permits` must be at least 1");
        return;
    }
    if (!semaphore->bounded && request->token == 0) {
        if (permits > WIRE_INTEGER_MAX - 1 - semaphore->value) {
            refuse_param(engine, "permits", "that is more than it can count");
            return;
        }
        semaphore->value += permits;
        changed(engine, semaphore);
    } else if (!release_permits(engine, semaphore, session, request->token,
                                (size_t)permits)) {
        refuse(engine, ERROR_over_release,
               "you do not hold so many permits of %.*s: release what was "
               "acquired, once",
               (int)request->semaphore.len, request->semaphore.at);
        return;
    }
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, integer, "free",
          permits_free(semaphore) < 0 ? 0 : permits_free(semaphore));
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
    semaphore_settle(engine, semaphore);
}

void method_semaphore_show(struct engine *engine, struct session *session,
                           const struct request *request)
{
    (void)session;
    const struct semaphore *semaphore =
        semaphore_find(engine, request->semaphore);
    if (semaphore == NULL) {
        refuse_none(engine, request->semaphore);
        return;
    }
    write_object(engine, answer_begin(engine), &semaphore->named);
    answer_end(engine, change_batch_seen(engine));
}

void method_semaphore_list(struct engine *engine, struct session *session,
                           const struct request *request)
{
    (void)session;
    names_answer_list(engine, request, &engine->semaphores, SLICE("semaphores"),
                      write_object, NULL);
}

static void semaphore_free(struct engine *engine, struct semaphore *semaphore)
{
    semaphore->value = semaphore->taken - 1; /* nobody is served any more */
    waiter_refuse_all(engine, &semaphore->waiters, ERROR_not_found,
                      "the semaphore was deleted");
    while (!TAILQ_EMPTY(&semaphore->holds)) {
        end_hold(engine, semaphore, TAILQ_FIRST(&semaphore->holds));
    }
    CHECK(TAILQ_EMPTY(&semaphore->lanes));
    limited_forget(engine, semaphore);
    change_gone(engine, ROW_semaphore, semaphore->id, &semaphore->saved);
    names_remove(engine, &engine->semaphores, &semaphore->named);
    mem_free(semaphore);
}

void semaphore_end(struct engine *engine, struct named *named)
{
    struct semaphore *semaphore = CONTAINER_OF(named, struct semaphore, named);
    if (semaphore->jobs == 0) {
        semaphore_free(engine, semaphore);
    }
}

void method_semaphore_delete(struct engine *engine, struct session *session,
                             const struct request *request)
{
    (void)session;
    struct semaphore *semaphore = semaphore_find(engine, request->semaphore);
    if (semaphore == NULL) {
        refuse_none(engine, request->semaphore);
        return;
    }
    if (semaphore->jobs > 0) {
        refuse(engine, ERROR_conflict,
               "%zu jobs are limited by %.*s: finish or purge them first",
               semaphore->jobs, (int)request->semaphore.len,
               request->semaphore.at);
        return;
    }
    if (request->force != 1 &&
        (semaphore->taken > 0 || semaphore->waiters.count > 0)) {
        refuse_about(
            engine, ERROR_conflict, "force",
            "%.*s is held or waited for: with `force` it is deleted all "
            "the same",
            (int)request->semaphore.len, request->semaphore.at);
        return;
    }
    semaphore_free(engine, semaphore);
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}

void semaphores_free_all(struct engine *engine)
{
    struct named *named;
    while ((named = names_from(&engine->semaphores, SLICE(""), false)) !=
           NULL) {
        semaphore_free(engine, CONTAINER_OF(named, struct semaphore, named));
    }
}
