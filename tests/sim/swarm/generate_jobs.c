/* Requests about queues, jobs and batches. */
#include "tests/sim/swarm/generate.h"

static int some_queue(struct generator *g)
{
    return (int)draw(g, chance(g, 50) ? 2 : M_QUEUES);
}

/* --- queues ------------------------------------------------------------- */

static void declare(struct generator *g)
{
    begin_params(g);
    add_param(g, "\"queue\":\"q%d\"", some_queue(g));
    if (chance(g, 50)) {
        add_param(g, "\"capacity\":%u", draw(g, 8));
    }
    if (chance(g, 10)) {
        add_param(g, "\"max_bytes\":%u", draw(g, 60));
    }
    if (chance(g, 20)) {
        add_param(g, "\"order\":\"%s\"", chance(g, 60) ? "lifo" : "fifo");
    }
    if (chance(g, 25)) {
        add_param(g, "\"concurrency\":%u", draw(g, 4));
    }
    if (chance(g, 30)) {
        add_seconds(g, "lease", 20);
    }
    if (chance(g, 40)) {
        add_param(g, "\"max_attempts\":%u", draw(g, 4));
    }
    if (chance(g, 30)) {
        static const char *const jitters[] = {"0", "0.25", "0.5", "1"};
        add_param(g,
                  "\"backoff\":{\"base\":%u.%06u,\"factor\":%u,\"max\":%u,"
                  "\"jitter\":%s}",
                  draw(g, 3), draw(g, 1000000), 1 + draw(g, 3), 1 + draw(g, 20),
                  jitters[draw(g, 4)]);
    }
    if (chance(g, 25)) {
        add_seconds(g, "keep_done", 20);
    }
    if (chance(g, 15)) {
        add_param(g, "\"durable\":%s", chance(g, 60) ? "false" : "true");
    }
    send_params(g, some_client(g), METHOD_queue_declare);
}

static void purge(struct generator *g)
{
    static const char *const states[] = {
        "[\"ready\"]", "[\"dead\",\"done\"]", "[\"held\",\"delayed\"]",
        "[\"running\"]", "[\"ready\",\"running\",\"delayed\",\"held\"]"};
    begin_params(g);
    add_param(g, "\"queue\":\"q%d\",\"states\":%s", some_queue(g),
              states[draw(g, 5)]);
    send_params(g, some_client(g), METHOD_queue_purge);
}

void ask_queues(struct generator *g)
{
    static const enum method flags[] = {
        METHOD_queue_pause, METHOD_queue_resume, METHOD_queue_resume,
        METHOD_queue_close, METHOD_queue_open,   METHOD_queue_open,
        METHOD_queue_show,  METHOD_queue_show};
    unsigned what = draw(g, 100);
    if (what < 40) {
        declare(g);
        return;
    }
    if (what < 47) {
        purge(g);
        return;
    }
    begin_params(g);
    if (what < 52) {
        add_param(g, "\"queue\":\"q%d\"", some_queue(g));
        if (chance(g, 60)) {
            add_param(g, "\"force\":true");
        }
        send_params(g, some_client(g), METHOD_queue_delete);
    } else if (what < 65) {
        add_param(g, "\"queue\":\"q%d\"", some_queue(g));
        add_timeout(g);
        send_params(g, some_client(g), METHOD_queue_join);
    } else if (what < 70) {
        send_params(g, some_client(g), METHOD_queue_list);
    } else {
        add_param(g, "\"queue\":\"q%d\"", some_queue(g));
        send_params(g, some_client(g), flags[draw(g, 8)]);
    }
}

/* --- puts --------------------------------------------------------------- */

/* Bodies that must come back as they were. */
static const char *some_body(struct generator *g)
{
    static const char *const bodies[] = {"1",
                                         "0.10",
                                         "\"x\"",
                                         "null",
                                         "{\"a\":[1, 2]}",
                                         "1e2",
                                         "\"\\u0000\"",
                                         "12345678901234567890",
                                         "[]",
                                         "false"};
    return bodies[draw(g, 10)];
}

