#include "tests/store/ram_file.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <string.h>

#define SECTOR_BYTES 512

struct bytes {
    char *at; /* owned */
    size_t len;
    size_t cap;
};

/* Not synced yet. */
struct pending {
    bool truncates; /* to `at`; else `data` is written there */
    size_t at;
    struct bytes data;
};

struct ram_file {
    char *name;       /* owned */
    bool linked;      /* the name is seen, */
    bool linked_safe; /* and this is what the directory on disk says */
    bool over;        /* neither, for good */
    struct bytes seen;
    struct bytes safe;
    struct pending *pending; /* owned */
    size_t pending_count;
    size_t pending_cap;
};

/* What a power cut does to the pending operations of one file. */
enum damage {
    DAMAGE_NONE_KEPT,
    DAMAGE_ALL_KEPT,
    DAMAGE_FIRST_KEPT, /* up to some operation, which is torn */
    DAMAGE_LAST_KEPT,  /* from some operation on: reordered */
    DAMAGE_SOME_KEPT,  /* each or not */
    DAMAGE_SECTORS,    /* each sector or not */
    DAMAGE_TORN,       /* each up to some byte */
    DAMAGE_ZEROS,      /* the size is new, what was written there is zero */
    DAMAGES
};

/* ---- Bytes ---- */

static void bytes_resize(struct bytes *bytes, size_t len)
{
    if (len > bytes->cap) {
        bytes->cap = len + len / 2 + 64;
        bytes->at = mem_realloc(bytes->at, bytes->cap);
    }
    if (len > bytes->len) {
        memset(bytes->at + bytes->len, 0, len - bytes->len);
    }
    bytes->len = len;
}

static void bytes_write(struct bytes *bytes, struct slice data, size_t at)
{
    if (data.len == 0) {
        return;
    }
    if (at + data.len > bytes->len) {
        bytes_resize(bytes, at + data.len);
    }
    memcpy(bytes->at + at, data.at, data.len);
}

static void bytes_set(struct bytes *to, const struct bytes *from)
{
    bytes_resize(to, from->len);
    if (from->len > 0) {
        memcpy(to->at, from->at, from->len);
    }
}

/* ---- One file ---- */

static void pending_clear(struct ram_file *file)
{
    for (size_t i = 0; i < file->pending_count; i++) {
        mem_free(file->pending[i].data.at);
    }
    file->pending_count = 0;
}

static struct pending *pending_add(struct ram_file *file)
{
    if (file->pending_count == file->pending_cap) {
        file->pending_cap = 2 * file->pending_cap + 16;
        file->pending = mem_realloc(file->pending,
                                    file->pending_cap * sizeof(struct pending));
    }
    struct pending *pending = &file->pending[file->pending_count++];
    *pending = (struct pending){.at = 0};
    return pending;
}

static void file_free(struct ram_file *take_file)
{
    pending_clear(take_file);
    mem_free(take_file->pending);
    mem_free(take_file->seen.at);
    mem_free(take_file->safe.at);
    mem_free(take_file->name);
    mem_free(take_file);
}

struct slice ram_file_seen(const struct ram_file *file)
{
    return (struct slice){file->seen.at != NULL ? file->seen.at : "",
                          file->seen.len};
}

size_t ram_file_read(const struct ram_file *file, void *bytes, size_t len,
                     size_t at)
{
    size_t left = at < file->seen.len ? file->seen.len - at : 0;
    size_t got = len < left ? len : left;
    if (got > 0) {
        memcpy(bytes, file->seen.at + at, got);
    }
    return got;
}

void ram_file_write(struct ram_file *file, struct slice bytes, size_t at)
{
    struct pending *pending = pending_add(file);
    pending->at = at;
    bytes_write(&pending->data, bytes, 0);
    bytes_write(&file->seen, bytes, at);
}

void ram_file_truncate(struct ram_file *file, size_t size)
{
    struct pending *pending = pending_add(file);
    pending->truncates = true;
    pending->at = size;
    bytes_resize(&file->seen, size);
}

static void apply(struct bytes *bytes, const struct pending *pending)
{
    if (pending->truncates) {
        bytes_resize(bytes, pending->at);
    } else {
        bytes_write(bytes, (struct slice){pending->data.at, pending->data.len},
                    pending->at);
    }
}

void ram_file_sync(struct ram_file *file)
{
    for (size_t i = 0; i < file->pending_count; i++) {
        apply(&file->safe, &file->pending[i]);
    }
    pending_clear(file);
}

/* ---- Power cuts ---- */

static void apply_sectors(struct bytes *bytes, const struct pending *pending,
                          struct random *random)
{
    size_t len = pending->data.len;
    for (size_t at = 0; at < len;) {
        size_t place = pending->at + at;
        size_t step = SECTOR_BYTES - place % SECTOR_BYTES;
        step = step < len - at ? step : len - at;
        if (random_below(random, 2) == 0) {
            bytes_write(bytes, (struct slice){pending->data.at + at, step},
                        place);
        }
        at += step;
    }
}

static void apply_torn(struct bytes *bytes, const struct pending *pending,
                       struct random *random)
{
    size_t len = random_below(random, pending->data.len + 1);
    bytes_write(bytes, (struct slice){pending->data.at, len}, pending->at);
}

static void apply_zeros(struct bytes *bytes, const struct pending *pending)
{
    size_t end = pending->at + pending->data.len;
    if (end > bytes->len) {
        bytes_resize(bytes, end);
    }
}

