/*
 * What a job is held back by beside its stage: events that are to be set.
 *
 * An event counts for a job from the first moment it is set on, also if it is
 * cleared afterwards; the job's row then no longer names it.
 */
#ifndef SYNCD_ENGINE_AFTER_H
#define SYNCD_ENGINE_AFTER_H

#include "daemon/engine/containers.h"
#include "proto/request.h"

struct engine;
struct event_object;
struct job;

struct after {
    struct job *job;
    struct event_object *event; /* NULL: it was set */
    TAILQ_ENTRY(after) of_event;
};

TAILQ_HEAD(afters, after);

/* Makes the job wait for those of the events its row_after names that are not
 * set; it may name none. */
void after_begin(struct engine *engine, struct job *job);

/* The job is held by none any more: gone. */
void after_end(struct engine *engine, struct job *job);

/* The event is set: it holds one of its jobs no more, which is released if it
 * waited for nothing else. False: none is left. */
bool after_release_one(struct engine *engine, struct event_object *event);

/* The same for all events of this job that are set. */
void after_catch_up(struct engine *engine, struct job *job);

bool job_is_held_by_events(const struct job *job);

/* The names of those that were not set yet, as a row keeps them; given. */
struct slice after_text(const struct job *job);

#endif
