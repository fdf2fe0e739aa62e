/* The requests of a world that have no reply yet. */
#ifndef SYNCD_TESTS_SIM_PENDING_H
#define SYNCD_TESTS_SIM_PENDING_H

#include "proto/method.h"

struct pending {
    uint64_t conn;
    uint64_t tag;
    char *id; /* owned; JSON */
    size_t id_len;
    enum method method;
};

struct pendings {
    struct pending *at; /* owned; in no order */
    size_t count;
    size_t cap;
};

void pendings_fini(struct pendings *pendings);
void pendings_add(struct pendings *pendings, uint64_t conn, uint64_t tag,
                  struct slice id, enum method method);
struct pending *pendings_find(struct pendings *pendings, uint64_t tag);
void pendings_remove(struct pendings *pendings, struct pending *pending);
void pendings_forget(struct pendings *pendings, uint64_t conn); /* 0: all */
size_t pendings_count(const struct pendings *pendings, uint64_t conn);

#endif
