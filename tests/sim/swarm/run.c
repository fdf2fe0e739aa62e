#include "tests/sim/swarm/run.h"

#include "proto/memory.h"

#include <inttypes.h>

/* --- watching ----------------------------------------------------------- */

static void on_event(void *arg, const struct event *event)
{
    model_event(((struct run *)arg)->model, event);
}

static void on_refused(void *arg, uint64_t conn, struct slice id,
                       enum method method, enum error error)
{
    model_refused(((struct run *)arg)->model, conn, id, method, error);
}

static void on_cut(void *arg)
{
    model_cut(((struct run *)arg)->model);
}

static void on_written(void *arg)
{
    model_written(((struct run *)arg)->model);
}

static void on_born(void *arg, int64_t clock_us, int64_t disk_us)
{
    model_crash(((struct run *)arg)->model, clock_us, disk_us);
}

static int64_t due_of(void *arg, uint64_t job)
{
    return world_job_due_us(((struct run *)arg)->world, job);
}

static const struct world_watch watch = {on_event, on_refused, on_cut,
                                         on_written, on_born};

static int client_of(const struct run *run, uint64_t conn)
{
    int i = 0;
    while (i < CLIENTS && run->clients[i].conn != conn) {
        i++;
    }
    return i;
}

static void on_reply(void *arg, uint64_t conn, struct slice line)
{
    struct run *run = arg;
    struct out expected;
    out_init(&expected);
    model_reply(run->model, conn, line, run->aloud == NULL ? NULL : &expected);
    if (run->aloud != NULL) {
        (void)fprintf(run->aloud, "c%d %.*s\n", client_of(run, conn) + 1,
                      (int)expected.len, expected.at);
    }
    out_fini(&expected);
}

/* Every 16th story is of a daemon that keeps nothing: `--store memory`. */
static bool is_forgetful(uint64_t seed)
{
    return seed % 16 == 7;
}

static struct world *new_world(struct run *run, bool first)
{
    struct world_options options = {
        .engine = engine_options_default, .trace = true, .unchecked = !first};
    if (run->slice_jobs > 0) {
        options.engine.slice_jobs = (size_t)run->slice_jobs;
        options.sweep_rows = run->seed / 8 % 5;
        options.trace = false;
        options.unchecked = false;
    }
    options.engine.seed = run->seed;
    options.engine.forgetful = is_forgetful(run->seed);
    options.engine.store = "sim";
    options.engine.discover = SLICE("{}");
    if (first) {
        options.on_reply = on_reply;
        options.watch = &watch;
        options.arg = run;
    }
    return world_new(&options);
}

void run_init(struct run *run, uint64_t seed, struct model_grid *grid,
              FILE *aloud)
{
    *run = (struct run){.seed = seed, .aloud = aloud};
    run->model = mem_alloc(sizeof(*run->model));
    model_init(run->model, grid);
    run->model->due = due_of;
    run->model->due_arg = run;
    run->model->forgetful = is_forgetful(seed);
    out_init(&run->lines);
    out_init(&run->line);
    for (int i = 0; i < CLIENTS; i++) {
        run->clients[i].uid = i == CLIENTS - 1 ? 2000 : 1000;
    }
    run->world = new_world(run, true);
}

void run_fini(struct run *run)
{
    world_free(run->world);
    model_fini(run->model);
    mem_free(run->model);
    mem_free(run->told);
    for (size_t i = 0; i < run->grants_count; i++) {
        grants_free(run->grants[i]);
    }
    mem_free(run->grants);
    out_fini(&run->lines);
    out_fini(&run->line);
}

const char *run_fault(const struct run *run)
{
    return world_fault(run->world) != NULL ? world_fault(run->world)
           : run->model->fault[0] != '\0'  ? run->model->fault
                                           : NULL;
}

void run_check_quiet(struct run *run)
{
    if (!world_busy(run->world)) {
        model_quiet(run->model);
    }
}

/* --- telling ------------------------------------------------------------ */

