/*
 * The engine: events in, effects out.
 *
 * Everything syncd promises about queues and synchronization happens in here,
 * and nothing else does: no clock, no I/O, no threads, no randomness of its
 * own. The same events in the same order give the same effects, byte for byte,
 * so that the daemon, the simulator and the fuzzer run the same code and a
 * failing seed replays exactly. Called from one thread.
 *
 * The shell around it (daemon/io, or a test) does this over and over:
 *
 *     engine_step(engine, &event, &effects);     for each event at hand
 *     batch = engine_cut(engine);                if the store is idle
 *     ... send effects.replies, close effects.closes, submit the batch ...
 *     effects_clear(&effects);
 *     ... sleep until there is an event, or until engine_deadline_us() ...
 */
#ifndef SYNCD_ENGINE_ENGINE_H
#define SYNCD_ENGINE_ENGINE_H

#include "daemon/engine/access.h"
#include "daemon/store/row.h"
#include "proto/limits.h"
#include "proto/request.h"
#include "proto/write.h"

/* Never due. */
#define DEADLINE_NEVER INT64_MAX

#define ENTROPY_BYTES 16

enum event_type {
    EVENT_CONNECTED,    /* peer: who is there */
    EVENT_REQUEST,      /* request, tag, size, entropy */
    EVENT_ACCESS,       /* peer.access: what it may do from now on */
    EVENT_DISCONNECTED, /* the client is gone: what it held is free */
    EVENT_PERSISTED,    /* the batch last cut is durable */
    EVENT_SPACE,        /* full: whether the disk has no room */
    EVENT_TIME,         /* nothing but the time */
    EVENT_SHUTDOWN      /* whoever waits gets `unavailable`; nothing new */
};

/* From SO_PEERCRED, never from what a client says. */
struct peer {
    uint32_t uid;
    uint32_t gid;
    uint32_t pid;
    const struct access *access; /* what it may do, borrowed while it is
                                    connected; NULL: nothing */
};

struct event {
    enum event_type type;
    int64_t now_us; /* Unix time; never smaller than in the event before */
    uint64_t conn;  /* chosen by the shell, never used again */
    struct peer peer;
    const struct request *request; /* borrowed */
    uint64_t tag;                  /* comes back with the reply; 0 is fine */
    size_t size;                   /* of the request's line, bytes */
    const unsigned char *entropy;  /* ENTROPY_BYTES for TRAIT_ENTROPY */
    bool full;
    size_t sweep_rows; /* so many rows in the open batch, and what is done in
                          slices waits for the next one; 0: never */
};

/* A whole line, LF included: bytes.at[at .. at + len]. */
struct effect_reply {
    uint64_t conn;
    uint64_t tag;
    size_t at;
    size_t len;
};

/* A request that was refused with `forbidden`, for the log. */
struct effect_denial {
    enum method method;
    unsigned roles;
    enum kind kind;
    char name[NAME_BYTES_MAX + 1]; /* what the client wrote; "": no name */
};

/* Owned by the caller, filled by steps, emptied by effects_clear. Replies of
 * one connection stand in the order they are to be sent. */
struct effects {
    bool denied; /* at most one request a step */
    struct effect_denial denial;
    struct out bytes;
    struct effect_reply *replies;
    size_t replies_count;
    size_t replies_cap;
};

void effects_init(struct effects *effects);
void effects_fini(struct effects *effects);
void effects_clear(struct effects *effects);

struct engine_options {
    uint64_t seed;         /* of the jitter of backoffs */
    int64_t started_at_us; /* Unix time: of uptime */
    uint32_t pid;          /* server.info */
    const char *version;   /* borrowed for the engine's life, as all texts */
    const char *store;     /* "sqlite" */
    struct slice discover; /* the result of rpc.discover */
    size_t message_max;    /* a line, bytes: no reply of many jobs is longer
                              unless one job alone is */
    size_t memory_max;     /* all jobs together, bytes */
    size_t pending_max;    /* requests of one connection that wait */
    size_t pending_bytes_max;
    size_t connections_max;      /* for server.info alone, as the next */
    size_t user_connections_max; /* and what a single user may have: */
    size_t user_pending_max;     /* requests that wait */
    size_t user_memory_max;      /* jobs, bytes */
    size_t user_objects_max;
    size_t slice_jobs; /* so much of what comes by the thousand in one step */
    bool forgetful;    /* the store keeps nothing: make no batches */
};

extern const struct engine_options engine_options_default;

struct engine;

struct engine *engine_new(const struct engine_options *options);
void engine_free(struct engine *engine);

/* Limits that a reload changed take effect from now on. */
void engine_configure(struct engine *engine,
                      const struct engine_options *options);

/* Before the first step: one row from the store, in the order of rows.def.
 * False: it contradicts what was loaded before; the store is damaged. */
bool engine_load(struct engine *engine, enum row_kind kind, const void *row);

/* Once, behind the last row: what must be put right after a restart. */
void engine_loaded(struct engine *engine, int64_t now_us);

void engine_step(struct engine *engine, const struct event *event,
                 struct effects *effects);

/* Bytes of replies that wait for a batch. */
size_t engine_held_bytes(const struct engine *engine);

/* When time must next be told, in the time of the events. */
int64_t engine_deadline_us(const struct engine *engine);

/*
 * What became dirty since the last cut, as the next batch; NULL if nothing did
 * or one is still out. It stays unchanged until EVENT_PERSISTED was stepped.
 */
const struct batch *engine_cut(struct engine *engine);

/* How many replies wait for batches that are not durable yet. */
size_t engine_held(const struct engine *engine);

/* Every invariant, by number (see check.c); aborts on a broken one. O(n). */
void engine_check(struct engine *engine);

/* A hash of the whole state that a reload must bring back. O(n). */
uint64_t engine_digest(struct engine *engine);

#endif
