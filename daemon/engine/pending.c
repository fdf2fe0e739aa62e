#include "daemon/engine/pending.h"

#include "proto/check.h"
#include "proto/hash.h"
#include "proto/memory.h"

#define SLOTS_MIN 16

void pending_init(struct pending *pending)
{
    *pending = (struct pending){0};
}

void pending_fini(struct pending *pending)
{
    mem_free(pending->slots);
    pending_init(pending);
}

static size_t home(const struct pending *pending, uint64_t key)
{
    uint64_t high = key * hash_multiplier() >> 32;
    return (size_t)(high * ((uint64_t)pending->mask + 1) >> 32);
}

static void insert(struct pending *pending, struct pending_slot slot)
{
    size_t i = home(pending, slot.key);
    while (pending->slots[i].key != 0) {
        CHECK(pending->slots[i].key != slot.key);
        i = (i + 1) & pending->mask;
    }
    pending->slots[i] = slot;
}

static void resize(struct pending *pending, size_t slots_count)
{
    struct pending_slot *old = pending->slots;
    size_t old_count = old == NULL ? 0 : pending->mask + 1;
    pending->slots = mem_zalloc(slots_count * sizeof(*pending->slots));
    pending->mask = slots_count - 1;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].key != 0) {
            insert(pending, old[i]);
        }
    }
    mem_free(old);
}

void pending_add(struct pending *pending, uint64_t key, struct waiter *waiter)
{
    CHECK(key != 0);
    if (pending->slots == NULL) {
        resize(pending, SLOTS_MIN);
    } else if (2 * (pending->count + 1) > pending->mask + 1) {
        resize(pending, 2 * (pending->mask + 1));
    }
    insert(pending, (struct pending_slot){.key = key, .waiter = waiter});
    pending->count++;
}

struct pending_slot *pending_find(const struct pending *pending, uint64_t key)
{
    if (pending->count == 0 || key == 0) {
        return NULL;
    }
    for (size_t i = home(pending, key); pending->slots[i].key != 0;
         i = (i + 1) & pending->mask) {
        if (pending->slots[i].key == key) {
            return &pending->slots[i];
        }
    }
    return NULL;
}

/* Closes the hole at `hole`: moves up what may stand there. */
static void close_hole(struct pending *pending, size_t hole)
{
    size_t i = hole;
    for (;;) {
        i = (i + 1) & pending->mask;
        uint64_t key = pending->slots[i].key;
        if (key == 0) {
            break;
        }
        size_t from_home = (i - home(pending, key)) & pending->mask;
        if (from_home >= ((i - hole) & pending->mask)) {
            pending->slots[hole] = pending->slots[i];
            hole = i;
        }
    }
    pending->slots[hole] = (struct pending_slot){0};
}

void pending_remove(struct pending *pending, uint64_t key)
{
    struct pending_slot *slot = pending_find(pending, key);
    if (slot == NULL) {
        return;
    }
    close_hole(pending, (size_t)(slot - pending->slots));
    pending->count--;
    if (pending->count == 0 && pending->mask + 1 > 4 * SLOTS_MIN) {
        pending_fini(pending);
    }
}
