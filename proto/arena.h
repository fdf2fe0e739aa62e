/*
 * An arena: memory that is given out piece by piece and taken back at once.
 *
 * Decoding a request needs a few small arrays and unescaped strings that live
 * as long as the turn that carries it out. Blocks are kept over a reset, so a
 * steady load allocates nothing; what one big request made it grow beyond
 * ARENA_KEEP_BYTES is given back. Not safe with threads.
 */
#ifndef SYNCD_PROTO_ARENA_H
#define SYNCD_PROTO_ARENA_H

#include <stddef.h>

#define ARENA_KEEP_BYTES ((size_t)1 << 20)

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned; the newest first */
    size_t used;                /* of the newest block, bytes */
};

void arena_init(struct arena *arena);
void arena_fini(struct arena *arena);

/* `size` bytes aligned for any type, undefined; valid until the reset. */
void *arena_alloc(struct arena *arena, size_t size);

/* Everything given out so far is invalid from here on. */
void arena_reset(struct arena *arena);

#endif
