#include "proto/message.h"

#include "proto/check.h"
#include "proto/limits.h"
#include "proto/nearest.h"
#include "proto/params.h"
#include "proto/utf8.h"

#include <stdarg.h>
#include <stdio.h>

/* The most of a client's own text that a message repeats, bytes. */
#define QUOTE_BYTES 64

void complain(struct complaint *why, enum error error, const char *format, ...)
{
    char message[sizeof(why->message) + 4];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    *why = (struct complaint){.error = error};
    memcpy(why->message, message,
           utf8_clip(message, strlen(message), sizeof(why->message) - 1));
}

/* The members of a request. */
enum member { VERSION, ID, METHOD, PARAMS, MEMBERS };

static const struct slice member_names[MEMBERS] = {
    [VERSION] = {"jsonrpc", 7},
    [ID] = {"id", 2},
    [METHOD] = {"method", 6},
    [PARAMS] = {"params", 6},
};

/* A request while its members are read, in whatever order they come. */
struct envelope {
    struct arena *arena;
    struct request *request;
    struct complaint *why;
    unsigned seen;       /* 1 << each enum member */
    struct slice method; /* its name; absent: none, or not a string */
    struct slice params; /* to be read when the method is known */
    bool params_done;    /* read, or refused */
};

static enum member member_of(struct slice key)
{
    for (enum member i = 0; i < MEMBERS; i++) {
        if (slice_equal(key, member_names[i])) {
            return i;
        }
    }
    return MEMBERS;
}

/* The first reason counts, and goes before any complaint about parameters. */
#define REFUSE(envelope, ...)                        \
    ((envelope)->why->error == ERROR_invalid_request \
         ? (void)0                                   \
         : complain((envelope)->why, ERROR_invalid_request, __VA_ARGS__))

/* Bytes are mixed in eights; the multiplier is a random odd number. */
uint64_t rpc_id_key(struct slice text)
{
    static const uint64_t by = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash = text.len * by;
    size_t i = 0;
    for (; i < text.len; i += 8) {
        uint64_t word = 0;
        size_t left = text.len - i;
        memcpy(&word, text.at + i, left < 8 ? left : 8);
        hash = (hash ^ word) * by;
        hash ^= hash >> 29;
    }
    hash *= by;
    hash ^= hash >> 32;
    return hash != 0 ? hash : 1;
}

static void read_id(struct envelope *e, struct slice value)
{
    if (params_is_rpc_id(value, e->arena)) {
        e->request->id = (struct rpc_id){value, rpc_id_key(value)};
    } else {
        REFUSE(e, "`id` is an integer up to 2^53, or a string of at most 200 "
                  "bytes");
    }
}

static void read_version(struct envelope *e, struct scan_members *top)
{
    if (!slice_equal(top->value, SLICE("\"2.0\"")) &&
        (top->kind != SCAN_STRING ||
         !slice_equal(scan_text(top->value, e->arena), SLICE("2.0")))) {
        REFUSE(e, "`jsonrpc` is not \"2.0\": this is JSON-RPC 2.0");
    }
}

static void read_method(struct envelope *e, struct scan_members *top)
{
    if (top->kind != SCAN_STRING) {
        REFUSE(e, "`method` is not a string");
        return;
    }
    e->method = scan_text(top->value, e->arena);
    e->request->method = method_of_name(e->method);
}

/* True: the parameters are sound. */
static bool read_members(struct envelope *e, struct scan_members *params)
{
    struct complaint why = {.error = ERROR_NONE};
    struct request *request = e->request;
    if (params_read(params, request->method, e->arena, request, &why)) {
        return true;
    }
    CHECK(params->bad || why.error != ERROR_NONE);
    if (why.error != ERROR_NONE && e->why->error == ERROR_NONE) {
        *e->why = why;
    }
    return false;
}

/*
 * Parameters of a known method are read on the spot, in one pass; if they are
 * refused they are read again, for JSON alone, because what is no JSON counts
 * more, and because the id may stand behind them.
 */
static bool read_params(struct envelope *e, struct scan_members *top)
{
    if (top->kind == SCAN_OBJECT && e->request->method != METHODS) {
        struct scan_members inner = scan_inside(top);
        e->params_done = true;
        if (read_members(e, &inner)) {
            return scan_leave(top, &inner);
        }
    }
    if (!scan_skip(top)) {
        return false;
    }
    if (top->kind == SCAN_OBJECT) {
        e->params = top->value;
    } else if (top->kind == SCAN_ARRAY) {
        e->params_done = true;
        if (e->why->error == ERROR_NONE) {
            complain(e->why, ERROR_invalid_params,
                     "parameters go by name: `params` is an object");
        }
    } else {
        REFUSE(e, "`params` is not an object");
    }
    return true;
}

