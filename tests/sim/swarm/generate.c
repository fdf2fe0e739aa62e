#include "tests/sim/swarm/generate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

unsigned draw(struct generator *g, unsigned below)
{
    uint64_t z = g->state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return (unsigned)(((z >> 32) * below) >> 32);
}

bool chance(struct generator *g, unsigned percent)
{
    return draw(g, 100) < percent;
}

/* --- parameters --------------------------------------------------------- */

void begin_params(struct generator *g)
{
    g->params.len = 0;
    out_byte(&g->params, '{');
}

void add_param(struct generator *g, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (g->params.at[g->params.len - 1] != '{') {
        out_byte(&g->params, ',');
    }
    out_bytes(&g->params, slice_of(text));
}

static void act(struct generator *g, struct action action, struct slice params)
{
    run_action(g->run, g->story, story_add(g->story, action, params));
}

void send_params(struct generator *g, int client, enum method method)
{
    int64_t id = g->story->numbers + 1;
    out_byte(&g->params, '}');
    if (chance(g, 2)) {
        id = 0;
    } else if (chance(g, 1) && id > 12) {
        id -= draw(g, 12); /* maybe still pending */
        if (model_doubtful(g->run->model, g->run->clients[client].conn, id)) {
            id = g->story->numbers + 1;
        }
    }
    act(g,
        (struct action){.act = ACT_SEND,
                        .client = client,
                        .id = id,
                        .us = 1 + draw(g, 60),
                        .method = method},
        (struct slice){g->params.at, g->params.len});
}

void add_seconds(struct generator *g, const char *name, unsigned below_s)
{
    unsigned us = 1 + draw(g, 999999);
    unsigned s = chance(g, 40) ? 0 : draw(g, below_s);
    add_param(g, "\"%s\":%u.%06u", name, s, us);
}

/* Nothing waits any more when the model has no room for it. */
void add_timeout(struct generator *g)
{
    int waiting = 0;
    for (int i = 0; i < M_WAITERS; i++) {
        waiting += g->run->model->waiters[i].used;
    }
    if (waiting > M_WAITERS - 4 || chance(g, 25)) {
        add_param(g, "\"timeout\":0");
    } else if (chance(g, 60)) {
        add_seconds(g, "timeout", 12);
    }
}

void add_scope(struct generator *g)
{
    if (g->scopes && chance(g, 60)) {
        add_param(g, "\"private\":[\"a\"]");
    }
}

/* --- who and what ------------------------------------------------------- */

int some_client(struct generator *g)
{
    return (int)draw(g, CLIENTS);
}

int client_of_session(const struct generator *g, int session)
{
    if (session < 0) {
        return -1;
    }
    uint64_t conn = g->run->model->now.sessions[session].conn;
    for (int i = 0; i < CLIENTS; i++) {
        if (conn != 0 && g->run->clients[i].conn == conn) {
            return i;
        }
    }
    return -1;
}

const struct m_job *some_job(struct generator *g, int state)
{
    const struct m_state *now = &g->run->model->now;
    int found[M_JOBS];
    unsigned count = 0;
    for (int i = 0; i < now->jobs_count; i++) {
        const struct m_job *job = &now->jobs[i];
        if (job->entered && !job->gone &&
            (state < 0 || (int)job->state == state)) {
            found[count++] = i;
        }
    }
    return count == 0 ? NULL : &now->jobs[found[draw(g, count)]];
}

/* --- trouble ------------------------------------------------------------ */

static void time_goes_on(struct generator *g)
{
    int64_t us = 1 + draw(g, 1500000);
    if (chance(g, 15)) {
        us = (int64_t)draw(g, 30) * 1000000 + draw(g, 1000000);
    } else if (chance(g, 3)) {
        us = (int64_t)draw(g, 400) * 1000000 + draw(g, 1000000);
    } else if (chance(g, 3)) {
        /* About as long as a queue that nobody declared stays. */
        us = (int64_t)(3000 + draw(g, 700)) * 1000000;
    }
    act(g, (struct action){.act = ACT_TIME, .us = us}, SLICE(""));
}

