/*
 * A disk in memory, as a VFS of SQLite: it fails when told to, and it can be
 * looked at as a power cut would leave it.
 *
 * The model. A file has what programs see (the page cache) and what is safe.
 * Writes and truncations are pending until the file is synced; names that come
 * and go are pending until the directory is synced, which SQLite does with the
 * first sync of a log or journal. The database's name is safe from the start,
 * as data_dir.c makes it so. A sync that fails makes some of what was pending
 * safe and the rest not, and nothing is pending any more: as on Linux, a second
 * sync succeeds and writes nothing of it (Rebello et al., USENIX ATC 2020).
 *
 * A power cut keeps any part of what is pending: whole operations in whatever
 * order, single sectors, writes torn at any byte, the new size of a file with
 * zeros in it, or nothing; and of each name any state since it was safe. Bytes
 * that no pending write touches stay as they are (SQLite's "powersafe
 * overwrite", which it also takes for granted on a real disk).
 *
 * Every call is counted, and one of them can be made to fail. One disk is used
 * by one connection at a time, in exclusive mode, from one thread.
 */
#ifndef SYNCD_TESTS_STORE_RAM_DISK_H
#define SYNCD_TESTS_STORE_RAM_DISK_H

#include "proto/slice.h"
#include "tests/store/model.h"

enum ram_fault {
    RAM_NONE,
    RAM_ERROR, /* any call; as a broken disk */
    RAM_FULL,  /* counts writes alone; as a full one */
    RAM_QUOTA  /* the same; as a user has used up what is his */
};

struct ram_disk;

/* Registers it as the VFS of that name; borrowed. */
struct ram_disk *ram_disk_new(const char *name);
void ram_disk_free(struct ram_disk *disk); /* NULL is fine */

const char *ram_disk_name(const struct ram_disk *disk);

/* Empty again: no files, nothing counted, no fault, nobody who watches. */
void ram_disk_clear(struct ram_disk *disk);

/* The same files with the same things pending: a process was killed, and the
 * machine goes on. `to` is cleared before. */
void ram_disk_copy(struct ram_disk *to, const struct ram_disk *from);

/* What a power cut now leaves: drawn from `random`. `to` is cleared before. */
void ram_disk_power_cut(struct ram_disk *to, const struct ram_disk *from,
                        struct random *random);

/* A whole file, safe; and what is seen of it (at == NULL: it is not there). */
void ram_disk_write(struct ram_disk *disk, const char *path,
                    struct slice bytes);
struct slice ram_disk_read(const struct ram_disk *disk, const char *path);

/* From now on the n-th call (1 is the next) fails, and then, if `ever`, all
 * that follow. A write that fails has written half. */
void ram_disk_fail(struct ram_disk *disk, enum ram_fault fault, unsigned n,
                   bool ever);

/* Did it come to the failure since then? How many calls were counted? */
bool ram_disk_failed(const struct ram_disk *disk);
unsigned ram_disk_calls(const struct ram_disk *disk);

/* `watch` is called before each call, and may look at the disk. */
void ram_disk_watch(struct ram_disk *disk, void (*watch)(void *arg), void *arg);

#endif
