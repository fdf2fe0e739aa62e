/*
 * The reference model: what syncd must do, as its specification says it.
 *
 * Written from proto/PROTOCOL.md and the invariants of daemon/DESIGN.md, not
 * from the engine: flat arrays, searched from end to end, no timers, no
 * indexes, no rows. It is told the same events as the engine, predicts each
 * reply at the moment at which it is decided, and says before which batch is on
 * disk it may not be sent. A crash gives it back the state of the last batch
 * that was written, less what does not outlive a restart.
 *
 * A number that the daemon chooses (an id, a token) has a name here, after the
 * action that brings it about, and is learnt from the first reply that tells
 * it: $j12_0 is the first job of action 12, $t15 the token that action 15 was
 * granted, $s3 and $x3 session and secret of the session.open 3. So a reply is
 * predicted as a pattern (tests/sim/pattern.h), in which a name stands for its
 * number from then on.
 *
 * The names of things are fixed: q0 ... are queues, l0 ... locks, and so on; a
 * thing is its number in its array. One queue, semaphore, event and barrier
 * each are in a scope of private names, which is one as well.
 */
#ifndef SYNCD_TESTS_SIM_MODEL_MODEL_H
#define SYNCD_TESTS_SIM_MODEL_MODEL_H

#include "proto/check.h"
#include "proto/errors.h"
#include "proto/limits.h"
#include "proto/scan.h"
#include "tests/sim/world.h"

enum {
    M_QUEUES = 5,
    M_LOCKS = 3,
    M_SEMAPHORES = 3,
    M_PLAIN_EVENTS = 3,
    M_BATCHES = 3,
    M_STAGES = 3,
    M_EVENTS = M_PLAIN_EVENTS + M_BATCHES * M_STAGES,
    M_BARRIERS = 2,
    M_CONDITIONS = 2,
    M_SESSIONS = 24,
    M_WAITERS = 80,
    M_JOBS = 240,
    M_HOLDS = 60,
    M_ROUNDS = 8,
    M_GIVEN = 40,
    M_OUTCOMES = 300,
    M_ACTIONS = 1200,
    M_ITEMS = 4, /* jobs of one put */
};

/* The scope of q0, s0, r0 and e2, which stand in the order of their names with
 * that; and of which user. */
#define M_SCOPE       "private/1000/a/"
#define M_SCOPE_OF    1000
#define M_SCOPE_EVENT (M_PLAIN_EVENTS - 1)

struct m_job {
    bool entered; /* else its put still waits for room */
    bool gone;
    bool was_put; /* its put is its last durable change */
    bool detached;
    enum job_state state;
    int action; /* its name is $j<action>_<item> */
    int item;
    int queue;
    int arrival;
    char body[24];
    char key[8];
    char error[24]; /* JSON as the rest; "_": some error of the daemon's */
    char result[24];
    char progress[16];
    double priority;
    int64_t put_at_us;
    int64_t delay_us;
    int64_t lease_us; /* -1: the queue's, as the next two */
    int64_t max_attempts;
    int64_t keep_done_us;
    int64_t until_us;         /* delayed, running, done: the end of it */
    int64_t delayed_until_us; /* its last delay ended then, untouched since */
    int64_t finished_at_us;
    int attempts;
    int crashes;
    int session; /* running: whose; -1: its token's alone */
    bool kept;   /* and its lease outlives a restart */
    int token;   /* the action that was granted it */
    uint32_t uid;
    int64_t length_us;
    int batch; /* -1: none */
    int stage;
    unsigned limits;  /* bits: semaphores */
    unsigned after;   /* bits: events that were not set since it was put */
    unsigned changed; /* the batch with its last durable change */
    unsigned born;    /* that with its put */
};

struct m_queue {
    bool exists;
    bool declared;
    bool has_row;
    bool paused;
    bool closed;
    bool lifo;
    bool durable;
    int64_t capacity;
    int64_t max_bytes;
    int64_t concurrency;
    int64_t lease_us;
    int64_t max_attempts;
    int64_t backoff_base_us;
    double backoff_factor;
    int64_t backoff_max_us;
    double backoff_jitter;
    int64_t keep_done_us;
    int64_t created_at_us;
    int64_t idle_since_us; /* it was in use until then */
    unsigned changed;
};