static void simply(struct generator *g, enum act what)
{
    act(g, (struct action){.act = what}, SLICE(""));
}

/* A client with a grace comes back, and sends again what it likes. */
static void comes_back(struct generator *g, int client)
{
    int opened = g->run->clients[client].opened;
    begin_params(g);
    add_param(g, "\"grace\":%u.%06u", 5 + draw(g, 60), draw(g, 1000000));
    if (!chance(g, 5)) {
        add_param(g, "\"resume\":{\"session\":$s%d,\"secret\":$x%d}", opened,
                  opened);
    }
    add_scope(g);
    out_byte(&g->params, '}');
    act(g,
        (struct action){.act = ACT_SEND,
                        .client = client,
                        .id = g->story->numbers + 1,
                        .method = METHOD_session_open},
        (struct slice){g->params.at, g->params.len});
    size_t count = g->story->count;
    size_t first = count > 60 ? count - 60 : 0;
    for (size_t i = first; i < count; i++) {
        struct action again = g->story->at[i];
        if (again.act != ACT_SEND || again.client != client || again.id == 0 ||
            again.method == METHOD_session_open ||
            again.method == METHOD_session_cancel || !chance(g, 60) ||
            model_doubtful(g->run->model, g->run->clients[client].conn,
                           again.id)) {
            continue;
        }
        struct slice params = story_params(g->story, &again);
        again.again = again.again != 0 ? again.again : again.number;
        struct out copy;
        out_init(&copy);
        out_bytes(&copy, params);
        act(g, again, (struct slice){copy.at, copy.len});
        out_fini(&copy);
    }
}

static void daemon_dies(struct generator *g)
{
    int64_t back_us = 0;
    if (chance(g, 15)) {
        back_us = (int64_t)draw(g, 200) * 1000000 + draw(g, 1000000);
    }
    if (chance(g, 30)) {
        simply(g, ACT_RESTART);
    } else {
        act(g, (struct action){.act = ACT_CRASH, .us = back_us}, SLICE(""));
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (g->run->clients[i].lost && chance(g, 75)) {
            comes_back(g, i);
        }
    }
}

static void disk_trouble(struct generator *g)
{
    struct run *run = g->run;
    if (run->full) {
        simply(g, ACT_STORE_OK);
    } else if (g->fills && chance(g, 15)) {
        simply(g, ACT_STORE_FULL);
    } else if (!run->held) {
        simply(g, ACT_STORE_HOLD);
    } else {
        unsigned what = draw(g, 10);
        simply(g, what < 6   ? ACT_STORE_STEP
                  : what < 7 ? ACT_STORE_WRITE
                             : ACT_STORE_RELEASE);
    }
}

/* Rules as a configuration has them: roles, kinds, patterns of names. */
static void add_rule(struct generator *g, struct out *words)
{
    static const char *const roles[] = {"producer", "worker", "operator",
                                        "producer,worker", "admin"};
    static const char *const patterns[] = {
        "q0",      "?1",          "*",       "q?,s?",
        "batch/*", "l*,s0,b?",    "e0",      "batch/b0/*,*0",
        "?0,?2",   "b1,q*,e?,s1", "r?,c?,l?"};
    unsigned scope = draw(g, 10);
    out_bytes(words, slice_of(roles[draw(g, chance(g, 10) ? 5 : 4)]));
    if (scope < 3) {
        return;
    }
    out_byte(words, ':');
    for (unsigned i = 0, count = scope < 7 ? 1 + draw(g, 3) : 0; i < count;
         i++) {
        out_bytes(words, slice_of(i > 0 ? "," : ""));
        out_bytes(words, slice_of(kind_names[draw(g, KINDS)]));
    }
    if (scope >= 5) {
        out_byte(words, ':');
        out_bytes(
            words,
            slice_of(
                patterns[draw(g, sizeof(patterns) / sizeof(patterns[0]))]));
    }
}

