/*
 * The daemon around the engine: one loop, one thread.
 *
 * The loop turns; in a turn, in this order:
 *
 *     poll       what came in is read into the buffers of its connections
 *     decoded    large lines that are back from the pool are ready
 *     time       the engine is told the time, if something is due
 *     serve      lines are decoded and stepped, connection after connection,
 *                each a bounded share; the rest waits for the next turn.
 *                What can be answered leaves, in one write a connection
 *     persisted  the store's answer is told to the engine
 *     commit     what became dirty goes to the store, if it is idle
 *     leave      sessions whose client is gone end
 *     flush      what the store's answer let go leaves
 *
 * When somebody was answered, or waits for the disk alone, the poll looks for
 * what comes before it sleeps (look.h).
 *
 * Everything hangs on struct server, which main owns. The parts are: listener
 * (who may come in), connection (bytes), bridge (lines and replies), gather
 * (batch arrays), decoder (large lines), commit (the store), share (what one
 * may take of all that), alarm (time). Between threads go ids and owned pieces
 * of work, never connections.
 */
#ifndef SYNCD_IO_SERVER_H
#define SYNCD_IO_SERVER_H

#include <uv.h>

#include "daemon/engine/engine.h"
#include "daemon/io/alarm.h"
#include "daemon/io/clock.h"
#include "daemon/io/commit.h"
#include "daemon/io/config.h"
#include "daemon/io/connection.h"
#include "daemon/io/decoder.h"
#include "daemon/io/denials.h"
#include "daemon/io/listener.h"
#include "daemon/io/log.h"
#include "daemon/io/look.h"
#include "daemon/io/pool.h"
#include "daemon/io/roles.h"
#include "daemon/io/share.h"
#include "daemon/io/unix_socket.h"
#include "daemon/io/users.h"
#include "daemon/store/store.h"
#include "proto/arena.h"

/* What main has made ready; all of it is borrowed and outlives the server. */
struct server_setup {
    struct log *log;
    struct config *config; /* a reload changes it */
    const struct config_source *source;
    const struct clock *clock;
    struct unix_socket *socket; /* listening; closed by the server's end */
    struct store *store;        /* loaded */
    struct pool *pool;
    struct engine *engine; /* loaded */
    struct engine_options options;
};

struct server {
    struct server_setup setup;
    uv_loop_t loop;
    uv_check_t turn; /* behind every poll */
    uv_idle_t again; /* active while lines are left, or it looks for more: the
                        poll does not sleep */
    struct look request_look;
    struct look disk_look; /* for its answer to a batch */
    bool answered;         /* somebody was, in this turn */
    uv_signal_t signals[3];
    uv_timer_t watchdog;
    uint64_t watchdog_us; /* 0: nobody waits for it */
    uv_timer_t stopping_timer;
    bool stopping;  /* a signal has ended the service */
    bool patient;   /* while stopping: what was read is still answered */
    int64_t now_us; /* engine time of this turn */
    struct effects effects;
    struct arena arena; /* of the line at hand */
    struct alarm alarm;
    struct listener listener;
    struct roles roles; /* of the clients connected */
    struct denials denials;
    struct users users;
    struct connections connections;
    struct commit commit;
    struct share share;
    struct decoder decoder;
};

/* 0, or -1: the loop cannot be had (it is logged). */
int server_init(struct server *server, const struct server_setup *setup);

/* Serves until a signal ends it. */
void server_run(struct server *server);

void server_fini(struct server *server);

/* The limits of a configuration as the engine takes them. */
void server_engine_limits(struct engine_options *options,
                          const struct config *config);

/* A turn follows at once, whatever there is to wait for. */
void server_turn_again(struct server *server);

/* Ends the process at once with EX_IOERR: the store cannot be trusted, and
 * nobody may be answered any more. */
_Noreturn void server_fatal(struct server *server, const char *why);

#endif