/* What a world is told; both of them by this alone. */
static void apply(struct world *world, const struct told *told,
                  struct slice line)
{
    if (told->connects) {
        world_connect(world, told->peer);
    }
    switch (told->act) {
    case ACT_SEND:
        if (told->us > 0) {
            world_advance(world, world_now_us(world) + told->us);
        }
        world_send(world, told->conn, line);
        break;
    case ACT_CLOSE:
        world_disconnect(world, told->conn);
        break;
    case ACT_ALLOW:
        world_allow(world, told->conn, told->peer.access);
        break;
    case ACT_TIME:
        world_advance(world, world_now_us(world) + told->us);
        break;
    case ACT_STORE_HOLD:
    case ACT_STORE_RELEASE:
        world_hold_store(world, told->act == ACT_STORE_HOLD);
        break;
    case ACT_STORE_STEP:
        world_persist(world);
        break;
    case ACT_STORE_WRITE:
        world_write(world);
        break;
    case ACT_STORE_FULL:
    case ACT_STORE_OK:
        world_full(world, told->act == ACT_STORE_FULL);
        break;
    case ACT_CRASH:
        world_crash(world, told->us);
        break;
    case ACT_RESTART:
        world_restart(world);
        break;
    case ACT_CHECK:
        world_check_reload(world);
        break;
    }
}

static void tell(struct run *run, struct told told)
{
    if (run->told_count == run->told_cap) {
        run->told_cap = 2 * run->told_cap + 512;
        run->told =
            mem_realloc(run->told, run->told_cap * sizeof(run->told[0]));
    }
    told.at = run->lines.len;
    if (told.act == ACT_SEND) {
        told.len = run->line.len;
        out_bytes(&run->lines, (struct slice){run->line.at, run->line.len});
    }
    run->told[run->told_count++] = told;
    apply(run->world, &told, (struct slice){run->line.at, run->line.len});
}

bool run_again(const struct run *run)
{
    struct run again = {.seed = run->seed};
    struct world *world = new_world(&again, false);
    for (size_t i = 0; i < run->told_count; i++) {
        const struct told *told = &run->told[i];
        apply(world, told, (struct slice){run->lines.at + told->at, told->len});
    }
    bool same = slice_equal(world_trace(world), world_trace(run->world));
    world_free(world);
    return same;
}

void run_sliced(struct run *run)
{
    struct run sliced = {.seed = run->seed, .slice_jobs = 2};
    struct world *world = new_world(&sliced, false);
    for (size_t i = 0; i < run->told_count; i++) {
        const struct told *told = &run->told[i];
        world_hold_slices(world, (run->seed / 2 + i / 8) % 4 != 0);
        apply(world, told, (struct slice){run->lines.at + told->at, told->len});
    }
    world_hold_store(world, false);
    world_hold_slices(world, false);
    (void)world_check_reload(world);
    world_crash(world, 0);
    (void)world_check_reload(world);
    if (world_fault(world) != NULL) {
        model_fault(run->model, "in slices: %s", world_fault(world));
    }
    world_free(world);
}

/* --- actions ------------------------------------------------------------ */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The things that are in the scope, as they stand in the parameters; a stage s0
 * is no semaphore, and the first of its list. */
static const char *const scoped[] = {
    "\"q0\"", "\"r0\"", "\"e2\"", "\"semaphore\":\"s0\"", "\"limits\":[\"s0\"",
    ",\"s0\""};

/* Does the name of one of them begin here? */
static bool is_scoped(struct slice params, const char *behind)
{
    for (size_t i = 0; i < sizeof(scoped) / sizeof(scoped[0]); i++) {
        size_t len = strlen(scoped[i]);
        const char *at = behind + 3 - len;
        if (at >= params.at && behind + 3 <= params.at + params.len &&
            memcmp(at, scoped[i], len) == 0) {
            return true;
        }
    }
    return false;
}

/* With the numbers that its names stand for by now. */
static void write_params(struct run *run, struct slice params)
{
    const char *end = params.at + params.len;
    for (const char *at = params.at; at < end;) {
        const char *behind = at + 1;
        if (*at == '$') {
            while (behind < end && is_name(*behind)) {
                behind++;
            }
            struct slice name = {at + 1, (size_t)(behind - at - 1)};
            struct out number;
            out_init(&number);
            model_name(run->model, name, &number);
            out_bytes(&run->line, (struct slice){number.at, number.len});
            out_fini(&number);
        } else {
            out_byte(&run->line, *at);
            if (*at == '"' && is_scoped(params, behind)) {
                out_bytes(&run->line, slice_of(M_SCOPE));
            }
        }
        at = behind;
    }
}