struct m_session {
    bool used;
    bool opened;
    uint64_t conn; /* 0: away */
    uint32_t uid;
    uint32_t pid;
    int64_t grace_us;
    bool kept; /* it outlives a restart: not opened while the disk was full, or
                  used since */
    int64_t away_until_us;
    int action; /* of its session.open */
    int serial; /* of its default owner */
    char client[8];
    bool keeps;                  /* the scope */
    const struct access *access; /* what it may do; borrowed */
    unsigned changed;
};

enum m_kind { M_LOCK, M_SEMAPHORE };

/* What a session holds of a lock or a bounded semaphore. */
struct m_hold {
    bool used;
    enum m_kind kind;
    int object;
    int session;
    int token;
    int64_t count;
    int serial;
    int64_t since_us;
    unsigned born;
    unsigned changed;
    bool loaded; /* from before the restart */
};

/* What a waiting condition.wait of a session with grace gave up. */
struct m_given {
    bool used;
    bool waited; /* somebody waits for it; else its request may be sent again */
    int lock;
    int session;
    int token;
    int64_t levels;
    char owner[16];
};

struct m_lock {
    char owner[16]; /* while it is held */
    int token;
    unsigned changed;
};

struct m_semaphore {
    bool exists;
    bool bounded;
    int64_t value; /* unbounded: what is free */
    unsigned changed;
};

struct m_event {
    bool set;
    unsigned changed;
};

struct m_batch {
    bool exists;
    bool goes_on; /* over dead jobs */
    bool sealed;
    bool cancelled;
    int stages;
    int passed;
    int done[M_STAGES];
    unsigned changed;
};

/* A generation that is full and waits for its action. */
struct m_round {
    bool used;
    int barrier;
    int generation;
    int session; /* that does the action */
};

struct m_barrier {
    bool broken;
    char reason[20];
    int parties; /* 0: nobody waits */
    int generation;
    bool in_use; /* as of the cut */
    unsigned changed;
};

/* Who is to be answered. */
struct m_to {
    uint64_t conn;
    int64_t id; /* -1: a notification */
    enum method method;
    int session;
    int action;
};

enum m_wait {
    M_WAIT_PUT,
    M_WAIT_GET,
    M_WAIT_JOIN,
    M_WAIT_JOB,
    M_WAIT_LOCK,
    M_WAIT_SEMAPHORE,
    M_WAIT_EVENT,
    M_WAIT_BARRIER,
    M_WAIT_CONDITION,
    M_WAIT_BATCH,
};

struct m_waiter {
    bool used;
    enum m_wait kind;
    struct m_to to;
    int serial;
    int64_t since_us;
    int64_t deadline_us; /* DEADLINE_NEVER */
    int object;          /* its index, whatever it is */
    int jobs[M_ITEMS];   /* put */
    int jobs_count;
    int room_jobs; /* that need room */
    int64_t room_bytes;
    bool many;
    bool inside;
    unsigned queues; /* get: bits */
    int64_t max;
    int64_t lease_us;
    bool take;
    bool detached;
    bool has_finished;
    int finished_done; /* outcome of its `done` */
    int finished_stale[M_ITEMS];
    int finished_stale_count;
    unsigned finished_needs;
    size_t finished_at; /* as it was told before the restart, in model.kept */
    size_t finished_len;
    char owner[16]; /* lock */
    bool reentrant;
    int64_t levels;
    int given; /* condition: what it gave up, from 1; 0: not noted */
    bool back; /* a condition.wait that wants its lock back */
    bool notified;
    int64_t permits;
    bool hold;
    int generation; /* barrier */
    int index;
    bool acting; /* its round is full and waits for the action */
    int stage;   /* batch: up to it */
    int lock;    /* condition */
};

/* An answer kept with a session with grace. */
struct m_outcome {
    bool used;
    bool loaded; /* from before the restart */
    int session;
    int64_t id;
    int token;     /* of a get: the jobs that bear it; 0: none */
    bool later;    /* of a get that waits: what became of its `done` */
    bool doubtful; /* maybe it is not kept, and carried out again */
    size_t at;     /* in model.kept */
    size_t len;
};

