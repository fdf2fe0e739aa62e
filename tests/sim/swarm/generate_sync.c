/* Requests about locks, semaphores, events, barriers and sessions. */
#include "tests/sim/swarm/generate.h"

#include <stdio.h>

static bool holds_full(const struct generator *g)
{
    int count = 0;
    for (int i = 0; i < M_HOLDS; i++) {
        count += g->run->model->now.holds[i].used;
    }
    return count + M_WAITERS / 4 > M_HOLDS;
}

/* Something that is held; NULL: nothing is. */
static const struct m_hold *some_hold(struct generator *g, enum m_kind kind)
{
    const struct m_state *now = &g->run->model->now;
    int found[M_HOLDS];
    unsigned count = 0;
    for (int i = 0; i < M_HOLDS; i++) {
        if (now->holds[i].used && now->holds[i].kind == kind) {
            found[count++] = i;
        }
    }
    return count == 0 ? NULL : &now->holds[found[draw(g, count)]];
}

static int holder(struct generator *g, const struct m_hold *hold)
{
    int own = hold == NULL ? -1 : client_of_session(g, hold->session);
    return own >= 0 && chance(g, 80) ? own : some_client(g);
}

/* --- locks, conditions -------------------------------------------------- */

static void add_owner(struct generator *g)
{
    static const char *const owners[] = {"a", "a/b", "a/b/c", "ab", "d"};
    if (chance(g, 50)) {
        add_param(g, "\"owner\":\"%s\"", owners[draw(g, 5)]);
    }
}

static void acquire(struct generator *g)
{
    begin_params(g);
    add_param(g, "\"lock\":\"l%u\"", draw(g, M_LOCKS));
    add_owner(g);
    if (chance(g, 40)) {
        add_param(g, "\"reentrant\":true");
    }
    if (chance(g, 40)) {
        add_param(g, "\"deadlock\":\"refuse\"");
    }
    if (holds_full(g)) {
        add_param(g, "\"timeout\":0");
    } else {
        add_timeout(g);
    }
    send_params(g, some_client(g), METHOD_lock_acquire);
}

static void release(struct generator *g)
{
    const struct m_hold *hold = some_hold(g, M_LOCK);
    int client = holder(g, hold);
    begin_params(g);
    add_param(g, "\"lock\":\"l%d\"",
              hold == NULL ? (int)draw(g, M_LOCKS) : hold->object);
    if (hold != NULL && chance(g, 40)) {
        add_param(g, "\"token\":$t%d", hold->token);
    } else {
        add_owner(g);
    }
    send_params(g, client, METHOD_lock_release);
}

static void wait_condition(struct generator *g)
{
    const struct m_hold *hold = some_hold(g, M_LOCK);
    int client = holder(g, hold);
    if (hold == NULL) {
        acquire(g);
        return;
    }
    begin_params(g);
    add_param(g, "\"condition\":\"c%u\",\"lock\":\"l%d\",\"token\":$t%d",
              draw(g, M_CONDITIONS), hold->object, hold->token);
    add_timeout(g);
    send_params(g, client, METHOD_condition_wait);
}

static void notify(struct generator *g)
{
    begin_params(g);
    add_param(g, "\"condition\":\"c%u\"", draw(g, M_CONDITIONS));
    if (chance(g, 30)) {
        add_param(g, "\"all\":true");
    } else if (chance(g, 40)) {
        add_param(g, "\"n\":%u", draw(g, 4));
    }
    send_params(g, some_client(g), METHOD_condition_notify);
}

void ask_locks(struct generator *g)
{
    unsigned what = draw(g, 100);
    if (what < 40) {
        acquire(g);
    } else if (what < 65) {
        release(g);
    } else if (what < 77) {
        wait_condition(g);
    } else if (what < 87) {
        notify(g);
    } else {
        begin_params(g);
        if (what < 96) {
            add_param(g, "\"lock\":\"l%u\"", draw(g, M_LOCKS));
        }
        send_params(g, some_client(g),
                    what < 96 ? METHOD_lock_show : METHOD_lock_list);
    }
}

