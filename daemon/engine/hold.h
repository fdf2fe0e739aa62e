/*
 * A hold: what a session holds of a lock (levels) or of a bounded semaphore
 * (permits), or the lock that it has given up to wait at a condition.
 *
 * It counts as an object of the session's user, but not a lock's first one:
 * that is what the lock itself counts for.
 *
 * It ends with its session. Of a session with grace it is a row, written before
 * the grant is answered, so that after a restart the lock is still held by the
 * session that may come back.
 */
#ifndef SYNCD_ENGINE_HOLD_H
#define SYNCD_ENGINE_HOLD_H

#include "daemon/engine/change.h"
#include "daemon/engine/containers.h"

struct engine;
struct out;
struct session;

enum hold_kind { HOLD_LOCK, HOLD_PERMITS, HOLD_GIVEN_UP, HOLD_KINDS };

struct hold {
    enum hold_kind kind;
    uint64_t id; /* of the row; 0: its session has no grace */
    struct session *session;
    void *object; /* struct lock, struct semaphore, struct given_up */
    uint64_t token;
    size_t count; /* levels, or permits */
    int64_t since_us;
    bool loaded;      /* it is from before the restart */
    bool charged;     /* as an object: to `account` */
    uint32_t account; /* the session's, when it was taken */
    struct saved saved;
    TAILQ_ENTRY(hold) of_object;
    TAILQ_ENTRY(hold) of_session;
    RB_ENTRY(hold) by_token;  /* of permits: semaphore.c */
    RB_ENTRY(hold) by_holder; /* of its object, see below */
    size_t held_in_all; /* of a session's oldest permits: the sum of all */
};

TAILQ_HEAD(holds, hold);
RB_HEAD(hold_tokens, hold);
RB_HEAD(hold_holders, hold);

/* A new hold at the end of both lists. */
struct hold *hold_new(struct engine *engine, enum hold_kind kind,
                      struct session *session, void *object,
                      struct holds *of_object, uint64_t token, size_t count);

/* Those of one object (all that were given up: of one), those of each session
 * together, the oldest first. */
void holders_add(struct hold_holders *holders, struct hold *hold);
void holders_remove(struct hold_holders *holders, struct hold *hold);

/* So many permits of it are given back. */
void holders_give_back(struct hold_holders *holders, struct hold *hold,
                       size_t count);

/* The oldest of that session; NULL: it has none. */
struct hold *holders_first(const struct hold_holders *holders,
                           struct session *session);

/* The one under that token; NULL: there is none. */
struct hold *holders_find(const struct hold_holders *holders,
                          struct session *session, uint64_t token);

/* Its count has changed. */
void hold_changed(struct engine *engine, struct hold *hold);

/* Out of both lists, and freed. */
void hold_end(struct engine *engine, struct hold *take_hold,
              struct holds *of_object);

/* Its session ends: given back to lock.c or semaphore.c. */
void hold_release(struct engine *engine, struct hold *hold);

bool hold_load(struct engine *engine, const struct row_hold *row);
struct row_hold hold_row(const struct hold *hold);

/* Who holds it: session, client, pid, uid, since, token, count. */
void hold_write(const struct engine *engine, struct out *out,
                const struct hold *hold);
/* At most WAITERS_SHOWN_MAX of them: `holds`, `holders`. */
void holds_write(const struct engine *engine, struct out *out,
                 const struct holds *holds, size_t count);

/* Who waits: session, client, pid, uid, since; owner of a lock, permits. */
struct waiter;
void waiter_write(const struct engine *engine, struct out *out,
                  const struct waiter *waiter);

#endif
