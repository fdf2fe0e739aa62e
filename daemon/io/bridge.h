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

/* One turn of the loop over all that have something to be carried out. */
struct turn {
    const struct connection *last; /* of those that have had a share before */
    size_t bytes;
    uint64_t until_ns;
};

/* A share for each that was quiet so far: whoever sends little is not held up
 * by those that send more than their share, however many these are. */
void bridge_serve_fresh(struct server *server, struct turn *turn);

/* Then, while there is time, for each that has more to do. */
void bridge_serve_rest(struct server *server, struct turn *turn);

/* Ends the sessions of clients that have gone. */
void bridge_leave(struct server *server);

#endif
