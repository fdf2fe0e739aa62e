#include "daemon/engine/core.h"

#include <stdio.h>

/* Replies kept for one session, bytes; the oldest go first. */
#define OUTCOMES_BYTES_MAX ((size_t)64 << 20)

struct session *session_of_conn(const struct engine *engine, uint64_t conn)
{
    struct session *session;
    HASH_FIND_NUMBER(by_conn, engine->sessions_by_conn, conn, session);
    return session;
}

struct session *session_of_id(const struct engine *engine, uint64_t id)
{
    struct session *session;
    HASH_FIND_NUMBER(by_id, engine->sessions_by_id, id, session);
    return session;
}

bool session_is_of(const struct session *session, uint32_t uid)
{
    return session->peer.uid == uid || session->peer.uid == 0;
}

static struct session *session_new(struct engine *engine, uint64_t id)
{
    struct session *session = mem_zalloc(sizeof(*session));
    session->id = id;
    session->timer.kind = TIMER_SESSION;
    pending_init(&session->pending);
    TAILQ_INIT(&session->waiters);
    TAILQ_INIT(&session->leases);
    RB_INIT(&session->staged);
    TAILQ_INIT(&session->holds);
    TAILQ_INIT(&session->rounds);
    TAILQ_INIT(&session->outcomes);
    HASH_ADD_NUMBER(by_id, engine->sessions_by_id, id, session);
    return session;
}

static struct account *account_of(const struct engine *engine,
                                  const struct session *session)
{
    return engine->accounts.at[session->account];
}

uint32_t session_account(struct engine *engine, const struct session *session)
{
    return session->conn != 0 ? session->account
                              : account_of_uid(engine, session->peer.uid);
}

void session_charge(struct engine *engine, struct session *session)
{
    account_of(engine, session)->connections--;
    session->account = account_of_peer(engine, &session->peer);
    account_of(engine, session)->connections++;
}

static void attach(struct engine *engine, struct session *session,
                   uint64_t conn)
{
    session->conn = conn;
    session->account = account_of_peer(engine, &session->peer);
    account_of(engine, session)->connections++;
    HASH_ADD_NUMBER(by_conn, engine->sessions_by_conn, conn, session);
    engine->sessions_count++;
}

static void detach(struct engine *engine, struct session *session)
{
    HASH_DELETE(by_conn, engine->sessions_by_conn, session);
    session->conn = 0;
    account_of(engine, session)->connections--;
    session->account = ACCOUNT_EXEMPT;
    engine->sessions_count--;
}

void session_connected(struct engine *engine, uint64_t conn,
                       const struct peer *peer)
{
    CHECK(conn != 0 && session_of_conn(engine, conn) == NULL);
    struct session *session = session_new(engine, next_object_id(engine));
    session->peer = *peer;
    attach(engine, session, conn);
}

/* Outcomes: kept in the order of the answers, found by the request's id. */

static size_t outcome_size(const struct outcome *outcome)
{
    return sizeof(*outcome) + outcome->request.len + outcome->reply.len;
}

static void outcome_add(struct engine *engine, struct session *session,
                        struct outcome *outcome)
{
    outcome->session = session;
    outcome->owner = session_account(engine, session);
    memory_add(engine, outcome->owner, outcome_size(outcome));
    TAILQ_INSERT_TAIL(&session->outcomes, outcome, of_session);
    HASH_ADD_KEYPTR(by_request, session->outcomes_by_request,
                    outcome->request.at, (unsigned)outcome->request.len,
                    outcome);
    session->outcomes_count++;
    session->outcomes_bytes += outcome->reply.len;
}

static struct outcome *outcome_find(const struct session *session,
                                    struct slice request)
{
    struct outcome *outcome;
    HASH_FIND(by_request, session->outcomes_by_request, request.at,
              (unsigned)request.len, outcome);
    return outcome;
}

