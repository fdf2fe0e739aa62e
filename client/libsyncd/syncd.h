/*
 * libsyncd: syncd for C programs.
 *
 * A blocking library over the protocol (proto/PROTOCOL.md). One `struct syncd`
 * is one connection and one session; any number of threads may use it at the
 * same time, each call waits for its own answer only. A worker in 20 lines:
 *
 *     struct syncd *s;
 *     if (syncd_open(NULL, &s) < 0) {
 *         errx(1, "%s", syncd_error_text());
 *     }
 *     struct syncd_job *job;
 *     while (syncd_get(s, "mail", SYNCD_FOREVER, &job) == SYNCD_OK) {
 *         if (send_mail(job->body, job->body_len) == 0) {
 *             syncd_done(s, job, NULL);
 *         } else {
 *             syncd_fail(s, job, "\"smtp refused\"");
 *         }
 *         syncd_job_free(job);
 *     }
 *     syncd_close(s);
 *
 * Results: functions return SYNCD_OK (0), a positive answer that is no error
 * (SYNCD_TIMEOUT, SYNCD_CLOSED, SYNCD_BROKEN), or a negative error:
 * SYNCD_E_... Everything but SYNCD_OK leaves the outputs untouched. The text of
 * the last error of the calling thread is in syncd_error_text(), and says what
 * to do.
 *
 * Reconnects: a session opened with a grace (the default) outlives a restart of
 * the daemon. The session reconnects by itself with growing, jittered pauses,
 * also while no call is under way, takes up what it held, and sends again what
 * had no answer, at most once carried out; a call that is under way meanwhile
 * waits. After `grace` seconds without a daemon, or when the daemon does not
 * know the session any more, calls fail with SYNCD_E_LOST: what was held is
 * held no more. That is told once: to the calls under way, whose text says
 * whether the call may have been carried out, or else to the next call. The
 * call after that connects anew (trying for `connect_timeout`) and the handle
 * goes on with a new session.
 *
 * Timeouts are seconds, negative is SYNCD_FOREVER, 0 does not wait. The daemon
 * counts them; they go on while it restarts, but a call whose time runs out
 * then is answered only when the daemon is back, or the grace is over.
 *
 * Bodies and other JSON go in and come out as JSON text, byte for byte, except
 * that line ends between the tokens of a value are put as spaces.
 *
 * Threads: every function may be called from any thread at any time, but
 * nothing may be under way in a session that is closed: end the calls with
 * syncd_interrupt and join your threads first. A session has one thread of its
 * own, which blocks all signals and never runs code of yours. Do not cancel a
 * thread (pthread_cancel) inside a call.
 *
 * Processes: descriptors are closed on exec. After fork() the child must not
 * use the parent's struct syncd; it may call syncd_abandon on it and open one
 * of its own. No pthread_atfork handlers are installed.
 *
 * Memory: what is not there ends the process with status 71, as in the daemon.
 */
#ifndef SYNCD_H
#define SYNCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SYNCD_FOREVER (-1.0)

enum syncd_status {
    SYNCD_OK = 0,
    SYNCD_TIMEOUT = 1, /* the timeout came first */
    SYNCD_CLOSED = 2,  /* the queue is closed, and nothing is left in it */
    SYNCD_BROKEN = 3,  /* the barrier or batch is: syncd_error_reason() */

    SYNCD_E_CONNECT = -1,    /* no daemon there; the text says where */
    SYNCD_E_PERMISSION = -2, /* the socket refused this user */
    SYNCD_E_LOST = -3,       /* the daemon was gone for longer than the grace */
    SYNCD_E_PROTOCOL = -4,   /* that was no syncd, or another version */
    SYNCD_E_ARGUMENT = -5,   /* not JSON, not UTF-8, ... */
    SYNCD_E_REPLY = -6       /* an error of the protocol: syncd_error_code() */
};

/* All may be 0 or NULL: the default stands behind each. */
struct syncd_options {
    const char *socket; /* SYNCD_SOCKET, the user's own daemon, the service */
    const char *client; /* what to call it in lists; the program's name */
    double grace;       /* seconds; 30; negative: none, never reconnect */
    double connect_timeout; /* seconds to go on trying to reach a daemon that
                               is not there at the first try; 0 */
};

