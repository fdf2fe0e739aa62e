/*
 * System calls that fail when told to: those that the store makes itself, for
 * its directory, the lock, the reserve and the copy of a file from before.
 *
 * Linking it puts it in the place of these functions (the linker's --wrap) for
 * what is linked in statically; SQLite's own calls are those of its VFS
 * (ram_disk.h).
 */
#ifndef SYNCD_TESTS_STORE_FAIL_CALLS_H
#define SYNCD_TESTS_STORE_FAIL_CALLS_H

#include <stdbool.h>

/* The n-th call from now on (1 is the next one) of the function of that name,
 * or of any (NULL), fails with this errno, and then, if `ever`, all that
 * follow. 0: none does. */
void calls_fail(const char *name, unsigned n, int error, bool ever);

/* None fails any more. Did one since then? */
bool calls_mend(void);

#endif
