#include "tests/sim/world.h"

#include "proto/check.h"
#include "proto/memory.h"
#include "proto/message.h"
#include "tests/sim/digits.h"
#include "tests/sim/disk.h"
#include "tests/sim/pending.h"
#include "tests/sim/work.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* So many steps without time going on: it got stuck. */
#define STEPS_MAX 1000000

struct world {
    struct world_options options;
    char *discover; /* owned */
    struct disk disk;
    struct engine *engine;
    struct effects effects;
    struct arena arena;
    struct out trace;
    int64_t now_us;
    int64_t skew_us;  /* so much is the engine's time ahead of the clock */
    uint64_t conns;   /* given out so far */
    uint64_t tags;    /* given out so far */
    uint64_t entropy; /* state of the generator */
    uint64_t work;    /* of all steps */
    struct pendings pending;
    const struct batch *batch; /* in flight; the engine's */
    struct out batch_text;     /* as it was when it was cut */
    uint64_t batch_number;     /* of the last one of this engine */
    bool batch_written;
    bool store_held;
    bool slices_held;
    char fault[600]; /* empty: none */
};

static void fault(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fault(struct world *world, const char *format, ...)
{
    if (world->fault[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(world->fault, sizeof world->fault, format, args);
    va_end(args);
}

const char *world_fault(const struct world *world)
{
    return world->fault[0] == '\0' ? NULL : world->fault;
}

struct slice world_trace(const struct world *world)
{
    return (struct slice){world->trace.at, world->trace.len};
}

struct engine *world_engine(const struct world *world)
{
    return world->engine;
}

uint64_t world_work(const struct world *world)
{
    return world->work;
}

int64_t world_now_us(const struct world *world)
{
    return world->now_us;
}

/* --- the trace ---------------------------------------------------------- */

static void trace_time(struct world *world)
{
    write_seconds(&world->trace, world->now_us - WORLD_START_US);
    out_byte(&world->trace, ' ');
}

static void trace(struct world *world, const char *what, uint64_t conn,
                  struct slice text)
{
    if (!world->options.trace) {
        return;
    }
    trace_time(world);
    out_bytes(&world->trace, slice_of(what));
    if (conn != 0) {
        out_byte(&world->trace, ' ');
        write_digits(&world->trace, conn);
    }
    if (text.len > 0) {
        out_byte(&world->trace, ' ');
        out_bytes(&world->trace, text);
    }
    out_byte(&world->trace, '\n');
}

void world_note(struct world *world, const char *format, ...)
{
    if (!world->options.trace) {
        return;
    }
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    out_bytes(&world->trace, slice_of(text));
    out_byte(&world->trace, '\n');
}

/* --- replies ------------------------------------------------------------ */

size_t world_pending(const struct world *world, uint64_t conn)
{
    return pendings_count(&world->pending, conn);
}

static void tally(struct world *world, enum method method, bool error)
{
    if (world->options.tally == NULL || method >= METHODS) {
        return;
    }
    struct world_tally *row = &world->options.tally[method];
    *(error ? &row->errors : &row->results) += 1;
}

/* error.data must bear the name and whether to try again; one that could be
 * tried again in general may be told that it never will do. */
static bool error_data_right(const struct reply *reply)
{
    const struct error_row *row = error_row(reply->error);
    bool named = false;
    bool retryable = false;
    bool never = false;
    bool told = false;
    if (reply->data.at == NULL || reply->message.len == 0) {
        return false;
    }
    struct scan_members m = scan_members(reply->data, 1);
    while (scan_next(&m)) {
        if (slice_equal(m.key, SLICE("name")) && m.value.len > 2) {
            struct slice name = {m.value.at + 1, m.value.len - 2};
            named = slice_equal(name, slice_of(row->name));
        } else if (slice_equal(m.key, SLICE("retryable"))) {
            told = m.kind == SCAN_TRUE || m.kind == SCAN_FALSE;
            retryable = m.kind == SCAN_TRUE;
        } else if (slice_equal(m.key, SLICE("reason"))) {
            never = slice_equal(m.value, SLICE("\"never\""));
        }
    }
    return !m.bad && named && told && retryable == (row->retryable && !never);
}

static void check_reply(struct world *world, const struct pending *pending,
                        struct slice line)
{
    struct reply reply;
    struct slice id = {pending->id, pending->id_len};
    if (!message_read_reply(line, &world->arena, &reply)) {
        fault(world, "not a reply: %.*s", (int)line.len, line.at);
        return;
    }
    bool error = reply.error != ERROR_NONE;
    if (error && !error_data_right(&reply)) {
        fault(world, "an error without its message, name or retryable: %.*s",
              (int)line.len, line.at);
    }
    /* A pending id that is used again may be answered with null. */
    bool anonymous = reply.error == ERROR_invalid_request &&
                     slice_equal(reply.id, SLICE("null"));
    if (!slice_equal(reply.id, id) && !anonymous) {
        fault(world, "the reply to %s has another id: %.*s", pending->id,
              (int)line.len, line.at);
    }
    tally(world, pending->method, error);
}

static void deliver(struct world *world, const struct effect_reply *effect)
{
    struct slice line = {world->effects.bytes.at + effect->at, effect->len};
    if (line.len == 0 || line.at[line.len - 1] != '\n' ||
        memchr(line.at, '\n', line.len - 1) != NULL) {
        fault(world, "a reply is not one line: %.*s", (int)line.len, line.at);
        return;
    }
    line.len--;
    trace(world, "<", effect->conn, line);
    struct pending *pending = pendings_find(&world->pending, effect->tag);
    if (pending == NULL || pending->conn != effect->conn) {
        fault(world, "nobody waits for this on connection %" PRIu64 ": %.*s",
              effect->conn, (int)line.len, line.at);
        return;
    }
    check_reply(world, pending, line);
    pendings_remove(&world->pending, pending);
    if (world->options.on_reply != NULL) {
        world->options.on_reply(world->options.arg, effect->conn, line);
    }
}

/* --- steps -------------------------------------------------------------- */

static void step(struct world *world, struct event *event)
{
    event->now_us = world->now_us;
    event->sweep_rows = world->options.sweep_rows;
    uint64_t work = work_done();
    engine_step(world->engine, event, &world->effects);
    world->work += work_done() - work;
    if (world->options.watch != NULL) {
        world->options.watch->event(world->options.arg, event);
    }
    if (!world->options.unchecked) {
        engine_check(world->engine);
    }
    for (size_t i = 0; i < world->effects.replies_count; i++) {
        deliver(world, &world->effects.replies[i]);
    }
    effects_clear(&world->effects);
    arena_reset(&world->arena);
}

static void step_bare(struct world *world, enum event_type type)
{
    struct event event = {.type = type};
    step(world, &event);
}

static void cut(struct world *world)
{
    world->batch = engine_cut(world->engine);
    if (world->batch == NULL) {
        return;
    }
    if (world->options.watch != NULL) {
        world->options.watch->cut(world->options.arg);
    }
    uint64_t number = world->batch->number;
    if (number != world->batch_number + 1) {
        fault(world, "batch %" PRIu64 " comes after batch %" PRIu64, number,
              world->batch_number);
    }
    world->batch_number = number;
    world->batch_written = false;
    world->batch_text.len = 0;
    disk_describe(world->batch, &world->batch_text);
    trace(world, "batch", number, (struct slice){NULL, 0});
    if (world->options.trace) {
        out_bytes(&world->trace,
                  (struct slice){world->batch_text.at, world->batch_text.len});
    }
}

bool world_write(struct world *world)
{
    if (world->batch == NULL || world->batch_written) {
        return false;
    }
    struct out text;
    struct store_error why;
    out_init(&text);
    disk_describe(world->batch, &text);
    if (!slice_equal(
            (struct slice){text.at, text.len},
            (struct slice){world->batch_text.at, world->batch_text.len})) {
        fault(world, "batch %" PRIu64 " changed while it was in flight",
              world->batch_number);
    }
    out_fini(&text);
    if (!disk_apply(&world->disk, world->batch, &why)) {
        fault(world, "batch %" PRIu64 ": %s", world->batch_number, why.text);
    }
    world->batch_written = true;
    if (world->options.watch != NULL) {
        world->options.watch->written(world->options.arg);
    }
    trace(world, "written", world->batch_number, (struct slice){NULL, 0});
    return true;
}

/* One batch reaches the disk, and the engine is told. */
static void persist(struct world *world)
{
    world_write(world);
    world->batch = NULL;
    trace(world, "persisted", world->batch_number, (struct slice){NULL, 0});
    step_bare(world, EVENT_PERSISTED);
}

static bool slice_due(const struct world *world)
{
    return engine_deadline_us(world->engine) <= world->now_us;
}

/* Until nothing more happens at this moment. */
static void settle(struct world *world)
{
    for (size_t steps = 0; steps < STEPS_MAX; steps++) {
        if (world->batch == NULL) {
            cut(world);
        }
        if (world->batch != NULL && !world->store_held) {
            persist(world);
        } else if (slice_due(world) && !world->slices_held) {
            step_bare(world, EVENT_TIME);
        } else {
            return;
        }
    }
    fault(world, "time does not go on: the deadline stays in the past");
}

uint64_t world_connect(struct world *world, struct peer peer)
{
    uint64_t conn = ++world->conns;
    if (peer.access == NULL) {
        peer.access = &access_everything;
    }
    struct event event = {.type = EVENT_CONNECTED, .conn = conn, .peer = peer};
    trace(world, "connected", conn, (struct slice){NULL, 0});
    step(world, &event);
    settle(world);
    return conn;
}

void world_allow(struct world *world, uint64_t conn,
                 const struct access *access)
{
    struct event event = {.type = EVENT_ACCESS, .conn = conn};
    event.peer.access = access == NULL ? &access_everything : access;
    trace(world, "may do", conn, (struct slice){NULL, 0});
    step(world, &event);
    settle(world);
}

void world_disconnect(struct world *world, uint64_t conn)
{
    struct event event = {.type = EVENT_DISCONNECTED, .conn = conn};
    trace(world, "disconnected", conn, (struct slice){NULL, 0});
    if (!world->slices_held) { /* else what was due is answered first */
        pendings_forget(&world->pending, conn);
    }
    step(world, &event);
    pendings_forget(&world->pending, conn);
    settle(world);
}

/* The method of a line that was refused, as far as it can be told. */
static enum method method_of_line(struct slice line)
{
    struct scan_members m = scan_members(line, 1);
    enum method method = METHODS;
    while (scan_next(&m)) {
        if (slice_equal(m.key, SLICE("method")) && m.kind == SCAN_STRING) {
            method =
                method_of_name((struct slice){m.value.at + 1, m.value.len - 2});
        }
    }
    return m.bad ? METHODS : method;
}

/* What the shell answers itself: a line that is no request. */
static void refuse(struct world *world, uint64_t conn, struct slice line,
                   const struct request *request, const struct complaint *why)
{
    if (request->notification) {
        return;
    }
    struct out out;
    struct slice id = request->id.json;
    out_init(&out);
    message_error(&out, id, why);
    struct slice reply = {out.at, out.len - 1};
    trace(world, "<", conn, reply);
    enum method method = method_of_line(line);
    tally(world, method, true);
    if (world->options.watch != NULL) {
        world->options.watch->refused(world->options.arg, conn, id, method,
                                      why->error);
    }
    if (world->options.on_reply != NULL) {
        world->options.on_reply(world->options.arg, conn, reply);
    }
    out_fini(&out);
}

/* splitmix64: the same bytes in every run. */
static void draw_entropy(struct world *world, unsigned char *bytes)
{
    for (size_t i = 0; i < ENTROPY_BYTES; i++) {
        uint64_t z = world->entropy += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        bytes[i] = (unsigned char)(z ^ (z >> 31));
    }
}

static void request(struct world *world, uint64_t conn,
                    const struct request *decoded, size_t size)
{
    unsigned char entropy[ENTROPY_BYTES];
    unsigned traits = method_row(decoded->method)->traits;
    struct event event = {.type = EVENT_REQUEST,
                          .conn = conn,
                          .request = decoded,
                          .tag = ++world->tags,
                          .size = size};
    if ((traits & TRAIT_ENTROPY) != 0) {
        draw_entropy(world, entropy);
        event.entropy = entropy;
    }
    if (decoded->id.json.at != NULL) {
        pendings_add(&world->pending, conn, event.tag, decoded->id.json,
                     decoded->method);
    }
    step(world, &event);
}

static void send_batch(struct world *world, uint64_t conn, struct slice line)
{
    struct message_batch batch = message_batch(line);
    struct request decoded;
    struct complaint why;
    enum message_kind kind;
    while (message_batch_next(&batch, &world->arena, &decoded, &kind, &why)) {
        if (kind == MESSAGE_REQUEST) {
            request(world, conn, &decoded, line.len);
        } else {
            refuse(world, conn, line, &decoded, &why);
        }
    }
}

void world_send(struct world *world, uint64_t conn, struct slice line)
{
    struct request decoded;
    struct complaint why;
    trace(world, ">", conn, line);
    switch (message_decode(line, &world->arena, &decoded, &why)) {
    case MESSAGE_REQUEST:
        request(world, conn, &decoded, line.len + 1);
        break;
    case MESSAGE_BAD:
        refuse(world, conn, line, &decoded, &why);
        break;
    case MESSAGE_BATCH:
        send_batch(world, conn, line);
        break;
    }
    arena_reset(&world->arena);
    settle(world);
}

void world_advance(struct world *world, int64_t until_us)
{
    for (size_t steps = 0; steps < STEPS_MAX; steps++) {
        int64_t due_us = engine_deadline_us(world->engine);
        bool slice = due_us <= world->now_us;
        if (due_us > until_us || (slice && world->slices_held)) {
            world->now_us = until_us > world->now_us ? until_us : world->now_us;
            return;
        }
        world->now_us = due_us > world->now_us ? due_us : world->now_us;
        trace(world, "time", 0, (struct slice){NULL, 0});
        step_bare(world, EVENT_TIME);
        settle(world);
    }
    fault(world, "time does not go on: too many deadlines on the way");
}

/* --- the disk ----------------------------------------------------------- */

void world_hold_store(struct world *world, bool held)
{
    world->store_held = held;
    trace(world, held ? "store held" : "store let go", 0,
          (struct slice){NULL, 0});
    settle(world);
}

bool world_persist(struct world *world)
{
    if (world->batch == NULL) {
        return false;
    }
    persist(world);
    settle(world);
    return true;
}

bool world_in_flight(const struct world *world)
{
    return world->batch != NULL;
}

bool world_busy(const struct world *world)
{
    return world->batch != NULL || slice_due(world);
}

size_t world_rows(const struct world *world, enum row_kind kind)
{
    return world->disk.counts[kind];
}

void world_full(struct world *world, bool full)
{
    struct event event = {.type = EVENT_SPACE, .full = full};
    trace(world, full ? "disk full" : "disk has room", 0,
          (struct slice){NULL, 0});
    step(world, &event);
    settle(world);
}

void world_hold_slices(struct world *world, bool held)
{
    world->slices_held = held;
    settle(world);
}

bool world_slice(struct world *world)
{
    if (!slice_due(world)) {
        return false;
    }
    step_bare(world, EVENT_TIME);
    settle(world);
    return true;
}

/* --- birth and death ---------------------------------------------------- */

struct loader {
    struct world *world;
    struct engine *engine;
};

static bool load_row(void *arg, enum row_kind kind, const void *row)
{
    struct loader *loader = arg;
    if (engine_load(loader->engine, kind, row)) {
        return true;
    }
    fault(loader->world, "the engine refuses a row of kind %s that it wrote",
          kind_row(kind)->name);
    return false;
}

/* An engine that begins with what is on the disk. */
static struct engine *load_engine(struct world *world, int64_t now_us)
{
    struct loader loader = {world, engine_new(&world->options.engine)};
    disk_load(&world->disk, load_row, &loader);
    engine_loaded(loader.engine, now_us);
    engine_check(loader.engine);
    return loader.engine;
}

static void begin(struct world *world)
{
    int64_t disk_us = disk_clock_us(&world->disk);
    world->skew_us = disk_us > world->now_us ? disk_us - world->now_us : 0;
    world->engine = load_engine(world, world->now_us);
    world->batch = NULL;
    world->batch_number = 0;
    world->store_held = false;
    world->slices_held = false;
    if (world->options.watch != NULL) {
        world->options.watch->born(world->options.arg, world->now_us, disk_us);
    }
    settle(world);
}

void world_shutdown(struct world *world)
{
    trace(world, "shutdown", 0, (struct slice){NULL, 0});
    step_bare(world, EVENT_SHUTDOWN);
    settle(world);
}

void world_crash(struct world *world, int64_t back_us)
{
    trace(world, "crash", 0, (struct slice){NULL, 0});
    pendings_forget(&world->pending, 0);
    engine_free(world->engine);
    world->now_us -= back_us;
    begin(world);
}

void world_restart(struct world *world)
{
    world_hold_slices(world, false);
    world_hold_store(world, false);
    world_shutdown(world);
    world_check_reload(world);
    world_crash(world, 0);
}

bool world_check_reload(struct world *world)
{
    if (world->batch != NULL || slice_due(world)) {
        return false;
    }
    struct engine *other = load_engine(world, world->now_us + world->skew_us);
    uint64_t here = engine_digest(world->engine);
    uint64_t there = engine_digest(other);
    if (here != there) {
        fault(world,
              "the engine's digest is %016" PRIx64
              ", that of one loaded from its disk %016" PRIx64,
              here, there);
    }
    engine_free(other);
    return true;
}

struct world *world_new(const struct world_options *options)
{
    struct world *world = mem_zalloc(sizeof *world);
    size_t len;
    world->options = *options;
    world->now_us = WORLD_START_US;
    world->entropy = options->engine.seed;
    disk_init(&world->disk);
    effects_init(&world->effects);
    arena_init(&world->arena);
    out_init(&world->trace);
    out_init(&world->batch_text);
    if (options->engine.discover.at == NULL) {
        world->discover = message_discover(SYNCD_VERSION, &len);
        world->options.engine.discover = (struct slice){world->discover, len};
    }
    begin(world);
    return world;
}

void world_free(struct world *world)
{
    if (world == NULL) {
        return;
    }
    pendings_forget(&world->pending, 0);
    pendings_fini(&world->pending);
    engine_free(world->engine);
    out_fini(&world->batch_text);
    out_fini(&world->trace);
    arena_fini(&world->arena);
    effects_fini(&world->effects);
    disk_fini(&world->disk);
    mem_free(world->discover);
    mem_free(world);
}
