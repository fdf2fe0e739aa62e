/* The abbreviations of pattern.h, spelled out. */
#include "proto/scan.h"
#include "tests/sim/pattern.h"
#include "tests/sim/world.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What one abbreviation may become, bytes: a mistyped one stops here. */
#define EXPANDED_MAX ((size_t)64 << 20)

static bool refuse(struct mismatch *why, const char *what, const char *at)
{
    snprintf(why->text, sizeof why->text, "%s: %.40s", what, at);
    return false;
}

static const char *copy_name(const char *at, const char *end,
                             const struct bindings *bindings, struct out *out)
{
    struct slice rest = {at + 1, (size_t)(end - at - 1)};
    struct slice name = {rest.at, pattern_name_len(rest)};
    struct slice value = bindings_get(bindings, name);
    if (value.at == NULL) {
        return NULL;
    }
    out_bytes(out, value);
    return name.at + name.len;
}

static const char *copy_instant(const char *at, struct out *out)
{
    char *end;
    double seconds = strtod(at + 1, &end);
    int64_t us = WORLD_START_US + (int64_t)llround(seconds * 1e6);
    struct out number;
    out_init(&number);
    write_seconds(&number, us);
    out_bytes(out, (struct slice){number.at, number.len});
    out_fini(&number);
    return end == at + 1 ? NULL : end;
}

/* `[a..b]`; NULL if it is an ordinary list. */
static const char *copy_range(const char *at, const char *end, struct out *out)
{
    char *stop;
    long first = strtol(at + 1, &stop, 10);
    if (stop == at + 1 || end - stop < 3 || stop[0] != '.' || stop[1] != '.' ||
        stop[2] == '.') {
        return NULL;
    }
    long last = strtol(stop + 2, &stop, 10);
    if (stop >= end || *stop != ']') {
        return NULL;
    }
    out_byte(out, '[');
    for (long i = first; i <= last && out->len < EXPANDED_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%ld", i == first ? "" : ",", i);
        out_bytes(out, slice_of(text));
    }
    out_byte(out, ']');
    return stop + 1;
}

static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        at += *at == '\\' && at + 1 < end;
    }
    return at < end ? at + 1 : NULL;
}

/* A string, maybe `"..."*N`; in what is sent maybe `"..."+$name`. */
static const char *copy_string(const char *at, const char *end,
                               const struct bindings *bindings, struct out *out)
{
    const char *behind = string_end(at, end);
    if (behind == NULL) {
        return NULL;
    }
    struct slice inside = {at + 1, (size_t)(behind - at - 2)};
    unsigned long times = 1;
    if (end - behind > 1 && behind[0] == '*' &&
        isdigit((unsigned char)behind[1]) != 0) {
        char *stop;
        times = strtoul(behind + 1, &stop, 10);
        behind = stop;
    }
    out_byte(out, '"');
    for (unsigned long i = 0; i < times && out->len < EXPANDED_MAX; i++) {
        out_bytes(out, inside);
    }
    if (bindings != NULL && end - behind > 2 && behind[0] == '+' &&
        behind[1] == '$') {
        behind = copy_name(behind + 1, end, bindings, out);
    }
    out_byte(out, '"');
    return behind;
}

static const char *copy_bytes(const char *at, const char *end, struct out *out)
{
    const char *stop = memchr(at + 1, '`', (size_t)(end - at - 1));
    if (stop == NULL) {
        return NULL;
    }
    out_bytes(out, (struct slice){at, (size_t)(stop + 1 - at)});
    return stop + 1;
}

bool pattern_expand(struct slice text, const struct bindings *bindings,
                    struct out *out, struct mismatch *why)
{
    const char *end = text.at + text.len;
    for (const char *at = text.at; at < end;) {
        const char *next = NULL;
        if (*at == '"') {
            next = copy_string(at, end, bindings, out);
        } else if (*at == '`' && bindings == NULL) {
            next = copy_bytes(at, end, out);
        } else if (*at == '$' && bindings != NULL) {
            next = copy_name(at, end, bindings, out);
        } else if (*at == '@') {
            next = copy_instant(at, out);
        } else {
            next = *at == '[' ? copy_range(at, end, out) : NULL;
            if (next == NULL) {
                out_byte(out, *at);
                next = at + 1;
            }
        }
        if (next == NULL) {
            return refuse(why, "cannot make sense of", at);
        }
        at = next;
    }
    return true;
}
