/*
 * Replies: written once, sent when what they tell is on disk.
 *
 * A reply is written straight into the step's effects. If it depends on a batch
 * that is not durable yet it is moved from there to the line of that batch (at
 * most two are open at a time: the one that is out and the one that collects),
 * and comes back as an effect when the batch was answered.
 */
#ifndef SYNCD_ENGINE_REPLY_H
#define SYNCD_ENGINE_REPLY_H

#include "daemon/engine/engine.h"
#include "proto/errors.h"
#include "proto/message.h"

struct session;

/* Where an answer goes. */
struct reply_to {
    struct session *session;
    uint64_t conn;
    uint64_t tag;
    struct rpc_id id; /* absent: a notification, answered by nothing */
    enum method method;
};

/* A reply that waits for its batch. */
struct held_reply {
    uint64_t conn;
    uint64_t tag;
    uint64_t key; /* of the request's id */
    size_t at;
    size_t len;
};

struct held {
    struct out bytes;
    struct held_reply *replies; /* owned */
    size_t count;
    size_t cap;
};

void held_init(struct held *held);
void held_fini(struct held *held);

/* Write the result with write.h between these two; nothing else may be answered
 * meanwhile. It is sent when `batch` is durable, 0: now. */
struct out *reply_begin(struct engine *engine, const struct reply_to *to);
void reply_end(struct engine *engine, const struct reply_to *to,
               uint64_t batch);

/* To the request at hand. */
struct out *answer_begin(struct engine *engine);
void answer_end(struct engine *engine, uint64_t batch);
void refuse(struct engine *engine, enum error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* With data.param, the one to blame; refuse_param: it is not as it must be. */
void refuse_about(struct engine *engine, enum error error, const char *param,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void refuse_param(struct engine *engine, const char *param, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

/* A refusal with everything in it. */
void reply_error(struct engine *engine, const struct reply_to *to,
                 const struct complaint *why);

/* Bytes that were an answer before, to a request that is sent again. */
void reply_again(struct engine *engine, const struct reply_to *to,
                 struct slice line);

/* The id of the request at hand is that of one that has no answer yet: refused
 * with "id": null, so that the answer to come stays the only one of its id. */
void reply_pending_id(struct engine *engine, const struct reply_to *to);

/* The oldest batch is durable: its replies become effects. */
void reply_persisted(struct engine *engine);

/* A sweep is through: the replies that waited for that wait for the batch that
 * tells of it, or become effects. */
void reply_swept(struct engine *engine, struct held *held);

#endif
