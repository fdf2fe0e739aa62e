/*
 * A waiter: a request that has no answer yet.
 *
 * One struct for everything that waits. A waiter stands in the line of each
 * thing it waits for (a get of several queues in several), in its session's
 * list, and its deadline, fixed at arrival, among the timers. Lines are first
 * come, first served; a grant is handed to the first waiter directly and wakes
 * nobody else. There is one way out: waiter_reply answers, takes it out of
 * everything it stands in, and frees it; waiter_drop does so without an answer
 * when the session is gone.
 */
#ifndef SYNCD_ENGINE_WAITER_H
#define SYNCD_ENGINE_WAITER_H

#include "daemon/engine/containers.h"
#include "daemon/engine/reply.h"
#include "daemon/engine/timer.h"

struct barrier;
struct batch_object;
struct condition;
struct engine;
struct event_object;
struct job;
struct lock;
struct queue;
struct round;
struct sweep;
struct stage;
struct semaphore;
struct waiter;

enum waiter_kind {
    WAITER_PUT,   /* for room */
    WAITER_GET,   /* for a job */
    WAITER_JOIN,  /* for the last job of a queue */
    WAITER_JOB,   /* for a job to be finished */
    WAITER_SWEEP, /* for a purge, delete or retry to be through */
    WAITER_LOCK,
    WAITER_SEMAPHORE,
    WAITER_EVENT,
    WAITER_BARRIER,
    WAITER_CONDITION,
    WAITER_BATCH, /* for stages to pass */
    WAITER_KINDS
};

/* A place in a line. */
struct waiter_link {
    TAILQ_ENTRY(waiter_link) entry;
    struct waiter *waiter;
    struct waiter_list *list; /* NULL: in none */
};

TAILQ_HEAD(waiter_line, waiter_link);

struct waiter_list {
    struct waiter_line line;
    size_t count;
};

/* WAITER_PUT: jobs made at arrival, in no set yet. */
struct wait_put {
    struct queue *queue;
    struct job **jobs;  /* owned, as the jobs are */
    int64_t *delays_us; /* owned */
    size_t count;
    size_t room_jobs; /* of them, those that need room: the others are held */
    size_t room_bytes;
    bool many;           /* answered with `ids` */
    bool inside;         /* from inside the batch: a seal does not matter */
    struct stage *stage; /* NULL: none */
    bool listed;         /* among the stage's putters: it waits */
    TAILQ_ENTRY(wait_put) of_stage;
};

TAILQ_HEAD(putters, wait_put);

struct wait_get {
    size_t max;
    int64_t lease_us; /* -1: the job's */
    bool take;
    bool detached;
    struct slice finished; /* owned: what became of `done`, as JSON; absent */
};

struct wait_sweep {
    struct sweep *sweep; /* NULL: it is through */
    size_t jobs;         /* how many it was about */
    struct slice key;    /* static: what it has done with them */
};

struct wait_lock {
    struct lock *lock;
    struct slice owner; /* owned */
    bool reentrant;
    bool granted;
    size_t levels;  /* to be taken: 1, or what a condition gave up */
    bool condition; /* a condition.wait on its way back */
    bool notified;
    struct hold *given_up;     /* its row; NULL: of a session without grace */
    RB_ENTRY(waiter) by_user;  /* of a reentrant one: lock.c */
    RB_ENTRY(waiter) by_owner; /* deadlock.c, as the next two: */
    uint64_t searched;         /* by which search a range from here on was, */
    size_t searched_from;      /* and the length of what its owners share */
};

struct wait_semaphore {
    struct semaphore *semaphore;
    int64_t permits;
    bool held; /* they will belong to the session */
    bool granted;
};

struct wait_barrier {
    struct round *round; /* NULL: it is over */
    size_t index;
};

struct wait_condition {
    struct condition *condition;
    struct slice lock;  /* owned: its name */
    struct slice owner; /* owned */
    size_t levels;
    struct hold *given_up; /* its row; NULL: of a session without grace */
};

struct wait_batch {
    struct batch_object *batch;
    size_t stages; /* so many */
};

struct waiter {
    enum waiter_kind kind;
    uint64_t serial; /* of its arrival */
    int64_t since_us;
    struct reply_to to; /* its id is owned by the waiter */
    struct session *session;
    TAILQ_ENTRY(waiter) of_session;
    struct timer timer;
    size_t size; /* charged to the session and the account, bytes */
    uint32_t account;
    uint64_t batch; /* the answer waits for this batch too; 0: for none */
    union {
        struct wait_put put;
        struct wait_get get;
        struct queue *join;
        struct job *job;
        struct wait_sweep sweep;
        struct wait_lock lock;
        struct wait_semaphore semaphore;
        struct event_object *event;
        struct wait_barrier barrier;
        struct wait_condition condition;
        struct wait_batch batch;
    } u;
    size_t links_count;
    struct waiter_link links[];
};

TAILQ_HEAD(waiters, waiter);

void waiter_list_init(struct waiter_list *list);

/* NULL: nobody waits there. */
struct waiter *waiter_first(const struct waiter_list *list);

/*
 * Makes the request at hand wait. NULL: it may not, since its connection has
 * as many waiting as it may; it was answered with `limit`. With `timeout_us`
 * below 0 it waits as long as it takes.
 */
struct waiter *waiter_new(struct engine *engine, enum waiter_kind kind,
                          size_t links_max, int64_t timeout_us);

/* Would waiter_new refuse the request at hand? Then it was answered. */
bool waiter_refused(struct engine *engine);

/* At the end of that line. */
void waiter_join_line(struct waiter *waiter, struct waiter_list *list);

/* Begins the waiter's answer; write the result, then waiter_reply. */
struct out *waiter_begin(struct engine *engine, struct waiter *waiter);

/* The answer is written: sends it when `batch` is durable (0: now), and the
 * waiter is no more. */
void waiter_reply(struct engine *engine, struct waiter *take_waiter,
                  uint64_t batch);

/* Answers with an error. */
void waiter_refuse(struct engine *engine, struct waiter *take_waiter,
                   enum error error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with everything in it. */
void waiter_refuse_with(struct engine *engine, struct waiter *take_waiter,
                        const struct complaint *why);

/* Out of its lines, but still a waiter: it goes on to another. */
void waiter_leave_lines(struct waiter *waiter);

/* Without an answer: the session is gone. */
void waiter_drop(struct engine *engine, struct waiter *take_waiter);

/* Its timeout has come. */
void waiter_timed_out(struct engine *engine, struct waiter *take_waiter);

/* By session.cancel. */
void waiter_cancel(struct engine *engine, struct waiter *take_waiter);

/* The daemon shuts down. */
void waiter_shut_down(struct engine *engine, struct waiter *take_waiter);

/* Each noun's part in it: put.c, get.c, queue.c, job_methods.c. */
void put_discard(struct engine *engine, struct wait_put *put);
void get_answer_empty(struct engine *engine, struct waiter *take_waiter);
void join_answer(struct engine *engine, struct waiter *take_waiter,
                 bool joined);
void job_answer_wait(struct engine *engine, struct waiter *take_waiter);

/* Refuses every waiter in the line. */
void waiter_refuse_all(struct engine *engine, struct waiter_list *list,
                       enum error error, const char *text);

#endif
