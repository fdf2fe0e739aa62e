/*
 * A session: a connection, and what it holds.
 *
 * Every connection is a session from its first byte. What it holds ends with
 * it: its leases count as crashed, its waiters leave their lines. With a grace
 * it is also a row, and so are its leases and the answers to its durable
 * requests: after a restart of the daemon it is AWAY until it is resumed, or
 * its grace is over and it ends.
 *
 *   connect --> HERE --- connection gone ---> ended
 *                ^
 *   (restart) AWAY --- grace over ----------> ended
 */
#ifndef SYNCD_ENGINE_SESSION_H
#define SYNCD_ENGINE_SESSION_H

#include "daemon/engine/barrier.h"
#include "daemon/engine/change.h"
#include "daemon/engine/hold.h"
#include "daemon/engine/job.h"
#include "daemon/engine/pending.h"
#include "daemon/engine/scope.h"
#include "daemon/engine/waiter.h"
#include "proto/limits.h"

#define SECRET_CHARS (2 * ENTROPY_BYTES)

/* In place of a token: the get had no jobs yet when what it came with was
 * finished. Sent again it waits on, and finishes nothing twice. */
#define TOKEN_LATER ((uint64_t)WIRE_INTEGER_MAX)

/* The answer to a durable request, for when it is sent again after a resume. */
struct outcome {
    uint64_t id; /* of the row */
    struct session *session;
    struct slice request; /* owned: the request's id, as JSON */
    struct slice reply;   /* owned: the line; of a get with a token: what
                             became of its `done`, or absent */
    uint64_t token;       /* of a get: the jobs that bear it, or TOKEN_LATER;
                             else 0 */
    bool loaded;          /* from before the restart */
    uint32_t owner;       /* the account it is charged to */
    struct saved saved;
    TAILQ_ENTRY(outcome) of_session;
    UT_hash_handle by_request;
};

TAILQ_HEAD(outcomes, outcome);

struct session {
    uint64_t id;
    uint64_t conn; /* 0: AWAY */
    struct peer peer;
    uint32_t account;    /* whose it is; ACCOUNT_EXEMPT while it is away */
    struct slice client; /* owned */
    bool ended;          /* it is no more than leases to be given back */
    int64_t grace_us;    /* 0: none */
    bool kept; /* it outlives a restart: it has a row, and what it holds
                  has, and its outcomes */
    struct slice secret; /* owned; absent until session.open */
    struct saved saved;
    struct timer timer; /* AWAY: the end of the grace */
    struct pending pending;
    struct waiters waiters;
    size_t waiters_count;
    size_t waiters_bytes;
    struct lease_list leases;
    struct staged_leases staged; /* of them, those of parties of stages */
    struct holds holds;          /* locks and permits */
    struct rounds rounds;        /* of barriers it does the action for */
    struct scope **scopes;       /* owned; that it keeps */
    size_t scopes_count;
    struct outcomes outcomes; /* the oldest first */
    size_t outcomes_count;
    size_t outcomes_bytes;
    struct outcome *outcomes_by_request;
    UT_hash_handle by_conn;
    UT_hash_handle by_id;
};

void session_connected(struct engine *engine, uint64_t conn,
                       const struct peer *peer);
void session_disconnected(struct engine *engine, uint64_t conn);

struct session *session_of_conn(const struct engine *engine, uint64_t conn);
struct session *session_of_id(const struct engine *engine, uint64_t id);

bool session_load(struct engine *engine, const struct row_session *row);
bool outcome_load(struct engine *engine, const struct row_outcome *row);

/* Whose what it does is, also while it is away: by its row, its user's. */
uint32_t session_account(struct engine *engine, const struct session *session);

/* Its peer has changed, or what the peer may do: so may its account. */
void session_charge(struct engine *engine, struct session *session);

/* Is that its user? Root may act for everybody. */
bool session_is_of(const struct session *session, uint32_t uid);

/* Every session that was loaded is away: its grace begins. */
void sessions_loaded(struct engine *engine);

void session_free_all(struct engine *engine);

/* The grace of one that is away is over. */
void session_grace_over(struct engine *engine, struct session *session);

/* Keeps an answer, if its session has a grace. */
void session_keep_reply(struct engine *engine, const struct reply_to *to,
                        struct slice line);
/* The same for a get that leased jobs: they can be told again by the token; not
 * while the disk is full, since their leases do not outlive a restart then. */
void session_keep_token(struct engine *engine, const struct reply_to *to,
                        uint64_t token, struct slice finished);

/* The same for a get that waits: what became of its `done` so far; and that
 * again, when it is sent again (absent: nothing is known). */
void session_keep_finished(struct engine *engine, const struct reply_to *to,
                           struct slice finished);
struct slice session_finished_before(const struct reply_to *to);

/* Answers the request at hand if it was carried out before the restart. */
bool session_answer_again(struct engine *engine);

/* get.c: the jobs that still bear the token, told again. */
void get_answer_again(struct engine *engine, const struct reply_to *to,
                      uint64_t token, struct slice finished);

/* Who it is: session, client, pid, uid, away. */
void session_write(struct out *out, const struct session *session);

/* A session with a grace that was opened while the disk was full is kept from
 * now on, if there is room again. */
void session_use_room(struct engine *engine, struct session *session);

struct row_session session_row(const struct session *session);
struct row_outcome outcome_row(const struct outcome *outcome);

#endif
