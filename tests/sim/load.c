/*
 * Rows that contradict themselves or each other are refused: a file that was
 * written by hand, or by a bug, is never served wrongly.
 *
 * The rows below go together. Each case changes columns of one of them, and
 * must be refused, or taken; with a `+` the changed row comes beside the one it
 * was made of.
 */
#include "tests/sim/row_text.h"
#include "tests/sim/world.h"

#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW "1000000000000000"

static const char *const rows[] = {
    "counters id=1 jobs_end=100 tokens_end=100 objects_end=100 clock_us=" NOW,
    "queue id=2 name=\"q\" capacity=9 lease_us=60000000 max_attempts=5 "
    "backoff_base_us=1000000 backoff_factor=2 backoff_max_us=300000000",
    "session id=3 secret=\"0123\" uid=1000 grace_us=60000000",
    "semaphore id=4 name=\"s\" value=3 bounded=1",
    "event id=5 name=\"e\"",
    "batch id=6 name=\"b\" stages=\"x\\ny\" done=\"0\\n0\" sealed=1",
    "job id=1 queue=2 put_at_us=" NOW " body=\"1\"",
    "outcome id=7 session=3 request=\"1\" reply=\"{}\"",
    "barrier id=8 name=\"r\"",
    "hold id=9 session=3 kind=0 object=\"l\" token=1 count=1 owner=\"o\"",
};

#define ROWS (sizeof rows / sizeof rows[0])

/* States of jobs. */
#define DONE "4"
#define DEAD "5"

static const struct line {
    const char *change; /* the kind, and columns */
    bool taken;
} lines[] = {
    {"counters", true},
    {"counters id=2", false},
    {"counters clock_us=-1", false},
    {"counters clock_us=1152921504606846977", false},
    {"counters jobs_end=9007199254740993", false},
    {"counters tokens_end=9007199254740993", false},
    {"counters objects_end=9007199254740993", false},

    {"queue id=100", false}, /* was never given out */
    {"queue id=0", false},
    {"+queue name=\"p\"", false},
    {"+queue id=12", false},
    {"+queue id=12 deleted=1", true}, /* on its way out: only its jobs count */
    {"queue lease_us=0", false},
    {"queue capacity=-1", false},
    {"queue max_bytes=-1", false},
    {"queue concurrency=-1", false},
    {"queue max_attempts=-1", false},
    {"queue backoff_base_us=-1", false},
    {"queue backoff_max_us=-1", false},
    {"queue keep_done_us=-1", false},
    {"queue backoff_factor=0.5", false},
    {"queue backoff_factor=inf", false},
    {"queue backoff_jitter=-0.1", false},
    {"queue backoff_jitter=1.1", false},
    {"queue backoff_jitter=1", true},

    {"session id=0", false},
    {"session grace_us=0", false},
    {"+session uid=7", false},

    {"semaphore id=0", false},
    {"semaphore id=100", false},
    {"semaphore value=-1", false},
    {"semaphore value=0", true},
    {"+semaphore id=12", false},

    {"event id=0", false},
    {"event id=100", false},
    {"+event id=12", false},

    {"batch id=0", false},
    {"batch id=100", false},
    {"+batch name=\"c\"", false},
    {"+batch id=12", false},
    {"batch stages=\"x\"", false}, /* two counts */
    {"batch done=\"0\"", false},
    {"batch done=\"0\\nmany\"", false},
    {"batch done=\"0\\n-1\"", false},
    {"batch done=\"0\\n1e99\"", false},
    {"batch done=\"0\\n{}\"", false},
    {"batch done=\"0\\n12\"", true},
    {"batch passed=3", false},
    {"batch passed=2", true},

    {"job id=0", false},
    {"job id=100", false},
    {"+job queue=2", false},
    {"job queue=3", false},
    {"job body=\"\"", false},
    {"job error=\"\"", false},
    {"job result=\"\"", false},
    {"job progress=\"\"", false},
    {"job state=6", false},
    {"job lease_token=100", false},
    {"job priority=inf", false},
    {"job put_at_us=-1", false},
    {"job put_at_us=1152921504606846977", false},
    {"job rank_us=-1", false},
    {"job attempts=4294967296", false},
    {"job crashes=4294967296", false},
    {"job state=" DONE, false}, /* for how long is it kept? */
    {"job state=" DONE " keep_done_us=0", true},
    {"job state=3", true}, /* running, but under no lease: ready */
    {"job state=3 lease_token=7 lease_session=4", true}, /* of nobody */
    {"job state=3 lease_token=7 lease_session=3", true},
    {"job after=\"e\"", false}, /* and yet not held */
    {"job state=0 after=\"e\"", true},
    {"job limits=\"s\"", true},
    {"job limits=\"none\"", false},
    {"job batch=7", false},
    {"job batch=6 stage=2", false},
    {"job batch=6 stage=1", true},
    {"job batch=6 state=" DONE " keep_done_us=9", false},
    {"job batch=6 state=" DEAD, true},
    {"+job id=2 key=\"k\"", true},

    {"outcome session=4", false},
    {"+outcome id=12", false}, /* the same request */

    {"barrier id=0", false},
    {"barrier id=100", false},
    {"+barrier id=12", false},

    {"hold session=4", false},
    {"hold token=0", false},
    {"hold token=100", false},
    {"hold count=0", false},
    {"hold kind=3", false},
    {"+hold id=12 token=2", false}, /* two tokens of one lock */
    {"+hold id=12 owner=\"p\"", false},
    {"+hold id=12", false}, /* one session, twice */
    {"hold kind=1 object=\"s\"", true},
    {"hold kind=1 object=\"none\"", false},
    {"hold count=9007199254740993", false},
    {"hold kind=2", true},
};

