/*
 * A job: one thing to be done, and where it is in its life.
 *
 *            put
 *             |            +--------------------- backoff ------+
 *             v            v                                    |
 *   HELD --> DELAYED --> READY --- get ---> RUNNING --- fail ---+
 *    (events, stages)      ^                  | |               |
 *                          +-- consumer died -+ +-- done        | tries
 *                          |   lease expired        |           | used up
 *                          |                        v           v
 *                          +------- retry --------------------DEAD
 *                                                 DONE
 *
 * A job that is done and not to be kept, cancelled, purged, or done and kept
 * long enough, is gone. What holds in each state:
 *
 *   HELD     counts as unfinished; nobody can get it
 *   DELAYED  rank = when it becomes ready
 *   READY    rank = its priority; the first of (rank, id) is handed out next
 *   RUNNING  rank = the end of its lease; has a lease, in no other state
 *   DONE     rank = until when it can be looked up
 *   DEAD     rank = since when
 *
 * The jobs of one queue in one state make a set, ordered by (rank, id). A job
 * knows its set, and the set knows queue and state: so a whole set can be given
 * another meaning (purged, retried) in one step, whatever its size, and the
 * jobs in it are dealt with in slices afterwards (sweep.c).
 *
 * Ids are given in the order of acceptance, so the id is the order of arrival.
 * A job that comes back keeps its id, and with it its place.
 */
#ifndef SYNCD_ENGINE_JOB_H
#define SYNCD_ENGINE_JOB_H

#include "daemon/engine/change.h"
#include "daemon/engine/containers.h"
#include "daemon/engine/job_tree.h"
#include "daemon/engine/timer.h"
#include "daemon/engine/waiter.h"
#include "proto/request.h"

struct after;
struct engine;
struct queue;
struct semaphore;
struct stage;
struct session;
struct out;
struct job;

/* What most jobs do not have; made when it is first needed. Texts are owned
 * and freed with change_free. */
struct job_extra {
    struct job *job; /* whose it is */
    struct slice key;
    double priority;
    uint32_t attempts;    /* if they are JOB_ATTEMPTS_MAX or more */
    uint32_t crashes;     /* tries that ended with the consumer or the lease */
    int64_t lease_us;     /* -1: the queue's, as the next two */
    int64_t max_attempts; /* 0: no limit */
    int64_t keep_done_us;
    int64_t finished_at_us;
    struct slice error;    /* JSON, of the last failure */
    struct slice result;   /* JSON */
    struct slice progress; /* JSON */
    int64_t delay_us;      /* of a held job: once it is released */
    struct stage *stage;   /* of a batch; NULL: none, or it has arrived */
    TAILQ_ENTRY(job_extra) of_stage;
    struct after *after; /* owned: events it waits for */
    size_t after_count;
    size_t after_left;         /* of them, those that were not set yet */
    struct semaphore **limits; /* owned: it runs with a permit of each */
    size_t limits_count;
    struct slice row_after; /* owned: texts of the row, as last written */
    struct slice row_limits;
    struct waiter_list waiters; /* job.wait */
    UT_hash_handle by_key;      /* in the queue, while unfinished and keyed */
};

/* A job that runs: whose it is, and until when. */
struct lease {
    struct job *job;
    struct job_extra *extra; /* owned; the job's */
    struct session *session; /* NULL: detached */
    uint64_t token;
    int64_t length_us;
    int64_t began_us;
    uint32_t uid; /* done, fail and extend go by token, for this user */
    bool kept;    /* outlives a restart: written with the job */
    TAILQ_ENTRY(lease) of_session; /* or of engine->detached */
    struct stage *stage;      /* of the job, while it is a party; else NULL */
    RB_ENTRY(lease) by_stage; /* of its session */
    bool loaded;              /* from before the restart: among the engine's */
    RB_ENTRY(lease) by_token; /* of those */
};

TAILQ_HEAD(lease_list, lease);
RB_HEAD(staged_leases, lease);
RB_HEAD(loaded_leases, lease);

/* Ids are integers on the wire. */
#define JOB_ID_BITS 53
#define JOB_ID_MAX  ((UINT64_C(1) << JOB_ID_BITS) - 1)

