/*
 * An average that forgets: what happened t seconds ago weighs e^(-t/60). It is
 * brought up to date once a second, so counting costs an addition.
 */
#include "daemon/engine/rate.h"

#include <math.h>

#define SECOND_US 1000000
#define MEMORY_S  60.0

static double faded(const struct rate *rate, int64_t second)
{
    double gone = (double)(second - rate->second);
    double share = 1 - exp(-1 / MEMORY_S);
    double then =
        rate->average * exp(-1 / MEMORY_S) + (double)rate->count * share;
    return then * exp(-(gone - 1) / MEMORY_S);
}

void rate_add(struct rate *rate, int64_t now_us, uint64_t count)
{
    int64_t second = now_us / SECOND_US;
    if (second != rate->second) {
        rate->average = faded(rate, second);
        rate->second = second;
        rate->count = 0;
    }
    rate->count += count;
}

double rate_read(const struct rate *rate, int64_t now_us)
{
    int64_t second = now_us / SECOND_US;
    return second == rate->second ? rate->average : faded(rate, second);
}
