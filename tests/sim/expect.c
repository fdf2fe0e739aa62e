#include "tests/sim/expect.h"

#include "proto/memory.h"
#include "proto/message.h"
#include "tests/sim/words.h"

#include <stdarg.h>
#include <stdio.h>

struct expecting {
    struct bindings *bindings;
    struct mismatch *why;
};

static bool differs(struct expecting *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool differs(struct expecting *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(e->why->text, sizeof e->why->text, format, args);
    va_end(args);
    return false;
}

/* A pattern with its abbreviations spelled out; the caller finishes `out`. */
static bool read_pattern(struct expecting *e, struct slice text,
                         struct out *out)
{
    out_init(out);
    return pattern_expand(text, NULL, out, e->why);
}

static bool expect_json(struct expecting *e, struct slice text,
                        struct slice json, bool exact)
{
    struct out pattern;
    bool right = read_pattern(e, text, &pattern) &&
                 pattern_match((struct slice){pattern.at, pattern.len}, json,
                               exact, e->bindings, e->why);
    out_fini(&pattern);
    return right;
}

static bool expect_result(struct expecting *e, struct slice pattern,
                          const struct reply *reply, struct slice line,
                          bool exact)
{
    if (reply->error != ERROR_NONE) {
        return differs(e, "expected a result, got %.*s", (int)line.len,
                       line.at);
    }
    if (pattern.len == 0) {
        return differs(e, "what is expected?");
    }
    return expect_json(e, pattern, reply->result, exact);
}

static bool expect_error(struct expecting *e, struct slice text,
                         const struct reply *reply, struct slice line)
{
    struct words words = words_of(text);
    struct slice name = words_next(&words);
    struct slice pattern = words_rest(&words);
    if (reply->error == ERROR_NONE ||
        !slice_equal(slice_of(error_row(reply->error)->name), name)) {
        return differs(e, "expected %.*s, got %.*s", (int)name.len, name.at,
                       (int)line.len, line.at);
    }
    return pattern.len == 0 || expect_json(e, pattern, reply->data, false);
}

/* `outcome` as it stands behind `=>`. */
static bool expect_reply(struct expecting *e, struct slice outcome,
                         struct slice line)
{
    struct arena arena;
    struct reply reply;
    bool right;
    arena_init(&arena);
    struct words words = words_of(outcome);
    if (!message_read_reply(line, &arena, &reply)) {
        right = differs(e, "not a reply: %.*s", (int)line.len, line.at);
    } else if (words_take(&words, "!")) {
        right = expect_error(e, words_rest(&words), &reply, line);
    } else {
        bool exact = words_take(&words, "=");
        right = expect_result(e, words_rest(&words), &reply, line, exact);
    }
    arena_fini(&arena);
    return right;
}

/* Reads a reply of the client, to `id` if that is not absent. */
static bool expect_client(struct expecting *e, struct client *client,
                          struct slice id, struct slice outcome)
{
    if (slice_equal(outcome, SLICE("waits"))) {
        return !client_has(client, id) || differs(e, "it is answered already");
    }
    struct slice line = client_read(client, id);
    if (line.at == NULL) {
        return differs(e, "expected a reply, there is none");
    }
    bool right = expect_reply(e, outcome, line);
    mem_free((char *)(uintptr_t)line.at);
    return right;
}

bool expect(struct client *client, struct slice id, struct slice outcome,
            struct bindings *bindings, struct mismatch *why)
{
    struct expecting e = {bindings, why};
    return expect_client(&e, client, id, outcome);
}
