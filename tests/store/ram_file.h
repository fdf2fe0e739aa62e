/*
 * The files of a ram_disk: what is seen, what is safe, what is pending, and
 * what of it a power cut keeps. See ram_disk.h for the model. There is one
 * directory: of a path only what stands behind the last slash counts.
 */
#ifndef SYNCD_TESTS_STORE_RAM_FILE_H
#define SYNCD_TESTS_STORE_RAM_FILE_H

#include "proto/slice.h"
#include "tests/store/model.h"

struct ram_file;

/* In the order in which they were made. A name is that of at most one file
 * that is seen, and of at most one whose name is safe. */
struct ram_files {
    struct ram_file **files; /* owned */
    size_t count;
    size_t cap;
};

void ram_files_clear(struct ram_files *files);
void ram_files_copy(struct ram_files *to, const struct ram_files *from);
void ram_files_power_cut(struct ram_files *to, const struct ram_files *from,
                         struct random *random);

struct ram_file *ram_files_find(const struct ram_files *files,
                                const char *name);
struct ram_file *ram_files_make(struct ram_files *files, const char *name,
                                bool safe);
bool ram_files_unlink(struct ram_files *files, const char *name);
void ram_files_sync_names(struct ram_files *files);

struct slice ram_file_seen(const struct ram_file *file);
size_t ram_file_read(const struct ram_file *file, void *bytes, size_t len,
                     size_t at);
void ram_file_write(struct ram_file *file, struct slice bytes, size_t at);
void ram_file_truncate(struct ram_file *file, size_t size);
void ram_file_sync(struct ram_file *file);

/* A sync that fails: some of what is pending is safe, the rest never will. */
void ram_file_lose(struct ram_file *file, struct random *random);

#endif