/* So many tries are told by the job itself, more by its extra. */
#define JOB_ATTEMPTS_BITS 4
#define JOB_ATTEMPTS_MAX  ((1U << JOB_ATTEMPTS_BITS) - 1)

/* There may be millions: no byte is wasted. */
struct job {
    struct job_link link; /* in its set */
    struct job_set *set;  /* NULL: put, but still waiting for room */
    uint64_t id : JOB_ID_BITS;
    uint64_t leased : 1;
    uint64_t attempts : JOB_ATTEMPTS_BITS; /* by job_attempts alone */
    int64_t rank;
    int64_t put_at_us;
    union {
        struct job_extra *extra; /* owned; mostly NULL */
        struct lease *lease;     /* owned; while it runs: has the extra */
    } more;                      /* by job_lease and job_extra_of alone */
    struct saved saved;
    uint32_t body_len;
    uint32_t owner; /* the account of whoever put it */
    char body[];    /* JSON */
};

/* NULL: it does not run. */
static inline struct lease *job_lease(const struct job *job)
{
    return job->leased ? job->more.lease : NULL;
}

/* NULL: it has none. */
static inline struct job_extra *job_extra_of(const struct job *job)
{
    return job->leased ? job->more.lease->extra : job->more.extra;
}

enum apart {
    APART_NOT,
    APART_STAGE, /* side_set.h */
    APART_LIMITS /* limited.h */
};

/*
 * The jobs of one queue in one state. A set that is doomed (purged, of a
 * deleted queue) is out of reach: for everyone its jobs are gone already.
 */
struct job_set {
    struct job_tree tree;
    enum apart apart; /* from the queue's set of its state, and why */
    struct queue *queue;
    enum job_state state;
    enum job_state made_for; /* as its stage counts it, whatever came since */
    bool lifo;               /* among equal ranks the greatest id is first */
    bool doomed;             /* no more than memory to be given back */
    bool moving;             /* on their way to where they belong (sweep.c) */
    size_t count;
    size_t bytes;       /* of bodies */
    struct timer timer; /* armed no later than the first rank, if ranks are
                           times */
};

void job_set_init(struct job_set *set, struct queue *queue,
                  enum job_state state);

/* So many of its jobs count from now on in its queue, or no more. */
void job_set_count(const struct job_set *set, size_t jobs, size_t bytes,
                   bool more);

/* The first of its order; NULL if it is empty. */
struct job *job_set_first(const struct job_set *set);

/* The one behind it in its set; NULL at the end. */
struct job *job_set_next(struct job *job);

/* From now on it outlives a restart, if it is of those that do and there is
 * room on the disk. False: it did already, or does not. */
bool lease_keep(const struct engine *engine, struct lease *lease);

/* Among those of its session, or the detached ones. */
void lease_link(struct engine *engine, struct lease *lease);

/* The job is no party of its stage any more. */
void lease_left_stage(const struct job *job);

/* The earliest stage of that batch whose jobs this session works on; NULL:
 * none. */
const struct stage *lease_first_stage(const struct session *session,
                                      struct batch_object *batch);

/* Of those that were there before the restart, under that token: the first
 * behind the job with that id; NULL: there is none. */
const struct lease *lease_loaded_after(const struct engine *engine,
                                       uint64_t token, uint64_t id);

/* Tries begun that count. */
static inline uint32_t job_attempts(const struct job *job)
{
    return job->attempts < JOB_ATTEMPTS_MAX ? (uint32_t)job->attempts
                                            : job_extra_of(job)->attempts;
}

/* It tells so many from now on. */
void job_set_attempts(struct engine *engine, struct job *job,
                      uint32_t attempts);

/* The job, which had none, has it from now on. */
void lease_give(struct job *job, struct lease *take_lease);

/* The job's, if it has one; its permits are free. */
void lease_end(struct engine *engine, struct job *job);

/* After a restart the leases of a set of running jobs begin anew. */
void job_set_rerank(struct engine *engine, struct job_set *set);

/* A new job in no set yet and without an id, charged to that account. */
struct job *job_new(struct engine *engine, uint32_t owner,
                    const struct put_item *item);