static bool read_member(struct envelope *e, struct scan_members *top)
{
    struct slice key = scan_key_text(top->key, e->arena);
    enum member member = member_of(key);
    if (member == MEMBERS) {
        REFUSE(e, "a request has no member `%.*s`",
               (int)utf8_clip(key.at, key.len, QUOTE_BYTES), key.at);
        return scan_skip(top);
    }
    if ((e->seen >> member & 1) != 0) {
        REFUSE(e, "`%s` is given twice", member_names[member].at);
        if (member == ID) {
            e->request->id = (struct rpc_id){0}; /* nobody knows which */
        }
        return scan_skip(top);
    }
    e->seen |= 1U << member;
    if (member == PARAMS) {
        return read_params(e, top);
    }
    if (!scan_skip(top)) {
        return false;
    }
    if (member == VERSION) {
        read_version(e, top);
    } else if (member == ID) {
        read_id(e, top->value);
    } else {
        read_method(e, top);
    }
    return true;
}

__attribute__((cold)) static void refuse_method(struct envelope *e)
{
    struct slice name = e->method;
    struct nearest nearest = nearest_to(name);
    int len = (int)utf8_clip(name.at, name.len, QUOTE_BYTES);
    for (enum method i = 0; i < METHODS; i++) {
        nearest_offer(&nearest, method_row(i)->name);
    }
    if (nearest.name != NULL) {
        complain(e->why, ERROR_method_not_found,
                 "no method %.*s; did you mean %s?", len, name.at,
                 nearest.name);
    } else {
        complain(e->why, ERROR_method_not_found,
                 "no method %.*s; rpc.discover lists them", len, name.at);
    }
}

/* When all members are read: what only the whole can tell. */
static void finish(struct envelope *e, int depth)
{
    if ((e->seen >> VERSION & 1) == 0) {
        REFUSE(e, "`jsonrpc` is missing: it is \"2.0\"");
    }
    if ((e->seen >> METHOD & 1) == 0) {
        REFUSE(e, "`method` is missing");
    }
    if (e->why->error == ERROR_invalid_request) {
        return;
    }
    if (e->request->method == METHODS) {
        refuse_method(e);
    } else if (!e->params_done) {
        struct slice none = SLICE("{}");
        struct scan_members params =
            scan_members(e->params.at == NULL ? none : e->params, depth + 1);
        (void)read_members(e, &params);
    }
    e->request->notification = (e->seen >> ID & 1) == 0;
}

/* One request object, on that level of the line. */
static enum message_kind decode_object(struct scan_members *top,
                                       struct arena *arena,
                                       struct request *request,
                                       struct complaint *why)
{
    struct envelope e = {.arena = arena, .request = request, .why = why};
    while (scan_begin(top)) {
        if (!read_member(&e, top)) {
            break;
        }
    }
    if (top->bad) {
        return MESSAGE_BAD;
    }
    finish(&e, top->depth);
    return why->error == ERROR_NONE ? MESSAGE_REQUEST : MESSAGE_BAD;
}

/* True, with a complaint: the line is not JSON. */
static bool refuse_text(struct slice line, struct request *request,
                        struct complaint *why)
{
    size_t at = 0;
    const char *fault = scan_fault(line, &at);
    if (fault == NULL) {
        return false;
    }
    *request = request_absent;
    complain(why, ERROR_parse_error, "the line is not JSON: %s at byte %zu",
             fault, at + 1);
    return true;
}

static void begin(struct request *request, struct complaint *why)
{
    *request = request_absent;
    why->error = ERROR_NONE;
}

enum message_kind message_decode(struct slice line, struct arena *arena,
                                 struct request *request, struct complaint *why)
{
    begin(request, why);
    struct scan_members top = scan_members(line, 1);
    if (!top.bad && top.close == '}') {
        enum message_kind kind = decode_object(&top, arena, request, why);
        if (top.bad) {
            bool refused = refuse_text(line, request, why);
            CHECK(refused); /* both scanners agree */
        }
        return kind;
    }
    if (refuse_text(line, request, why)) {
        return MESSAGE_BAD;
    }
    if (top.bad) {
        complain(why, ERROR_invalid_request, "a request is an object");
        return MESSAGE_BAD;
    }
    if (!scan_begin(&top)) {
        complain(why, ERROR_invalid_request, "an empty batch");
        return MESSAGE_BAD;
    }
    return MESSAGE_BATCH;
}

struct message_batch message_batch(struct slice line)
{
    return (struct message_batch){scan_members(line, 1)};
}

bool message_batch_next(struct message_batch *batch, struct arena *arena,
                        struct request *request, enum message_kind *kind,
                        struct complaint *why)
{
    struct scan_members *list = &batch->members;
    begin(request, why);
    if (!scan_begin(list)) {
        CHECK(!list->bad);
        return false;
    }
    if (list->kind == SCAN_OBJECT) {
        struct scan_members top = scan_inside(list);
        *kind = decode_object(&top, arena, request, why);
        bool sound = scan_leave(list, &top);
        CHECK(sound);
        return true;
    }
    bool sound = scan_skip(list);
    CHECK(sound);
    *kind = MESSAGE_BAD;
    complain(why, ERROR_invalid_request, "a request is an object");
    return true;
}
