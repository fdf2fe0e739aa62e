#include "tests/sim/scenario.h"

#include "proto/memory.h"
#include "tests/sim/client.h"
#include "tests/sim/expect.h"
#include "tests/sim/pattern.h"
#include "tests/sim/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* The first id of requests that are not given one: above those of `#7`. */
#define FIRST_ID 1001

struct scenario {
    const char *path;  /* borrowed */
    struct slice text; /* borrowed */
    struct world_options options;
    struct world *world; /* NULL: options may still come */
    struct clients clients;
    struct bindings bindings;
    uint64_t next_id;
    int line;
    struct mismatch why;
    char failure[1200];
};

static bool failed(struct scenario *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool failed(struct scenario *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why.text, sizeof s->why.text, format, args);
    va_end(args);
    return false;
}

/* --- replies ------------------------------------------------------------ */

static void on_reply(void *arg, uint64_t conn, struct slice line)
{
    struct scenario *s = arg;
    struct client *client = clients_of_conn(&s->clients, conn);
    if (client != NULL) {
        client_receive(client, line);
    }
}

/* --- what a client does ------------------------------------------------- */

static void connect_client(struct scenario *s, struct client *client)
{
    struct peer peer = {.uid = client->uid,
                        .gid = client->uid,
                        .pid = clients_pid(&s->clients, client)};
    if (client->grants != NULL) {
        peer.access = &client->grants->access;
    }
    client->conn = world_connect(s->world, peer);
    world_note(s->world, "  (%s is connection %" PRIu64 ")", client->name,
               client->conn);
}

static void send_line(struct scenario *s, struct client *client,
                      struct slice line)
{
    if (client->conn == 0) {
        connect_client(s, client);
    }
    world_send(s->world, client->conn, line);
}

/* {"jsonrpc":"2.0","id":ID,"method":METHOD,"params":PARAMS} */
static bool write_request(struct scenario *s, struct slice id,
                          struct slice text, struct out *out)
{
    struct words words = words_of(text);
    struct slice method = words_next(&words);
    struct slice params = words_rest(&words);
    write_begin_object(out);
    WRITE(out, string, "jsonrpc", SLICE("2.0"));
    if (id.at != NULL) {
        WRITE(out, json, "id", id);
    }
    WRITE(out, string, "method", method);
    if (params.len > 0) {
        struct out expanded;
        out_init(&expanded);
        if (!pattern_expand(params, &s->bindings, &expanded, &s->why)) {
            out_fini(&expanded);
            return false;
        }
        struct slice json = {expanded.at, expanded.len};
        WRITE(out, json, "params", json);
        out_fini(&expanded);
    }
    write_end_object(out);
    return true;
}

static bool send_request(struct scenario *s, struct client *client,
                         struct slice id, struct slice text)
{
    struct out line;
    out_init(&line);
    bool right = write_request(s, id, text, &line);
    if (right) {
        send_line(s, client, (struct slice){line.at, line.len});
    }
    out_fini(&line);
    return right;
}

/* `> METHOD PARAMS => OUTCOME` behind the sign. */
static bool client_request(struct scenario *s, struct client *client,
                           struct slice id, struct slice text)
{
    char number[32];
    if (id.at == NULL) {
        snprintf(number, sizeof number, "%" PRIu64, s->next_id++);
        id = slice_of(number);
    }
    const char *outcome = words_outcome(text);
    const char *end = text.at + text.len;
    text.len = (size_t)(outcome - text.at);
    if (!send_request(s, client, id, text)) {
        return false;
    }
    if (outcome == end) {
        return true;
    }
    struct words words = {outcome + 4, end};
    return expect(client, id, words_rest(&words), &s->bindings, &s->why);
}

static bool client_connect(struct scenario *s, struct client *client,
                           struct words *words)
{
    if (client->conn != 0) {
        return failed(s, "it is connected already");
    }
    if (!client_read_peer(client, words)) {
        return failed(s, "connect takes uid=N and allow=ROLES:KINDS:NAMES");
    }
    connect_client(s, client);
    return true;
}

/* The configuration changes: that is what the client may do from now on. */
static bool client_allow(struct scenario *s, struct client *client,
                         struct words *words)
{
    struct grants *before = client->grants;
    client->grants = NULL;
    bool right = client->conn != 0 && client_read_peer(client, words);
    if (right) {
        world_allow(s->world, client->conn,
                    client->grants == NULL ? NULL : &client->grants->access);
    }
    grants_free(before);
    return right || failed(s, "allow takes allow=ROLES:KINDS:NAMES");
}

