#include "daemon/engine/core.h"

#include <stdarg.h>
#include <stdio.h>

void effects_init(struct effects *effects)
{
    *effects = (struct effects){0};
    out_init(&effects->bytes);
}

void effects_fini(struct effects *effects)
{
    out_fini(&effects->bytes);
    mem_free(effects->replies);
    effects_init(effects);
}

void effects_clear(struct effects *effects)
{
    effects->bytes.len = 0;
    effects->replies_count = 0;
    effects->denied = false;
}

void held_init(struct held *held)
{
    *held = (struct held){0};
    out_init(&held->bytes);
}

void held_fini(struct held *held)
{
    out_fini(&held->bytes);
    mem_free(held->replies);
    held_init(held);
}

static void add_effect(struct effects *effects, uint64_t conn, uint64_t tag,
                       size_t at)
{
    if (effects->replies_count == effects->replies_cap) {
        effects->replies_cap =
            effects->replies_cap == 0 ? 64 : 2 * effects->replies_cap;
        effects->replies = mem_realloc(
            effects->replies, effects->replies_cap * sizeof(*effects->replies));
    }
    effects->replies[effects->replies_count++] = (struct effect_reply){
        .conn = conn, .tag = tag, .at = at, .len = effects->bytes.len - at};
}

static void add_held(struct held *held, const struct held_reply *reply,
                     const struct out *from)
{
    if (held->count == held->cap) {
        held->cap = held->cap == 0 ? 64 : 2 * held->cap;
        held->replies =
            mem_realloc(held->replies, held->cap * sizeof(*held->replies));
    }
    held->replies[held->count] = *reply;
    held->replies[held->count++].at = held->bytes.len;
    out_bytes(&held->bytes, (struct slice){from->at + reply->at, reply->len});
}

/* The line of the batch that is out, or of the open one. */
static struct held *held_for(struct engine *engine, uint64_t batch)
{
    CHECK(batch - engine->changes.done - 1 < 2);
    return &engine->held[batch - engine->changes.done - 1];
}

/* Moves the reply written from `at` on to the line of its batch. */
static void hold(struct engine *engine, const struct reply_to *to, size_t at,
                 uint64_t batch)
{
    struct out *bytes = &engine->effects->bytes;
    struct held_reply reply = {.conn = to->conn,
                               .tag = to->tag,
                               .key = to->id.key,
                               .at = at,
                               .len = bytes->len - at};
    struct held *swept = sweep_held(engine, batch);
    if (swept != NULL) {
        engine->swept_bytes += reply.len;
    }
    add_held(swept != NULL ? swept : held_for(engine, batch), &reply, bytes);
    bytes->len = at;
    struct pending *pending = &to->session->pending;
    struct pending_slot *slot = pending_find(pending, to->id.key);
    if (slot == NULL) {
        pending_add(pending, to->id.key, NULL);
    } else {
        slot->waiter = NULL;
    }
}

size_t engine_held_bytes(const struct engine *engine)
{
    return engine->held[0].bytes.len + engine->held[1].bytes.len +
           engine->swept_bytes;
}

/* The line written from `at` on is the answer. */
static void settle_reply(struct engine *engine, const struct reply_to *to,
                         size_t at, uint64_t batch)
{
    struct out *bytes = &engine->effects->bytes;
    if (to->id.json.at == NULL || to->session->conn == 0) {
        bytes->len = at; /* a notification, or nobody is there */
        return;
    }
    if (batch > engine->changes.done) {
        hold(engine, to, at, batch);
        return;
    }
    pending_remove(&to->session->pending, to->id.key);
    add_effect(engine->effects, to->conn, to->tag, at);
}

/* Where the reply being written begins: behind the last one. */
static size_t reply_start(const struct engine *engine)
{
    const struct effects *effects = engine->effects;
    if (effects->replies_count == 0) {
        return 0;
    }
    const struct effect_reply *last =
        &effects->replies[effects->replies_count - 1];
    return last->at + last->len;
}

struct out *reply_begin(struct engine *engine, const struct reply_to *to)
{
    struct out *out = &engine->effects->bytes;
    CHECK(out->len == reply_start(engine));
    message_begin_result(out,
                         to->id.json.at == NULL ? SLICE("0") : to->id.json);
    return out;
}

/* Is this answer kept with the session? A get that leased jobs has kept its
 * token instead; one that changed nothing is carried out again. That an event
 * was set is kept, because it may be cleared by the time it is asked again. */