struct syncd;

/* Connects. `options` may be NULL. */
int syncd_open(const struct syncd_options *options, struct syncd **s);

/* Ends the session: what it holds is free when this returns (a daemon that does
 * not answer is not waited for longer than a second). NULL is fine. */
void syncd_close(struct syncd *s);

/* In a child after fork, instead of syncd_close: gives back what the child has
 * of it, and leaves the parent's session alone. */
void syncd_abandon(struct syncd *s);

/* Of the last call of this thread that did not return SYNCD_OK; valid until the
 * thread's next call. */
const char *syncd_error_text(void);
int syncd_error_code(void);           /* the protocol's code, or 0 */
const char *syncd_error_name(void);   /* "queue_full", or "" */
const char *syncd_error_data(void);   /* error.data as JSON, or "" */
const char *syncd_error_reason(void); /* its `reason`, or "" */

/* Where it is connected to (valid until the close), and its session's number
 * (0 while there is none). */
const char *syncd_socket(const struct syncd *s);
uint64_t syncd_session(const struct syncd *s);

/*
 * Any method. `params` is a JSON object, NULL for none. The result's JSON text
 * is *result, freed by the caller with free(); `result` may be NULL. What the
 * daemon answers with an error is SYNCD_E_REPLY, whatever it is.
 */
int syncd_call(struct syncd *s, const char *method, const char *params,
               char **result);

/* The same with a `timeout` beside the parameters; negative: none. */
int syncd_call_timeout(struct syncd *s, const char *method, const char *params,
                       double timeout, char **result);

/*
 * Any method, without waiting for its answer: what one thread begins, one after
 * the other, is carried out in that order, and needs no round trip each. Every
 * *pending is ended by syncd_call_end exactly once, by whichever thread, and
 * before syncd_close. An error here: nothing was sent.
 */
struct syncd_pending;
int syncd_call_begin(struct syncd *s, const char *method, const char *params,
                     struct syncd_pending **pending);

/* Is its answer there? Then syncd_call_end does not wait. */
bool syncd_call_ended(const struct syncd_pending *pending);

/* Waits for the answer and returns as syncd_call does; frees `pending`. */
int syncd_call_end(struct syncd_pending *pending, char **result);

/*
 * Ends the calls that wait, under way in other threads, with SYNCD_E_REPLY and
 * the code of `cancelled`, and later ones that could wait (by their method, and
 * with a timeout other than 0) at once, until syncd_uninterrupt. Calls that do
 * not wait, such as syncd_done, still work. Nothing is granted to nobody: what
 * the daemon had granted already is returned with SYNCD_OK; so a call that was
 * sent ends when the daemon answers, also if it is being restarted. To be
 * called from a thread that handles signals, not from a signal's handler.
 */
void syncd_interrupt(struct syncd *s);
void syncd_uninterrupt(struct syncd *s);

/* JSON without a library for it. A text as a JSON string, freed with free();
 * NULL if it is not UTF-8. */
char *syncd_quote(const char *text, size_t len);

/* One JSON value, as the daemon takes it? */
bool syncd_is_json(const char *text, size_t len);

/* The text of a JSON string, escapes undone, with a NUL behind it, freed with
 * free(); NULL if it is none. *len may be NULL; the text may contain NULs. */
char *syncd_text_of(const char *json, size_t json_len, size_t *len);

/* Terms of a put; start from SYNCD_TERMS. */
struct syncd_terms {
    const char *key; /* NULL: none */
    double priority;
    double delay;         /* seconds */
    double lease;         /* seconds; negative: the queue's */
    double keep_done;     /* seconds; negative: the queue's */
    int64_t max_attempts; /* negative: the queue's */

    /* Held until each of these events was set at some moment since. */
    const char *const *after;
    size_t after_count;
    /* Semaphores; it runs only with a permit of each. */
    const char *const *limits;
    size_t limits_count;
    /* Of a batch: held until the stages before have passed. Both or none. */
    const char *batch;
    const char *stage;
    /* A job, leased under that token to this user, on whose behalf it is put:
     * if it is of the same batch, also after the seal. 0: none. (Jobs that this
     * session has leased itself need not be named.) SYNCD_E_REPLY
     * `stale_token`: the lease is over, and whoever has that job now puts it
     * again. */
    uint64_t from_id;
    uint64_t from_token;
};
#define SYNCD_TERMS \
    ((struct syncd_terms){.lease = -1, .keep_done = -1, .max_attempts = -1})