static bool expect_of_kind(struct scenario *s, struct client *client,
                           struct slice id, const char *kind,
                           struct slice pattern)
{
    struct out outcome;
    out_init(&outcome);
    out_bytes(&outcome, slice_of(kind));
    out_bytes(&outcome, pattern);
    bool right = expect(client, id, (struct slice){outcome.at, outcome.len},
                        &s->bindings, &s->why);
    out_fini(&outcome);
    return right;
}

static bool client_does(struct scenario *s, struct client *client,
                        struct words *words)
{
    char buffer[300];
    struct slice id = words_id(words, buffer, sizeof buffer);
    struct slice none = {NULL, 0};
    if (words_take(words, ">")) {
        return client_request(s, client, id, words_rest(words));
    }
    if (words_take(words, "~>")) {
        return send_request(s, client, none, words_rest(words));
    }
    if (words_take(words, "<")) {
        return expect_of_kind(s, client, id, "", words_rest(words));
    }
    if (words_take(words, "<=")) {
        return expect_of_kind(s, client, id, "= ", words_rest(words));
    }
    if (words_take(words, "!")) {
        return expect_of_kind(s, client, id, "! ", words_rest(words));
    }
    if (words_take(words, "raw")) {
        send_line(s, client, words_rest(words));
        return true;
    }
    if (words_take(words, "connect")) {
        return client_connect(s, client, words);
    }
    if (words_take(words, "allow")) {
        return client_allow(s, client, words);
    }
    if (words_take(words, "silent")) {
        return client->inbox_count == 0 ||
               failed(s, "there is a reply: %.*s", (int)client->inbox[0].len,
                      client->inbox[0].at);
    }
    if (words_take(words, "close") && client->conn != 0) {
        uint64_t conn = client->conn;
        client_disconnect(client);
        world_disconnect(s->world, conn);
        return true;
    }
    return failed(s, "no such command of a client");
}

/* --- what the world does ------------------------------------------------ */

static bool do_option(struct scenario *s, struct words *words)
{
    struct engine_options *o = &s->options.engine;
    struct slice name = words_next(words);
    int64_t value;
    if (s->world != NULL || !words_number(words_next(words), &value)) {
        return failed(s, "options are numbers, and come first");
    }
    if (slice_equal(name, SLICE("seed"))) {
        o->seed = (uint64_t)value;
        return true;
    }
    const struct {
        const char *name;
        size_t *value;
    } sizes[] = {{"message_max", &o->message_max},
                 {"memory_max", &o->memory_max},
                 {"pending_max", &o->pending_max},
                 {"pending_bytes_max", &o->pending_bytes_max},
                 {"user_pending_max", &o->user_pending_max},
                 {"user_memory_max", &o->user_memory_max},
                 {"user_objects_max", &o->user_objects_max},
                 {"slice_jobs", &o->slice_jobs},
                 {"sweep_rows", &s->options.sweep_rows}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (slice_equal(name, slice_of(sizes[i].name))) {
            *sizes[i].value = (size_t)value;
            return true;
        }
    }
    return failed(s, "no such option");
}

static bool advance(struct scenario *s, struct slice word, int64_t from_us)
{
    int64_t us;
    if (!words_time(word, &us)) {
        return failed(s, "not a time");
    }
    if (from_us + us < world_now_us(s->world)) {
        return failed(s, "time does not go back");
    }
    world_advance(s->world, from_us + us);
    return true;
}

static bool do_at(struct scenario *s, struct words *words)
{
    return advance(s, words_next(words), WORLD_START_US);
}

static bool do_store(struct scenario *s, struct words *words)
{
    if (words_take(words, "hold")) {
        world_hold_store(s->world, true);
    } else if (words_take(words, "release")) {
        world_hold_store(s->world, false);
    } else if (words_take(words, "full")) {
        world_full(s->world, true);
    } else if (words_take(words, "ok")) {
        world_full(s->world, false);
    } else if (words_take(words, "step")) {
        return world_persist(s->world) || failed(s, "no batch is in flight");
    } else if (words_take(words, "write")) {
        return world_write(s->world) || failed(s, "no batch is in flight");
    } else {
        return failed(s, "store hold, release, step, write, full, ok");
    }
    return true;
}

