#include "daemon/io/server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/io/bridge.h"
#include "daemon/io/service.h"
#include "proto/check.h"

/* At the end: so long clients may take to read their replies, and so long a
 * commit may take before we go without it. Together less than 5 s. */
#define PATIENCE_MS        2000
#define COMMIT_PATIENCE_MS 2500

void server_fatal(struct server *server, const char *why)
{
    log_line(server->setup.log, LOG_ERR,
             "the store failed, nobody is answered any more: %s", why);
    service_notify("STATUS=The store failed: %s\nERRNO=5", why);
    _exit(EX_IOERR);
}

void server_engine_limits(struct engine_options *options,
                          const struct config *config)
{
    options->message_max = (size_t)config->max_message;
    options->memory_max = (size_t)config->max_memory;
    options->pending_max = (size_t)config->max_pending;
    options->pending_bytes_max = (size_t)config->max_pending_bytes;
    options->connections_max = (size_t)config->max_connections;
    options->user_connections_max = (size_t)config->max_user_connections;
    options->user_pending_max = (size_t)config->max_user_pending;
    options->user_memory_max = (size_t)config->max_user_memory;
    options->user_objects_max = (size_t)config->max_user_objects;
}

/* The turn. */

static void on_again(uv_idle_t *again)
{
    (void)again;
}

void server_turn_again(struct server *server)
{
    uv_idle_start(&server->again, on_again);
}

/* For the parts of large answers, each of which is a write of WRITE_BYTES. */
#define PARTS_NS UINT64_C(200000)

static void tell_time(struct server *server)
{
    if (engine_deadline_us(server->setup.engine) <= server->now_us) {
        struct event event = {.type = EVENT_TIME};
        bridge_step(server, &event);
    }
}

static void flush_one(struct connection_list *dirty, struct connection *c)
{
    TAILQ_REMOVE(dirty, c, dirty_link);
    c->in_dirty = NULL;
    connection_flush(c);
}

/* Was there anybody to answer? */
static bool flush(struct connection_list *dirty)
{
    bool any = !TAILQ_EMPTY(dirty);
    struct connection *c;
    while ((c = TAILQ_FIRST(dirty)) != NULL) {
        flush_one(dirty, c);
    }
    return any;
}

/* The next part of each large answer, of as many as there is time for. */
static void flush_parts(struct connections *all)
{
    const struct connection *last = TAILQ_LAST(&all->sending, connection_list);
    uint64_t until_ns = uv_hrtime() + PARTS_NS;
    for (bool more = last != NULL; more;) {
        struct connection *c = TAILQ_FIRST(&all->sending);
        more = c != last && uv_hrtime() < until_ns;
        flush_one(&all->sending, c);
    }
}

static void flush_all(struct server *server)
{
    bool woken = flush(&server->connections.woken);
    bool others = flush(&server->connections.dirty);
    server->answered = server->answered || woken || others;
}

/* Are lines still carried out? Not at the very end, when what was read has
 * taken too long: whoever sent it stays without an answer. */
static bool is_serving(const struct server *server)
{
    return !server->stopping || server->patient;
}

/* At the end: has everybody been answered who can be? */
static bool is_finished(const struct server *server)
{
    const struct connections *all = &server->connections;
    bool answered = !connections_are_ready(all) && TAILQ_EMPTY(&all->stalled) &&
                    RB_EMPTY(&all->resting) && all->decoding == 0 &&
                    all->unsent == 0;
    return commit_is_idle(&server->commit) && (answered || !is_serving(server));
}

/* Carries out what has come in; false: there was nothing. What can be answered
 * leaves before the store is given anything: whoever waits for a job does not
 * wait for that. */
static bool serve(struct server *server)
{
    tell_time(server);
    connections_unrest(&server->connections, server->now_us);
    struct turn turn;
    bridge_serve_fresh(server, &turn);
    flush_all(server); /* who sends little does not wait for the others */
    bridge_serve_rest(server, &turn);
    flush_all(server);
    return turn.bytes > 0;
}

/* Makes durable what was carried out. */
static void commit(struct server *server)
{
    commit_next(&server->commit);
    if (commit_is_idle(&server->commit)) {
        connections_unstall(&server->connections);
    }
    bridge_leave(server);
    commit_next(&server->commit); /* what ended sessions gave back */
}

static void set_alarm(struct server *server)
{
    int64_t engine_us = engine_deadline_us(server->setup.engine);
    int64_t commit_us = commit_deadline_us(&server->commit);
    int64_t rest_us = connections_rest_us(&server->connections);
    int64_t first_us = engine_us < commit_us ? engine_us : commit_us;
    alarm_set(&server->alarm, first_us < rest_us ? first_us : rest_us);
}

