/*
 * Timers: what becomes due, in the order (due, armed).
 *
 * A timer is embedded in what it belongs to; its kind tells which that is, and
 * so what happens when it fires (engine.c has the one switch). Two that are due
 * at the same microsecond fire in the order in which they were armed, never by
 * address, so that a run can be replayed.
 */
#ifndef SYNCD_ENGINE_TIMER_H
#define SYNCD_ENGINE_TIMER_H

#include "daemon/engine/containers.h"

#include <stdbool.h>
#include <stdint.h>

enum timer_kind {
    TIMER_WAITER,  /* a request's timeout */
    TIMER_JOB_SET, /* the first job of a set is due: delay, lease, keep_done */
    TIMER_SESSION, /* the grace of a session nobody has taken up again */
    TIMER_QUEUE,   /* a queue that sprang up by itself may be idle */
    TIMER_SCOPE    /* a scope that no session has kept for a day */
};

struct timer {
    RB_ENTRY(timer) entry;
    int64_t due_us;
    uint64_t armed; /* serial of the arming; 0: not armed */
    enum timer_kind kind;
};

RB_HEAD(timer_tree, timer);

struct timers {
    struct timer_tree tree;
    uint64_t serial;
};

void timers_init(struct timers *timers);

static inline bool timer_armed(const struct timer *timer)
{
    return timer->armed != 0;
}

/* Arms it, or moves it if it is armed. */
void timer_arm(struct timers *timers, struct timer *timer, int64_t due_us);

/* Not armed is fine. */
void timer_disarm(struct timers *timers, struct timer *timer);

/* The one that is due first; NULL if none is armed. */
struct timer *timers_first(const struct timers *timers);

#endif
