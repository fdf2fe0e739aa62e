/*
 * The reserve: room on the disk that is given up when the disk is full.
 *
 * A file that really occupies its bytes. When a batch finds no room the file
 * goes, and the batch is written into what it leaves; what comes then can free
 * room (jobs that are done, purged, cancelled), and when there is enough the
 * file is made again.
 */
#ifndef SYNCD_STORE_RESERVE_H
#define SYNCD_STORE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

#define RESERVE_FILE "syncd.reserve"

struct reserve {
    int dir_fd;   /* borrowed */
    size_t bytes; /* that the file occupies; 0: there is none */
};

/* At least `bytes` are set aside from here on. 0, or -1: there is no room, and
 * what was set aside before still is. */
int reserve_grow(struct reserve *reserve, size_t bytes);

/* Frees the room for others; false if nothing was set aside. */
bool reserve_give_up(struct reserve *reserve);

#endif
