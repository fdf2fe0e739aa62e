/* One seed: generated, told, drained, told again; and made small if it fails.
 */
#ifndef SYNCD_TESTS_SIM_SWARM_SWARM_H
#define SYNCD_TESTS_SIM_SWARM_SWARM_H

#include "tests/sim/swarm/run.h"

#include <stdio.h>

/* Generates the story of a seed with so many actions, and tells it. False: it
 * fails; `fault` says how. */
bool swarm_seed(uint64_t seed, int actions, struct model_grid *grid,
                struct story *story, char *fault, size_t size);

/* Tells a story that is there already. With `told` not NULL it is written there
 * as a scenario, up to the failure. */
bool swarm_story(uint64_t seed, const struct story *story, FILE *told,
                 char *fault, size_t size);

/* The troubles are over: everything that can end must. */
void drain(struct run *run, struct story *story);

/* Drops actions of a story for as long as it fails. */
void shrink(uint64_t seed, struct story *story);

#endif
