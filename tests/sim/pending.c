#include "tests/sim/pending.h"

#include "proto/memory.h"

void pendings_fini(struct pendings *pendings)
{
    pendings_forget(pendings, 0);
    mem_free(pendings->at);
}

void pendings_add(struct pendings *pendings, uint64_t conn, uint64_t tag,
                  struct slice id, enum method method)
{
    if (pendings->count == pendings->cap) {
        pendings->cap = pendings->cap * 2 + 16;
        pendings->at =
            mem_realloc(pendings->at, pendings->cap * sizeof pendings->at[0]);
    }
    pendings->at[pendings->count++] =
        (struct pending){conn, tag, mem_strndup(id.at, id.len), id.len, method};
}

struct pending *pendings_find(struct pendings *pendings, uint64_t tag)
{
    for (size_t i = 0; i < pendings->count; i++) {
        if (pendings->at[i].tag == tag) {
            return &pendings->at[i];
        }
    }
    return NULL;
}

void pendings_remove(struct pendings *pendings, struct pending *pending)
{
    mem_free(pending->id);
    *pending = pendings->at[--pendings->count];
}

void pendings_forget(struct pendings *pendings, uint64_t conn)
{
    for (size_t i = 0; i < pendings->count;) {
        if (pendings->at[i].conn == conn || conn == 0) {
            pendings_remove(pendings, &pendings->at[i]);
        } else {
            i++;
        }
    }
}

size_t pendings_count(const struct pendings *pendings, uint64_t conn)
{
    size_t count = 0;
    for (size_t i = 0; i < pendings->count; i++) {
        count += pendings->at[i].conn == conn;
    }
    return count;
}
