/*
 * Reads JSON where it lies: checks it, and hands out slices of it.
 *
 * jansson cannot keep `0.1`, integers of 20 digits or `\u0000` as they were
 * sent, and a body must come back byte for byte; so requests are checked and
 * cut by this scanner. It accepts exactly RFC 8259 in UTF-8 (no overlong
 * forms, no surrogates as raw bytes; an escaped lone surrogate is accepted),
 * at most JSON_DEPTH_MAX levels deep, and does not recurse. The fuzzer holds
 * it against jansson.
 */
#ifndef SYNCD_PROTO_SCAN_H
#define SYNCD_PROTO_SCAN_H

#include "proto/arena.h"
#include "proto/slice.h"

/* A place in a text; everything before it has been read. */
struct scan {
    const char *at;
    const char *end;
};

enum scan_kind {
    SCAN_BAD, /* not JSON */
    SCAN_OBJECT,
    SCAN_ARRAY,
    SCAN_STRING,
    SCAN_NUMBER,
    SCAN_TRUE,
    SCAN_FALSE,
    SCAN_NULL
};

/* Is the whole text one JSON value, white space around it allowed? */
bool scan_valid(struct slice text);

/* What is wrong with a text that is not valid, as half a sentence, and at which
 * byte; NULL if nothing is. For error messages: it reads from the start. */
const char *scan_fault(struct slice text, size_t *at);

/*
 * Reads the next value whole, checking it; `value` gets it without the white
 * space around it. SCAN_BAD: it is not JSON; the place is undefined then.
 */
enum scan_kind scan_value(struct scan *scan, struct slice *value);

/* The kind of a value that was read, from its first byte. */
enum scan_kind scan_kind_of(struct slice value);

/* Nothing is left but white space. */
bool scan_at_end(struct scan *scan);

/*
 * Goes through an object or array member by member:
 *
 *     struct scan_members m = scan_members(value);
 *     while (scan_next(&m)) { ... m.key, m.kind, m.value ... }
 *     if (m.bad) { not JSON }
 *
 * `value` may be unchecked JSON: each member is checked as it is read, and
 * the closing bracket and that nothing follows it at the end. `key` is without
 * its quotes and escapes still in it; absent in an array. `depth` is that of
 * the value itself (1 for a whole text) and counts against JSON_DEPTH_MAX.
 */
struct scan_members {
    struct scan scan;
    struct slice key;
    struct slice value;
    enum scan_kind kind;
    int depth;
    char close;
    bool first;
    bool inner; /* from scan_inside: something may follow */
    bool bad;
};

struct scan_members scan_members(struct slice value, int depth);
bool scan_next(struct scan_members *members);

/*
 * The same in two steps, so that what is nested is read once only: scan_begin
 * stops in front of the value, with `key` and `kind` set. Then exactly one of
 * these reads it:
 *
 *   scan_skip      checks it and gives it as `value`, as scan_next does
 *   scan_whole     the same, for an integer (see scan_integer); false: it is
 *                  none, or bad; it was not read then
 *   scan_inside    goes through it as through its parent; scan_leave when its
 *                  scan_next or scan_begin has said false puts the parent
 *                  behind it. If it is left earlier the parent is of no use.
 */
bool scan_begin(struct scan_members *members);
bool scan_skip(struct scan_members *members);
bool scan_whole(struct scan_members *members, int64_t *value);
struct scan_members scan_inside(const struct scan_members *members);
bool scan_leave(struct scan_members *members, const struct scan_members *inner);

/*
 * The text of a checked string (with its quotes), escapes undone: a slice of
 * the string itself if it has none, else in the arena. A lone surrogate
 * becomes U+FFFD. `\u0000` becomes a NUL byte.
 */
struct slice scan_text(struct slice string, struct arena *arena);

/* The same for a key as scan_members gives it. */
struct slice scan_key_text(struct slice key, struct arena *arena);

/* Has a checked string an escaped surrogate without its other half? Then its
 * text is not what was sent, and it is no good as a name. */
bool scan_lone_surrogate(struct slice string);

/* A checked number. scan_integer: false unless it is whole (1e3 and 5.0 are)
 * and its magnitude at most 2^53. */
double scan_number(struct slice number);
bool scan_integer(struct slice number, int64_t *value);

/* A checked number of seconds as microseconds, in exact decimal arithmetic,
 * rounded up so that only 0 is 0. False: below 0 or above SECONDS_MAX. */
bool scan_seconds(struct slice number, int64_t *us);

/* Valid UTF-8? */
bool scan_utf8(struct slice text);

#endif
