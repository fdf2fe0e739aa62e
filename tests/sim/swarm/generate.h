/*
 * The generator: the next action of a seed, drawn with an eye on the model, so
 * that most of what is asked for makes sense and some of it just does not.
 *
 * Each seed has a mood: how likely each kind of request and of trouble is. So
 * one seed is all queues with many crashes, another all barriers without any.
 */
#ifndef SYNCD_TESTS_SIM_SWARM_GENERATE_H
#define SYNCD_TESTS_SIM_SWARM_GENERATE_H

#include "tests/sim/swarm/run.h"

enum { GROUPS = 10 };

struct generator {
    uint64_t state; /* splitmix64 */
    struct run *run;
    struct story *story;
    struct out params;       /* being written */
    unsigned groups[GROUPS]; /* weights of groups of requests */
    unsigned troubles;       /* of 1000 actions, so many are trouble */
    bool crashes;
    bool holds;  /* the disk is slow at times */
    bool fills;  /* the disk fills up at times */
    bool scopes; /* sessions keep the scope, whose things end with them */
    bool roles;  /* the last four clients may not do everything */
    bool shares; /* queues share semaphores; then no get waits, since it is not
                    said which queue is served first */
};

void generator_init(struct generator *g, uint64_t seed, struct run *run,
                    struct story *story);
void generator_fini(struct generator *g);

/* Draws the next action and carries it out. */
void generate(struct generator *g);

/* --- for its own files -------------------------------------------------- */

unsigned draw(struct generator *g, unsigned below);
bool chance(struct generator *g, unsigned percent);

/* Begins, adds to and sends the parameters of a request. */
void begin_params(struct generator *g);
void add_param(struct generator *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void send_params(struct generator *g, int client, enum method method);

/* A duration as JSON, from short to long; never the same twice. */
void add_seconds(struct generator *g, const char *name, unsigned below_s);
void add_timeout(struct generator *g);
/* Of a session.open: sometimes it keeps the scope. */
void add_scope(struct generator *g);

int some_client(struct generator *g);
/* The client that a session of the model is; -1: none, as it is away. */
int client_of_session(const struct generator *g, int session);
/* A job there is, in that state (-1: any); NULL: none. */
const struct m_job *some_job(struct generator *g, int state);

void ask_queues(struct generator *g);
void ask_puts(struct generator *g);
void ask_gets(struct generator *g);
void ask_jobs(struct generator *g);
void ask_locks(struct generator *g);
void ask_semaphores(struct generator *g);
void ask_events(struct generator *g);
void ask_barriers(struct generator *g);
void ask_batches(struct generator *g);
void ask_sessions(struct generator *g);

#endif