/* What a turn has done. */
struct done {
    bool served;
    bool persisted;
};

/* Looks for more requests when somebody was answered, who may ask again at
 * once; and for the disk, if one client alone waits for the batch it was just
 * given: nobody else comes meanwhile who would wake the loop. */
static bool looks(struct server *server, const struct done *done)
{
    uint64_t now_ns = uv_hrtime();
    const struct commit *commit = &server->commit;
    if (done->served) {
        look_end(&server->request_look, now_ns);
    }
    if (done->persisted) {
        look_end(&server->disk_look, now_ns);
    }
    bool on = look_on(&server->request_look, now_ns);
    on = look_on(&server->disk_look, now_ns) || on;
    if (server->answered && !server->request_look.on) {
        on = look_begin(&server->request_look, now_ns, LOOK_NS) || on;
    }
    if (commit->work == COMMIT_BATCH && commit->since_us == server->now_us &&
        engine_held(server->setup.engine) == 1) {
        on = look_begin(&server->disk_look, now_ns, LOOK_DISK_NS) || on;
    }
    return on;
}

static void on_turn(uv_check_t *turn)
{
    struct server *server = turn->data;
    struct done done = {0};
    uint64_t batches = server->commit.answered;
    server->answered = false;
    server->now_us = clock_now_us(server->setup.clock);
    decoder_take(&server->decoder);
    if (is_serving(server)) {
        done.served = serve(server);
    }
    commit_take_answer(&server->commit);
    done.persisted = server->commit.answered != batches;
    if (is_serving(server)) {
        commit(server);
        set_alarm(server);
    }
    flush_parts(&server->connections);
    flush_all(server);
    bool ready = connections_are_ready(&server->connections);
    if (!TAILQ_EMPTY(&server->connections.sending) ||
        (is_serving(server) && (ready || looks(server, &done)))) {
        server_turn_again(server);
    } else {
        uv_idle_stop(&server->again);
    }
    if (server->stopping && is_finished(server)) {
        uv_stop(&server->loop);
    }
}

/* The end. */

/* The store does not come back: what it was given is in doubt, and whoever
 * waits for it stays without an answer. */
static void on_commit_patience(uv_timer_t *timer)
{
    struct server *server = timer->data;
    server_fatal(server, "it did not answer before the end");
}

static void on_patience(uv_timer_t *timer)
{
    struct server *server = timer->data;
    server->patient = false;
    uv_timer_start(timer, on_commit_patience, COMMIT_PATIENCE_MS, 0);
}

/* Waiters are told, nobody is let in or read any more, what was read is still
 * carried out. A second signal changes nothing. */
static void stop(struct server *server, int signal_number)
{
    if (server->stopping) {
        return;
    }
    server->stopping = true;
    server->patient = true;
    log_line(server->setup.log, LOG_INFO, "stopping (%s)",
             sigabbrev_np(signal_number));
    service_notify("STOPPING=1\nSTATUS=Stopping");
    listener_close(&server->listener);
    unix_socket_close(server->setup.socket);
    connections_stop_reading(&server->connections);
    connections_unrest(&server->connections, INT64_MAX);
    server->now_us = clock_now_us(server->setup.clock);
    struct event event = {.type = EVENT_SHUTDOWN};
    bridge_step(server, &event);
    uv_timer_start(&server->stopping_timer, on_patience, PATIENCE_MS, 0);
}

/* Reload. */

static void note_restart(void *arg, const char *key)
{
    struct server *server = arg;
    log_line(server->setup.log, LOG_NOTICE,
             "%s has changed; it takes effect with the next start", key);
}

/* Everybody connected is looked at anew; what waits and is closed by now is
 * refused. */
static void change_roles(struct server *server)
{
    struct roles before = server->roles;
    struct connection *c;
    struct connection *next;
    roles_init(&server->roles, &server->setup.config->allows);
    HASH_ITER (hh, server->connections.by_id, c, next) {
        const struct access *old = c->peer.access;
        int fd;
        int rc = uv_fileno((uv_handle_t *)&c->pipe, &fd);
        CHECK(rc == 0);
        c->peer.access =
            roles_take(&server->roles, fd, c->peer.uid, c->peer.gid);
        struct event event = {
            .type = EVENT_ACCESS, .conn = c->id, .peer = c->peer};
        bridge_step(server, &event);
        roles_give(&before, old);
    }
    roles_fini(&before);
}

static void apply_config(struct server *server, struct config *fresh)
{
    struct config *config = server->setup.config;
    config_reload(config, fresh, note_restart, server);
    log_set_level(server->setup.log, (int)config->log_level);
    server_engine_limits(&server->setup.options, config);
    engine_configure(server->setup.engine, &server->setup.options);
    connections_set_line_max(&server->connections, (size_t)config->max_message);
    change_roles(server);
    config_fini(fresh);
}