/* --- semaphores --------------------------------------------------------- */

static void acquire_permits(struct generator *g)
{
    begin_params(g);
    add_param(g, "\"semaphore\":\"s%u\"", draw(g, M_SEMAPHORES));
    if (chance(g, 40)) {
        add_param(g, "\"permits\":%u", 1 + draw(g, 3));
    }
    if (chance(g, 40)) {
        add_param(g, "\"value\":%u", 1 + draw(g, 3));
    }
    if (chance(g, 25)) {
        add_param(g, "\"hold\":true");
    }
    if (holds_full(g)) {
        add_param(g, "\"timeout\":0");
    } else {
        add_timeout(g);
    }
    send_params(g, some_client(g), METHOD_semaphore_acquire);
}

static void release_permits(struct generator *g)
{
    const struct m_hold *hold = some_hold(g, M_SEMAPHORE);
    int client = holder(g, hold);
    begin_params(g);
    add_param(g, "\"semaphore\":\"s%d\"",
              hold == NULL || chance(g, 20) ? (int)draw(g, M_SEMAPHORES)
                                            : hold->object);
    if (hold != NULL && chance(g, 50)) {
        add_param(g, "\"token\":$t%d", hold->token);
    }
    if (chance(g, 30)) {
        add_param(g, "\"permits\":%u", 1 + draw(g, 3));
    }
    send_params(g, client, METHOD_semaphore_release);
}

void ask_semaphores(struct generator *g)
{
    unsigned what = draw(g, 100);
    if (what < 40) {
        acquire_permits(g);
        return;
    }
    if (what < 65) {
        release_permits(g);
        return;
    }
    begin_params(g);
    if (what < 70) {
        send_params(g, some_client(g), METHOD_semaphore_list);
        return;
    }
    add_param(g, "\"semaphore\":\"s%u\"", draw(g, M_SEMAPHORES));
    if (what < 85) {
        add_param(g, "\"value\":%u", draw(g, 4));
        if (chance(g, 40)) {
            add_param(g, "\"bounded\":%s", chance(g, 40) ? "false" : "true");
        }
        if (chance(g, 20)) {
            add_param(g, "\"keep\":true");
        }
        send_params(g, some_client(g), METHOD_semaphore_declare);
    } else if (what < 92) {
        send_params(g, some_client(g), METHOD_semaphore_show);
    } else {
        if (chance(g, 60)) {
            add_param(g, "\"force\":true");
        }
        send_params(g, some_client(g), METHOD_semaphore_delete);
    }
}

/* --- events ------------------------------------------------------------- */

void ask_events(struct generator *g)
{
    char name[24];
    unsigned what = draw(g, 100);
    unsigned event = draw(g, chance(g, 80) ? M_PLAIN_EVENTS : M_EVENTS);
    if (event < M_PLAIN_EVENTS) {
        (void)snprintf(name, sizeof(name), "e%u", event);
    } else {
        (void)snprintf(name, sizeof(name), "batch/b%u/s%u",
                       (event - M_PLAIN_EVENTS) / M_STAGES,
                       (event - M_PLAIN_EVENTS) % M_STAGES);
    }
    begin_params(g);
    if (what >= 95) {
        send_params(g, some_client(g), METHOD_event_list);
        return;
    }
    add_param(g, "\"event\":\"%s\"", name);
    if (what < 25) {
        send_params(g, some_client(g), METHOD_event_set);
    } else if (what < 50) {
        send_params(g, some_client(g), METHOD_event_clear);
    } else if (what < 87) {
        add_timeout(g);
        send_params(g, some_client(g), METHOD_event_wait);
    } else {
        send_params(g, some_client(g), METHOD_event_show);
    }
}

/* --- barriers ----------------------------------------------------------- */

