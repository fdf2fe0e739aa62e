#include "daemon/io/commit.h"

#include <string.h>

#include "daemon/io/bridge.h"
#include "daemon/io/server.h"
#include "proto/check.h"

#define PROBE_EVERY_US INT64_C(1000000)

/* Being woken is all: the turn that follows takes the answer. */
static void on_wake(uv_async_t *wake)
{
    (void)wake;
}

void commit_init(struct commit *commit, struct server *server)
{
    memset(commit, 0, sizeof(*commit));
    commit->server = server;
    commit->probed_at_us = INT64_MIN / 2;
    pthread_mutex_init(&commit->lock, NULL);
    int rc = uv_async_init(&server->loop, &commit->wake, on_wake);
    CHECK(rc == 0);
    commit->wake.data = commit;
}

/* In any thread. */
static void on_answer(void *arg, enum store_status status, const char *why)
{
    struct commit *commit = arg;
    pthread_mutex_lock(&commit->lock);
    CHECK(!commit->has_answer);
    commit->has_answer = true;
    commit->status = status;
    strncpy(commit->why.text, why, sizeof(commit->why.text) - 1);
    pthread_mutex_unlock(&commit->lock);
    uv_async_send(&commit->wake);
}

static bool take(struct commit *commit, enum store_status *status)
{
    pthread_mutex_lock(&commit->lock);
    bool taken = commit->has_answer;
    commit->has_answer = false;
    *status = commit->status;
    pthread_mutex_unlock(&commit->lock);
    return taken;
}

static void set_full(struct commit *commit, bool full)
{
    if (commit->full == full) {
        return;
    }
    const struct log *log = commit->server->setup.log;
    if (full) {
        const char *why = commit->why.text; /* "": the reserve was enough */
        bool told = why[0] != '\0';
        log_line(log, LOG_ERR,
                 "the disk is full%s%s%s: what would take up more of it is "
                 "refused until there is room",
                 told ? " (" : "", why, told ? ")" : "");
    } else {
        log_line(log, LOG_NOTICE, "there is room on the disk again");
    }
    commit->full = full;
    struct event event = {.type = EVENT_SPACE, .full = full};
    bridge_step(commit->server, &event);
}

/* Whoever waited before the answer is expected to ask again. */
static void begin_gathering(struct commit *commit, size_t expected)
{
    int64_t now_us = commit->server->now_us;
    commit->gathering =
        expected > 1 && commit->skip == 0 && !commit->server->stopping;
    commit->skip -= commit->skip > 0;
    commit->expected = expected;
    commit->held = engine_held(commit->server->setup.engine);
    commit->gather_since_us = now_us;
    commit->held_since_us = now_us;
    commit->patience_us = (now_us - commit->since_us) / 2;
}

int64_t commit_deadline_us(const struct commit *commit)
{
    if (commit->stuck && commit->work == COMMIT_NONE) {
        return commit->probed_at_us + PROBE_EVERY_US;
    }
    if (!commit->gathering) {
        return DEADLINE_NEVER;
    }
    int64_t quiet_us = commit->held_since_us + commit->patience_us;
    int64_t end_us = commit->gather_since_us + GATHER_US_MAX;
    return quiet_us < end_us ? quiet_us : end_us;
}

/* Is there a reason to wait before the next batch is cut? */
static bool is_gathering(struct commit *commit)
{
    const struct server *server = commit->server;
    if (!commit->gathering) {
        return false;
    }
    size_t held = engine_held(server->setup.engine);
    bool all = held >= commit->expected || share_is_used(server);
    if (held != commit->held) {
        commit->held = held;
        commit->held_since_us = server->now_us;
    }
    bool late = server->now_us >= commit_deadline_us(commit);
    if (all) {
        commit->skips = 0;
    } else if (late && 2 * held < commit->expected) {
        commit->skips = commit->skips < GATHER_SKIP_MAX / 2
                            ? 2 * commit->skips + 1
                            : GATHER_SKIP_MAX;
        commit->skip = commit->skips;
    }
    commit->gathering = !all && !late && !server->stopping;
    return commit->gathering;
}

bool commit_is_idle(const struct commit *commit)
{
    return commit->work == COMMIT_NONE && !commit->gathering && !commit->stuck;
}

/* There is no room for the batch: it is tried again, unless it is the end. */
static void get_stuck(struct commit *commit)
{
    if (commit->server->stopping) {
        server_fatal(commit->server, commit->why.text);
    }
    if (!commit->stuck) {
        log_line(commit->server->setup.log, LOG_ERR,
                 "the disk is full and what was kept for that is used up (%s): "
                 "nothing is written, and nobody answered who waits for it, "
                 "until there is room",
                 commit->why.text);
    }
    commit->work = COMMIT_NONE;
    commit->stuck = true;
    commit->probed_at_us = commit->server->now_us;
    set_full(commit, true);
    connections_unstall(&commit->server->connections);
}

void commit_take_answer(struct commit *commit)
{
    enum store_status status;
    if (!take(commit, &status)) {
        return;
    }
    enum commit_work work = commit->work;
    CHECK(work != COMMIT_NONE);
    switch (status) {
    case STORE_DONE:
    case STORE_DONE_LOW:
        break;
    case STORE_NO_ROOM:
        get_stuck(commit);
        return;
    case STORE_FAILED:
    case STORE_IN_DOUBT:
        server_fatal(commit->server, commit->why.text);
    }
    commit->work = COMMIT_NONE;
    commit->stuck = false;
    commit->answered++;
    if (work == COMMIT_BATCH) {
        struct event event = {.type = EVENT_PERSISTED};
        size_t expected = engine_held(commit->server->setup.engine);
        bridge_step(commit->server, &event);
        share_written(commit->server,
                      commit->server->now_us - commit->since_us);
        begin_gathering(commit, expected);
    }
    if (status == STORE_DONE_LOW) {
        set_full(commit, true);
    } else if (work == COMMIT_PROBE) {
        set_full(commit, false);
    }
    connections_unstall(&commit->server->connections);
}

static void begin(struct commit *commit, enum commit_work work)
{
    commit->work = work;
    commit->since_us = commit->server->now_us;
    commit->why.text[0] = '\0';
}

static void submit(struct commit *commit, const struct batch *batch)
{
    commit->batch = batch;
    begin(commit, COMMIT_BATCH);
    store_submit(commit->server->setup.store, batch, on_answer, commit);
}

void commit_next(struct commit *commit)
{
    struct server *server = commit->server;
    if (commit->work != COMMIT_NONE || is_gathering(commit)) {
        return;
    }
    if (commit->stuck) {
        if (server->stopping || server->now_us >= commit_deadline_us(commit)) {
            submit(commit, commit->batch);
        }
        return;
    }
    const struct batch *batch = engine_cut(server->setup.engine);
    share_cut(server, batch != NULL);
    if (batch != NULL) {
        submit(commit, batch);
    } else if (commit->full && commit->probe_wanted &&
               server->now_us - commit->probed_at_us >= PROBE_EVERY_US) {
        commit->probe_wanted = false;
        commit->probed_at_us = server->now_us;
        begin(commit, COMMIT_PROBE);
        store_probe(server->setup.store, on_answer, commit);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct commit *commit = handle->data;
    pthread_mutex_destroy(&commit->lock);
}

void commit_close(struct commit *commit)
{
    uv_close((uv_handle_t *)&commit->wake, on_closed);
}
