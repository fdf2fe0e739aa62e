/*
 * What a scenario expects: JSON with holes, held against JSON.
 *
 * A pattern is JSON, and beyond it:
 *   _            any value
 *   absent       (of a member) there is no such member
 *   $name        the value that $name has; at its first use it gets the value
 *   >5 >=5 <5 <=5 >$name ...   a number so compared; also behind a name: $t>$u
 *   `...`        this text, byte for byte (a body must not be altered)
 *   [N of P]     N elements, each of which matches P
 *   [P, ...]     such a beginning, maybe more
 * Numbers are compared as numbers, strings by their text. Members of an object
 * that are not named are ignored, unless `exact`.
 */
#ifndef SYNCD_TESTS_SIM_PATTERN_H
#define SYNCD_TESTS_SIM_PATTERN_H

#include "proto/slice.h"
#include "proto/write.h"

struct binding {
    char *name; /* owned */
    char *json; /* owned */
};

/* What the names of a scenario stand for. */
struct bindings {
    struct binding *at; /* owned */
    size_t count;
};

void bindings_init(struct bindings *bindings);
void bindings_fini(struct bindings *bindings);
struct slice bindings_get(const struct bindings *bindings, struct slice name);
void bindings_set(struct bindings *bindings, struct slice name,
                  struct slice json);

/* Length of the name at the beginning of a text: letters, digits, _. */
size_t pattern_name_len(struct slice text);

struct mismatch {
    char text[400]; /* where, expected, got */
};

bool pattern_match(struct slice pattern, struct slice json, bool exact,
                   struct bindings *bindings, struct mismatch *why);

/*
 * Writes `text` into `out` with abbreviations spelled out, outside of strings:
 *   $name     its value (not in patterns: `bindings` is NULL there)
 *   @30 @1.5  that many seconds after the start of the world, as Unix seconds
 *   [1..9]    a list of these numbers
 *   "ab"*3    "ababab"
 * False with a sentence in `why`.
 */
bool pattern_expand(struct slice text, const struct bindings *bindings,
                    struct out *out, struct mismatch *why);

#endif
