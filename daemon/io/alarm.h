/*
 * Wakes the loop at a moment of the engine's time.
 *
 * A timerfd on CLOCK_BOOTTIME rather than a uv_timer: it is exact to the
 * microsecond instead of rounded down to a stale millisecond, never early, and
 * it rings right after a suspend, when leases that ended meanwhile are due.
 */
#ifndef SYNCD_IO_ALARM_H
#define SYNCD_IO_ALARM_H

#include <stdint.h>
#include <uv.h>

#include "daemon/io/clock.h"

struct alarm {
    const struct clock *clock; /* borrowed */
    uv_poll_t poll;
    int fd;
    int64_t armed_us; /* when it rings; INT64_MAX: not at all */
};

/* 0, or a negative errno. */
int alarm_init(struct alarm *alarm, uv_loop_t *loop, const struct clock *clock);

/* Rings at `at_us` or before; INT64_MAX is never. One that is set to ring
 * earlier is left alone: waking once for nothing is cheaper than a system call
 * for each lease that ends well. */
void alarm_set(struct alarm *alarm, int64_t at_us);

/* The loop must run once more before `alarm` goes. */
void alarm_close(struct alarm *alarm);

#endif
