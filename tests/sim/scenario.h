/*
 * A scenario: a text file that tells a story in virtual time.
 *
 * One command a line; a line that begins with # is a comment, one that ends
 * with \ goes on in the next. The grammar (README.md has examples):
 *
 *   option NAME NUMBER     before all else: seed, message_max, memory_max,
 *                          pending_max, pending_bytes_max
 *   at TIME, +TIME         time goes on to so long after the start, or by so
 *                          much: 5s 10us 3ms 2m 1h 7d; timers on the way fire
 *   C connect [uid=N]      a client; implicit at its first use, uid 1000
 *   C [#ID] > METHOD [PARAMS] [=> OUTCOME]
 *                          a request, and what its reply must be at once;
 *                          #7 has the id 7, #a the id "a", else a new number
 *   C ~> METHOD [PARAMS]   a notification
 *   C raw LINE             a line as it is
 *   C [#ID] < PATTERN      the next unread reply (to #ID) is such a result
 *   C [#ID] <= PATTERN     the same, and nothing else is in it
 *   C [#ID] ! ERROR [PATTERN]   it is that error; PATTERN is for its data
 *   C silent               there is no unread reply
 *   C close                the connection is gone
 *   store hold | release | step | write | full | ok
 *                          batches stay in flight; all are written and from now
 *                          on at once; one is written and answered; the one in
 *                          flight is written and nobody told; no room; room
 *   rows KIND NUMBER       so many rows of a kind (rows.def) are on the disk
 *   slices hold | release | step    long work waits; goes on; one slice
 *   shutdown               SIGTERM
 *   crash [back TIME]      the daemon dies; what is on the disk is loaded; the
 *                          clock shows TIME less
 *   restart                shutdown, and a new daemon
 *   check                  a reload from the disk would give the same state
 *   let $NAME = JSON       gives a name a value, new or old
 *   repeat N COMMAND       N times, with $i from 1 to N
 *   work N COMMAND         it costs at most N basic blocks of the engine
 *
 *   OUTCOME   PATTERN | = PATTERN | ! ERROR [PATTERN] | waits
 *   PATTERN, and the abbreviations of JSON everywhere: pattern.h
 *
 * Every reply must be read; one that is left at the end fails the scenario.
 * The engine's invariants are checked after every step, and a reload is
 * compared at every crash and at the end.
 */
#ifndef SYNCD_TESTS_SIM_SCENARIO_H
#define SYNCD_TESTS_SIM_SCENARIO_H

#include "tests/sim/world.h"

struct scenario;

struct scenario *scenario_new(const char *path, struct slice text,
                              struct world_tally *tally);
void scenario_free(struct scenario *scenario);

/* Once. False: it failed, and scenario_failure tells why. */
bool scenario_run(struct scenario *scenario);

/* `file:line: what`, the line itself behind it. */
const char *scenario_failure(const struct scenario *scenario);

/* What went in and out so far. */
struct slice scenario_trace(const struct scenario *scenario);

/* The line that is being carried out, from 1. */
int scenario_line(const struct scenario *scenario);

#endif