static void add_terms(struct generator *g, bool key)
{
    if (chance(g, 25)) {
        static const char *const priorities[] = {"-1", "1", "2.5", "10"};
        add_param(g, "\"priority\":%s", priorities[draw(g, 4)]);
    }
    if (chance(g, 15)) {
        add_seconds(g, "delay", 10);
    }
    if (key && chance(g, 20)) {
        add_param(g, "\"key\":\"k%u\"", draw(g, 3));
    }
    if (chance(g, 10)) {
        add_seconds(g, "lease", 10);
    }
    if (chance(g, 10)) {
        add_param(g, "\"max_attempts\":%u", draw(g, 3));
    }
    if (chance(g, 10)) {
        add_seconds(g, "keep_done", 10);
    }
}

static void add_limits(struct generator *g, int queue)
{
    static const char *const own[] = {"\"s0\"", "\"s1\"", "\"s0\",\"s1\"",
                                      "\"s1\",\"s0\""};
    if (g->shares) {
        add_param(g, "\"limits\":[\"s%u\"%s]", draw(g, 2),
                  chance(g, 30) ? ",\"s2\"" : "");
    } else if (queue == 0) {
        add_param(g, "\"limits\":[%s]", own[draw(g, 4)]);
    } else if (queue == 1) {
        add_param(g, "\"limits\":[\"s2\"]");
    }
}

static void add_items(struct generator *g, int queue)
{
    unsigned count = 1 + draw(g, M_ITEMS);
    struct out all = g->params;
    struct out items;
    out_init(&items);
    for (unsigned i = 0; i < count; i++) {
        out_init(&g->params);
        begin_params(g);
        add_param(g, "\"body\":%s", some_body(g));
        add_terms(g, true);
        if (g->groups[5] > 10 && chance(g, 40)) {
            add_limits(g, queue);
        }
        if (g->groups[6] > 5 && chance(g, 20)) {
            add_param(g, "\"after\":[\"e%u\"]", draw(g, 2));
        }
        out_byte(&g->params, '}');
        if (i > 0) {
            out_byte(&items, ',');
        }
        out_bytes(&items, (struct slice){g->params.at, g->params.len});
        out_fini(&g->params);
    }
    g->params = all;
    out_bytes(&g->params, SLICE(",\"jobs\":["));
    out_bytes(&g->params, (struct slice){items.at, items.len});
    out_byte(&g->params, ']');
    out_fini(&items);
}

/* True: each with terms of its own. */
static bool add_bodies(struct generator *g, int queue)
{
    unsigned form = draw(g, 10);
    if (form < 6) {
        add_param(g, "\"body\":%s", some_body(g));
        add_terms(g, true);
    } else if (form < 8) {
        add_param(g, "\"bodies\":[%s,%s]", some_body(g), some_body(g));
        add_terms(g, false);
    } else {
        add_items(g, queue);
    }
    return form >= 8;
}

static void add_batch(struct generator *g)
{
    const struct m_state *now = &g->run->model->now;
    int b = (int)draw(g, M_BATCHES);
    int stages = now->batches[b].exists ? now->batches[b].stages : 1;
    add_param(g, "\"batch\":\"b%d\",\"stage\":\"s%u\"", b,
              draw(g, (unsigned)stages));
    const struct m_job *job = chance(g, 30) ? some_job(g, JOB_RUNNING) : NULL;
    if (job != NULL) {
        add_param(g, "\"from\":{\"id\":$j%d_%d,\"token\":$t%d}", job->action,
                  job->item, job->token);
    }
}

