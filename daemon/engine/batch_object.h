/*
 * A batch: jobs in stages, each stage a barrier and an event. The methods are
 * in batch_methods.c; how stages pass, and batch.wait, in batch_pass.c.
 *
 * A job of the stage that is open now is like any other; one of a later stage
 * is held. When the batch is sealed and every job of the open stage has
 * arrived, the stage passes: its event batch/<batch>/<stage> is set and the
 * next stage's jobs are released, all by one change of the batch's row.
 *
 *   UNSEALED --seal--> RUNNING --last stage passed--> DONE
 *        \               |  ^
 *         \   job dead,  v  | its dead jobs retried or gone
 *          \  "break"  BROKEN
 *           +--------+---+---- cancel ----> CANCELLED
 *
 * Jobs join as long as it is unsealed, and later from inside: whoever holds the
 * lease of one of its jobs may add to that job's or a later stage. A dead job
 * breaks the batch, or with "continue" counts as arrived. A cancelled job is no
 * party any more.
 */
#ifndef SYNCD_ENGINE_BATCH_OBJECT_H
#define SYNCD_ENGINE_BATCH_OBJECT_H

#include "daemon/engine/change.h"
#include "daemon/engine/names.h"
#include "daemon/engine/side_set.h"
#include "daemon/engine/waiter.h"

TAILQ_HEAD(stage_jobs, job_extra);

struct stage {
    struct batch_object *batch;
    size_t index;
    struct slice name; /* owned */
    size_t open;       /* jobs that have not arrived */
    size_t dead_count;
    size_t done_count;
    size_t counts[JOB_STATES]; /* of those that are neither done nor gone */
    uint64_t released_in;      /* the batch of changes that opened it */
    struct stage_jobs jobs;    /* not arrived */
    struct stage_jobs dead;
    struct side_sets held; /* until it opens */
    struct side_set_tree held_by_queue;
    struct putters putters;     /* puts that wait for room */
    struct waiter_list waiters; /* for it to have passed */
};

struct batch_object {
    struct named named;
    uint64_t id;
    struct stage *stages; /* owned */
    size_t stages_count;
    size_t passed; /* stages; the one with this index is open */
    bool goes_on;  /* over dead jobs: on_failure "continue" */
    bool sealed;
    bool cancelled;
    bool touched; /* to be looked at when the step settles */
    TAILQ_ENTRY(batch_object) of_touched;
    struct waiter_list waiters; /* for any of its stages */
    size_t sweeps;              /* a cancel or a retry is under way */
    size_t removed;             /* jobs, by a cancel that is under way */
    struct slice row_stages;    /* owned: texts of the row, as last written */
    struct slice row_done;
    struct saved saved;
    UT_hash_handle by_id;
};

TAILQ_HEAD(batch_list, batch_object);

struct batch_object *batch_find(const struct engine *engine, struct slice name);
struct batch_object *batch_new(struct engine *engine, uint64_t id,
                               struct slice name, struct slices stages);
void batch_free(struct engine *engine, struct batch_object *batch);
/* Its row is to be written. */
void batch_changed(struct engine *engine, struct batch_object *batch);
/* It is to be looked at when the step settles. */
void batch_touch(struct engine *engine, struct batch_object *batch);
struct batch_object *batch_of_id(const struct engine *engine, uint64_t id);
bool batch_load(struct engine *engine, const struct row_batch *row);
struct row_batch batch_row(struct engine *engine, struct batch_object *batch);
void batches_free_all(struct engine *engine);

/* The event of a stage, batch/<batch>/<stage>: set when it has passed, cleared
 * when its batch is forgotten. Names of stages have no slash in them, so that
 * no two stages have one event. */
void stage_event_set(struct engine *engine, const struct stage *stage);
void stage_event_clear(struct engine *engine, const struct stage *stage);

/* The batch named; NULL: refused. */
struct batch_object *batch_wanted(struct engine *engine, struct slice name);
/* NULL: it has none of that name. */
struct stage *batch_stage_named(const struct batch_object *batch,
                                struct slice name);
void refuse_no_stage(struct engine *engine, const struct batch_object *batch,
                     struct slice name);

/* All of its stages have passed. */
bool batch_is_over(const struct batch_object *batch);
/* A job that broke it: dead, in a stage that has not passed. NULL: whole. */
const struct job *batch_broken_by(const struct batch_object *batch);
/* As in batch.show. */
struct slice batch_state(const struct batch_object *batch);

/* A stage that jobs may be put to now, by this request; NULL: refused. *inside:
 * because of a lease, so that a seal does not matter. */
struct stage *batch_stage_wanted(struct engine *engine,
                                 const struct request *request, bool *inside);
void refuse_stage(struct engine *engine, const struct stage *stage);
/* May a put that waited still enter? */
bool stage_admits(const struct stage *stage, bool inside);

/* Is it held: its turn has not come? */
bool stage_is_held(const struct stage *stage);

/* A dead job goes behind the other dead ones of its stage. */
void stage_skip_dead(struct job *job);

/* A party of the stage came, arrived, died, was retried, or is none any more.
 */
void stage_join(struct engine *engine, struct stage *stage, struct job *job);
/* It stands in a set of that state, for the last time as a party. */
void stage_arrive(struct engine *engine, struct job *job, enum job_state state);
void stage_die(struct engine *engine, struct job *job);
void stage_revive(struct engine *engine, struct job *job);
/* It was taken out of a set of that state, and is no party any more. */
void stage_leave(struct engine *engine, struct job *job, enum job_state state);

/* After a restart: a cancel that was under way is carried on. */
void batches_loaded(struct engine *engine);

/* It was sealed or cancelled: puts that wait for room in its stages are looked
 * at again. */
void batch_touch_putters(struct engine *engine, struct batch_object *batch);

/* Lets stages pass as far as they may, and tells who waits. */
void batches_settle(struct engine *engine);

/* The answer of a batch.wait that got nothing in time. */
void batch_answer_timeout(struct engine *engine, struct waiter *take_waiter);

#endif