static void outcome_drop(struct engine *engine, struct outcome *outcome)
{
    struct session *session = outcome->session;
    memory_sub(engine, outcome->owner, outcome_size(outcome));
    room_give(engine, outcome_size(outcome));
    TAILQ_REMOVE(&session->outcomes, outcome, of_session);
    HASH_DELETE(by_request, session->outcomes_by_request, outcome);
    session->outcomes_count--;
    session->outcomes_bytes -= outcome->reply.len;
    change_gone(engine, ROW_outcome, outcome->id, &outcome->saved);
    change_free(engine, (void *)outcome->request.at);
    change_free(engine, (void *)outcome->reply.at);
    mem_free(outcome);
}

/* May it be carried out again? What says done or fail of a job finds it stale
 * then, and a get that leases jobs finds others. */
static bool is_redone(const struct reply_to *to, uint64_t token)
{
    return token != 0 || to->method == METHOD_queue_done ||
           to->method == METHOD_queue_fail;
}

static void outcome_keep(struct engine *engine, const struct reply_to *to,
                         struct slice reply, uint64_t token)
{
    struct session *session = to->session;
    struct outcome *old = outcome_find(session, to->id.json);
    if (old != NULL) {
        outcome_drop(engine, old);
    }
    struct outcome *outcome = mem_zalloc(sizeof(*outcome));
    outcome->id = next_object_id(engine);
    outcome->request = slice_copy(to->id.json);
    outcome->reply = slice_copy(reply);
    outcome->token = token;
    outcome_add(engine, session, outcome);
    change_mark(engine, ROW_outcome, outcome, &outcome->saved);
    room_spend(engine, outcome_size(outcome));
    while (session->outcomes_count > OUTCOMES_MAX ||
           ((session->outcomes_bytes > OUTCOMES_BYTES_MAX ||
             room_is_spent(engine)) &&
            session->outcomes_count > 1)) {
        outcome_drop(engine, TAILQ_FIRST(&session->outcomes));
    }
    if (room_is_spent(engine) && is_redone(to, token)) {
        outcome_drop(engine, outcome);
    }
}

static bool keeps(const struct reply_to *to)
{
    return to->session->kept && to->id.json.at != NULL;
}

void session_keep_reply(struct engine *engine, const struct reply_to *to,
                        struct slice line)
{
    if (keeps(to)) {
        outcome_keep(engine, to, line, 0);
    }
}

void session_keep_token(struct engine *engine, const struct reply_to *to,
                        uint64_t token, struct slice finished)
{
    if (!keeps(to)) {
        return;
    }
    struct outcome *old = outcome_find(to->session, to->id.json);
    if (!engine->full) {
        outcome_keep(engine, to, finished, token);
    } else if (finished.at != NULL) {
        outcome_keep(engine, to, finished, TOKEN_LATER);
    } else if (old != NULL) {
        outcome_drop(engine, old);
    }
    engine->token_kept = true;
}

void session_keep_finished(struct engine *engine, const struct reply_to *to,
                           struct slice finished)
{
    if (keeps(to)) {
        outcome_keep(engine, to, finished, TOKEN_LATER);
    }
}

/* What is known of a request from before the restart; NULL: nothing. */
static const struct outcome *outcome_before(const struct reply_to *to)
{
    const struct outcome *outcome =
        keeps(to) ? outcome_find(to->session, to->id.json) : NULL;
    return outcome != NULL && outcome->loaded ? outcome : NULL;
}

struct slice session_finished_before(const struct reply_to *to)
{
    const struct outcome *outcome = outcome_before(to);
    return outcome != NULL && outcome->token == TOKEN_LATER ? outcome->reply
                                                            : (struct slice){0};
}

bool session_answer_again(struct engine *engine)
{
    const struct reply_to *to = &engine->current.to;
    const struct outcome *outcome = outcome_before(to);
    if (outcome == NULL || outcome->token == TOKEN_LATER) {
        return false;
    }
    if (outcome->token == 0) {
        reply_again(engine, to, outcome->reply);
    } else {
        get_answer_again(engine, to, outcome->token, outcome->reply);
    }
    return true;
}