struct syncd_text {
    const char *at;
    size_t len;
};

/*
 * Puts a job, waiting up to `timeout` seconds while the queue is full
 * (SYNCD_TIMEOUT then; SYNCD_E_REPLY `queue_full` if it can never have room).
 * `terms` and `id` may be NULL. *id is also set, and SYNCD_OK returned, when an
 * unfinished job bears the key already. A closed queue is SYNCD_E_REPLY
 * `queue_closed`.
 */
int syncd_put(struct syncd *s, const char *queue, struct syncd_text body,
              const struct syncd_terms *terms, double timeout, uint64_t *id);

/* Puts `count` jobs, all or none, on the same terms (without a key). `ids`:
 * NULL, or room for `count`. They must fit into one message (max_message of the
 * daemon, 4 MiB): SYNCD_E_ARGUMENT otherwise. */
int syncd_put_many(struct syncd *s, const char *queue,
                   const struct syncd_text *bodies, size_t count,
                   const struct syncd_terms *terms, double timeout,
                   uint64_t *ids);

/* A job to be put, on terms of its own; `terms` NULL: none. */
struct syncd_new_job {
    struct syncd_text body;
    const struct syncd_terms *terms;
};

/* The same for jobs that differ in more than their bodies: with keys, too, and
 * then the id is that of the job which bears the key already, if one does. What
 * they belong to (batch, stage, from_id, from_token) is the same for all. */
int syncd_put_jobs(struct syncd *s, const char *queue,
                   const struct syncd_new_job *jobs, size_t count,
                   double timeout, uint64_t *ids);

struct syncd_job {
    uint64_t id;
    uint64_t token;
    char *queue;
    char *body; /* JSON, NUL-terminated */
    size_t body_len;
    double priority;
    unsigned attempt; /* from 1 */
    double put_at;    /* Unix seconds */
    double lease;     /* seconds */
    double until;     /* Unix seconds */
    char *key;        /* NULL: none */
    char *batch;      /* NULL: none */
    char *stage;      /* NULL: none */
};

/* Takes a job. SYNCD_TIMEOUT, SYNCD_CLOSED: none. Freed with syncd_job_free. */
int syncd_get(struct syncd *s, const char *queue, double timeout,
              struct syncd_job **job);

/* Takes up to `max`; *jobs is an array of *count, freed by syncd_jobs_free. */
int syncd_get_many(struct syncd *s, const char *queue, size_t max,
                   double timeout, struct syncd_job ***jobs, size_t *count);

void syncd_job_free(struct syncd_job *job); /* NULL is fine */
void syncd_jobs_free(struct syncd_job **jobs, size_t count);

/*
 * Finishes *job, with `result` (JSON or NULL) as syncd_done does, and takes the
 * next one, all in one message: half the round trips of a loop of syncd_get and
 * syncd_done. With *job NULL, as at first, it only takes one.
 *
 *     struct syncd_job *job = NULL;
 *     while (syncd_next(s, "mail", SYNCD_FOREVER, &job, NULL, NULL) ==
 *            SYNCD_OK) {
 *         if (send_mail(job->body, job->body_len) != 0) {
 *             syncd_fail(s, job, "\"smtp refused\"");
 *             syncd_job_free(job);
 *             job = NULL;
 *         }
 *     }
 *
 * Returns what syncd_get would. Once it is finished (on disk, when this
 * returns), *job is freed and is the next one, or NULL if there is none:
 * SYNCD_TIMEOUT, SYNCD_CLOSED, or an error such as `cancelled`. If *job is not
 * NULL after an error it was not finished; after SYNCD_E_LOST nobody knows, and
 * it is ours no more. *stale (may be NULL): it was not ours any more.
 */
int syncd_next(struct syncd *s, const char *queue, double timeout,
               struct syncd_job **job, const char *result, bool *stale);

