/*
 * Work on very many jobs, a slice a step.
 *
 * A purge, a delete, or a retry of a whole queue takes the sets it is about out
 * of the queue in one step, so that it takes effect at once, and deals with
 * their jobs in slices: as many a step as are left of its SLICE_JOBS, before
 * anybody is served. So nobody else waits for all of it. It is answered when
 * its last slice is on disk.
 *
 * A crash in between brings back what is not dealt with. So until then nobody
 * is told what would not be true then: whoever asks for a job that is purged
 * has its row deleted by that (job_forget), and replies that tell how many jobs
 * a queue has, or that one found room in it, wait for the end of the sweep.
 *
 * The jobs of an event that is set, and those of a session that has ended, are
 * dealt with one by one, before any other sweep. A crash in between does no
 * harm: the event is set, and the session gone, on disk from the beginning.
 */
#ifndef SYNCD_ENGINE_SWEEP_H
#define SYNCD_ENGINE_SWEEP_H

#include "daemon/engine/queue.h"
#include "daemon/engine/reply.h"

enum sweep_kind {
    SWEEP_PURGE,
    SWEEP_DELETE,
    SWEEP_RETRY,   /* the dead of a queue */
    SWEEP_RELEASE, /* the held of a stage that has come */
    SWEEP_CANCEL,  /* all of a batch */
    SWEEP_MEND,    /* the dead of a batch */
    SWEEP_AFTER,   /* what waited for an event that is set */
    SWEEP_LEASES   /* of a session that has ended */
};

struct sweep {
    TAILQ_ENTRY(sweep) entry;
    enum sweep_kind kind;
    struct queue *queue;         /* of the set */
    TAILQ_ENTRY(sweep) of_queue; /* if the set is moving */
    struct job_set *set;         /* owned; else NULL, and one of the next */
    struct batch_object *batch;
    struct event_object *event;
    struct session *session; /* owned: nobody else knows it */
    size_t stage;            /* SWEEP_MEND: it works on this one, and */
    size_t left; /* so many of its dead jobs have not been looked at */
    struct waiter *waiter; /* answered at its end; NULL: nobody waits for it */
    uint64_t serial;       /* those that are asked for end in this order */
    struct held held;      /* replies that saw what it is not through with */
    UT_hash_handle by_serial;
};

/* Takes the queue's sets in these states out of it, for all to see at once. The
 * request at hand is answered at the end with how many jobs it was. */
void sweep_begin(struct engine *engine, struct queue *queue, unsigned states,
                 enum sweep_kind kind);

/* Deletes the queue, with all that is in it; nobody waits for that. */
void queue_end(struct engine *engine, struct named *named);

/* After a restart: the jobs of queues that were being deleted. */
void sweep_resume(struct engine *engine, struct queue *queue);

/* The jobs that the stage held back, of all queues. */
void sweep_release(struct engine *engine, struct stage *stage);

/* SWEEP_CANCEL or SWEEP_MEND; the request at hand is answered at the end. */
void sweep_batch(struct engine *engine, struct batch_object *batch,
                 enum sweep_kind kind);

/* A job of a batch that is cancelled goes, and counts for that. */
void sweep_cancel_job(struct engine *engine, struct batch_object *batch,
                      struct job *job);

/* After a restart: a SWEEP_CANCEL that nobody waits for any more. */
void sweep_batch_resume(struct engine *engine, struct batch_object *batch);

/* The jobs that wait for an event which is set; it knows its sweep. */
void sweep_after(struct engine *engine, struct event_object *event);

/* All that is left of a session. */
void sweep_leases(struct engine *engine, struct session *take_session);

/* All of it now. */
void sweep_finish(struct engine *engine, struct sweep *sweep);

/* Instead of a batch: the one that will have the end of the sweep with that
 * serial number. If it is through, or for 0, change_batch_seen. */
uint64_t sweep_seen(const struct engine *engine, uint64_t serial);

/* The line of replies that such a number stands for; NULL: it is a batch. */
struct held *sweep_held(const struct engine *engine, uint64_t seen);

/* Is there anything to be done, and room for it in the open batch? */
bool sweeps_are_due(const struct engine *engine);

/* As much as is left of this step's slice, and of the open batch. */
void sweeps_step(struct engine *engine);

/* The waiter of a sweep is gone. */
void sweep_forget_waiter(const struct waiter *waiter);

/* All sets that are being swept, with their jobs still in the index. */
void sweep_free_all(struct engine *engine);

#endif