void ask_puts(struct generator *g)
{
    if (g->run->model->now.jobs_count > M_JOBS - M_ITEMS) {
        ask_gets(g);
        return;
    }
    int queue = some_queue(g);
    begin_params(g);
    add_param(g, "\"queue\":\"q%d\"", queue);
    bool many = add_bodies(g, queue);
    if (many                ? chance(g, 1)
        : g->groups[5] > 10 ? chance(g, 50)
                            : chance(g, 4)) {
        add_limits(g, queue);
    }
    if (many ? chance(g, 1) : g->groups[6] > 5 ? chance(g, 20) : chance(g, 3)) {
        add_param(g, "\"after\":[\"e%u\"%s]", draw(g, 2),
                  chance(g, 30) ? ",\"batch/b0/s0\"" : "");
    }
    if (g->groups[8] > 10 ? chance(g, 50) : chance(g, 5)) {
        add_batch(g);
    }
    add_timeout(g);
    send_params(g, some_client(g), METHOD_queue_put);
}

/* --- gets, and what becomes of the jobs --------------------------------- */

static void add_lease_of(struct generator *g, const struct m_job *job)
{
    int token = chance(g, 95) ? job->token : job->action;
    add_param(g, "\"id\":$j%d_%d,\"token\":$t%d", job->action, job->item,
              token);
}

static void get(struct generator *g, int client)
{
    begin_params(g);
    if (chance(g, 25)) {
        int a = some_queue(g);
        int b = (a + 1 + (int)draw(g, M_QUEUES - 1)) % M_QUEUES;
        add_param(g, "\"queues\":[\"q%d\",\"q%d\"]", a, b);
    } else {
        add_param(g, "\"queue\":\"q%d\"", some_queue(g));
    }
    if (chance(g, 30)) {
        add_param(g, "\"max\":%u", 1 + draw(g, 4));
    }
    if (chance(g, 10)) {
        add_param(g, "\"take\":true");
    } else {
        if (chance(g, 15)) {
            add_seconds(g, "lease", 15);
        }
        if (chance(g, 8)) {
            add_param(g, "\"detached\":true");
        }
    }
    const struct m_job *job = chance(g, 25) ? some_job(g, JOB_RUNNING) : NULL;
    if (job != NULL) {
        add_param(g, "\"done\":{\"id\":$j%d_%d,\"token\":$t%d}", job->action,
                  job->item, job->token);
    }
    if (g->shares) {
        add_param(g, "\"timeout\":0");
    } else {
        add_timeout(g);
    }
    send_params(g, client, METHOD_queue_get);
}

static void done(struct generator *g, const struct m_job *job, int client)
{
    const struct m_job *other = some_job(g, JOB_RUNNING);
    begin_params(g);
    if (chance(g, 70)) {
        add_lease_of(g, job);
        if (chance(g, 30)) {
            add_param(g, "\"result\":%s", some_body(g));
        }
    } else if (chance(g, 50)) {
        add_param(g, "\"ids\":[$j%d_%d,$j%d_%d],\"token\":$t%d", job->action,
                  job->item, other->action, other->item, job->token);
    } else {
        add_param(g,
                  "\"jobs\":[{\"id\":$j%d_%d,\"token\":$t%d},"
                  "{\"id\":$j%d_%d,\"token\":$t%d,\"result\":7}]",
                  job->action, job->item, job->token, other->action,
                  other->item, other->token);
    }
    send_params(g, client, METHOD_queue_done);
}

static void fail(struct generator *g, const struct m_job *job, int client)
{
    begin_params(g);
    add_lease_of(g, job);
    if (chance(g, 50)) {
        add_param(g, "\"error\":%s", some_body(g));
    }
    unsigned how = draw(g, 100);
    if (how < 20) {
        add_param(g, "\"dead\":true");
    } else if (how < 40) {
        add_seconds(g, "delay", 10);
    } else if (how < 50) {
        add_param(g, "\"delay\":0");
    }
    if (how >= 18 && chance(g, 20)) {
        add_param(g, "\"free\":true");
    }
    send_params(g, client, METHOD_queue_fail);
}

