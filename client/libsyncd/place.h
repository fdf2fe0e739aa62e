/*
 * Where a daemon may be, and reaching it there.
 */
#ifndef SYNCD_LIBSYNCD_PLACE_H
#define SYNCD_LIBSYNCD_PLACE_H

#include "client/libsyncd/fault.h"

#define PLACES_MAX 2

/* A socket that may be there. */
struct place {
    char *path;          /* owned */
    const char *skipped; /* why it is not even tried; NULL: it is */
};

struct places {
    struct place at[PLACES_MAX];
    size_t count;
    bool given; /* the only one, and not for the library to choose */
};

/*
 * Where to look, in order: `given`, or else $SYNCD_SOCKET, alone; else the
 * user's own daemon, then the service.
 */
void places_find(struct places *places, const char *given);
void places_fini(struct places *places);

enum reach {
    REACH_DONE,   /* connected */
    REACH_ABSENT, /* nobody is there: maybe later */
    REACH_BUSY,   /* somebody is, but its backlog is full: maybe later */
    REACH_DENIED, /* this user may not: maybe later, while it starts */
    REACH_WRONG   /* trying again is of no use */
};

/*
 * Connects to the first of `places` that answers: *fd (non-blocking, close on
 * exec) and *which. Else *why is a fault with a sentence that names every place
 * tried and what to do.
 */
enum reach places_reach(const struct places *places, int *fd, size_t *which,
                        struct fault *why);

#endif
