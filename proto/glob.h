/*
 * Name patterns, as a shell has them: by them roles are opened for names.
 *
 *   *       any run of characters, none and `/` included
 *   ?       any one character
 *   [a-z_]  one of these (ASCII); [!a-z] any one but these
 *   \x      the character x itself
 *
 * Bytes are compared as they are: no locale, no folding of case. Costs are at
 * most the product of both lengths, whatever the pattern.
 */
#ifndef SYNCD_PROTO_GLOB_H
#define SYNCD_PROTO_GLOB_H

#include <stdbool.h>

#include "proto/slice.h"

/* Is it one? NULL, or what is wrong with it. */
const char *glob_fault(struct slice pattern);

/* Does the whole of `text` match? The pattern has no fault. */
bool glob_matches(struct slice pattern, struct slice text);

/* So many bytes at its beginning stand for themselves: every text that matches
 * begins with them. */
size_t glob_literal(struct slice pattern);

#endif
