/*
 * The one door to the heap for our own code.
 *
 * An allocation that fails ends the process with MEMORY_EXIT_STATUS at once,
 * before anything is answered: what was acknowledged is on disk, the rest was
 * promised to nobody. So no caller checks for NULL, and no state is half done.
 * No size here may come from a client without a limit from limits.h before it.
 */
#ifndef SYNCD_PROTO_MEMORY_H
#define SYNCD_PROTO_MEMORY_H

#include <stddef.h>

/* sysexits.h: EX_OSERR. */
#define MEMORY_EXIT_STATUS 71

void *mem_alloc(size_t size);  /* contents undefined */
void *mem_zalloc(size_t size); /* all zero */
void *mem_realloc(void *take_old, size_t size);
char *mem_strndup(const char *at, size_t len); /* NUL-terminated copy */
void mem_free(void *take_old);                 /* NULL is fine */

/* What the block has, at least what was asked for; of NULL 0. */
size_t mem_size(void *block);

#endif
