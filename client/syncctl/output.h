/*
 * What a command writes on one of its outputs, on its way to ours.
 *
 * Passed on as it comes, or by whole lines, or kept until the command has ended
 * so that the outputs of commands that run at once do not mix. On the way its
 * beginning or its end can be kept, for the result or the error of a job. What
 * is held grows beyond OUTPUT_HELD_MAX only on disk.
 */
#ifndef SYNCCTL_OUTPUT_H
#define SYNCCTL_OUTPUT_H

#include "proto/write.h"

#include <pthread.h>
#include <stdio.h>

#define OUTPUT_HELD_MAX ((size_t)1 << 20)

enum output_mode {
    OUTPUT_PASS,  /* at once */
    OUTPUT_LINES, /* line by line */
    OUTPUT_GROUP  /* when the command has ended */
};

struct output {
    int fd; /* ours: 1 or 2 */
    enum output_mode mode;
    pthread_mutex_t *gate; /* borrowed: one writes at a time */
    struct out held;
    FILE *spool;     /* what did not fit into `held`; NULL: nothing */
    struct out head; /* the first head_max bytes */
    size_t head_max;
    struct out tail; /* the last tail_max bytes, at its end */
    size_t tail_max;
    bool broken; /* our output cannot be written to */
};

void output_init(struct output *output, int fd, enum output_mode mode,
                 pthread_mutex_t *gate);
void output_fini(struct output *output);

/* Bytes of the command. */
void output_take(struct output *output, struct slice bytes);

/* The command has ended: writes what is held, of both in one go. Either may be
 * NULL. */
void output_end(struct output *out, struct output *err);

/* The last tail_max bytes. */
struct slice output_tail(const struct output *output);

/* Writes all of it; false: it cannot be written. */
bool output_write(int fd, struct slice bytes);

#endif