static void reload(struct server *server)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    service_notify("RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    struct config fresh;
    struct config_error error;
    if (config_load(&fresh, server->setup.source, &error) < 0) {
        log_line(server->setup.log, LOG_ERR,
                 "the configuration stays as it was: %s", error.text);
    } else {
        apply_config(server, &fresh);
        log_line(server->setup.log, LOG_INFO, "the configuration was reloaded");
    }
    service_notify("READY=1");
}

static void on_signal(uv_signal_t *handle, int signal_number)
{
    struct server *server = handle->data;
    if (signal_number == SIGHUP) {
        reload(server);
    } else {
        stop(server, signal_number);
    }
}

/* The watchdog is fed by the loop, and only while the store answers, so that
 * a hung disk is noticed too. */
static void on_watchdog(uv_timer_t *timer)
{
    struct server *server = timer->data;
    int64_t now_us = clock_now_us(server->setup.clock);
    int64_t patience_us = (int64_t)(server->watchdog_us / 2);
    if (server->commit.work != COMMIT_NONE &&
        now_us - server->commit.since_us > patience_us) {
        log_line(server->setup.log, LOG_WARNING,
                 "the store has not answered for %lld s",
                 (long long)(now_us - server->commit.since_us) / 1000000);
        return;
    }
    service_notify("WATCHDOG=1");
}

/* Life. */

static void init_timers(struct server *server)
{
    int rc = uv_timer_init(&server->loop, &server->watchdog);
    CHECK(rc == 0);
    rc = uv_timer_init(&server->loop, &server->stopping_timer);
    CHECK(rc == 0);
    server->watchdog.data = server;
    server->stopping_timer.data = server;
    server->watchdog_us = service_watchdog_us();
    if (server->watchdog_us > 0) {
        uint64_t every_ms = server->watchdog_us / 1000 / 3 + 1;
        uv_timer_start(&server->watchdog, on_watchdog, 0, every_ms);
    }
}

static void init_signals(struct server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int rc = uv_signal_init(&server->loop, &server->signals[i]);
        CHECK(rc == 0);
        server->signals[i].data = server;
        rc = uv_signal_start(&server->signals[i], on_signal, numbers[i]);
        CHECK(rc == 0);
    }
}

static void init_turn(struct server *server)
{
    int rc = uv_check_init(&server->loop, &server->turn);
    CHECK(rc == 0);
    rc = uv_idle_init(&server->loop, &server->again);
    CHECK(rc == 0);
    server->turn.data = server;
    rc = uv_check_start(&server->turn, on_turn);
    CHECK(rc == 0);
}

static int cannot(struct server *server, const char *what, int rc)
{
    log_line(server->setup.log, LOG_ERR, "cannot have %s: %s", what,
             uv_strerror(rc));
    return -1;
}

int server_init(struct server *server, const struct server_setup *setup)
{
    memset(server, 0, sizeof(*server));
    server->setup = *setup;
    int rc = uv_loop_init(&server->loop);
    if (rc < 0) {
        return cannot(server, "an event loop", rc);
    }
    rc = alarm_init(&server->alarm, &server->loop, setup->clock);
    if (rc < 0) {
        uv_loop_close(&server->loop);
        return cannot(server, "a timer", rc);
    }
    effects_init(&server->effects);
    arena_init(&server->arena);
    connections_init(&server->connections);
    roles_init(&server->roles, &setup->config->allows);
    denials_init(&server->denials, setup->log);
    commit_init(&server->commit, server);
    share_init(&server->share);
    decoder_init(&server->decoder, server);
    init_timers(server);
    init_signals(server);
    init_turn(server);
    rc = listener_init(&server->listener, server, setup->socket->fd);
    CHECK(rc == 0); /* it was made to listen, or checked to */
    return 0;
}

void server_run(struct server *server)
{
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

void server_fini(struct server *server)
{
    connections_close(&server->connections);
    listener_close(&server->listener);
    alarm_close(&server->alarm);
    commit_close(&server->commit);
    decoder_close(&server->decoder);
    for (size_t i = 0; i < 3; i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL);
    }
    uv_close((uv_handle_t *)&server->watchdog, NULL);
    uv_close((uv_handle_t *)&server->stopping_timer, NULL);
    uv_close((uv_handle_t *)&server->turn, NULL);
    uv_close((uv_handle_t *)&server->again, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&server->loop);
    CHECK(rc == 0);
    roles_fini(&server->roles);
    users_fini(&server->users);
    effects_fini(&server->effects);
    out_fini(&server->connections.spare);
    arena_fini(&server->arena);
}
