/* Numbers for traces and names: bare digits, without the commas of JSON. */
#ifndef SYNCD_TESTS_SIM_DIGITS_H
#define SYNCD_TESTS_SIM_DIGITS_H

#include "proto/write.h"

static inline void write_digits(struct out *out, uint64_t number)
{
    char text[24];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    out_bytes(out, (struct slice){text + at, sizeof(text) - at});
}

#endif