static bool do_rows(struct scenario *s, struct words *words)
{
    struct slice name = words_next(words);
    int64_t expected;
    size_t kind = 0;
    while (kind < ROW_KINDS &&
           !slice_equal(slice_of(kind_row((enum row_kind)kind)->name), name)) {
        kind++;
    }
    if (kind == ROW_KINDS || !words_number(words_next(words), &expected)) {
        return failed(s, "rows KIND NUMBER");
    }
    size_t there = world_rows(s->world, (enum row_kind)kind);
    return there == (size_t)expected ||
           failed(s, "expected %" PRId64 " rows, there are %zu", expected,
                  there);
}

static bool do_slices(struct scenario *s, struct words *words)
{
    if (words_take(words, "hold")) {
        world_hold_slices(s->world, true);
    } else if (words_take(words, "release")) {
        world_hold_slices(s->world, false);
    } else if (words_take(words, "step")) {
        return world_slice(s->world) || failed(s, "there is no work to do");
    } else {
        return failed(s, "slices hold, release, step");
    }
    return true;
}

static bool do_shutdown(struct scenario *s, struct words *words)
{
    (void)words;
    world_shutdown(s->world);
    return true;
}

static bool do_crash(struct scenario *s, struct words *words)
{
    int64_t back_us = 0;
    if (words_take(words, "back") && !words_time(words_next(words), &back_us)) {
        return failed(s, "not a time");
    }
    world_check_reload(s->world);
    clients_disconnect(&s->clients);
    world_crash(s->world, back_us);
    return true;
}

static bool do_restart(struct scenario *s, struct words *words)
{
    (void)words;
    world_restart(s->world);
    clients_disconnect(&s->clients);
    return true;
}

static bool do_check(struct scenario *s, struct words *words)
{
    (void)words;
    return world_check_reload(s->world) ||
           failed(s, "something is on its way to the disk");
}

static bool do_let(struct scenario *s, struct words *words)
{
    struct slice name = words_next(words);
    if (name.len < 2 || *name.at != '$' || !words_take(words, "=")) {
        return failed(s, "let $name = JSON");
    }
    struct out json;
    out_init(&json);
    bool right =
        pattern_expand(words_rest(words), &s->bindings, &json, &s->why);
    name = (struct slice){name.at + 1, name.len - 1};
    bindings_set(&s->bindings, name, (struct slice){json.at, json.len});
    out_fini(&json);
    return right;
}

static bool run_line(struct scenario *s, struct words words);

static bool do_repeat(struct scenario *s, struct words *words)
{
    int64_t times;
    if (!words_number(words_next(words), &times)) {
        return failed(s, "repeat how often?");
    }
    for (int64_t i = 1; i <= times; i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, i);
        bindings_set(&s->bindings, SLICE("i"), slice_of(text));
        if (!run_line(s, *words)) {
            return false;
        }
    }
    return true;
}

static bool do_work(struct scenario *s, struct words *words)
{
    int64_t most = 0;
    uint64_t before = world_work(s->world);
    bool right =
        words_number(words_next(words), &most) || failed(s, "work: how much?");
    right = right && run_line(s, *words);
    uint64_t work = world_work(s->world) - before;
    return right && (work <= (uint64_t)most ||
                     failed(s, "it took %" PRIu64 " basic blocks", work));
}

/* --- lines -------------------------------------------------------------- */

static const struct command {
    const char *word;
    bool (*run)(struct scenario *s, struct words *words);
} commands[] = {
    {"option", do_option},     {"at", do_at},       {"store", do_store},
    {"slices", do_slices},     {"crash", do_crash}, {"restart", do_restart},
    {"shutdown", do_shutdown}, {"check", do_check}, {"let", do_let},
    {"repeat", do_repeat},     {"rows", do_rows},   {"work", do_work},
};

static void begin_world(struct scenario *s, struct slice word)
{
    if (s->world == NULL && !slice_equal(word, SLICE("option"))) {
        s->world = world_new(&s->options);
    }
}

static bool run_command(struct scenario *s, struct slice word,
                        struct words *words)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (slice_equal(word, slice_of(commands[i].word))) {
            return commands[i].run(s, words);
        }
    }
    if (*word.at == '+') {
        word = (struct slice){word.at + 1, word.len - 1};
        return advance(s, word, world_now_us(s->world));
    }
    if (pattern_name_len(word) != word.len) {
        return failed(s, "no such command");
    }
    return client_does(s, clients_named(&s->clients, word), words);
}

