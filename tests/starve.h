/*
 * A heap that runs dry at a chosen allocation: for tests of what happens then.
 *
 * Linking it puts it in the place of malloc, calloc and realloc (the linker's
 * --wrap) for everything that is linked in statically, which is all of our own
 * code, and so for the libraries that memory.h serves in the daemon. Nothing
 * of it is in the programs that are installed.
 */
#ifndef SYNCD_TESTS_STARVE_H
#define SYNCD_TESTS_STARVE_H

#include <stddef.h>

/* The n-th allocation from now on fails (1 is the next one); 0: none does. In
 * a process where nobody calls it the environment's SYNCD_STARVE says n. */
void starve_at(size_t n);

/* Allocations so far since then. */
size_t starve_count(void);

#endif