/* The same with many: finishes those of the `*count` jobs that are not NULL
 * (whoever gives one back or frees it sets it so), and takes up to `max`. *jobs
 * is freed as by syncd_jobs_free, and is the next ones, or NULL, and *count 0.
 * *stale (may be NULL): how many were not ours any more. */
int syncd_next_many(struct syncd *s, const char *queue, size_t max,
                    double timeout, struct syncd_job ***jobs, size_t *count,
                    size_t *stale);

/* Finishes it; `result` is JSON or NULL. SYNCD_E_REPLY `stale_token`: it is not
 * ours any more. */
int syncd_done(struct syncd *s, const struct syncd_job *job,
               const char *result);

/* Finishes many in one message, each for itself; those that are NULL are left
 * out. *stale (may be NULL): how many were not ours any more. */
int syncd_done_many(struct syncd *s, struct syncd_job *const *jobs,
                    size_t count, size_t *stale);

/* The same with results: JSON, or NULL, of each. */
int syncd_done_results(struct syncd *s, struct syncd_job *const *jobs,
                       const char *const *results, size_t count, size_t *stale);

/* Another try after the backoff; `error` is JSON or NULL. */
int syncd_fail(struct syncd *s, const struct syncd_job *job, const char *error);

/* How a job is given back; start from SYNCD_FAILURE. */
struct syncd_failure {
    const char *error; /* JSON, kept with the job; NULL: none */
    double delay;      /* seconds to the next try; negative: the backoff */
    bool dead;         /* no more tries */
    bool free;         /* this try does not count */
};
#define SYNCD_FAILURE ((struct syncd_failure){.delay = -1})

int syncd_fail_as(struct syncd *s, const struct syncd_job *job,
                  const struct syncd_failure *failure);

/* Its lease begins anew; `progress` is JSON or NULL. */
int syncd_extend(struct syncd *s, const struct syncd_job *job,
                 const char *progress);

/* The leases of many begin anew; as syncd_done_many. */
int syncd_extend_many(struct syncd *s, struct syncd_job *const *jobs,
                      size_t count, size_t *stale);

/* Waits until every job is finished; *dead (may be NULL): how many are dead. */
int syncd_join(struct syncd *s, const char *queue, double timeout,
               uint64_t *dead);

/*
 * Locks, semaphores and conditions.
 *
 * What is held belongs to the session, not to a thread or a process, and is
 * free as soon as the session ends: by syncd_close, with the process, however
 * it ends, or when it is lost. Of a session with a grace it is on disk before
 * the call returns and is still held after a restart of the daemon, under the
 * same token. Without a grace nothing is written: an acquire and a release that
 * nobody contends are two round trips, and the daemon's end is the end of it.
 *
 * A lost session: whoever holds something must stop what it does, as somebody
 * else may be doing it by now. The calls tell so by SYNCD_E_LOST; a thread that
 * makes no calls meanwhile is told by another one in syncd_wait_lost. A release
 * after the loss is SYNCD_E_LOST, or SYNCD_E_REPLY `stale_token` (of permits
 * `over_release`), which also means: it was not held to the end. What the work
 * writes elsewhere can be guarded by the token: each is greater than all that
 * were granted before, restarts included, so that whoever remembers the
 * greatest one can refuse a writer that is late.
 *
 * Waiting is first come, first served, and ends after `timeout` seconds with
 * SYNCD_TIMEOUT; 0 does not wait; syncd_interrupt ends it, too. Names are 1 to
 * 200 bytes of UTF-8 without control characters, and come into being by their
 * use.
 */

/* How a lock is taken; NULL or zeros: plainly. */
struct syncd_lock_terms {
    /* On whose behalf: a path like "a/b", which is inside "a"; at most 200
     * bytes. NULL: this session's own, all its threads alike. Threads that are
     * to exclude each other over re-entrant locks each give one of their own.
     */
    const char *owner;
    /* What this owner, or one that it is inside, holds already is taken once
     * more, under the same token, and is to be released as often. Without it a
     * second taking waits for the first, as with anybody else's. */
    bool reentrant;
    /* A wait that would never end, because the holder waits for what this owner
     * holds, be it over others in between, is SYNCD_E_REPLY `deadlock`;
     * syncd_error_data() has the cycle. */
    bool refuse_deadlock;
};

