#include "proto/arena.h"

#include "proto/memory.h"

#include <stdalign.h>

#define BLOCK_BYTES ((size_t)64 << 10)

struct arena_block {
    struct arena_block *next;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static void free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void arena_fini(struct arena *arena)
{
    free_blocks(arena->blocks);
    arena_init(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (arena->blocks == NULL || arena->blocks->size - arena->used < size) {
        size_t bytes = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct arena_block *block = mem_alloc(sizeof(*block) + bytes);
        block->size = bytes;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
    }
    void *at = arena->blocks->bytes + arena->used;
    arena->used += size;
    return at;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *newest = arena->blocks;
    arena->used = 0;
    if (newest == NULL) {
        return;
    }
    free_blocks(newest->next);
    newest->next = NULL;
    if (newest->size > ARENA_KEEP_BYTES) {
        mem_free(newest);
        arena->blocks = NULL;
    }
}