static void extend(struct generator *g, const struct m_job *job, int client)
{
    begin_params(g);
    if (chance(g, 80)) {
        add_lease_of(g, job);
    } else {
        add_param(g, "\"ids\":[$j%d_%d],\"token\":$t%d", job->action, job->item,
                  job->token);
    }
    if (chance(g, 50)) {
        add_seconds(g, "lease", 15);
    }
    if (chance(g, 30)) {
        add_param(g, "\"progress\":%u", draw(g, 100));
    }
    send_params(g, client, METHOD_queue_extend);
}

void ask_gets(struct generator *g)
{
    const struct m_job *job = some_job(g, JOB_RUNNING);
    int client = some_client(g);
    unsigned what = draw(g, 100);
    if (job == NULL || what < 45) {
        get(g, client);
        return;
    }
    int own = client_of_session(g, job->session);
    client = own >= 0 && chance(g, 80) ? own : client;
    if (what < 75) {
        done(g, job, client);
    } else if (what < 92) {
        fail(g, job, client);
    } else {
        extend(g, job, client);
    }
}

/* --- jobs --------------------------------------------------------------- */

/* One there is, or was, or never was. */
static void add_job(struct generator *g, int state)
{
    const struct m_job *job = some_job(g, state);
    if (job != NULL && chance(g, 90)) {
        add_param(g, "\"id\":$j%d_%d", job->action, job->item);
    } else {
        add_param(g, "\"id\":$j%u_0", 1 + draw(g, 60));
    }
}

void ask_jobs(struct generator *g)
{
    unsigned what = draw(g, 100);
    begin_params(g);
    if (what < 25) {
        add_job(g, -1);
        send_params(g, some_client(g), METHOD_job_show);
    } else if (what < 35) {
        if (chance(g, 50)) {
            add_param(g, "\"queue\":\"q%d\"", some_queue(g));
        }
        if (chance(g, 30)) {
            add_param(g, "\"state\":\"%s\"", job_state_names[draw(g, 6)]);
        }
        send_params(g, some_client(g), METHOD_job_list);
    } else if (what < 60) {
        add_job(g, -1);
        add_timeout(g);
        send_params(g, some_client(g), METHOD_job_wait);
    } else if (what < 82) {
        if (chance(g, 30)) {
            add_param(g, "\"queue\":\"q%d\"", some_queue(g));
        } else {
            add_job(g, chance(g, 85) ? (int)JOB_DEAD : -1);
        }
        send_params(g, some_client(g), METHOD_job_retry);
    } else {
        add_job(g, -1);
        send_params(g, some_client(g), METHOD_job_cancel);
    }
}

/* --- batches ------------------------------------------------------------ */

static void create(struct generator *g)
{
    static const char *const stages[] = {"[\"s0\"]", "[\"s0\",\"s1\"]",
                                         "[\"s0\",\"s1\",\"s2\"]"};
    begin_params(g);
    add_param(g, "\"batch\":\"b%u\",\"stages\":%s", draw(g, M_BATCHES),
              stages[draw(g, 3)]);
    if (chance(g, 60)) {
        add_param(g, "\"on_failure\":\"%s\"",
                  chance(g, 50) ? "continue" : "break");
    }
    send_params(g, some_client(g), METHOD_batch_create);
}

void ask_batches(struct generator *g)
{
    static const enum method others[] = {
        METHOD_batch_seal,   METHOD_batch_seal,  METHOD_batch_show,
        METHOD_batch_cancel, METHOD_batch_retry, METHOD_batch_delete};
    unsigned what = draw(g, 100);
    if (what < 25) {
        create(g);
        return;
    }
    begin_params(g);
    if (what < 30) {
        send_params(g, some_client(g), METHOD_batch_list);
        return;
    }
    add_param(g, "\"batch\":\"b%u\"", draw(g, M_BATCHES));
    if (what < 45) {
        if (chance(g, 40)) {
            add_param(g, "\"stage\":\"s%u\"", draw(g, M_STAGES));
        }
        add_timeout(g);
        send_params(g, some_client(g), METHOD_batch_wait);
    } else {
        send_params(g, some_client(g), others[draw(g, 6)]);
    }
}
