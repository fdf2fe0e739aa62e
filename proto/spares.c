#include "proto/spares.h"

#include "proto/memory.h"

/* The first bytes of a block that is kept. */
struct spare {
    struct spare *next;
};

/* A class holds what has at least CLASS_STEP * class + CLASS_LEAST bytes. */
#define CLASS_STEP  16
#define CLASS_LEAST 8

static size_t class_for(size_t size)
{
    return size <= CLASS_LEAST
               ? 0
               : (size - CLASS_LEAST + CLASS_STEP - 1) / CLASS_STEP;
}

static size_t class_of(size_t usable)
{
    return (usable - CLASS_LEAST) / CLASS_STEP;
}

#ifdef __SANITIZE_ADDRESS__
#define KEEP_MAX ((size_t)0)
#else
#define KEEP_MAX SPARE_BYTES_MAX
#endif

void *spares_take(struct spares *spares, size_t size)
{
    size_t class = class_for(size);
    if (class >= SPARE_CLASSES || spares->last[class] == NULL) {
        return mem_alloc(size);
    }
    struct spare *spare = spares->last[class];
    spares->last[class] = spare->next;
    spares->bytes -= mem_size(spare);
    return spare;
}

void spares_give(struct spares *spares, void *take_block)
{
    size_t usable = mem_size(take_block);
    if (usable < sizeof(struct spare) || usable < CLASS_LEAST ||
        class_of(usable) >= SPARE_CLASSES ||
        spares->bytes + usable > KEEP_MAX) {
        mem_free(take_block);
        return;
    }
    struct spare *spare = take_block;
    size_t class = class_of(usable);
    spare->next = spares->last[class];
    spares->last[class] = spare;
    spares->bytes += usable;
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