static void new_roles(struct generator *g, int client)
{
    struct out words;
    out_init(&words);
    if (chance(g, 5)) {
        out_bytes(&words, SLICE("none"));
    }
    for (unsigned i = words.len > 0 ? 0 : draw(g, 4); i > 0; i--) {
        add_rule(g, &words);
        out_bytes(&words, slice_of(i > 1 ? " " : ""));
    }
    act(g, (struct action){.act = ACT_ALLOW, .client = client},
        (struct slice){words.at, words.len});
    out_fini(&words);
}

static void trouble(struct generator *g)
{
    unsigned what = draw(g, 100);
    if (g->roles && chance(g, 8)) {
        new_roles(g, 2 + (int)draw(g, CLIENTS - 2));
        return;
    }
    if (g->crashes && what < 8) {
        daemon_dies(g);
    } else if (what < 20) {
        act(g, (struct action){.act = ACT_CLOSE, .client = some_client(g)},
            SLICE(""));
    } else if (what < 22) {
        simply(g, ACT_CHECK);
    } else if (g->holds && what < 70) {
        disk_trouble(g);
    } else {
        time_goes_on(g);
    }
}

/* --- requests ----------------------------------------------------------- */

static void (*const groups[GROUPS])(struct generator *g) = {
    ask_puts,       ask_gets,   ask_queues,   ask_jobs,    ask_locks,
    ask_semaphores, ask_events, ask_barriers, ask_batches, ask_sessions,
};

static void ask(struct generator *g)
{
    unsigned all = 0;
    for (int i = 0; i < GROUPS; i++) {
        all += g->groups[i];
    }
    unsigned at = draw(g, all);
    int i = 0;
    while (at >= g->groups[i]) {
        at -= g->groups[i++];
    }
    groups[i](g);
}

void generate(struct generator *g)
{
    if (g->roles && g->story->count == 0) {
        for (int i = 2; i < CLIENTS; i++) {
            new_roles(g, i);
        }
    }
    if (draw(g, 1000) < g->troubles) {
        trouble(g);
    } else {
        ask(g);
    }
}

/* puts, gets, queues, jobs, locks, semaphores, events, barriers, batches,
 * sessions */
static const unsigned char moods[][GROUPS] = {
    {30, 40, 6, 8, 4, 4, 3, 3, 6, 3},    /* a bit of all */
    {40, 50, 8, 10, 0, 0, 0, 0, 0, 2},   /* queues */
    {30, 40, 2, 6, 0, 20, 0, 0, 0, 2},   /* jobs with limits */
    {25, 40, 2, 8, 0, 0, 10, 0, 25, 2},  /* batches, events */
    {2, 2, 0, 0, 40, 5, 0, 0, 0, 6},     /* locks, conditions */
    {2, 2, 0, 0, 5, 40, 5, 0, 0, 6},     /* semaphores */
    {2, 2, 0, 0, 5, 5, 10, 40, 0, 6},    /* barriers */
    {20, 30, 4, 6, 10, 10, 5, 5, 8, 12}, /* sessions come and go */
};

void generator_init(struct generator *g, uint64_t seed, struct run *run,
                    struct story *story)
{
    *g = (struct generator){
        .state = seed * 0x2545f4914f6cdd1dU + 1, .run = run, .story = story};
    out_init(&g->params);
    out_reserve(&g->params, 512);
    const unsigned char *mood =
        moods[draw(g, sizeof(moods) / sizeof(moods[0]))];
    for (int i = 0; i < GROUPS; i++) {
        g->groups[i] = mood[i];
    }
    g->troubles = 100 + draw(g, 300);
    g->crashes = chance(g, 70) && !run->model->forgetful;
    g->holds = chance(g, 80);
    g->fills = chance(g, 35);
    g->shares = chance(g, 30);
    g->scopes = chance(g, 40);
    g->roles = chance(g, 25);
}

void generator_fini(struct generator *g)
{
    out_fini(&g->params);
}
