/*
 * Every method times every role: who may call what, in the real engine.
 *
 * The table below is written by hand, from proto/PROTOCOL.md; that it names
 * every method of methods.def is checked. Each cell is tried in a world of its
 * own, with names that are open to the client and with others, and with names
 * of its own and of another user's, which the rules seem to open, too. The
 * parameters are made from the table of methods: whatever else may be wrong
 * with a request, `forbidden` comes first if it is to come.
 */
#include "tests/sim/world.h"

#include "proto/memory.h"
#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>

/* The columns of the table. */
static const struct column {
    const char *name;
    unsigned roles;
} columns[] = {
    {"nobody", 0},
    {"producer", ROLE_PRODUCER},
    {"worker", ROLE_WORKER},
    {"operator", ROLE_OPERATOR | ROLE_EITHER},
    {"admin", ROLE_ADMIN | ROLE_OPERATOR | ROLE_EITHER},
};

#define COLUMNS (sizeof columns / sizeof columns[0])
#define ADMIN   (COLUMNS - 1)

#define ID     "\"id\":%d"
#define LEASED "\"id\":%d,\"token\":1"

/* A `1` for each column that may. `more` are parameters beside the required
 * ones; with a %d in them the method goes by the id of a job. */
static const struct line {
    const char *method;
    const char *may;
    const char *more;
} table[] = {
    {"server.info", "11111", ""},
    {"server.stats", "11111", ""},
    {"rpc.discover", "11111", ""},
    {"session.open", "11111", ""},
    {"session.cancel", "11111", ""},
    {"queue.declare", "01011", ""},
    {"queue.put", "01011", "\"body\":1"},
    {"queue.get", "00111", "\"queue\":\"%s\""},
    {"queue.get", "00111", "\"queues\":[\"%s\"]"},
    {"queue.done", "00111", LEASED},
    {"queue.fail", "00111", LEASED},
    {"queue.extend", "00111", LEASED},
    {"queue.join", "01111", ""},
    {"queue.pause", "00011", ""},
    {"queue.resume", "00011", ""},
    {"queue.close", "00011", ""},
    {"queue.open", "00011", ""},
    {"queue.purge", "00011", ""},
    {"queue.delete", "00011", ""},
    {"queue.show", "01111", ""},
    {"queue.list", "01111", ""},
    {"job.show", "01111", ID},
    {"job.list", "01111", ""},
    {"job.list", "01111", "\"queue\":\"%s\""},
    {"job.wait", "01111", ID},
    {"job.retry", "00011", ID},
    {"job.retry", "00011", "\"queue\":\"%s\""},
    {"job.cancel", "00011", ID},
    {"lock.acquire", "01111", ""},
    {"lock.release", "01111", ""},
    {"lock.show", "01111", ""},
    {"lock.list", "01111", ""},
    {"semaphore.declare", "01111", ""},
    {"semaphore.acquire", "01111", ""},
    {"semaphore.release", "01111", ""},
    {"semaphore.show", "01111", ""},
    {"semaphore.list", "01111", ""},
    {"semaphore.delete", "00011", ""},
    {"event.set", "01111", ""},
    {"event.clear", "01111", ""},
    {"event.wait", "01111", ""},
    {"event.show", "01111", ""},
    {"event.list", "01111", ""},
    {"barrier.wait", "01111", ""},
    {"barrier.pass", "01111", ""},
    {"barrier.reset", "01111", ""},
    {"barrier.abort", "01111", ""},
    {"barrier.show", "01111", ""},
    {"barrier.list", "01111", ""},
    {"condition.wait", "01111", ""},
    {"condition.notify", "01111", ""},
    {"batch.create", "01111", "\"batch\":\"%s\""},
    {"batch.seal", "01111", ""},
    {"batch.wait", "01111", ""},
    {"batch.show", "01111", ""},
    {"batch.list", "01111", ""},
    {"batch.cancel", "01111", ""},
    {"batch.retry", "00011", ""},
    {"batch.delete", "00011", ""},
};

/* What the request names: what the rule opens, another name, one of the
 * client's own, one of another user's. */
enum naming { NAME_OPEN, NAME_OTHER, NAME_OWN, NAME_FOREIGN, NAMINGS };

static const char *const namings[NAMINGS] = {"n", "other", "private/7/s/n",
                                             "private/8/s/n"};

/* One cell. */
struct trial {
    enum method method;
    const struct line *line;
    const struct column *column;
    enum naming naming;
    const char *name;
    enum error error; /* of the answer */
    char text[400];   /* the answer, for a failure */
};

