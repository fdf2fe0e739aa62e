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

/* Appends a checked JSON value, as one line. */
void body_write_json(struct slice value, struct out *json);

/* The text of a body: of a string its characters, else the JSON itself. */
struct slice body_text(struct slice json, struct arena *arena);

/* A string of bytes that may be anything: what is not UTF-8 becomes U+FFFD. */
void body_write_repaired(struct slice bytes, struct out *json);

#endif