/* Everything that a crash may take back. Plain data: copied as it is. */
struct m_state {
    int serial;
    int jobs_count;
    int outcomes_count;
    struct m_queue queues[M_QUEUES];
    struct m_session sessions[M_SESSIONS];
    struct m_hold holds[M_HOLDS];
    struct m_lock locks[M_LOCKS];
    struct m_given given[M_GIVEN];
    struct m_semaphore semaphores[M_SEMAPHORES];
    struct m_event events[M_EVENTS];
    struct m_barrier barriers[M_BARRIERS];
    struct m_round rounds[M_ROUNDS];
    struct m_batch batches[M_BATCHES];
    struct m_job jobs[M_JOBS];
    struct m_outcome outcomes[M_OUTCOMES];
};

/* A reply that was decided and has not come yet. */
struct m_expected {
    struct m_to to;
    enum error error; /* ERROR_NONE: a result */
    size_t at;        /* the pattern, in model.texts */
    size_t len;
    unsigned needs; /* not before this batch is on disk; 0: at once */
};

/* What was learnt of the numbers the daemon chose, by action. */
struct m_learnt {
    uint64_t jobs[M_ACTIONS][M_ITEMS];
    uint64_t tokens[M_ACTIONS];
    int token_steps[M_ACTIONS]; /* at which they were granted */
    uint64_t sessions[M_ACTIONS];
    char secrets[M_ACTIONS][40];
};

/* method x (result or error): what was seen, for the grid. */
struct model_grid {
    unsigned at[METHODS][ERRORS];
    unsigned unclear; /* stories that were not told to their end */
};

/* When a job of that id is due that the engine delayed by a random time. */
typedef int64_t model_due(void *arg, uint64_t job);

struct model {
    struct m_state now;
    struct m_state *cut;  /* owned: as of the batch in flight */
    struct m_state *disk; /* owned: as of the last one written */
    struct m_waiter waiters[M_WAITERS];
    struct m_learnt learnt;
    struct model_grid *grid; /* borrowed; maybe NULL */
    model_due *due;
    void *due_arg;
    int64_t now_us; /* engine time */
    int64_t skew_us;
    unsigned cuts;      /* batches cut by this engine */
    unsigned persisted; /* of them, told to be on disk */
    int step;
    bool forgetful; /* the store keeps nothing: no reply waits for it */
    bool full;
    bool fresh; /* after a restart: deadlines may lie in the past */
    bool shutting_down;
    unsigned entered; /* bits: queues in which puts that waited have entered in
                         this step */
    bool unclear; /* it is not said which of two comes first: no more is told */
    bool token_kept; /* of the reply being written */
    bool written;    /* the batch in flight, if there is one */
    int action;      /* that is being carried out; 0: none */
    uint64_t conns;  /* given out so far */
    struct out texts;
    struct out kept;
    struct m_outcome *kept_last;
    struct m_expected *expected; /* owned */
    size_t expected_count;
    size_t expected_cap;
    struct arena arena;
    char fault[3000]; /* empty: none */
};

void model_init(struct model *model, struct model_grid *grid);
void model_fini(struct model *model);

/* The engine was given this event. */
void model_event(struct model *model, const struct event *event);

/* A reply; a fault if it was not expected. What was expected goes to `told`, if
 * that is not NULL, as a scenario says it. */
void model_reply(struct model *model, uint64_t conn, struct slice line,
                 struct out *told);

void model_cut(struct model *model);
void model_written(struct model *model);
void model_persisted(struct model *model);

/* The engine died, and another one was loaded; its clock is `clock_us`, the
 * greatest time on disk `disk_clock_us`. */
void model_crash(struct model *model, int64_t clock_us, int64_t disk_clock_us);

/* A line that never reached the engine gets this. */
void model_refused(struct model *model, uint64_t conn, struct slice id,
                   enum method method, enum error error);

/* Nothing is on its way to the disk: every reply must have come. */
void model_quiet(struct model *model);

/* May a request of that connection under this id have an answer from before the
 * restart, or not? */
bool model_doubtful(const struct model *model, uint64_t conn, int64_t id);

/* The number of a name as it stands in what is sent; false: not known. */
bool model_name(const struct model *model, struct slice name, struct out *out);

void model_fault(struct model *model, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