/* Columns that have to be there: the row without one of them is refused. */
static const struct {
    enum row_kind kind;
    const char *column;
} needed[] = {
    {ROW_queue, "name"},    {ROW_session, "secret"}, {ROW_semaphore, "name"},
    {ROW_event, "name"},    {ROW_batch, "name"},     {ROW_batch, "stages"},
    {ROW_batch, "done"},    {ROW_job, "body"},       {ROW_outcome, "request"},
    {ROW_outcome, "reply"}, {ROW_barrier, "name"},   {ROW_hold, "object"},
    {ROW_hold, "owner"},
};

static bool right = true;

static void complain_of(const char *what, bool taken)
{
    printf("%s: it is %s\n", what, taken ? "taken" : "refused");
    right = false;
}

/* ---- An engine that is given rows ---- */

struct trial {
    struct engine *engine;
    struct arena arena;
    bool taken; /* all so far */
};

static void begin(struct trial *trial)
{
    struct engine_options options = engine_options_default;
    options.started_at_us = WORLD_START_US;
    options.version = SYNCD_VERSION;
    options.store = "simulated";
    options.discover = SLICE("{}");
    trial->engine = engine_new(&options);
    trial->taken = true;
    arena_init(&trial->arena);
}

/* What was taken as a whole is a state for which every invariant holds. */
static bool end(struct trial *trial)
{
    if (trial->taken) {
        engine_loaded(trial->engine, WORLD_START_US);
        engine_check(trial->engine);
    }
    engine_free(trial->engine);
    arena_fini(&trial->arena);
    return trial->taken;
}

static void *read_line(struct trial *trial, const char *line,
                       enum row_kind *kind)
{
    void *row = row_read(slice_of(line), &trial->arena, kind);
    if (row == NULL) {
        printf("no row: %s\n", line);
        exit(EXIT_FAILURE);
    }
    return row;
}

static void give(struct trial *trial, const char *line)
{
    enum row_kind kind;
    const void *row = read_line(trial, line, &kind);
    trial->taken = trial->taken && engine_load(trial->engine, kind, row);
}

static enum row_kind kind_of(const char *line)
{
    struct trial trial;
    enum row_kind kind;
    begin(&trial);
    (void)read_line(&trial, line, &kind);
    trial.taken = false;
    (void)end(&trial);
    return kind;
}

/* ---- Cases ---- */

static void try_line(const struct line *line)
{
    bool beside = line->change[0] == '+';
    const char *change = line->change + beside;
    const char *columns = change + strcspn(change, " ");
    struct trial trial;
    begin(&trial);
    for (size_t i = 0; i < ROWS; i++) {
        char changed[400];
        snprintf(changed, sizeof changed, "%s%s", rows[i], columns);
        bool same = kind_of(rows[i]) == kind_of(change);
        if (!same || beside) {
            give(&trial, rows[i]);
        }
        if (same) {
            give(&trial, changed);
        }
    }
    if (end(&trial) != line->taken) {
        complain_of(line->change, !line->taken);
    }
}

static void try_without(enum row_kind without, const char *name)
{
    struct trial trial;
    begin(&trial);
    for (size_t i = 0; i < ROWS; i++) {
        enum row_kind kind;
        char *row = read_line(&trial, rows[i], &kind);
        const struct kind_row *k = kind_row(kind);
        for (size_t j = 0; kind == without && j < k->columns_count; j++) {
            if (strcmp(k->columns[j].name, name) == 0) {
                memset(row + k->columns[j].offset, 0, sizeof(struct slice));
            }
        }
        trial.taken = trial.taken && engine_load(trial.engine, kind, row);
    }
    if (end(&trial)) {
        complain_of(name, true);
    }
}

/* One job beside the rows, with a list of that many names. */
static void try_list(const char *columns, size_t count, bool taken)
{
    struct out line;
    struct trial trial;
    out_init(&line);
    out_bytes(&line, slice_of(columns));
    for (size_t i = 0; i < count; i++) {
        out_bytes(&line, i == 0 ? SLICE("\"s") : SLICE("\\ns"));
    }
    out_bytes(&line, SLICE("\""));
    out_byte(&line, '\0');
    begin(&trial);
    for (size_t i = 0; i < ROWS; i++) {
        give(&trial, rows[i]);
    }
    give(&trial, line.at);
    if (end(&trial) != taken) {
        complain_of(columns, !taken);
    }
    out_fini(&line);
}

static void try_lists(void)
{
    static const char limits[] = "job id=2 queue=2 body=\"1\" limits=";
    static const char after[] = "job id=2 queue=2 body=\"1\" state=0 after=";
    try_list(after, NAME_LIST_MAX, true);
    try_list(after, NAME_LIST_MAX + 1, false);
    try_list(limits, NAME_LIST_MAX + 1, false);
}

/* Two unfinished jobs of one queue have one key. */
static void try_keys(void)
{
    struct trial trial;
    begin(&trial);
    for (size_t i = 0; i < ROWS; i++) {
        give(&trial, rows[i]);
    }
    give(&trial, "job id=2 queue=2 body=\"1\" key=\"k\"");
    give(&trial, "job id=3 queue=2 body=\"1\" key=\"k\" state=" DEAD);
    bool taken = trial.taken;
    give(&trial, "job id=4 queue=2 body=\"1\" key=\"k\"");
    if (!taken || trial.taken) {
        complain_of("a key of two jobs", trial.taken);
    }
    trial.taken = false;
    (void)end(&trial);
}

int main(void)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        try_line(&lines[i]);
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        try_without(needed[i].kind, needed[i].column);
    }
    try_lists();
    try_keys();
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
