/* How often something happens a second, over about the last minute. */
#ifndef SYNCD_ENGINE_RATE_H
#define SYNCD_ENGINE_RATE_H

#include <stddef.h>
#include <stdint.h>

struct rate {
    int64_t second; /* the one that is being counted */
    uint64_t count; /* in it */
    double average; /* a second, up to it */
};

void rate_add(struct rate *rate, int64_t now_us, uint64_t count);
double rate_read(const struct rate *rate, int64_t now_us);

#endif