/* What it holds is free, whoever waited with it is gone. */
static void session_end(struct engine *engine, struct session *session)
{
    if (session->conn != 0) {
        detach(engine, session); /* nobody is there to be told anything */
    }
    /* The last first: what one of them leaves must not go to another. */
    while (!TAILQ_EMPTY(&session->waiters)) {
        waiter_drop(engine, TAILQ_LAST(&session->waiters, waiters));
    }
    scopes_unkeep(engine, session); /* first: what goes is granted to nobody */
    while (!TAILQ_EMPTY(&session->holds)) {
        hold_release(engine, TAILQ_FIRST(&session->holds));
    }
    while (!TAILQ_EMPTY(&session->rounds)) {
        barrier_actor_gone(engine, TAILQ_FIRST(&session->rounds));
    }
    while (!TAILQ_EMPTY(&session->outcomes)) {
        outcome_drop(engine, TAILQ_FIRST(&session->outcomes));
    }
    timer_disarm(&engine->timers, &session->timer);
    change_gone(engine, ROW_session, session->id, &session->saved);
    HASH_DELETE(by_id, engine->sessions_by_id, session);
    change_free(engine, (void *)session->client.at);
    change_free(engine, (void *)session->secret.at);
    session->client = session->secret = (struct slice){0};
    pending_fini(&session->pending);
    session->ended = true;
    if (TAILQ_EMPTY(&session->leases)) {
        mem_free(session);
    } else {
        sweep_leases(engine, session);
    }
}

void session_disconnected(struct engine *engine, uint64_t conn)
{
    struct session *session = session_of_conn(engine, conn);
    if (session == NULL) {
        return;
    }
    if (engine->shutting_down && session->grace_us > 0) {
        scopes_unkeep(engine, session);
        detach(engine, session); /* it is we who go: its row stays */
        return;
    }
    session_end(engine, session);
}

void session_grace_over(struct engine *engine, struct session *session)
{
    CHECK(session->conn == 0);
    session_end(engine, session);
}

bool session_load(struct engine *engine, const struct row_session *row)
{
    if (row->id == 0 || row->secret.at == NULL || row->grace_us <= 0 ||
        session_of_id(engine, row->id) != NULL) {
        return false;
    }
    struct session *session = session_new(engine, row->id);
    session->secret = slice_copy(row->secret);
    session->client = slice_copy(row->client);
    session->grace_us = row->grace_us;
    session->kept = true;
    session->peer.uid = (uint32_t)row->uid;
    session->saved.on_disk = true;
    return true;
}

bool outcome_load(struct engine *engine, const struct row_outcome *row)
{
    struct session *session = session_of_id(engine, row->session);
    if (session == NULL || row->request.at == NULL ||
        (row->reply.at == NULL && row->token == 0) ||
        outcome_find(session, row->request) != NULL) {
        return false;
    }
    struct outcome *outcome = mem_zalloc(sizeof(*outcome));
    outcome->id = row->id;
    outcome->request = slice_copy(row->request);
    outcome->reply = slice_copy(row->reply);
    outcome->token = row->token;
    outcome->loaded = true;
    outcome->saved.on_disk = true;
    outcome_add(engine, session, outcome);
    return true;
}

void sessions_loaded(struct engine *engine)
{
    struct session *session, *next;
    HASH_ITER (by_id, engine->sessions_by_id, session, next) {
        timer_arm(&engine->timers, &session->timer,
                  later(engine->now_us, session->grace_us));
    }
}

void session_free_all(struct engine *engine)
{
    struct session *session, *next;
    HASH_ITER (by_id, engine->sessions_by_id, session, next) {
        session_end(engine, session);
    }
}

/* What is too much for one go waits until it is less. */
#define HOLDS_AT_ONCE 1000

static bool holds_many(const struct session *session)
{
    size_t count = 0;
    const struct hold *hold;
    TAILQ_FOREACH (hold, &session->holds, of_session) {
        if (++count > HOLDS_AT_ONCE) {
            return true;
        }
    }
    return false;
}

void session_use_room(struct engine *engine, struct session *session)
{
    if (session->grace_us <= 0 || session->kept || engine->full ||
        holds_many(session)) {
        return;
    }
    session->kept = true;
    change_mark(engine, ROW_session, session, &session->saved);
    struct hold *hold;
    TAILQ_FOREACH (hold, &session->holds, of_session) {
        hold_changed(engine, hold);
    }
}

struct row_session session_row(const struct session *session)
{
    return (struct row_session){.id = session->id,
                                .secret = session->secret,
                                .uid = session->peer.uid,
                                .grace_us = session->grace_us,
                                .client = session->client};
}

