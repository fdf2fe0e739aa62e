/*
 * Members of replies, read where they lie: a body among them stays as it is,
 * byte for byte, which a JSON tree cannot promise.
 */
#ifndef SYNCCTL_FIELDS_H
#define SYNCCTL_FIELDS_H

#include "proto/arena.h"
#include "proto/slice.h"

/* The value at a path of keys, "counts.ready"; absent if there is none. */
struct slice fields_get(struct slice object, const char *path);

/* The same, read; 0, false or absent if there is none of that kind. */
int64_t fields_integer(struct slice object, const char *path);
double fields_number(struct slice object, const char *path);
bool fields_flag(struct slice object, const char *path);

/* How many elements a list has; 0 if there is none. */
int64_t fields_count(struct slice object, const char *path);

/* A string's text; `arena` holds it if it had escapes. */
struct slice fields_text(struct slice object, const char *path,
                         struct arena *arena);

#endif