/* Semaphores it needs to run; they are there. */
void job_set_limits(struct engine *engine, struct job *job,
                    struct slices names);

/* One that never came into a set. */
void job_discard(struct engine *engine, struct job *take_job);

/* Gives it its id and its first place; `stage` may be NULL. */
void job_enter(struct engine *engine, struct job *job, struct queue *queue,
               int64_t delay_us, struct stage *stage);

/* As it was loaded. False: it makes no sense. */
bool job_load(struct engine *engine, const struct row_job *row);

/* The row of a doomed job goes with the open batch, so that it may be told
 * right after that it is gone; the rest of it goes with its set. */
void job_forget(struct engine *engine, struct job *job);

/* The job with that id that is not gone; NULL if there is none, and whoever is
 * told so waits for change_batch_seen. */
struct job *job_find(struct engine *engine, uint64_t id);

/* The job that runs under this token for this user; NULL: stale (finish.c). */
struct job *job_leased(struct engine *engine, const struct session *session,
                       uint64_t id, uint64_t token);

enum job_state job_state(const struct job *job);
struct queue *job_queue(const struct job *job);
double job_priority(const struct job *job);
int64_t job_lease_us(const struct job *job);
int64_t job_max_attempts(const struct job *job);
int64_t job_keep_done_us(const struct job *job);
struct job_extra *job_extra(struct engine *engine, struct job *job);

/* Moves, each from the states the drawing allows; they touch the queue. */
void job_run(struct engine *engine, struct job *job, struct lease *take_lease,
             int64_t until_us);
/* The lease begins anew, maybe with another length; `progress` may be absent.
 */
void job_extend(struct engine *engine, struct job *job, int64_t length_us,
                struct slice progress);
/* After a try that failed, or did not count: delay 0 is ready at once. */
void job_back(struct engine *engine, struct job *job, int64_t delay_us);
void job_due(struct engine *engine, struct job *job); /* DELAYED: its time */
/* HELD: one thing that held it is gone; on when it was the last. */
void job_unheld(struct engine *engine, struct job *job);
/* Done: kept as long as its terms say, or gone. `result` may be absent. */
void job_finish(struct engine *engine, struct job *job, struct slice result);
void job_die(struct engine *engine, struct job *job);
/* Dead, or being retried: ready, tries from 0; unless its key is taken. */
void job_revive(struct engine *engine, struct job *job);
bool job_key_taken(struct engine *engine, const struct job *job);
/* Being retried, but its key is taken: dead again. */
void job_stay_dead(struct engine *engine, struct job *job);
/* Its stage has come: on, unless an event holds it too. */
void job_released(struct engine *engine, struct job *job);
/* Gone from any state; whoever waits for it is told `cancelled`. */
void job_remove(struct engine *engine, struct job *job);

/* A try ended with its consumer or its lease: ready again, or dead. */
void job_crashed(struct engine *engine, struct job *job, struct slice why);
void job_consumer_gone(struct engine *engine, struct job *job);

/* What has happened to it already, but was not dealt with yet for all that had
 * to be dealt with at once: so that whoever asks for it sees it. False: it is
 * gone. */
bool job_catch_up(struct engine *engine, struct job *job);

void job_set_error(struct engine *engine, struct job *job, struct slice error);
void job_set_progress(struct engine *engine, struct job *job,
                      struct slice progress);

/* The job a key stands for: unfinished, of that queue; NULL if there is none.
 */
struct job *job_of_key(struct engine *engine, struct queue *queue,
                       struct slice key);

/* What is due in this set at the engine's time, as far as the slice goes. */
void job_set_due(struct engine *engine, struct job_set *set);

/* Its row; texts are borrowed from the job. */
struct row_job job_row(struct engine *engine, struct job *job);

/* Tells a waiter that the job is gone unfinished (job_methods.c). */
void job_answer_cancelled(struct engine *engine, struct waiter *take_waiter);

/* `batch` and `stage`, if it is of one. */
void write_stage_of(struct out *out, const struct job *job);

/* As in job.show. */
void job_write(const struct engine *engine, struct out *out,
               const struct job *job);

#endif