struct row_outcome outcome_row(const struct outcome *outcome)
{
    return (struct row_outcome){.id = outcome->id,
                                .session = outcome->session->id,
                                .request = outcome->request,
                                .reply = outcome->reply,
                                .token = outcome->token};
}

static struct slice secret_of(const unsigned char *entropy)
{
    static const char hex[] = "0123456789abcdef";
    CHECK(entropy != NULL);
    char *text = mem_alloc(SECRET_CHARS);
    for (size_t i = 0; i < ENTROPY_BYTES; i++) {
        text[2 * i] = hex[entropy[i] >> 4];
        text[2 * i + 1] = hex[entropy[i] & 15];
    }
    return (struct slice){text, SECRET_CHARS};
}

/* Takes as long for a wrong secret as for the right one. */
static bool same_secret(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    unsigned differ = 0;
    for (size_t i = 0; i < a.len; i++) {
        differ |= (unsigned)(a.at[i] ^ b.at[i]);
    }
    return differ == 0;
}

/* The session to be taken up again; NULL: there is none for this client. */
static struct session *resumable(const struct engine *engine,
                                 const struct session *here,
                                 const struct resume_part *resume)
{
    struct session *away = session_of_id(engine, resume->session);
    if (away == NULL || away->conn != 0 || away->peer.uid != here->peer.uid ||
        !same_secret(away->secret, resume->secret)) {
        return NULL;
    }
    return away;
}

static void write_opened(struct engine *engine, const struct session *session,
                         bool resumed)
{
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, integer, "session", (int64_t)session->id);
    WRITE(out, string, "secret", session->secret);
    WRITE(out, flag, "resumed", resumed);
    write_end_object(out);
    answer_end(engine, change_batch_seen(engine));
}

/* `away` goes on with the connection of `here`, which has done nothing yet. */
static void resume(struct engine *engine, struct session *here,
                   struct session *away)
{
    uint64_t conn = here->conn;
    away->peer = here->peer;
    session_end(engine, here);
    attach(engine, away, conn);
    timer_disarm(&engine->timers, &away->timer);
    engine->current.session = away;
    engine->current.to.session = away;
}

void method_session_open(struct engine *engine, struct session *session,
                         const struct request *request)
{
    if (request->grace_us > (int64_t)GRACE_SECONDS_MAX * 1000000) {
        refuse_param(engine, "grace", "`grace` is at most %d seconds",
                     GRACE_SECONDS_MAX);
        return;
    }
    if (session->secret.at != NULL || session->waiters_count > 0 ||
        session->pending.count > 0 || !TAILQ_EMPTY(&session->leases) ||
        !TAILQ_EMPTY(&session->holds) || !TAILQ_EMPTY(&session->rounds)) {
        refuse(engine, ERROR_conflict,
               "session.open comes once, before anything else on a "
               "connection");
        return;
    }
    if (scopes_refused(engine, request->scopes)) {
        return;
    }
    struct session *away = request->resume.session == 0
                               ? NULL
                               : resumable(engine, session, &request->resume);
    if (away != NULL) {
        resume(engine, session, away);
        scopes_keep(engine, away, request->scopes);
        write_opened(engine, away, true);
        return;
    }
    session->client = slice_copy(request->client);
    session->grace_us = request->grace_us > 0 ? request->grace_us : 0;
    session->secret = secret_of(engine->current.event->entropy);
    session_use_room(engine, session);
    scopes_keep(engine, session, request->scopes);
    write_opened(engine, session, false);
}

void method_session_cancel(struct engine *engine, struct session *session,
                           const struct request *request)
{
    struct rpc_id id = {.json = request->pending};
    id.key = rpc_id_key(id.json);
    struct pending_slot *slot = pending_find(&session->pending, id.key);
    struct waiter *waiter = slot == NULL ? NULL : slot->waiter;
    bool cancelled = waiter != NULL && waiter->kind != WAITER_SWEEP;
    if (cancelled) {
        waiter_cancel(engine, waiter);
    }
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, flag, "cancelled", cancelled);
    write_end_object(out);
    answer_end(engine, 0);
}
