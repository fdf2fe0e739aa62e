/*
 * An event: set or not; who waits for it is let through when it is set.
 *
 * A set releases everybody who waits at that moment, also when it is cleared
 * straight after. Only set events, and those that are waited for, are kept; the
 * row of one says that it is set. The event of a batch's stage has none: the
 * row of its batch tells, so that a stage passes by the change of one row.
 */
#ifndef SYNCD_ENGINE_EVENT_OBJECT_H
#define SYNCD_ENGINE_EVENT_OBJECT_H

#include "daemon/engine/after.h"
#include "daemon/engine/change.h"
#include "daemon/engine/names.h"
#include "daemon/engine/waiter.h"

struct sweep;

struct event_object {
    struct named named;
    uint64_t id; /* of its row */
    bool set;
    struct sweep *sweep; /* while it is set and not all of its jobs are
                            released; else NULL */
    bool told;           /* by the row of its batch: it has none of its own */
    struct waiter_list waiters;
    struct afters jobs; /* that are held by it */
    size_t jobs_count;
    struct saved saved;
};

bool event_is_set(const struct engine *engine, struct slice name);

/* Finds it, or makes one that is not set and counts for that account. */
struct event_object *event_use(struct engine *engine, struct slice name,
                               uint32_t owner);

/* How many of them would have to be made. */
size_t events_missing(const struct engine *engine, const struct slice *names,
                      size_t count);

/* The event of a stage: set with its batch, when it passes and when it is
 * loaded, cleared when the batch is forgotten. The batch counts for it. */
void event_set_told(struct engine *engine, struct slice name, uint32_t owner);
void event_clear(struct engine *engine, struct slice name);

bool event_load(struct engine *engine, const struct row_event *row);
struct row_event event_row(const struct engine *engine,
                           const struct event_object *event);
void event_answer_wait(struct engine *engine, struct waiter *take_waiter,
                       bool set);
/* A waiter left: an event that is of no use any more is not kept. */
void event_left(struct engine *engine, struct event_object *event);
/* Clears it: what is waited for goes on being waited for. */
void event_end(struct engine *engine, struct named *named);
void events_free_all(struct engine *engine);

#endif
