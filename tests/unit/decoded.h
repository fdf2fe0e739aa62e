/*
 * A request made of a method and its parameters, as the daemon decodes it.
 * Includes cmocka.h and what that needs.
 */
#ifndef SYNCD_TESTS_UNIT_DECODED_H
#define SYNCD_TESTS_UNIT_DECODED_H

#include "proto/message.h"
#include "tests/unit/exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct decoded {
    struct arena arena;
    struct slice line;
    struct request request;
    struct complaint why;
    enum message_kind kind;
};

/* A request of that method; with `params_first` they stand before it, and are
 * read on another path. */
static inline void decode(struct decoded *d, enum method method,
                          struct slice params, bool params_first)
{
    struct out out;
    out_init(&out);
    write_begin_object(&out);
    WRITE(&out, string, "jsonrpc", SLICE("2.0"));
    if (params_first) {
        write_key(&out, SLICE("params"));
        out_bytes(&out, params);
        out_byte(&out, ',');
    }
    WRITE(&out, string, "method", slice_of(method_row(method)->name));
    WRITE(&out, integer, "id", 1);
    if (!params_first) {
        write_key(&out, SLICE("params"));
        out_bytes(&out, params);
    }
    write_end_object(&out);
    d->line = exact((struct slice){out.at, out.len});
    out_fini(&out);
    arena_init(&d->arena);
    d->kind = message_decode(d->line, &d->arena, &d->request, &d->why);
    assert_true(slice_equal(d->request.id.json, SLICE("1")) ||
                d->why.error == ERROR_parse_error);
}

static inline void decoded_free(struct decoded *d)
{
    exact_free(d->line);
    arena_fini(&d->arena);
}

#endif
