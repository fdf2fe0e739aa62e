#include "daemon/io/clock.h"

#include <time.h>

#include "proto/check.h"

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);
    CHECK(rc == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_start(struct clock *clock)
{
    clock->unix_us = read_us(CLOCK_REALTIME);
    clock->boot_us = read_us(CLOCK_BOOTTIME);
}

int64_t clock_now_us(const struct clock *clock)
{
    return clock->unix_us + (read_us(CLOCK_BOOTTIME) - clock->boot_us);
}

int64_t clock_boot_us(const struct clock *clock, int64_t now_us)
{
    return now_us - clock->unix_us + clock->boot_us;
}
