/* The simulated clients of a scenario: names, connections, unread replies. */
#ifndef SYNCD_TESTS_SIM_CLIENT_H
#define SYNCD_TESTS_SIM_CLIENT_H

#include "proto/slice.h"
#include "tests/sim/grants.h"
#include "tests/sim/words.h"

struct client {
    char *name;    /* owned */
    uint64_t conn; /* 0: not connected */
    uint32_t uid;
    struct grants *grants; /* owned; NULL: everything */
    struct slice *inbox;   /* owned, with the texts: replies not read yet */
    size_t inbox_count;
};

struct clients {
    struct client **at; /* owned */
    size_t count;
};

void clients_init(struct clients *clients);
void clients_fini(struct clients *clients);

/* The client of that name, made if there is none. */
struct client *clients_named(struct clients *clients, struct slice name);
struct client *clients_of_conn(const struct clients *clients, uint64_t conn);

/* The first client is process 5001, and so on. */
uint32_t clients_pid(const struct clients *clients,
                     const struct client *client);

/* Who it is from now on: words such as `uid=7` and `allow=worker:queue:*`,
 * until their end. False: there is one that makes no sense. */
bool client_read_peer(struct client *client, struct words *words);

/* Every connection is gone. */
void clients_disconnect(struct clients *clients);

void client_receive(struct client *client, struct slice line);

/* Takes the first unread reply, or the first with that id (JSON; absent: any)
 * out of the inbox; the caller frees its text. Absent: there is none. */
struct slice client_read(struct client *client, struct slice id);

/* Is there an unread reply with that id? */
bool client_has(const struct client *client, struct slice id);

/* The connection is gone, and what was not read with it. */
void client_disconnect(struct client *client);

#endif