static void write_line(struct run *run, const struct story *story,
                       const struct action *action)
{
    char text[120];
    run->line.len = 0;
    out_bytes(&run->line, SLICE("{\"jsonrpc\":\"2.0\""));
    if (action->id != 0) {
        (void)snprintf(text, sizeof(text), ",\"id\":%" PRId64, action->id);
        out_bytes(&run->line, slice_of(text));
    }
    (void)snprintf(text, sizeof(text), ",\"method\":\"%s\",\"params\":",
                   method_row(action->method)->name);
    out_bytes(&run->line, slice_of(text));
    write_params(run, story_params(story, action));
    out_byte(&run->line, '}');
}

/* The bytes that the action sent which this one sends again. */
static bool write_again(struct run *run, int number)
{
    for (size_t i = 0; i < run->told_count; i++) {
        const struct told *told = &run->told[i];
        if (told->number == number) {
            run->line.len = 0;
            out_bytes(&run->line,
                      (struct slice){run->lines.at + told->at, told->len});
            return true;
        }
    }
    return false;
}

/* NULL: everything. */
static const struct access *access_of(const struct client_state *client)
{
    return client->grants == NULL ? NULL : &client->grants->access;
}

/* What a client may do from now on, from words with blanks between them. */
static void allow(struct run *run, struct client_state *client,
                  struct slice words)
{
    (void)snprintf(client->allow, sizeof(client->allow), "%.*s", (int)words.len,
                   words.at);
    client->grants = NULL;
    const char *at = client->allow;
    if (*at == '\0') {
        return;
    }
    client->grants = grants_new();
    run->grants = mem_realloc(run->grants, (run->grants_count + 1) *
                                               sizeof(struct grants *));
    run->grants[run->grants_count++] = client->grants;
    while (*at != '\0') {
        struct slice word = {at, strcspn(at, " ")};
        CHECK(grants_add(client->grants, word));
        at += word.len + (at[word.len] != '\0');
    }
}

static void send(struct run *run, const struct story *story,
                 const struct action *action)
{
    struct client_state *client = &run->clients[action->client];
    struct told told = {.act = ACT_SEND,
                        .conn = client->conn,
                        .us = action->us,
                        .number = action->number};
    if (action->again == 0 || !write_again(run, action->again)) {
        write_line(run, story, action);
    }
    if (client->conn == 0) {
        told.connects = true;
        told.peer = (struct peer){.uid = client->uid,
                                  .gid = client->uid,
                                  .pid = (uint32_t)(5001 + action->client),
                                  .access = access_of(client)};
        /* Connections are counted: world_connect. */
        client->conn = ++run->model->conns;
        told.conn = client->conn;
    }
    if (action->method == METHOD_session_open) {
        client->lost = false;
    }
    run->model->action = action->number;
    tell(run, told);
    run->model->action = 0;
}

/* The session.open of a client with a grace; 0: it has none. */
static int opened_by(const struct run *run, const struct client_state *client)
{
    for (int i = 0; i < M_SESSIONS && client->conn != 0; i++) {
        const struct m_session *session = &run->model->now.sessions[i];
        if (session->used && session->conn == client->conn &&
            session->grace_us > 0) {
            return session->action;
        }
    }
    return 0;
}

static void daemon_ends(struct run *run)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client_state *client = &run->clients[i];
        int opened = opened_by(run, client);
        if (opened != 0) {
            client->opened = opened;
            client->lost = true;
        }
        client->conn = 0;
    }
    run->held = false;
    run->full = false;
}

static const char *const act_names[] = {
    [ACT_STORE_HOLD] = "store hold",   [ACT_STORE_STEP] = "store step",
    [ACT_STORE_WRITE] = "store write", [ACT_STORE_RELEASE] = "store release",
    [ACT_STORE_FULL] = "store full",   [ACT_STORE_OK] = "store ok",
    [ACT_RESTART] = "restart",         [ACT_CHECK] = "check",
};

/* " allow=..." for each word. */
static void print_allow(FILE *to, const char *at)
{
    while (*at != '\0') {
        int len = (int)strcspn(at, " ");
        (void)fprintf(to, " allow=%.*s", len, at);
        at += len + (at[len] != '\0');
    }
}

