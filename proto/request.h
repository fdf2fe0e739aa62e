/*
 * A request as the engine sees it: decoded, checked, typed.
 *
 * One flat struct serves every method; which members a method may fill is told
 * by its rows in methods.def, where a member lies by its row in fields.def. A
 * member that was not given has the value that `request_absent` gives it:
 *
 *   slices            at == NULL
 *   ids, tokens       0
 *   durations, counts -1
 *   flags, words      -1
 *   masks             0
 *   priority          0
 *
 * Everything points into the line it was read from or into the arena of the
 * turn; whoever keeps anything copies it.
 */
#ifndef SYNCD_PROTO_REQUEST_H
#define SYNCD_PROTO_REQUEST_H

#include "proto/method.h"
#include "proto/slice.h"

/* The `id` of a request. Two are equal if `key` and `json` are. */
struct rpc_id {
    struct slice json; /* as it was sent, quotes and all; absent: none */
    uint64_t key;      /* a hash of it; never 0 unless absent */
};

/* The `key` of an id as it was sent: a hash, never 0. */
uint64_t rpc_id_key(struct slice json);

struct ids {
    const uint64_t *at;
    size_t count;
};

/* One job of a put. */
struct put_item {
    struct slice body; /* JSON, untouched */
    struct slice key;
    double priority;
    int64_t delay_us;
    int64_t lease_us;
    int64_t max_attempts;
    int64_t keep_done_us;
    struct slices limits; /* names of semaphores */
    struct slices after;  /* names of events */
};

struct put_items {
    const struct put_item *at;
    size_t count;
};

/* One job of a done or an extend. */
struct done_item {
    uint64_t id;
    uint64_t token;
    struct slice result; /* JSON, untouched */
};

struct done_items {
    const struct done_item *at;
    size_t count;
};

/* What was finished: one job, ids of one token, or jobs. */
struct done_part {
    struct done_item one;
    struct ids ids; /* with one.token */
    struct done_items jobs;
};

struct backoff_terms {
    int64_t base_us;
    double factor; /* -1: absent */
    int64_t max_us;
    double jitter; /* -1: absent */
};

struct resume_part {
    uint64_t session;
    struct slice secret;
};

/* A job whose lease one holds. */
struct from_part {
    uint64_t id;
    uint64_t token;
};

struct request {
    enum method method;
    struct rpc_id id;
    bool notification; /* a sound request without an id: it gets no answer, not
                          even an error */

    /* What it is about. */
    struct slice queue;
    struct slices queues;
    struct slice prefix;
    uint64_t job;         /* wire: id */
    struct slice pending; /* wire: request; an id as JSON */

    /* queue.put */
    struct put_item put;
    struct slices bodies;
    struct put_items puts; /* wire: jobs */

    /* queue.get, .done, .fail, .extend */
    int64_t max;
    int64_t lease_us;
    int take;
    int detached;
    struct done_part done; /* of a get: what was finished; else the request */
    bool has_done;         /* a get with `done` */
    struct slice failure;  /* wire: error; JSON */
    int64_t delay_us;
    int dead;
    int free;
    struct slice progress; /* JSON */

    /* queue.declare */
    int64_t capacity;
    int64_t max_bytes;
    int order; /* enum word_order */
    int64_t concurrency;
    int64_t max_attempts;
    struct backoff_terms backoff;
    int64_t keep_done_us;
    int durable;

    /* queue.purge, .delete, lists */
    unsigned states; /* 1 << enum job_state */
    int state;       /* enum job_state */
    int force;
    struct slice cursor; /* wire: after */
    uint64_t after_id;   /* wire: after, of a list of jobs */
    int64_t limit;

    /* session.open */
    struct slice client;
    int64_t grace_us;
    struct resume_part resume;
    struct slices scopes; /* wire: private */

    /* Batches. */
    struct slice batch;
    struct slice stage;
    struct from_part from;
    struct slices stages;
    int on_failure; /* enum word_failure */

    /* Locks, semaphores, events, barriers, conditions. */
    struct slice lock;
    struct slice semaphore;
    struct slice event;
    struct slice barrier;
    struct slice condition;
    uint64_t token;
    struct slice owner;
    int reentrant;
    int deadlock; /* enum word_deadlock */
    int64_t value;
    int bounded;
    int keep;
    int hold;
    int64_t permits;
    int64_t parties;
    int64_t generation;
    int action;
    int64_t count; /* wire: n */
    int all;

    /* Anything that waits: -1 as long as it takes, 0 not at all. */
    int64_t timeout_us;
};

/* The states of a job on the wire, in the order of a job's life. */
enum job_state {
    JOB_HELD,
    JOB_DELAYED,
    JOB_READY,
    JOB_RUNNING,
    JOB_DONE,
    JOB_DEAD,
    JOB_STATES
};

enum word_deadlock { DEADLOCK_WAIT, DEADLOCK_REFUSE };

enum word_failure { FAILURE_BREAK, FAILURE_CONTINUE };

enum word_order { ORDER_FIFO, ORDER_LIFO };

extern const char *const job_state_names[JOB_STATES];

extern const struct request request_absent;
extern const struct put_item put_item_absent;
extern const struct done_item done_item_absent;

#endif
