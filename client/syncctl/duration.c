/* Durations as people write and read them. */
#include "client/syncctl/duration.h"

#include "proto/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    double seconds;
} units[] = {{"", 1},   {"s", 1},    {"ms", 0.001}, {"us", 0.000001},
             {"m", 60}, {"min", 60}, {"h", 3600},   {"d", 86400}};

bool duration_parse(const char *text, double *seconds)
{
    size_t digits = strspn(text, "0123456789.");
    if (digits == 0 || digits > 32) {
        return false;
    }
    char number[40] = "";
    char *end = NULL;
    memcpy(number, text, digits);
    double value = strtod(number, &end);
    if (*end != '\0') {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].name) == 0) {
            *seconds = value * units[i].seconds;
            return *seconds <= SECONDS_MAX;
        }
    }
    return false;
}

/* "2 min 5 s", or "2 min" */
static void two_units(long long seconds, size_t unit, char *text)
{
    static const struct {
        const char *name;
        const char *less;
        int seconds;
        int less_seconds;
    } rows[] = {
        {"min", "s", 60, 1}, {"h", "min", 3600, 60}, {"d", "h", 86400, 3600}};
    long long whole = seconds / rows[unit].seconds;
    long long rest = seconds % rows[unit].seconds / rows[unit].less_seconds;
    if (rest == 0) {
        (void)snprintf(text, DURATION_BYTES, "%lld %s", whole, rows[unit].name);
    } else {
        (void)snprintf(text, DURATION_BYTES, "%lld %s %lld %s", whole,
                       rows[unit].name, rest, rows[unit].less);
    }
}

const char *duration_text(double seconds, char text[DURATION_BYTES])
{
    seconds = fmin(fmax(seconds, 0), SECONDS_MAX);
    if (seconds == 0) {
        (void)snprintf(text, DURATION_BYTES, "0 s");
    } else if (seconds < 1) {
        (void)snprintf(text, DURATION_BYTES, "%.3g ms", seconds * 1000);
    } else if (seconds < 60) {
        (void)snprintf(text, DURATION_BYTES, "%.3g s", seconds);
    } else {
        size_t unit = seconds < 3600 ? 0 : seconds < 86400 ? 1 : 2;
        two_units(llround(seconds), unit, text);
    }
    return text;
}
