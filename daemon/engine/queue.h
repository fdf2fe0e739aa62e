/*
 * A queue: its terms, its jobs by state, and who waits for what in it.
 *
 * put waits for room (capacity and max_bytes count ready and delayed jobs), get
 * for a job that may run, join for the last unfinished one. Whatever changes a
 * queue touches it; at the end of the step every touched queue is settled: as
 * many puts enter and as many gets are served as can be, in the order of
 * arrival, until nothing moves any more. So between two steps no waiter waits
 * for what is free (invariant 12).
 */
#ifndef SYNCD_ENGINE_QUEUE_H
#define SYNCD_ENGINE_QUEUE_H

#include "daemon/engine/job.h"
#include "daemon/engine/limited.h"
#include "daemon/engine/names.h"
#include "daemon/engine/rate.h"
#include "daemon/engine/side_set.h"

struct sweep;

struct queue_terms {
    int64_t capacity; /* 0: no limit, as the next */
    int64_t max_bytes;
    int64_t concurrency;
    bool lifo;
    int64_t lease_us;
    int64_t max_attempts;
    int64_t backoff_base_us;
    double backoff_factor;
    int64_t backoff_max_us;
    double backoff_jitter;
    int64_t keep_done_us;
    bool durable;
};

extern const struct queue_terms queue_terms_default;

TAILQ_HEAD(sweeps, sweep);

struct queue {
    struct named named;
    uint64_t id;
    struct queue_terms terms;
    int64_t created_at_us;
    bool declared; /* else it vanishes when it has been idle for an hour */
    bool paused;
    bool closed;
    bool deleted; /* out of reach; its jobs are being removed */
    bool touched;
    bool over; /* closed, and nothing is left: gets were told */
    bool contested;
    uint64_t contested_by; /* the serial of the get at the head of its line */
    struct saved saved;
    uint64_t forgets_in; /* since the batch in which it became one in memory:
                            until then it is still on disk as it was */
    struct job_set *sets[JOB_STATES]; /* owned */
    size_t counts[JOB_STATES];        /* jobs, wherever they stand */
    size_t *counts_of_all;            /* the engine's, of all queues */
    size_t bytes;                     /* of ready and delayed bodies */
    struct side_sets held_sets;       /* by stages that have not come */
    struct limited_sets limited;      /* ready jobs that need permits, and */
    struct lanes lanes;               /* what they wait for: limited.h */
    struct open_lanes open_lanes;
    size_t sweeps;        /* that work on its jobs */
    struct sweeps moving; /* of them, those of moving sets */
    struct job_extra *keys;
    struct waiter_list putters;
    struct waiter_list getters;
    struct waiter_list joiners;
    struct rate put_rate;
    struct rate get_rate;
    struct rate done_rate;
    int64_t idle_since_us;
    uint64_t swept_by; /* the newest sweep that purges or retries it, or 0 */
    struct timer timer;
    bool wants_memory; /* on the engine's line for memory */
    TAILQ_ENTRY(queue) of_memory;
    TAILQ_ENTRY(queue) of_touched;
    RB_ENTRY(queue) by_contested;
    UT_hash_handle by_id;
};

TAILQ_HEAD(queue_list, queue);
RB_HEAD(contested, queue);

/* NULL: there is none of that name. */
struct queue *queue_find(const struct engine *engine, struct slice name);

/* The same for the request at hand, which is refused if it is NULL. */
struct queue *queue_wanted(struct engine *engine, struct slice name);

struct queue *queue_of_id(const struct engine *engine, uint64_t id);

/* Finds it, or makes one with the default terms. NULL: there are too many
 * queues; the request at hand was refused. */
struct queue *queue_use(struct engine *engine, struct slice name);

bool queue_load(struct engine *engine, const struct row_queue *row);
struct row_queue queue_row(const struct engine *engine,
                           const struct queue *queue);

size_t queue_count(const struct queue *queue, enum job_state state);
size_t queue_unfinished(const struct queue *queue);
/* Nothing is left, and nothing that was purged is still on its way out: whoever
 * was told before would be wrong after a crash. */
bool queue_is_through(const struct queue *queue);
size_t queue_bytes(const struct queue *queue); /* ready and delayed */

/* May so many more jobs with so many bytes enter now? */
bool queue_has_room(const struct queue *queue, size_t jobs, size_t bytes);

/* The job that would be handed out next; NULL: none may be now. */
struct job *queue_next(struct engine *engine, struct queue *queue);

/* Of an empty queue. */
void queue_set_order(struct queue *queue, bool lifo);

/* A durable queue's row is on disk before its jobs' are. */
void queue_save(struct engine *engine, struct queue *queue);

/* Are its jobs written? Their replies wait for that; of one in memory only
 * they wait for nothing but the reservation of fresh ids. */
bool queue_is_durable(const struct engine *engine, const struct queue *queue);
uint64_t queue_batch(const struct engine *engine, const struct queue *queue);

/* The same for what tells of its jobs as a whole, or depends on its room: if it
 * is being purged or retried that is so on disk only at the end (sweep.h). */
uint64_t queue_seen(const struct engine *engine, const struct queue *queue);

/* Its row is to be written, if it has one. */
void queue_changed(struct engine *engine, struct queue *queue);

/* Takes a set out of the queue, which gets an empty one for it. Given. */
struct job_set *queue_take_set(struct engine *engine, struct queue *queue,
                               enum job_state state);

/* The line for memory, in the order of arrival. */
void queue_join_memory_line(struct engine *engine, struct queue *queue);
void queue_leave_memory_line(struct engine *engine, struct queue *queue);

void queue_touch(struct engine *engine, struct queue *queue);
void queues_settle(struct engine *engine);

/* It may be idle: looks, and removes it after an hour. */
void queue_timer(struct engine *engine, struct queue *queue);

/* Out of reach at once; freed when its jobs are. */
void queue_forget(struct engine *engine, struct queue *queue);

/* When the last sweep of a deleted queue is through. */
void queue_free(struct engine *engine, struct queue *take_queue);
void queue_free_all(struct engine *engine);

/* finish.c: the `done` of a get. It makes no sense, and was refused? */
bool finish_refused(struct engine *engine, const struct done_part *part);
/* Carries it out: `finished`, as JSON, given; it depends on *batch. */
struct slice finish_part(struct engine *engine, struct session *session,
                         const struct done_part *part, uint64_t *batch);

void queue_write(const struct engine *engine, struct out *out,
                 const struct queue *queue);

/* put.c: lets the first putter in if it fits; false: nobody entered. */
bool put_admit(struct engine *engine, struct queue *queue);
/* Would the first putter find the memory it needs? */
bool put_memory_fits(const struct engine *engine, const struct queue *queue);
/* get.c: serves the first getter; false: nobody was served. */
bool get_serve(struct engine *engine, struct queue *queue);
/* Of the queues in whose lines this get stands, the one with that index. */
struct queue *get_queue(const struct waiter *waiter, size_t index);
/* Are all the queues that this get waits for closed and empty? */
bool get_is_over(const struct waiter *waiter);

#endif
