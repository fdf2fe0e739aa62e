/*
 * Numbers of JSON, read from their text.
 *
 * A number is taken apart into its decimal digits and its power of ten, so
 * that whole numbers and durations are exact, and nothing here depends on the
 * locale: where the C library must round (scan_number), it gets digits and an
 * exponent, without a decimal point.
 */
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>

/* Significant digits that fit `digits` whatever they are. */
#define DIGITS_MAX 18

/* No double has a digit that matters behind so many. */
#define ROUNDING_DIGITS 800

/* (-1)^negative · digits · 10^power, and `more` says that digits that are not
 * all 0 follow. The last digit is not 0, unless all are. */
struct decimal {
    uint64_t digits;
    int64_t power;
    bool negative;
    bool more;
};

static const uint64_t powers_of_ten[] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
};

#define POWERS (sizeof(powers_of_ten) / sizeof(powers_of_ten[0]))

/* From behind the `e`. Far beyond any use, but never overflowing. */
static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t exponent = 0;
    if (*at == '-' || *at == '+') {
        at++;
    }
    for (; at < end; at++) {
        if (exponent < INT64_C(1000000000000)) {
            exponent = exponent * 10 + (*at - '0');
        }
    }
    return negative ? -exponent : exponent;
}

static struct decimal read_decimal(struct slice number)
{
    struct decimal d = {0};
    const char *at = number.at;
    const char *end = number.at + number.len;
    bool fraction = false;
    int64_t zeros = 0; /* seen, and not yet in `digits` */
    int count = 0;     /* of digits taken */
    if (at < end && *at == '-') {
        d.negative = true;
        at++;
    }
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        d.power -= fraction;
        if (*at == '0') {
            zeros += count > 0;
            d.power += d.digits > 0;
            continue;
        }
        if (count + zeros + 1 > DIGITS_MAX) {
            d.more = true;
            count = DIGITS_MAX;
            d.power++;
            continue;
        }
        d.digits = d.digits * powers_of_ten[zeros + 1] + (uint64_t)(*at - '0');
        d.power -= zeros;
        count += (int)zeros + 1;
        zeros = 0;
    }
    if (at < end) {
        d.power += read_exponent(at + 1, end);
    }
    return d;
}

bool scan_integer(struct slice number, int64_t *value)
{
    struct decimal d = read_decimal(number);
    if (d.digits == 0) {
        *value = 0;
        return true;
    }
    if (d.more || d.power < 0 || d.power > 16 ||
        d.digits > (uint64_t)WIRE_INTEGER_MAX / powers_of_ten[d.power]) {
        return false;
    }
    int64_t magnitude = (int64_t)(d.digits * powers_of_ten[d.power]);
    *value = d.negative ? -magnitude : magnitude;
    return true;
}

bool scan_seconds(struct slice number, int64_t *us)
{
    static const uint64_t us_max = (uint64_t)SECONDS_MAX * 1000000;
    struct decimal d = read_decimal(number);
    int64_t power = d.power + 6;
    if (d.digits == 0) {
        *us = 0;
        return true;
    }
    if (d.negative || power > 16) {
        return false;
    }
    uint64_t magnitude;
    if (power >= 0) {
        if (d.digits > us_max / powers_of_ten[power]) {
            return false;
        }
        magnitude = d.digits * powers_of_ten[power] + d.more;
    } else if (-power < (int64_t)POWERS) {
        uint64_t divisor = powers_of_ten[-power];
        magnitude = d.digits / divisor + (d.digits % divisor > 0 || d.more);
    } else {
        magnitude = 1;
    }
    *us = (int64_t)magnitude;
    return magnitude <= us_max;
}

/* What strtod makes of the digits and the power. */
static double round_number(struct slice number)
{
    char text[ROUNDING_DIGITS + 32];
    const char *at = number.at;
    const char *end = number.at + number.len;
    size_t len = 0;
    size_t digits = 0;
    int64_t power = 0;
    bool fraction = false;
    bool more = false;
    if (*at == '-') {
        text[len++] = '-';
        at++;
    }
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        power -= fraction;
        if (digits == 0 && *at == '0') {
            continue;
        }
        if (digits < ROUNDING_DIGITS) {
            text[len++] = *at;
            digits++;
        } else {
            more = more || *at != '0';
            power++;
        }
    }
    if (digits == 0) {
        text[len++] = '0';
    }
    if (more && text[len - 1] == '0') {
        text[len - 1] = '1'; /* not a tie, nor exact, whatever it was */
    }
    if (at < end) {
        power += read_exponent(at + 1, end);
    }
    power = power > 100000 ? 100000 : power < -100000 ? -100000 : power;
    (void)snprintf(text + len, sizeof(text) - len, "e%d", (int)power);
    return strtod(text, NULL);
}

double scan_number(struct slice number)
{
    static const double exact[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    CHECK(number.len > 0);
    struct decimal d = read_decimal(number);
    /* Both factors are exact, so the result is rounded once. */
    if (!d.more && d.digits <= (uint64_t)1 << 53 && d.power >= -22 &&
        d.power <= 22) {
        double magnitude = (double)d.digits;
        magnitude = d.power < 0 ? magnitude / exact[-d.power]
                                : magnitude * exact[d.power];
        return d.negative ? -magnitude : magnitude;
    }
    return round_number(number);
}
