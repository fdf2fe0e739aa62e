/* What a scenario expects of a client's replies. */
#ifndef SYNCD_TESTS_SIM_EXPECT_H
#define SYNCD_TESTS_SIM_EXPECT_H

#include "tests/sim/client.h"
#include "tests/sim/pattern.h"

/*
 * Reads a reply of the client: the next one, or that to `id` (JSON) if it is
 * not absent. `outcome` as it stands behind `=>`: PATTERN, `= PATTERN`,
 * `! ERROR [PATTERN]`, or `waits`.
 */
bool expect(struct client *client, struct slice id, struct slice outcome,
            struct bindings *bindings, struct mismatch *why);

#endif
