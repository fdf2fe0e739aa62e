/*
 * Writes JSON into a growing buffer.
 *
 * Replies carry bodies that must come back byte for byte, which a JSON tree
 * cannot promise, and they are the daemon's main output, so they are written
 * straight into the buffer they are sent from. Commas are put by themselves:
 * what is written next to a finished value is separated from it. The caller
 * sees to the balance of brackets. Output is compact, one line, valid UTF-8.
 */
#ifndef SYNCD_PROTO_WRITE_H
#define SYNCD_PROTO_WRITE_H

#include "proto/slice.h"

struct out {
    char *at; /* owned; NULL while empty */
    size_t len;
    size_t cap;
};

void out_init(struct out *out);
void out_fini(struct out *out);

/* At least `more` bytes can be appended without another allocation. */
void out_reserve(struct out *out, size_t more);

void out_bytes(struct out *out, struct slice bytes); /* as they are */
void out_byte(struct out *out, char byte);           /* as it is */

void write_begin_object(struct out *out);
void write_end_object(struct out *out);
void write_begin_array(struct out *out);
void write_end_array(struct out *out);

/* The key of the next value; `key` needs no escapes. */
void write_key(struct out *out, struct slice key);

void write_json(struct out *out, struct slice json);   /* a value as it is */
void write_string(struct out *out, struct slice text); /* UTF-8; escapes */
void write_integer(struct out *out, int64_t number);
void write_number(struct out *out, double number); /* shortest that is exact */
void write_flag(struct out *out, bool flag);
/* Microseconds as seconds, with up to six decimals. */
void write_seconds(struct out *out, int64_t us);

/* A key and its value; `key` is a string literal. */
#define WRITE(out, kind, key, value) \
    (write_key((out), SLICE(key)), write_##kind((out), (value)))

#endif
