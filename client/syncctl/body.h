/* Bodies as people and commands see them <-> JSON. */
#ifndef SYNCCTL_BODY_H
#define SYNCCTL_BODY_H

#include "proto/arena.h"
#include "proto/write.h"

/*
 * Appends what `text` means to `json`: the JSON it is, or a string of it.
 * Ends of lines between the tokens of the JSON, and the white space next to
 * them, are left out: a message is one line. False: the text is not UTF-8.
 */
bool body_write(struct slice text, bool as_string, struct out *json);

/* Is it JSON but for its depth? A message has at most JSON_DEPTH_MAX levels,
 * `around` of them stand around the body. */
bool body_too_deep(struct slice text, int around);

/* The levels around a body: in `body`, `result`, ..., and in `bodies`. */
#define BODY_AROUND_ONE  2
#define BODY_AROUND_MANY 3

/* Appends one of many bodies, which has to be JSON: NULL, or what is wrong with
 * it: "is not JSON". */
const char *body_write_line(struct slice text, struct out *json);

/* Appends a checked JSON value, as one line. */
void body_write_json(struct slice value, struct out *json);

/* The text of a body: of a string its characters, else the JSON itself. */
struct slice body_text(struct slice json, struct arena *arena);

/* A string of bytes that may be anything: what is not UTF-8 becomes U+FFFD. */
void body_write_repaired(struct slice bytes, struct out *json);

#endif