/* Takes a lock. *token (may be NULL) is its fencing token. */
int syncd_lock(struct syncd *s, const char *lock,
               const struct syncd_lock_terms *terms, double timeout,
               uint64_t *token);

/* Gives one level of it back; at the last it is free, or the next one's. The
 * token is the one that it was taken under, from whichever session; 0: whatever
 * this session holds. SYNCD_E_REPLY `stale_token`: it is not held so. */
int syncd_unlock(struct syncd *s, const char *lock, uint64_t token);

/*
 * Makes a semaphore of `value` permits, or changes its value at once: a smaller
 * one takes permits back only as they are released. It stays until it is
 * deleted (semaphore.delete). `bounded`: permits belong to sessions. Otherwise
 * it is a durable counter: acquire counts down, release counts up, and nothing
 * comes back by itself but what was taken for a token. SYNCD_E_REPLY
 * `conflict`: it is there, but bounded otherwise.
 */
int syncd_sem_declare(struct syncd *s, const char *semaphore, uint64_t value,
                      bool bounded);

#define SYNCD_DECLARED (-1) /* for `value` below: it must be there already */

/*
 * Takes `permits` of them, all at once; whoever wants many is not passed by
 * those who want few. If there is no such semaphore, a bounded one of `value`
 * permits is made; with SYNCD_DECLARED that is SYNCD_E_REPLY `not_found`.
 * *token names these permits, which belong to this session. NULL: the same,
 * but an unbounded one is only counted down, for anybody to count up again.
 */
int syncd_sem_acquire(struct syncd *s, const char *semaphore, uint64_t permits,
                      int64_t value, double timeout, uint64_t *token);

/* Gives `permits` back: those of the token, or, 0, the oldest that this session
 * holds. SYNCD_E_REPLY `over_release`: it does not hold so many. */
int syncd_sem_release(struct syncd *s, const char *semaphore, uint64_t permits,
                      uint64_t token);

/*
 * Gives `lock`, which this session holds under *token, up with all its levels,
 * waits until it is notified, and has the lock again as it was, under a new
 * *token, when it returns SYNCD_OK, or, at the timeout, SYNCD_TIMEOUT: this one
 * changes *token as well, and may come later than the timeout, because the lock
 * is waited for as long as it takes. After any error the lock is not held.
 * Look again, in a loop, at what you wait for: others may have had the lock in
 * between, and a restart of the daemon wakes everybody.
 */
int syncd_condition_wait(struct syncd *s, const char *condition,
                         const char *lock, double timeout, uint64_t *token);

#define SYNCD_ALL UINT64_MAX

/* Wakes the first `count` who wait at it, or SYNCD_ALL; *woken (may be NULL):
 * how many there were. The lock need not be held. */
int syncd_condition_notify(struct syncd *s, const char *condition,
                           uint64_t count, uint64_t *woken);

/*
 * How many sessions this handle has lost, from 0. A session is known by this
 * number: one more, and what was taken before is held no more. (That of
 * syncd_session comes again if a daemon keeps nothing over its restart.)
 */
uint64_t syncd_losses(const struct syncd *s);

/*
 * Waits until more than `losses` sessions are lost: SYNCD_E_LOST, at once if it
 * is so already. SYNCD_TIMEOUT: not yet, maybe the daemon is being waited for.
 * For a thread that stands guard while another one works:
 *
 *     uint64_t losses = syncd_losses(s);
 *     if (syncd_lock(s, "backup", NULL, SYNCD_FOREVER, &token) == SYNCD_OK) {
 *         ... start the guard, which stops the work if
 *             syncd_wait_lost(s, losses, SYNCD_FOREVER) == SYNCD_E_LOST
 *
 * This telling does not count as the one of "told once" above. syncd_interrupt
 * ends it with `cancelled`.
 */
int syncd_wait_lost(struct syncd *s, uint64_t losses, double timeout);