static void wait_barrier(struct generator *g)
{
    const struct m_state *now = &g->run->model->now;
    unsigned barrier = draw(g, M_BARRIERS);
    int parties = now->barriers[barrier].parties;
    int rounds = 0;
    if (parties == 0 || chance(g, 5)) {
        parties = 1 + (int)draw(g, 4);
    }
    for (int i = 0; i < M_ROUNDS; i++) {
        rounds += now->rounds[i].used;
    }
    begin_params(g);
    add_param(g, "\"barrier\":\"r%u\",\"parties\":%d", barrier, parties);
    if (rounds < M_ROUNDS - 1 && chance(g, 30)) {
        add_param(g, "\"action\":true");
    }
    if (chance(g, 60)) {
        add_seconds(g, "timeout", 12);
    } else if (chance(g, 5)) {
        add_param(g, "\"timeout\":0");
    }
    send_params(g, some_client(g), METHOD_barrier_wait);
}

static void pass(struct generator *g)
{
    const struct m_state *now = &g->run->model->now;
    unsigned barrier = draw(g, M_BARRIERS);
    int generation = (int)draw(g, 3);
    int client = some_client(g);
    for (int i = 0; i < M_ROUNDS; i++) {
        const struct m_round *round = &now->rounds[i];
        if (round->used && round->barrier == (int)barrier && chance(g, 80)) {
            generation = round->generation;
            int own = client_of_session(g, round->session);
            client = own >= 0 && chance(g, 90) ? own : client;
        }
    }
    begin_params(g);
    add_param(g, "\"barrier\":\"r%u\",\"generation\":%d", barrier, generation);
    send_params(g, client, METHOD_barrier_pass);
}

void ask_barriers(struct generator *g)
{
    unsigned what = draw(g, 100);
    int waiting = 0;
    for (int i = 0; i < M_WAITERS; i++) {
        waiting += g->run->model->waiters[i].used;
    }
    if (what < 65 && waiting < M_WAITERS - 4) {
        wait_barrier(g);
        return;
    }
    if (what < 80) {
        pass(g);
        return;
    }
    begin_params(g);
    if (what >= 97) {
        send_params(g, some_client(g), METHOD_barrier_list);
        return;
    }
    add_param(g, "\"barrier\":\"r%u\"", draw(g, M_BARRIERS));
    send_params(g, some_client(g),
                what < 90   ? METHOD_barrier_reset
                : what < 92 ? METHOD_barrier_abort
                            : METHOD_barrier_show);
}

/* --- sessions ----------------------------------------------------------- */

static void open_session(struct generator *g)
{
    int client = some_client(g);
    if (g->run->clients[client].lost) {
        client = some_client(g);
    }
    begin_params(g);
    if (chance(g, 90)) {
        add_param(g, "\"grace\":%u.%06u", 5 + draw(g, 60), draw(g, 1000000));
    }
    if (chance(g, 20)) {
        add_param(g, "\"client\":\"me\"");
    }
    add_scope(g);
    send_params(g, client, METHOD_session_open);
}

/* Mostly one that waits. */
static void cancel(struct generator *g)
{
    const struct m_waiter *waiter = &g->run->model->waiters[draw(g, M_WAITERS)];
    int client = some_client(g);
    int64_t id = 1 + draw(g, (unsigned)g->story->numbers + 1);
    if (waiter->used) {
        int own = client_of_session(g, waiter->to.session);
        client = own >= 0 ? own : client;
        id = waiter->to.id > 0 ? waiter->to.id : id;
    }
    begin_params(g);
    add_param(g, "\"request\":%lld", (long long)id);
    send_params(g, client, METHOD_session_cancel);
}

void ask_sessions(struct generator *g)
{
    unsigned what = draw(g, 100);
    if (what < 45) {
        open_session(g);
    } else if (what < 90) {
        cancel(g);
    } else {
        static const enum method about[] = {
            METHOD_server_info, METHOD_server_stats, METHOD_rpc_discover};
        begin_params(g);
        send_params(g, some_client(g), about[draw(g, 3)]);
    }
}