static void on_reply(void *arg, uint64_t conn, struct slice line)
{
    struct trial *trial = arg;
    struct arena arena;
    struct reply reply;
    (void)conn;
    arena_init(&arena);
    if (message_read_reply(line, &arena, &reply)) {
        trial->error = reply.error;
    }
    snprintf(trial->text, sizeof trial->text, "%.*s", (int)line.len, line.at);
    arena_fini(&arena);
}

static bool is_by_id(const struct line *line)
{
    return strstr(line->more, "%d") != NULL;
}

/* Does the request name anything? */
static bool is_by_name(const struct trial *trial)
{
    const struct method_row *row = method_row(trial->method);
    for (size_t i = 0; i < row->params_count; i++) {
        enum field_type type = field_row(row->params[i].field)->type;
        if (row->params[i].required && type == FIELD_NAME) {
            return true;
        }
    }
    return strstr(trial->line->more, "%s") != NULL;
}

static void write_value(struct out *out, const struct field_row *field,
                        const char *name)
{
    switch (field->type) {
    case FIELD_NAME:
    case FIELD_TEXT:
        write_string(out, slice_of(name));
        break;
    case FIELD_NAMES:
        write_begin_array(out);
        write_string(out, slice_of(name));
        write_end_array(out);
        break;
    case FIELD_WORDS:
        write_begin_array(out);
        write_string(out,
                     (struct slice){field->words, strcspn(field->words, " ")});
        write_end_array(out);
        break;
    case FIELD_WORD:
    case FIELD_JSON:
    case FIELD_RPC_ID:
    case FIELD_JSONS:
    case FIELD_ID:
    case FIELD_IDS:
    case FIELD_COUNT:
    case FIELD_SOME:
    case FIELD_SECONDS:
    case FIELD_NUMBER:
    case FIELD_FACTOR:
    case FIELD_PART:
    case FIELD_FLAG:
    case FIELD_OBJECT:
    case FIELD_OBJECTS:
        write_integer(out, 1);
        break;
    }
}

static void write_params(struct out *out, const struct trial *trial, int job)
{
    const struct method_row *row = method_row(trial->method);
    char more[200];
    if (is_by_id(trial->line)) {
        snprintf(more, sizeof more,
                 strcmp(trial->line->more, ID) == 0 ? ID : LEASED, job);
    } else {
        const char *at = strstr(trial->line->more, "%s");
        int len = at == NULL ? 0 : (int)(at - trial->line->more);
        snprintf(more, sizeof more, "%.*s%s%s", len, trial->line->more,
                 at == NULL ? "" : trial->name,
                 at == NULL ? trial->line->more : at + 2);
    }
    write_begin_object(out);
    for (size_t i = 0; i < row->params_count; i++) {
        const struct field_row *field = field_row(row->params[i].field);
        if (row->params[i].required && strstr(more, field->name) == NULL) {
            write_key(out, slice_of(field->name));
            write_value(out, field, trial->name);
        } else if (strcmp(field->name, "timeout") == 0) {
            WRITE(out, integer, "timeout", 0);
        }
    }
    if (more[0] != '\0') {
        write_json(out, slice_of(more));
    }
    write_end_object(out);
}

static void send_trial(struct world *world, uint64_t conn,
                       const struct trial *trial, int job)
{
    struct out line;
    out_init(&line);
    write_begin_object(&line);
    WRITE(&line, string, "jsonrpc", SLICE("2.0"));
    WRITE(&line, integer, "id", 1);
    WRITE(&line, string, "method", slice_of(method_row(trial->method)->name));
    write_key(&line, SLICE("params"));
    write_params(&line, trial, job);
    write_end_object(&line);
    world_send(world, conn, (struct slice){line.at, line.len});
    out_fini(&line);
}

/* Job 1 is in the queue n, job 2 in the queue other. */
static void prepare(struct world *world)
{
    uint64_t root = world_connect(world, (struct peer){.uid = 0});
    world_send(world, root,
               SLICE("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"queue.put\","
                     "\"params\":{\"queue\":\"n\",\"body\":1}}"));
    world_send(world, root,
               SLICE("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"queue.put\","
                     "\"params\":{\"queue\":\"other\",\"body\":1}}"));
}

