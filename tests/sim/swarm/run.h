/*
 * A run: a story told to the engine and to the model at once.
 *
 * Each request is predicted by the model and each reply held against it; after
 * every step the engine's invariants are checked. What was told is also kept as
 * it was told, so that a second world can be told exactly the same: its trace
 * must be equal, byte for byte.
 */
#ifndef SYNCD_TESTS_SIM_SWARM_RUN_H
#define SYNCD_TESTS_SIM_SWARM_RUN_H

#include "tests/sim/grants.h"
#include "tests/sim/model/model.h"
#include "tests/sim/swarm/story.h"

#include <stdio.h>

/* What a world was told, with every number filled in. */
struct told {
    enum act act;
    bool connects; /* before anything else: a client with this peer */
    struct peer peer;
    uint64_t conn;
    int64_t us;
    int number; /* of the action */
    size_t at;  /* the line, in run.lines */
    size_t len;
};

/* What a client remembers of a session with grace, for when it comes back. */
struct client_state {
    uint64_t conn; /* 0: not connected */
    uint32_t uid;
    int opened; /* the action of its session.open with grace; 0: none */
    bool lost;  /* the daemon died since: the session may be resumed */
    struct grants *grants; /* NULL: it may do everything */
    char allow[200];       /* the same in words */
};

struct run {
    struct world *world;
    struct model *model; /* owned */
    struct client_state clients[CLIENTS];
    uint64_t seed;
    int slice_jobs; /* 0: as they are */
    bool held;
    bool full;
    FILE *aloud; /* prints the story as it goes on, as a scenario; or NULL */
    struct grants **grants; /* owned, as what is in it: all there have been */
    size_t grants_count;
    struct told *told; /* owned */
    size_t told_count;
    size_t told_cap;
    struct out lines;
    struct out line; /* being sent */
};

void run_init(struct run *run, uint64_t seed, struct model_grid *grid,
              FILE *aloud);
void run_fini(struct run *run);

/* Carries an action out, if it can be now. */
void run_action(struct run *run, const struct story *story,
                const struct action *action);

/* The first thing that was wrong; NULL: nothing. */
const char *run_fault(const struct run *run);

/* Is the engine in a moment at which nothing is on its way? Then every reply
 * must have come. */
void run_check_quiet(struct run *run);

/* Tells a second world the same. False: its trace is another. */
bool run_again(const struct run *run);

/* Tells a third world the same, in which long work goes in very small slices,
 * and is held at times. What comes first is another matter there, so that the
 * model has no part in it; what the world checks by itself must hold. */
void run_sliced(struct run *run);

#endif