/* One pending operation, of which `which` is the number. */
static void apply_damaged(struct bytes *bytes, const struct pending *pending,
                          size_t which, size_t border, enum damage damage,
                          struct random *random)
{
    bool coin = random_below(random, 2) == 0;
    bool torn = false;
    bool kept = false;
    switch (damage) {
    case DAMAGE_NONE_KEPT:
        break;
    case DAMAGE_ALL_KEPT:
        kept = true;
        break;
    case DAMAGE_FIRST_KEPT:
        kept = which < border;
        torn = which == border;
        break;
    case DAMAGE_LAST_KEPT:
        kept = which >= border;
        break;
    case DAMAGE_SOME_KEPT:
        kept = coin;
        break;
    case DAMAGE_SECTORS:
        kept = pending->truncates && coin;
        if (!pending->truncates) {
            apply_sectors(bytes, pending, random);
        }
        break;
    case DAMAGE_TORN:
        kept = pending->truncates && coin;
        torn = true;
        break;
    case DAMAGE_ZEROS:
        kept = pending->truncates;
        if (!pending->truncates) {
            apply_zeros(bytes, pending);
        }
        break;
    case DAMAGES:
        break;
    }
    if (kept) {
        apply(bytes, pending);
    } else if (torn && !pending->truncates) {
        apply_torn(bytes, pending, random);
    }
}

static void apply_all_damaged(struct bytes *bytes, const struct ram_file *file,
                              enum damage damage, struct random *random)
{
    size_t border = random_below(random, file->pending_count + 1);
    for (size_t i = 0; i < file->pending_count; i++) {
        apply_damaged(bytes, &file->pending[i], i, border, damage, random);
    }
}

void ram_file_lose(struct ram_file *file, struct random *random)
{
    apply_all_damaged(&file->safe, file,
                      (enum damage)random_below(random, DAMAGES), random);
    pending_clear(file);
}

/* ---- All files ---- */

/* There is one directory, whatever it is called. */
static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

void ram_files_clear(struct ram_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        file_free(files->files[i]);
    }
    mem_free(files->files);
    *files = (struct ram_files){0};
}

struct ram_file *ram_files_make(struct ram_files *files, const char *name,
                                bool safe)
{
    struct ram_file *file = mem_zalloc(sizeof(*file));
    file->name = mem_strndup(base_of(name), strlen(base_of(name)));
    file->linked = true;
    file->linked_safe = safe;
    if (files->count == files->cap) {
        files->cap = 2 * files->cap + 4;
        files->files =
            mem_realloc(files->files, files->cap * sizeof(struct ram_file *));
    }
    files->files[files->count++] = file;
    return file;
}

struct ram_file *ram_files_find(const struct ram_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->files[i]->linked &&
            strcmp(files->files[i]->name, base_of(name)) == 0) {
            return files->files[i];
        }
    }
    return NULL;
}

/* Files stay until the disk is cleared: somebody may still have one open. */
bool ram_files_unlink(struct ram_files *files, const char *name)
{
    struct ram_file *file = ram_files_find(files, name);
    if (file != NULL) {
        file->linked = false;
    }
    return file != NULL;
}

void ram_files_sync_names(struct ram_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct ram_file *file = files->files[i];
        file->linked_safe = file->linked;
        file->over = !file->linked;
    }
}

void ram_files_copy(struct ram_files *to, const struct ram_files *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct ram_file *file = from->files[i];
        if (file->over) {
            continue;
        }
        struct ram_file *copy =
            ram_files_make(to, file->name, file->linked_safe);
        copy->linked = file->linked;
        bytes_set(&copy->seen, &file->seen);
        bytes_set(&copy->safe, &file->safe);
        for (size_t k = 0; k < file->pending_count; k++) {
            struct pending *pending = pending_add(copy);
            pending->truncates = file->pending[k].truncates;
            pending->at = file->pending[k].at;
            bytes_set(&pending->data, &file->pending[k].data);
        }
    }
}

/*
 * Which file has the name after the power cut? It was that of one file on disk,
 * or of none; meanwhile it may have been taken from that one, and given to
 * others, each of which it may have been taken from again. NULL: of none.
 */
static const struct ram_file *survivor(const struct ram_files *files,
                                       const char *name, struct random *random)
{
    const struct ram_file *states[32];
    size_t count = 0;
    states[count++] = NULL;
    for (size_t i = 0; i < files->count; i++) {
        const struct ram_file *file = files->files[i];
        if (file->over || strcmp(file->name, name) != 0) {
            continue;
        }
        if (file->linked_safe) {
            count = 0;
        }
        CHECK(count + 2 < sizeof(states) / sizeof(states[0]));
        states[count++] = file;
        if (!file->linked) {
            states[count++] = NULL;
        }
    }
    return states[random_below(random, count)];
}

static bool seen_before(const struct ram_files *files, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(files->files[i]->name, files->files[at]->name) == 0) {
            return true;
        }
    }
    return false;
}

void ram_files_power_cut(struct ram_files *to, const struct ram_files *from,
                         struct random *random)
{
    for (size_t i = 0; i < from->count; i++) {
        if (seen_before(from, i)) {
            continue;
        }
        const struct ram_file *file =
            survivor(from, from->files[i]->name, random);
        enum damage damage = (enum damage)random_below(random, DAMAGES);
        if (file != NULL) {
            struct ram_file *copy = ram_files_make(to, file->name, true);
            bytes_set(&copy->safe, &file->safe);
            apply_all_damaged(&copy->safe, file, damage, random);
            bytes_set(&copy->seen, &copy->safe);
        }
    }
}
