#include "proto/spares.h"

#include "proto/memory.h"

/* The first bytes of a block that is kept. */
struct spare {
    struct spare *next;
};

/* A class holds what has at least CLASS_STEP * class + CLASS_LEAST bytes. */
#define CLASS_STEP  16
#define CLASS_LEAST sizeof(struct spare)

static size_t class_for(size_t size)
{
    return size <= CLASS_LEAST
               ? 0
               : (size - CLASS_LEAST + CLASS_STEP - 1) / CLASS_STEP;
}

static size_t bytes_of(size_t class)
{
    return CLASS_STEP * class + CLASS_LEAST;
}

void *spares_take(struct spares *spares, size_t size)
{
    size_t class = class_for(size);
    if (class >= SPARE_CLASSES || spares->last[class] == NULL) {
        return mem_alloc(size);
    }
    struct spare *spare = spares->last[class];
    spares->last[class] = spare->next;
    spares->bytes -= bytes_of(class);
    return spare;
}

void spares_give(struct spares *spares, void *take_block)
{
    size_t usable = mem_size(take_block);
    size_t class = (usable - CLASS_LEAST) / CLASS_STEP; /* huge if too small */
    if (class >= SPARE_CLASSES ||
        spares->bytes + bytes_of(class) > SPARE_BYTES_MAX) {
        mem_free(take_block);
        return;
    }
    struct spare *spare = take_block;
    spare->next = spares->last[class];
    spares->last[class] = spare;
    spares->bytes += bytes_of(class);
}

void spares_fini(struct spares *spares)
{
    for (size_t i = 0; i < SPARE_CLASSES; i++) {
        while (spares->last[i] != NULL) {
            struct spare *spare = spares->last[i];
            spares->last[i] = spare->next;
            mem_free(spare);
        }
    }
    spares->bytes = 0;
}
