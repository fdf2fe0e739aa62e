/*
 * Rows of a store, in whatever state: the engine refuses them or takes them,
 * and those that it took make a state that all invariants hold for, that goes
 * on when time does and clients come, and that another engine can be made of.
 *
 * An input is lines as disk_describe writes them: "job id=5 queue=1 body="7"";
 * what makes no sense is left out, and rows are given in the order of a store:
 * kind by kind, each id once, ascending.
 */
#include "daemon/engine/access.h"
#include "daemon/engine/engine.h"

#include "proto/check.h"
#include "proto/memory.h"
#include "proto/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/disk.h"
#include "tests/sim/row_text.h"
#include "tests/sim/world.h"

#include <string.h>

#define ROWS_MAX  48
#define STEPS_MAX 60

struct fuzz {
    struct arena arena; /* texts */
    struct disk disk;
    size_t rows;
};

/* ---- Reading ---- */

/* A row that is there already is left as it is. */
static void add_row(struct fuzz *f, enum row_kind kind, const void *row)
{
    struct batch batch = {.number = 1};
    struct store_error why;
    uint64_t id;
    memcpy(&id, row, sizeof(id));
    batch.changes[kind].rows = row;
    batch.changes[kind].rows_count = 1;
    if (id > 0 && f->rows++ < ROWS_MAX) {
        CHECK(disk_apply(&f->disk, &batch, &why));
    }
}

static void read_line(struct fuzz *f, struct slice line)
{
    enum row_kind kind;
    const void *row = row_read(line, &f->arena, &kind);
    if (row != NULL) {
        add_row(f, kind, row);
    }
}

static void read_rows(struct fuzz *f, struct slice text)
{
    while (text.len > 0) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        read_line(f, (struct slice){text.at, len});
        len += end != NULL;
        text = (struct slice){text.at + len, text.len - len};
    }
}

/* ---- What becomes of them ---- */

static bool load_row(void *arg, enum row_kind kind, const void *row)
{
    return engine_load(arg, kind, row);
}

static struct engine *load(const struct fuzz *f, int64_t now_us)
{
    struct engine_options options = engine_options_default;
    options.started_at_us = now_us;
    options.version = SYNCD_VERSION;
    options.store = "simulated";
    options.discover = SLICE("{}");
    struct engine *engine = engine_new(&options);
    if (!disk_load(&f->disk, load_row, engine)) {
        engine_free(engine);
        return NULL;
    }
    engine_loaded(engine, now_us);
    engine_check(engine);
    return engine;
}

static void step(struct engine *engine, struct event *event, int64_t now_us)
{
    struct effects effects;
    effects_init(&effects);
    event->now_us = now_us;
    engine_step(engine, event, &effects);
    engine_check(engine);
    effects_fini(&effects);
}

static void ask(struct engine *engine, const char *line, int64_t now_us)
{
    struct arena arena;
    struct request request;
    struct complaint why;
    arena_init(&arena);
    enum message_kind kind =
        message_decode(slice_of(line), &arena, &request, &why);
    CHECK(kind == MESSAGE_REQUEST);
    struct event event = {.type = EVENT_REQUEST,
                          .conn = 1,
                          .request = &request,
                          .tag = 1,
                          .size = strlen(line)};
    step(engine, &event, now_us);
    arena_fini(&arena);
}

/* Everything that is to happen by itself, and batches written meanwhile. */
static void run_on(struct fuzz *f, struct engine *engine, int64_t *now_us)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        const struct batch *batch = engine_cut(engine);
        struct event event = {.type =
                                  batch != NULL ? EVENT_PERSISTED : EVENT_TIME};
        struct store_error why;
        int64_t due_us = engine_deadline_us(engine);
        if (batch != NULL) {
            (void)disk_apply(&f->disk, batch, &why);
        } else if (due_us == DEADLINE_NEVER) {
            return;
        } else if (due_us > *now_us) {
            *now_us = due_us;
        }
        step(engine, &event, *now_us);
    }
}

static void use(struct fuzz *f, struct engine *engine)
{
    static const char *const lines[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"queue.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"job.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"batch.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"lock.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"semaphore.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"barrier.list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"queue.get\","
        "\"params\":{\"queue\":\"q\",\"max\":9}}",
        "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"event.set\","
        "\"params\":{\"event\":\"e\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"queue.purge\","
        "\"params\":{\"queue\":\"q\",\"states\":[\"dead\"]}}",
        "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"queue.delete\","
        "\"params\":{\"queue\":\"q\",\"force\":true}}",
    };
    int64_t now_us = WORLD_START_US;
    struct event event = {.type = EVENT_CONNECTED,
                          .conn = 1,
                          .peer = {.uid = 0, .access = &access_everything}};
    step(engine, &event, now_us);
    run_on(f, engine, &now_us);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ask(engine, lines[i], now_us);
    }
    run_on(f, engine, &now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.rows = 0};
    arena_init(&f.arena);
    disk_init(&f.disk);
    read_rows(&f, (struct slice){(const char *)data, size});
    struct engine *engine = load(&f, WORLD_START_US);
    if (engine != NULL) {
        use(&f, engine);
        engine_free(engine);
    }
    disk_fini(&f.disk);
    arena_fini(&f.arena);
    return 0;
}