static bool try_it(struct trial *trial)
{
    struct world_options options = {
        .engine = engine_options_default, .on_reply = on_reply, .arg = trial};
    const struct slice patterns[] = {SLICE("n*"), SLICE("private/*")};
    const struct access_rule rule = {
        .roles = trial->column->roles,
        .kinds = (1U << KINDS) - 1,
        .patterns = {patterns, trial->column == &columns[ADMIN] ? 0 : 2}};
    const struct access_rule *rules[] = {&rule};
    struct access access;
    access_init(&access, rules, trial->column->roles == 0 ? 0 : 1);
    struct world *world = world_new(&options);
    prepare(world);
    uint64_t conn =
        world_connect(world, (struct peer){.uid = 7, .access = &access});
    trial->error = ERRORS;
    send_trial(world, conn, trial, trial->naming == NAME_OPEN ? 1 : 2);
    const char *fault = world_fault(world);
    if (fault != NULL) {
        printf("%s\n", fault);
    }
    world_free(world);
    return fault == NULL;
}

/* By whose it is, not by the rules: for whoever may use both ends of a queue,
 * or things of that other kind. */
static enum error expected_private(const struct trial *trial)
{
    unsigned roles = trial->column->roles & ROLE_EITHER;
    bool queue = kind_of_method(trial->method) == KIND_queue;
    bool own = trial->naming == NAME_OWN &&
               (queue ? roles == ROLE_EITHER : roles != 0);
    return own || trial->column == &columns[ADMIN] ? ERRORS : ERROR_forbidden;
}

/* What the answer must be; ERRORS: anything but `forbidden`. */
static enum error expected(const struct trial *trial)
{
    if (trial->naming >= NAME_OWN && is_by_name(trial) &&
        kind_of_method(trial->method) != KIND_batch) {
        return expected_private(trial);
    }
    bool may = trial->line->may[trial->column - columns] == '1';
    bool all = trial->column == &columns[ADMIN] ||
               method_row(trial->method)->role == ROLE_ANY;
    if (!may) {
        return ERROR_forbidden;
    }
    if (trial->naming != NAME_OTHER || all) {
        return ERRORS;
    }
    if (is_by_id(trial->line)) {
        return strcmp(trial->line->more, ID) == 0 ? ERROR_not_found
                                                  : ERROR_stale_token;
    }
    return is_by_name(trial) ? ERROR_forbidden : ERRORS;
}

static bool try_cell(const struct line *line, const struct column *column,
                     enum naming naming)
{
    struct trial trial = {.method = method_of_name(slice_of(line->method)),
                          .line = line,
                          .column = column,
                          .naming = naming,
                          .name = namings[naming]};
    enum error want = expected(&trial);
    bool right = try_it(&trial) &&
                 (want == ERRORS
                      ? trial.error != ERROR_forbidden && trial.error != ERRORS
                      : trial.error == want);
    if (!right) {
        printf("%s {%s}, %s, name %s: %s expected, got %s\n", line->method,
               line->more, column->name, trial.name,
               want == ERRORS ? "anything but forbidden"
                              : error_row(want)->name,
               trial.text);
    }
    return right;
}

/* Every method has a line, and every line a method. */
static bool is_whole(void)
{
    bool has[METHODS] = {false};
    bool whole = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum method method = method_of_name(slice_of(table[i].method));
        if (method == METHODS || strlen(table[i].may) != COLUMNS) {
            printf("a wrong line: %s\n", table[i].method);
            return false;
        }
        has[method] = true;
    }
    for (enum method method = 0; method < METHODS; method++) {
        if (!has[method]) {
            printf("%s: the table does not say who may call it\n",
                   method_row(method)->name);
            whole = false;
        }
    }
    return whole;
}

/* Every parameter that is a name either names a thing, by which access.c goes,
 * or is known not to. */
static bool knows_fields(void)
{
    static const char *const known[] = {
        "queue",   "queues",    "lock",   "semaphore", "event", "barrier",
        "batch",   "condition", "limits", "after",     "key", /* of a job */
        "owner",             /* of a lock, which is named beside it */
        "stage",   "stages", /* of a batch, which is named beside it */
        "private",           /* made a name of the user's own */
    };
    bool right = true;
    for (enum field field = 0; field < FIELDS; field++) {
        const struct field_row *row = field_row(field);
        bool found = row->type != FIELD_NAME && row->type != FIELD_NAMES;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(known[i], row->name) == 0;
        }
        if (!found) {
            printf("%s is a name: of what? see ask_names in access.c\n",
                   row->name);
            right = false;
        }
    }
    return right;
}

int main(void)
{
    bool right = is_whole() && knows_fields();
    size_t cells = 0;
    for (size_t i = 0; right && i < sizeof table / sizeof table[0]; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            for (enum naming k = 0; k < NAMINGS; k++) {
                right = try_cell(&table[i], &columns[j], k) && right;
                cells++;
            }
        }
    }
    printf("%zu cells tried\n", cells);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
