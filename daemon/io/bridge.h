/*
 * The one bridge: requests in, effects out.
 *
 * Lines of connections become events of the engine, and its replies become
 * bytes of connections. What is wrong with a line is answered here, in its
 * place among the others.
 */
#ifndef SYNCD_IO_BRIDGE_H
#define SYNCD_IO_BRIDGE_H

#include "daemon/engine/engine.h"

struct connection;
struct server;

/* Steps the engine, at the time of this turn, and delivers the replies. */
void bridge_step(struct server *server, struct event *event);

/* Serves the connections that are ready, each a share, in turn. */
void bridge_serve(struct server *server);

/* Ends the sessions of clients that have gone. */
void bridge_leave(struct server *server);

#endif