static bool is_kept(const struct engine *engine, const struct reply_to *to,
                    uint64_t batch)
{
    unsigned traits = method_row(to->method)->traits;
    if (engine->token_kept || to->method == METHOD_session_open) {
        return false;
    }
    return (traits & TRAIT_GRANTS) != 0 || to->method == METHOD_event_wait
               ? batch > 0
               : (traits & TRAIT_DURABLE) != 0;
}

void reply_end(struct engine *engine, const struct reply_to *to, uint64_t batch)
{
    message_end(&engine->effects->bytes);
    size_t at = reply_start(engine);
    if (is_kept(engine, to, batch)) {
        session_keep_reply(engine, to,
                           (struct slice){engine->effects->bytes.at + at,
                                          engine->effects->bytes.len - at});
    }
    engine->token_kept = false;
    settle_reply(engine, to, at, batch);
}

void reply_again(struct engine *engine, const struct reply_to *to,
                 struct slice line)
{
    out_bytes(&engine->effects->bytes, line);
    settle_reply(engine, to, reply_start(engine), 0);
}

/* May this error be told before what it was decided by is on disk? */
static bool tells_nothing(enum error error)
{
    return error == ERROR_invalid_params || error == ERROR_limit ||
           error == ERROR_unavailable || error == ERROR_cancelled;
}

void reply_error(struct engine *engine, const struct reply_to *to,
                 const struct complaint *why)
{
    engine->counters.errors[why->error]++;
    message_error(&engine->effects->bytes, to->id.json, why);
    settle_reply(engine, to, reply_start(engine),
                 tells_nothing(why->error) ? 0 : change_batch_seen(engine));
}

void reply_pending_id(struct engine *engine, const struct reply_to *to)
{
    struct complaint why;
    complain(&why, ERROR_invalid_request,
             "the id %.*s is that of a request without an answer yet: give "
             "each request an id of its own",
             (int)to->id.json.len, to->id.json.at);
    engine->counters.errors[why.error]++;
    size_t at = reply_start(engine);
    message_error(&engine->effects->bytes, (struct slice){0}, &why);
    add_effect(engine->effects, to->conn, to->tag, at);
}

struct out *answer_begin(struct engine *engine)
{
    return reply_begin(engine, &engine->current.to);
}

void answer_end(struct engine *engine, uint64_t batch)
{
    reply_end(engine, &engine->current.to, batch);
}

__attribute__((format(printf, 4, 0))) static void
refuse_list(struct engine *engine, enum error error, const char *param,
            const char *format, va_list args)
{
    struct complaint why = {.error = error};
    (void)vsnprintf(why.message, sizeof(why.message), format, args);
    if (param != NULL) {
        (void)snprintf(why.param, sizeof(why.param), "%s", param);
    }
    reply_error(engine, &engine->current.to, &why);
}

void refuse(struct engine *engine, enum error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_list(engine, error, NULL, format, args);
    va_end(args);
}

void refuse_about(struct engine *engine, enum error error, const char *param,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_list(engine, error, param, format, args);
    va_end(args);
}

void refuse_param(struct engine *engine, const char *param, const char *format,
                  ...)
{
    va_list args;
    va_start(args, format);
    refuse_list(engine, ERROR_invalid_params, param, format, args);
    va_end(args);
}

static void send_held(struct engine *engine, struct held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        const struct held_reply *reply = &held->replies[i];
        struct session *session = session_of_conn(engine, reply->conn);
        if (session == NULL) {
            continue;
        }
        pending_remove(&session->pending, reply->key);
        size_t at = engine->effects->bytes.len;
        out_bytes(&engine->effects->bytes,
                  (struct slice){held->bytes.at + reply->at, reply->len});
        add_effect(engine->effects, reply->conn, reply->tag, at);
    }
    held->count = 0;
    held->bytes.len = 0;
}

void reply_persisted(struct engine *engine)
{
    send_held(engine, &engine->held[0]);
    struct held done = engine->held[0];
    engine->held[0] = engine->held[1];
    engine->held[1] = done;
}

void reply_swept(struct engine *engine, struct held *held)
{
    uint64_t batch = change_batch_seen(engine);
    engine->swept_bytes -= held->bytes.len;
    if (batch == 0) {
        send_held(engine, held);
        return;
    }
    for (size_t i = 0; i < held->count; i++) {
        add_held(held_for(engine, batch), &held->replies[i], &held->bytes);
    }
}
