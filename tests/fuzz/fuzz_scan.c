/*
 * The scanner against jansson: both must say the same of every text, and read
 * the same out of it. jansson differs, by design, in this and nothing else:
 *
 *   depth        it takes 2048 levels, we JSON_DEPTH_MAX
 *   overflow     it refuses integers beyond 64 bits and numbers beyond a double
 *   surrogates   it refuses escaped surrogates without their other half
 *   NUL in keys  it refuses \u0000 in the key of an object
 *   NUL bytes    it overlooks a raw NUL byte behind a number or word (its
 *                lexer gives it back, and takes it for an empty buffer)
 *
 * Where it refuses and stops, nothing more is checked of that text; where it
 * takes what we refuse, that our first fault is one of these.
 */
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "proto/scan.h"
#include "proto/write.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <math.h>

/* Did jansson refuse it for one of the differences above? */
static bool is_difference(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    /* "invalid Unicode escape" is bad syntax, "invalid Unicode '\uD800'" is a
     * lone surrogate. */
    return code == json_error_numeric_overflow ||
           code == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode '") != NULL;
}

/* By its members, each scanned by itself; true: it is JSON. */
static bool walk(struct scan_members members)
{
    while (scan_begin(&members)) {
        int64_t number;
        if (members.kind == SCAN_OBJECT || members.kind == SCAN_ARRAY) {
            struct scan_members inner = scan_inside(&members);
            if (members.value.at[0] == '[' || members.depth % 2 == 0) {
                while (scan_next(&inner)) {
                }
            } else {
                while (scan_begin(&inner) && scan_skip(&inner)) {
                }
            }
            (void)scan_leave(&members, &inner);
        } else if (members.kind != SCAN_NUMBER ||
                   !scan_whole(&members, &number)) {
            (void)scan_skip(&members);
        }
    }
    return !members.bad;
}

static void check_string(struct slice value, const json_t *json,
                         struct arena *arena)
{
    struct slice text = scan_text(value, arena);
    struct slice expected = {json_string_value(json), json_string_length(json)};
    CHECK(slice_equal(text, expected));
    CHECK(scan_utf8(text));
    CHECK(!scan_lone_surrogate(value));
    struct out out;
    out_init(&out);
    write_string(&out, text);
    struct slice written = {out.at, out.len};
    CHECK(scan_valid(written));
    CHECK(slice_equal(scan_text(written, arena), text));
    out_fini(&out);
}

static void check_number(struct slice value, const json_t *json)
{
    double number = scan_number(value);
    int64_t integer = 0;
    int64_t us = 0;
    bool whole = scan_integer(value, &integer);
    CHECK(number == json_number_value(json));
    if (json_is_integer(json)) {
        json_int_t expected = json_integer_value(json);
        bool small =
            expected >= -WIRE_INTEGER_MAX && expected <= WIRE_INTEGER_MAX;
        CHECK(whole == small && (!whole || integer == expected));
    }
    CHECK(!whole || (double)integer == number);
    if (scan_seconds(value, &us)) {
        /* A double of this size is exact to some 2 microseconds. */
        CHECK(us >= 0 && us <= (int64_t)SECONDS_MAX * 1000000);
        CHECK(fabs((double)us - number * 1e6) <= 4);
        CHECK(number == 0 || us > 0);
    } else {
        CHECK(number <= 0 || number >= SECONDS_MAX);
    }
    struct out out;
    out_init(&out);
    write_number(&out, number);
    CHECK(scan_valid((struct slice){out.at, out.len}));
    CHECK(scan_number((struct slice){out.at, out.len}) == number);
    out_fini(&out);
}

/* Of a key that is given more than once jansson keeps the last value. */
static bool is_last(const struct scan_members *members, struct slice key,
                    struct arena *arena)
{
    struct scan_members rest = *members;
    while (scan_next(&rest)) {
        if (slice_equal(scan_key_text(rest.key, arena), key)) {
            return false;
        }
    }
    return true;
}

static void check_same(struct slice value, const json_t *json, int depth,
                       struct arena *arena)
{
    switch (scan_kind_of(value)) {
    case SCAN_OBJECT: {
        struct scan_members members = scan_members(value, depth);
        CHECK(json_is_object(json));
        for (size_t i = 0; scan_next(&members); i++) {
            struct slice key = scan_key_text(members.key, arena);
            const json_t *member = json_object_getn(json, key.at, key.len);
            CHECK(member != NULL);
            if (i < 100 && is_last(&members, key, arena)) {
                check_same(members.value, member, depth + 1, arena);
            }
        }
        CHECK(!members.bad);
        return;
    }
    case SCAN_ARRAY: {
        struct scan_members members = scan_members(value, depth);
        size_t count = 0;
        CHECK(json_is_array(json));
        while (scan_next(&members)) {
            check_same(members.value, json_array_get(json, count++), depth + 1,
                       arena);
        }
        CHECK(!members.bad && count == json_array_size(json));
        return;
    }
    case SCAN_STRING:
        CHECK(json_is_string(json));
        check_string(value, json, arena);
        return;
    case SCAN_NUMBER:
        CHECK(json_is_number(json));
        check_number(value, json);
        return;
    case SCAN_TRUE:
        CHECK(json_is_true(json));
        return;
    case SCAN_FALSE:
        CHECK(json_is_false(json));
        return;
    case SCAN_NULL:
        CHECK(json_is_null(json));
        return;
    case SCAN_BAD:
        CHECK(json == NULL);
        return;
    }
}

/* Every way of reading it agrees; what was read, if it is JSON. */
static bool check_ways(struct slice text, struct slice *value)
{
    size_t at = 0;
    const char *fault = scan_fault(text, &at);
    struct scan scan = {text.at, text.at + text.len};
    enum scan_kind kind = scan_value(&scan, value);
    CHECK(at <= text.len);
    CHECK((kind != SCAN_BAD && scan_at_end(&scan)) == (fault == NULL));
    struct scan_members members = scan_members(text, 1);
    bool container = !members.bad;
    while (scan_next(&members)) {
    }
    CHECK(!container || members.bad == (fault != NULL));
    CHECK(!container || walk(scan_members(text, 1)) == (fault == NULL));
    CHECK(container || fault != NULL ||
          (kind != SCAN_OBJECT && kind != SCAN_ARRAY));
    return fault == NULL;
}

/* Do we refuse it for one of them? */
static bool is_our_difference(struct slice text)
{
    size_t at = 0;
    const char *fault = scan_fault(text, &at);
    return fault != NULL && (strstr(fault, "levels") != NULL ||
                             (at < text.len && text.at[at] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct slice value;
    json_error_t error;
    bool valid = check_ways(text, &value);
    json_t *json =
        json_loadb(text.at, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (json != NULL && valid) {
        struct arena arena;
        arena_init(&arena);
        check_same(value, json, 1, &arena);
        arena_fini(&arena);
    } else if (json != NULL) {
        CHECK(is_our_difference(text));
    } else {
        CHECK(!valid || is_difference(&error));
    }
    json_decref(json);
    return 0;
}
