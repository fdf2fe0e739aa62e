/* What a progress line knows of a queue, asked for once a second. */
#ifndef SYNCCTL_LOOK_H
#define SYNCCTL_LOOK_H

#include "client/libsyncd/syncd.h"

struct look {
    struct syncd *s;
    const char *queue;
    double asked_at;   /* monotonic seconds */
    bool known;        /* all below */
    int64_t capacity;  /* 0: no limit */
    int64_t max_bytes; /* 0: no limit */
    int64_t unfinished;
    int64_t running;
    int64_t dead;
    int64_t ready;
    int64_t delayed;
    int64_t getters; /* who waits for a job */
};

double look_now(void); /* monotonic seconds */

/* Asks, at most once a second. */
void look_again(struct look *look);

/* Asks now. False: there is no such queue, or no answer. */
bool look_at(struct look *look);

/* Jobs wait, and nobody is there to take them. */
bool look_nobody_consumes(const struct look *look);

#endif
