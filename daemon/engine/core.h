/*
 * The inside of the engine: what its files share, and nobody else sees.
 */
#ifndef SYNCD_ENGINE_CORE_H
#define SYNCD_ENGINE_CORE_H

#include "daemon/engine/access.h"
#include "daemon/engine/account.h"
#include "daemon/engine/after.h"
#include "daemon/engine/barrier.h"
#include "daemon/engine/batch_object.h"
#include "daemon/engine/change.h"
#include "daemon/engine/condition.h"
#include "daemon/engine/deadlock.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/event_object.h"
#include "daemon/engine/hold.h"
#include "daemon/engine/index.h"
#include "daemon/engine/limited.h"
#include "daemon/engine/lock.h"
#include "daemon/engine/names.h"
#include "daemon/engine/queue.h"
#include "daemon/engine/reply.h"
#include "daemon/engine/room.h"
#include "daemon/engine/scope.h"
#include "daemon/engine/semaphore.h"
#include "daemon/engine/session.h"
#include "daemon/engine/side_set.h"
#include "daemon/engine/sweep.h"
#include "daemon/engine/timer.h"
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "proto/spares.h"

/* No time on disk is later (it is in the year 38505): what is counted from it
 * does not run over. */
#define TIME_MAX_US (INT64_C(1) << 60)

/* A range of numbers reserved on disk in advance; none is given out twice. */
struct numbers {
    uint64_t next;
    uint64_t reserved; /* below it: in the open batch or before */
    uint64_t cut;      /* below it: in the batch that is out or before */
    uint64_t durable;  /* below it: on disk */
};

/* A histogram's buckets: their upper bounds are in server.c. */
#define HISTOGRAM_BUCKETS 14

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* the last: beyond all bounds */
    double sum_s;
};

struct counters {
    uint64_t calls[METHODS];
    uint64_t errors[ERRORS];
    uint64_t put, handed_out, done, failed, crashed, died, cancelled;
    uint64_t batches, rows;
    struct histogram wait; /* from ready to handed out */
    struct histogram run;  /* from handed out to done */
};

/* The request being carried out. */
struct current {
    const struct event *event;
    const struct request *request;
    struct session *session;
    struct reply_to to;
    size_t size; /* that it takes up while it waits, bytes */
};

struct engine {
    struct engine_options options;
    int64_t now_us;
    int64_t skew_us; /* added to the events' time: it never goes back, not even
                        over a restart */
    struct effects *effects; /* of the step under way */
    struct current current;
    uint64_t random;
    bool token_kept;   /* for the reply being written: see reply_end */
    bool full;         /* the disk has no room: room.h */
    int64_t full_left; /* of FULL_BYTES_MAX */
    bool shutting_down;
    struct numbers job_ids;
    struct numbers tokens;
    struct numbers object_ids; /* of everything else */
    struct saved counters_saved;
    struct changes changes;
    struct spares spares; /* memory of jobs and leases that are gone */
    struct held held[2];  /* [0]: of the batch that is out, or collects if none
                             is; [1]: collects while one is out */
    struct index jobs;
    struct lease_list detached;         /* leases that belong to no session */
    struct loaded_leases loaded_leases; /* from before the restart */
    struct queue *queues_by_id;
    size_t counts[JOB_STATES]; /* jobs of all queues */
    struct names queues;
    struct queue_list touched;
    struct contested contested;  /* see queues_settle */
    struct semaphore_list freed; /* see limited.h */
    size_t freed_count;
    struct queue_list memory_line; /* queues whose first put waits for memory */
    size_t memory_used;
    struct accounts accounts;
    size_t waiters_count;
    size_t waiting_bytes;  /* of all requests that wait */
    size_t sessions_count; /* with a connection */
    struct session *sessions_by_conn;
    struct session *sessions_by_id;
    struct names locks;
    struct names semaphores;
    struct names events;
    struct names barriers;
    struct barrier_list barriers_unused; /* the longest first */
    size_t barriers_unused_count;
    struct names conditions;
    struct holds given_up; /* of sessions with grace, for conditions */
    struct hold_holders given_up_by_holder;
    struct names batches;
    struct names scopes;
    struct batch_object *batches_by_id;
    struct batch_list batches_touched;
    struct out scratch;           /* of a get's answer: get.c */
    struct owner_tree lock_waits; /* by owner: deadlock.c */
    uint64_t lock_searches;
    uint64_t waiter_serial;
    struct timers timers;
    struct sweeps sweeps;
    struct sweep *urgent_last; /* of those at the front: sweep.c */
    size_t sweep_rows;         /* of the last event */
    int slice_left; /* so much of what comes by the thousand may still be done
                       in this step */
    struct sweep *sweeps_by_serial;
    uint64_t sweep_serial;
    uint64_t swept_by;  /* the newest that purges or retries, or 0 */
    uint64_t set_by;    /* the newest that releases what an event held, or 0 */
    size_t swept_bytes; /* of replies that wait for the end of a sweep */
    struct counters counters;
};

/* The next number; its reply must wait for what change_batch_numbers says. */
uint64_t next_job_id(struct engine *engine);
uint64_t next_object_id(struct engine *engine);
uint64_t next_token(struct engine *engine);

/* The batch that reserves all numbers given out so far; 0: it is on disk. No
 * later one, or an answer would wait while the next, which sees the numbers
 * reserved, is sent. */
uint64_t change_batch_numbers(const struct engine *engine);

/* 64 random bits, from the seed alone. */
uint64_t next_random(struct engine *engine);

/* Engine time as Unix time, for the wire. */
static inline int64_t wire_time_us(const struct engine *engine, int64_t us)
{
    return us - engine->skew_us;
}

/* a + b, both >= 0, without overflow. */
static inline int64_t later(int64_t a, int64_t b)
{
    return b > INT64_MAX - 1 - a ? INT64_MAX - 1 : a + b;
}

/* Memory of jobs, charged to the account of whoever put them. */
void memory_add(struct engine *engine, uint32_t owner, size_t bytes);
void memory_sub(struct engine *engine, uint32_t owner, size_t bytes);

struct row_counters counters_row(const struct engine *engine);
void histogram_add(struct histogram *histogram, int64_t us);

/* The body of engine_check is in check.c. The methods: */
#define METHOD(id, name, role, traits, summary)                      \
    void method_##id(struct engine *engine, struct session *session, \
                     const struct request *request);
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT

/* The entries of a page that were asked for; false: refused. */
bool page_limit(struct engine *engine, const struct request *request,
                size_t *limit);

/* Order of bytes, the shorter first. */
int slice_order(struct slice a, struct slice b);
bool slice_begins(struct slice text, struct slice prefix);

/* Who waits, at most WAITERS_SHOWN_MAX of them: `waiters`, `waiting`. */
void waiters_write(const struct engine *engine, struct out *out,
                   const struct waiter_list *list);

/* A copy on the heap; freed with mem_free or change_free of its `at`. */
struct slice slice_copy(struct slice text);

#endif
