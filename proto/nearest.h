/* The name that somebody probably meant. */
#ifndef SYNCD_PROTO_NEAREST_H
#define SYNCD_PROTO_NEAREST_H

#include "proto/slice.h"

/*
 * The search goes over any number of candidates:
 *
 *     struct nearest nearest = nearest_to(word);
 *     for (...) { nearest_offer(&nearest, name); }
 *     if (nearest.name != NULL) { ... }
 */
struct nearest {
    struct slice word;
    const char *name; /* the best one offered that is near enough, or NULL */
    size_t distance;
};

struct nearest nearest_to(struct slice word);
void nearest_offer(struct nearest *nearest, const char *name);

#endif
