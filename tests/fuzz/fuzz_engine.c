/*
 * The decoder with the engine behind it, over a simulated disk and in virtual
 * time (tests/sim/world.h): several clients, whatever they say, and whatever
 * happens meanwhile. Every invariant is checked after every step, every reply
 * is well formed and the only one, and a reload gives the state there was.
 *
 * An input is lines:
 *
 *     1 queue.put {"queue":"q","body":1}    client 1 asks (0 to 9)
 *     1>LINE                                client 1 sends these bytes
 *     1-                                    client 1 is gone
 *     +1500                                 so many milliseconds go by
 *     h  l  p  w                            the disk: held, let go; while held:
 *                                           a batch is written, and told; or
 *                                           written, and not told
 *     f  o                                  it is full; it has room
 *     c  r  s                               crash, restart, shutdown
 *     H  L  P                               long work: held, let go, one slice
 *     e                                     does a reload give the same?
 */
#include "daemon/engine/access.h"
#include "daemon/engine/engine.h"

#include "proto/check.h"
#include "proto/memory.h"
#include "proto/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS 10

/* More commands than this make an input slow, and no better. */
#define COMMANDS_MAX 200

/* A day; what is due later is due at once when time goes by. */
#define STEP_MAX_MS INT64_C(86400000)

struct fuzz {
    struct world *world;
    uint64_t conns[CLIENTS]; /* 0: not connected */
    uint64_t next_id;
    struct out line;
};

/* The last two may only work, and only with names that begin with q. */
static struct peer peer_of(int client)
{
    static const struct slice patterns[] = {{"q*", 2}};
    static const struct access_rule rule = {.roles = ROLE_WORKER,
                                            .kinds = (1U << KINDS) - 1,
                                            .patterns = {patterns, 1}};
    static const struct access_rule *const rules[] = {&rule};
    static struct access some;
    access_init(&some, rules, 1);
    return (struct peer){.uid = 1000 + (uint32_t)client % 3,
                         .access =
                             client < CLIENTS - 2 ? &access_everything : &some};
}

static uint64_t conn_of(struct fuzz *f, int client)
{
    if (f->conns[client] == 0) {
        f->conns[client] = world_connect(f->world, peer_of(client));
    }
    return f->conns[client];
}

static void forget_all(struct fuzz *f)
{
    memset(f->conns, 0, sizeof(f->conns));
}

/* "METHOD PARAMS" as a request. */
static void ask(struct fuzz *f, int client, struct slice text)
{
    const char *blank = memchr(text.at, ' ', text.len);
    size_t len = blank != NULL ? (size_t)(blank - text.at) : text.len;
    f->line.len = 0;
    write_begin_object(&f->line);
    WRITE(&f->line, string, "jsonrpc", SLICE("2.0"));
    WRITE(&f->line, integer, "id", (int64_t)f->next_id++);
    write_key(&f->line, SLICE("method"));
    write_json(&f->line, SLICE("\""));
    out_bytes(&f->line, (struct slice){text.at, len});
    out_bytes(&f->line, SLICE("\""));
    if (len + 1 < text.len) {
        out_bytes(&f->line, SLICE(",\"params\":"));
        out_bytes(&f->line,
                  (struct slice){text.at + len + 1, text.len - len - 1});
    }
    out_bytes(&f->line, SLICE("}"));
    world_send(f->world, conn_of(f, client),
               (struct slice){f->line.at, f->line.len});
}

static void talk(struct fuzz *f, int client, struct slice text)
{
    struct slice rest = {text.at + 1, text.len - 1};
    switch (text.at[0]) {
    case ' ':
        ask(f, client, rest);
        break;
    case '>':
        world_send(f->world, conn_of(f, client), rest);
        break;
    case '-':
        if (f->conns[client] != 0) {
            world_disconnect(f->world, f->conns[client]);
            f->conns[client] = 0;
        }
        break;
    default:
        break;
    }
}

static void wait_a_while(struct fuzz *f, struct slice text)
{
    int64_t ms = 0;
    for (size_t i = 0; i < text.len && ms < STEP_MAX_MS; i++) {
        if (text.at[i] >= '0' && text.at[i] <= '9') {
            ms = ms * 10 + text.at[i] - '0';
        }
    }
    ms = ms < STEP_MAX_MS ? ms : STEP_MAX_MS;
    world_advance(f->world, world_now_us(f->world) + ms * 1000);
}

static void happen(struct fuzz *f, char what)
{
    switch (what) {
    case 'h':
    case 'l':
        world_hold_store(f->world, what == 'h');
        break;
    case 'p':
        (void)world_persist(f->world);
        break;
    case 'w':
        (void)world_write(f->world);
        break;
    case 'f':
    case 'o':
        world_full(f->world, what == 'f');
        break;
    case 'c':
        world_crash(f->world, 0);
        forget_all(f);
        break;
    case 'r':
        world_restart(f->world);
        forget_all(f);
        break;
    case 's':
        world_shutdown(f->world);
        break;
    case 'H':
    case 'L':
        world_hold_slices(f->world, what == 'H');
        break;
    case 'P':
        (void)world_slice(f->world);
        break;
    case 'e':
        (void)world_check_reload(f->world);
        break;
    default:
        break;
    }
}

static void run_line(struct fuzz *f, struct slice line)
{
    if (line.len == 0) {
        return;
    }
    char first = line.at[0];
    struct slice rest = {line.at + 1, line.len - 1};
    if (first >= '0' && first <= '9') {
        if (rest.len > 0) {
            talk(f, first - '0', rest);
        }
    } else if (first == '+') {
        wait_a_while(f, rest);
    } else {
        happen(f, first);
    }
}

static struct world_options options_of(void)
{
    static char *discover; /* made once: it takes longer than most inputs */
    static size_t len;
    if (discover == NULL) {
        discover = message_discover(SYNCD_VERSION, &len);
    }
    struct world_options options = {.engine = engine_options_default};
    options.engine.seed = 1;
    options.engine.started_at_us = WORLD_START_US;
    options.engine.version = SYNCD_VERSION;
    options.engine.store = "simulated";
    options.engine.discover = (struct slice){discover, len};
    options.engine.memory_max = 100000;
    options.engine.message_max = 5000;
    options.engine.pending_max = 6;
    return options;
}

static void check(const struct fuzz *f)
{
    const char *fault = world_fault(f->world);
    if (fault != NULL) {
        (void)fprintf(stderr, "%s\n", fault);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world_options options = options_of();
    struct fuzz f = {.world = world_new(&options), .next_id = 1};
    struct slice text = {(const char *)data, size};
    out_init(&f.line);
    for (int i = 0; i < COMMANDS_MAX && text.len > 0; i++) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.at) : text.len;
        run_line(&f, (struct slice){text.at, len});
        check(&f);
        len += end != NULL;
        text = (struct slice){text.at + len, text.len - len};
    }
    world_restart(f.world);
    check(&f);
    world_free(f.world);
    out_fini(&f.line);
    return 0;
}