static bool run_line(struct scenario *s, struct words words)
{
    struct slice word = words_next(&words);
    begin_world(s, word);
    if (!run_command(s, word, &words)) {
        return false;
    }
    const char *fault = s->world == NULL ? NULL : world_fault(s->world);
    return fault == NULL || failed(s, "%s", fault);
}

static void describe_failure(struct scenario *s, struct slice line)
{
    snprintf(s->failure, sizeof s->failure, "%s:%d: %s\n    %.*s", s->path,
             s->line, s->why.text, line.len > 400 ? 400 : (int)line.len,
             line.at);
}

static bool run_text_line(struct scenario *s, struct slice line)
{
    struct words words = words_of(line);
    words_skip(&words);
    if (words.at == words.end || *words.at == '#') {
        return true;
    }
    if (s->world != NULL) {
        world_note(s->world, "# %d: %.*s", s->line,
                   line.len > 300 ? 300 : (int)line.len, line.at);
    }
    if (!run_line(s, words)) {
        describe_failure(s, line);
        return false;
    }
    return true;
}

/* The next line, with those it goes on in; false at the end. */
static bool next_line(struct words *text, struct out *line, int *lines)
{
    line->len = 0;
    *lines = 0;
    while (text->at < text->end) {
        size_t left = (size_t)(text->end - text->at);
        const char *lf = memchr(text->at, '\n', left);
        size_t len = lf == NULL ? left : (size_t)(lf - text->at);
        bool on = len > 0 && text->at[len - 1] == '\\';
        out_bytes(line, (struct slice){text->at, on ? len - 1 : len});
        text->at += lf == NULL ? left : len + 1;
        ++*lines;
        if (!on) {
            break;
        }
    }
    return *lines > 0;
}

/* At the end: every reply was read, and a reload gives the same state. */
static bool run_end(struct scenario *s)
{
    for (size_t i = 0; i < s->clients.count; i++) {
        const struct client *client = s->clients.at[i];
        if (client->inbox_count > 0) {
            failed(s, "%s has not read %.*s", client->name,
                   (int)client->inbox[0].len, client->inbox[0].at);
            describe_failure(s, SLICE("(the end)"));
            return false;
        }
    }
    if (s->world == NULL) {
        failed(s, "nothing happens in it");
        describe_failure(s, SLICE("(the end)"));
        return false;
    }
    world_check_reload(s->world);
    if (world_fault(s->world) != NULL) {
        failed(s, "%s", world_fault(s->world));
        describe_failure(s, SLICE("(the end)"));
        return false;
    }
    return true;
}

bool scenario_run(struct scenario *s)
{
    struct words text = {s->text.at, s->text.at + s->text.len};
    struct out line;
    bool right = true;
    int lines;
    s->line = 1;
    out_init(&line);
    while (right && next_line(&text, &line, &lines)) {
        right = run_text_line(s, (struct slice){line.at, line.len});
        s->line += right ? lines : 0;
    }
    out_fini(&line);
    return right && run_end(s);
}

/* --- life --------------------------------------------------------------- */

struct scenario *scenario_new(const char *path, struct slice text,
                              struct world_tally *tally)
{
    struct scenario *s = mem_zalloc(sizeof *s);
    s->path = path;
    s->text = text;
    s->next_id = FIRST_ID;
    s->options = (struct world_options){.engine = engine_options_default,
                                        .on_reply = on_reply,
                                        .arg = s,
                                        .tally = tally,
                                        .trace = true};
    s->options.engine.discover = (struct slice){NULL, 0};
    s->options.engine.seed = 1;
    s->options.engine.started_at_us = WORLD_START_US;
    s->options.engine.pid = 4711;
    s->options.engine.version = SYNCD_VERSION;
    s->options.engine.store = "simulated";
    clients_init(&s->clients);
    bindings_init(&s->bindings);
    return s;
}

void scenario_free(struct scenario *scenario)
{
    if (scenario == NULL) {
        return;
    }
    world_free(scenario->world);
    clients_fini(&scenario->clients);
    bindings_fini(&scenario->bindings);
    mem_free(scenario);
}

const char *scenario_failure(const struct scenario *scenario)
{
    return scenario->failure;
}

struct slice scenario_trace(const struct scenario *scenario)
{
    return scenario->world == NULL ? SLICE("") : world_trace(scenario->world);
}

int scenario_line(const struct scenario *scenario)
{
    return scenario->line;
}