/*
 * Events: set or not, on disk before the calls return, until they are cleared.
 * A set lets everybody through who waits at that moment, also when it is
 * cleared straight after, and releases jobs that were put with it in `after`.
 * Events "batch/BATCH/STAGE" are set by their batch alone (SYNCD_E_REPLY
 * `forbidden`).
 */
int syncd_event_set(struct syncd *s, const char *event);
int syncd_event_clear(struct syncd *s, const char *event);

/* SYNCD_OK: it was set at some moment of the call. With a timeout of 0: it is
 * set now. */
int syncd_event_wait(struct syncd *s, const char *event, double timeout);

/*
 * Barriers: so many parties meet, and go on together or not at all. Each
 * waiting call is a party, whichever thread or process it is of.
 *
 * A party that times out, is interrupted, or dies breaks the barrier, and so
 * does a restart of the daemon: all who wait, and all who come, until it is
 * reset, get SYNCD_BROKEN. syncd_error_reason() tells why: "timeout" (this
 * one's own or another's), "cancelled", "a party is gone", "aborted", "reset",
 * "restart", "forbidden" (to one of them, by a new configuration).
 */
struct syncd_round {
    uint64_t index;      /* the order of arrival, from 0 */
    uint64_t generation; /* rounds that were filled before */
    bool act;            /* do the action now, then call syncd_barrier_pass */
};

/*
 * Waits until `parties` wait there; all must give the same number
 * (SYNCD_E_REPLY `conflict`). `round` may be NULL. With `action` the last to
 * come returns at once with round->act (so `round` is needed), does what is to
 * be done once in each round, before anyone goes on, and calls
 * syncd_barrier_pass, or, if it fails, syncd_barrier_abort; the others wait
 * meanwhile, their timeouts stopped. Whether there is an action is decided by
 * the last to come: let all say the same.
 */
int syncd_barrier_wait(struct syncd *s, const char *barrier, uint64_t parties,
                       bool action, double timeout, struct syncd_round *round);

/* The action of that round is done: the others go on. SYNCD_BROKEN: nobody does
 * any more. */
int syncd_barrier_pass(struct syncd *s, const char *barrier,
                       uint64_t generation);

/* Breaks it, used before or not, until it is reset. */
int syncd_barrier_abort(struct syncd *s, const char *barrier);

/* Makes it whole and empty; who waits gets SYNCD_BROKEN, reason "reset". */
int syncd_barrier_reset(struct syncd *s, const char *barrier);

/*
 * Batches: jobs in stages. When the batch is sealed and every job of the open
 * stage is done, the stage passes: its event "batch/BATCH/STAGE" is set, and
 * the jobs of the next one are released, all in one change on disk. Jobs are
 * put into it by terms.batch and terms.stage. A batch belongs to nobody and
 * stays until it is deleted.
 */

/*
 * Makes a batch of `count` stages, in their order; `batch` NULL: its name is
 * made up. `goes_on`: a dead job counts as done; otherwise it breaks the batch.
 * *name (may be NULL) is freed by the caller with free(). To make the same
 * again is fine; with other stages it is SYNCD_E_REPLY `conflict`.
 */
int syncd_batch_create(struct syncd *s, const char *batch,
                       const char *const *stages, size_t count, bool goes_on,
                       char **name);

/* Nothing more comes from outside: now its stages may pass. */
int syncd_batch_seal(struct syncd *s, const char *batch);

/* Waits until `stage` and all before it have passed; NULL: all. SYNCD_BROKEN: a
 * job is dead (syncd_error_data() has `job` and its `error`), or the batch was
 * cancelled. */
int syncd_batch_wait(struct syncd *s, const char *batch, const char *stage,
                     double timeout);

/* Removes its unfinished and dead jobs; *cancelled (may be NULL): how many.
 * SYNCD_E_REPLY `conflict`: it is done. */
int syncd_batch_cancel(struct syncd *s, const char *batch, uint64_t *cancelled);

/* Mends it: its dead jobs are ready again; *retried (may be NULL): how many. */
int syncd_batch_retry(struct syncd *s, const char *batch, uint64_t *retried);

/* Forgets it, and its events. SYNCD_E_REPLY `conflict`: it still has unfinished
 * or dead jobs. */
int syncd_batch_delete(struct syncd *s, const char *batch);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
