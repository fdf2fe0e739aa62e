/*
 * How much work the engine does, without a clock: the branches that it takes.
 *
 * The compiler calls a function of work.c at the beginning of each basic block
 * of an engine that is built with -fsanitize-coverage=trace-pc, as that of
 * sim_runner is; of any other the count stays as it is. Numbers differ between
 * compilers by some ten percent, but what looks at 10,000 waiters one by one
 * is at 10,000 with every one of them.
 */
#ifndef SYNCD_TESTS_SIM_WORK_H
#define SYNCD_TESTS_SIM_WORK_H

#include <stdint.h>

/* So far, of all engines. */
uint64_t work_done(void);

#endif