/* A client comes that is not as those of scenarios are unless it is said. */
static void print_connect(FILE *to, const struct run *run, int i)
{
    const struct client_state *client = &run->clients[i];
    if (client->conn == 0 &&
        (client->uid != 1000 || client->allow[0] != '\0')) {
        (void)fprintf(to, "c%d connect uid=%u", i + 1, client->uid);
        print_allow(to, client->allow);
        (void)fprintf(to, "\n");
    }
}

/* The action as a line of a scenario. */
static void print_action(const struct run *run, const struct story *story,
                         const struct action *action)
{
    FILE *to = run->aloud;
    if (action->act == ACT_SEND) {
        struct slice params = story_params(story, action);
        if (action->us > 0) {
            (void)fprintf(to, "+%" PRId64 "us\n", action->us);
        }
        print_connect(to, run, action->client);
        (void)fprintf(to, "c%d ", action->client + 1);
        if (action->id == 0) {
            (void)fprintf(to, "~");
        } else {
            (void)fprintf(to, "#%" PRId64 " ", action->id);
        }
        (void)fprintf(to, "> %s %.*s\n", method_row(action->method)->name,
                      (int)params.len, params.at);
    } else if (action->act == ACT_ALLOW) {
        if (run->clients[action->client].conn != 0) {
            (void)fprintf(to, "c%d allow", action->client + 1);
            print_allow(to, run->clients[action->client].allow);
            (void)fprintf(to, "\n");
        }
    } else if (action->act == ACT_CLOSE) {
        (void)fprintf(to, "c%d close\n", action->client + 1);
    } else if (action->act == ACT_TIME) {
        (void)fprintf(to, "+%" PRId64 "us\n", action->us);
    } else if (action->act == ACT_CRASH) {
        (void)fprintf(to, "crash back %" PRId64 "us\n", action->us);
    } else {
        (void)fprintf(to, "%s\n", act_names[action->act]);
    }
    (void)fflush(to);
}

/* Can it be carried out now? */
static bool makes_sense(const struct run *run, const struct action *action)
{
    switch (action->act) {
    case ACT_CLOSE:
        return run->clients[action->client].conn != 0;
    case ACT_STORE_STEP:
    case ACT_STORE_WRITE:
        return run->held && world_in_flight(run->world);
    case ACT_CHECK:
        return !world_busy(run->world);
    case ACT_SEND:
    case ACT_ALLOW:
    case ACT_TIME:
    case ACT_STORE_HOLD:
    case ACT_STORE_RELEASE:
    case ACT_STORE_FULL:
    case ACT_STORE_OK:
    case ACT_CRASH:
    case ACT_RESTART:
        return true;
    }
    return false;
}

void run_action(struct run *run, const struct story *story,
                const struct action *action)
{
    if (!makes_sense(run, action)) {
        return;
    }
    if (action->act == ACT_ALLOW) {
        allow(run, &run->clients[action->client], story_params(story, action));
    }
    if (run->aloud != NULL) {
        print_action(run, story, action);
    }
    struct told told = {.act = action->act, .us = action->us};
    switch (action->act) {
    case ACT_SEND:
        send(run, story, action);
        break;
    case ACT_CLOSE:
        told.conn = run->clients[action->client].conn;
        run->clients[action->client].conn = 0;
        tell(run, told);
        break;
    case ACT_ALLOW:
        told.conn = run->clients[action->client].conn;
        told.peer.access = access_of(&run->clients[action->client]);
        if (told.conn != 0) {
            tell(run, told);
        }
        break;
    case ACT_CRASH:
    case ACT_RESTART:
        daemon_ends(run);
        tell(run, told);
        break;
    case ACT_TIME:
    case ACT_STORE_HOLD:
    case ACT_STORE_STEP:
    case ACT_STORE_WRITE:
    case ACT_STORE_RELEASE:
    case ACT_STORE_FULL:
    case ACT_STORE_OK:
    case ACT_CHECK:
        tell(run, told);
        break;
    }
    run->held = action->act == ACT_STORE_HOLD ||
                (run->held && action->act != ACT_STORE_RELEASE);
    run->full = action->act == ACT_STORE_FULL ||
                (run->full && action->act != ACT_STORE_OK);
    run_check_quiet(run);
}
