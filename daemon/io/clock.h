/*
 * The engine's time: Unix microseconds that never jump and never go back.
 *
 * The wall clock is read once, at the start; from there on time passes as
 * CLOCK_BOOTTIME does, which goes on during a suspend and which nobody can
 * set. So a lease is neither cut short nor drawn out when the wall clock is
 * put right; the price is that instants drift from the wall clock by what was
 * corrected since the start.
 */
#ifndef SYNCD_IO_CLOCK_H
#define SYNCD_IO_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t unix_us; /* at the start */
    int64_t boot_us; /* at the start */
};

void clock_start(struct clock *clock);
int64_t clock_now_us(const struct clock *clock);

/* The same instant by CLOCK_BOOTTIME, for timerfd. */
int64_t clock_boot_us(const struct clock *clock, int64_t now_us);

#endif
