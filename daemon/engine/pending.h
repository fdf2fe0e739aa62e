/*
 * The ids of a session's requests that have no answer yet.
 *
 * An open-addressing table of 64-bit keys (of struct rpc_id), since nearly
 * every request passes through it: 16 bytes an id, nothing while it is empty.
 * Where a key stands depends on the key of the process (hash.h): nobody can
 * choose ids that all come to stand in one place.
 * A key that two different ids share is taken for a pending id; only a client
 * that looks for such a pair can hit it, and it hurts nobody but itself.
 */
#ifndef SYNCD_ENGINE_PENDING_H
#define SYNCD_ENGINE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct waiter;

struct pending_slot {
    uint64_t key;          /* 0: free */
    struct waiter *waiter; /* NULL: the answer waits for its batch alone */
};

struct pending {
    struct pending_slot *slots; /* owned */
    size_t mask;                /* slots - 1; a power of two less 1 */
    size_t count;
};

void pending_init(struct pending *pending);
void pending_fini(struct pending *pending);

/* The key must not be in it. */
void pending_add(struct pending *pending, uint64_t key, struct waiter *waiter);

/* Not in it is fine. */
void pending_remove(struct pending *pending, uint64_t key);

/* NULL: it is not in it. */
struct pending_slot *pending_find(const struct pending *pending, uint64_t key);

#endif
