#include "tests/sim/disk.h"

#include "tests/sim/digits.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>

/* The id is the first column of each kind. */
static uint64_t row_id(const void *row)
{
    uint64_t id;
    memcpy(&id, row, sizeof id);
    return id;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = row_id(a);
    uint64_t y = row_id(b);
    return (x > y) - (x < y);
}

static struct slice *text_of(const struct kind_row *kind, size_t column,
                             void *row)
{
    const struct column_row *c = &kind->columns[column];
    if (c->type != COLUMN_TEXT) {
        return NULL;
    }
    return (struct slice *)(void *)((char *)row + c->offset);
}

static void *row_copy(const struct kind_row *kind, const void *row)
{
    void *copy = mem_alloc(kind->size);
    memcpy(copy, row, kind->size);
    for (size_t i = 0; i < kind->columns_count; i++) {
        struct slice *text = text_of(kind, i, copy);
        if (text != NULL && text->at != NULL) {
            text->at = mem_strndup(text->at, text->len);
        }
    }
    return copy;
}

static void row_free(const struct kind_row *kind, void *take_row)
{
    for (size_t i = 0; i < kind->columns_count; i++) {
        struct slice *text = text_of(kind, i, take_row);
        if (text != NULL) {
            mem_free((char *)(uintptr_t)text->at);
        }
    }
    mem_free(take_row);
}

void disk_init(struct disk *disk)
{
    *disk = (struct disk){0};
}

void disk_fini(struct disk *disk)
{
    for (size_t i = 0; i < ROW_KINDS; i++) {
        while (disk->trees[i] != NULL) {
            void *row = *(void **)disk->trees[i];
            tdelete(row, &disk->trees[i], by_id);
            row_free(kind_row((enum row_kind)i), row);
        }
    }
}

static bool row_remove(struct disk *disk, size_t kind, uint64_t id)
{
    void **node = tfind(&id, &disk->trees[kind], by_id);
    if (node == NULL) {
        return false;
    }
    void *row = *node;
    tdelete(&id, &disk->trees[kind], by_id);
    row_free(kind_row((enum row_kind)kind), row);
    disk->counts[kind]--;
    return true;
}

static void row_put(struct disk *disk, size_t kind, const void *row)
{
    row_remove(disk, kind, row_id(row));
    void *copy = row_copy(kind_row((enum row_kind)kind), row);
    void **node = tsearch(copy, &disk->trees[kind], by_id);
    CHECK(node != NULL);
    disk->counts[kind]++;
}

/* No row twice in one kind of a batch: neither changed twice nor changed and
 * gone. The tree holds addresses of ids in the batch. */
static bool all_different(const struct row_changes *changes, size_t row_size,
                          uint64_t *twice)
{
    void *seen = NULL;
    bool different = true;
    for (size_t i = 0; i < changes->rows_count + changes->gone_count; i++) {
        const void *id =
            i < changes->rows_count
                ? (const char *)changes->rows + i * row_size
                : (const void *)&changes->gone[i - changes->rows_count];
        void **node = tsearch(id, &seen, by_id);
        CHECK(node != NULL);
        if (*(const void **)node != id) {
            *twice = row_id(id);
            different = false;
        }
    }
    while (seen != NULL) {
        tdelete(*(void **)seen, &seen, by_id);
    }
    return different;
}

static bool apply_kind(struct disk *disk, size_t kind,
                       const struct row_changes *changes,
                       struct store_error *why)
{
    const struct kind_row *about = kind_row((enum row_kind)kind);
    uint64_t id = 0;
    if (!all_different(changes, about->size, &id)) {
        snprintf(why->text, sizeof why->text,
                 "%s %" PRIu64 " is twice in one batch", about->name, id);
        return false;
    }
    for (size_t i = 0; i < changes->rows_count; i++) {
        row_put(disk, kind, (const char *)changes->rows + i * about->size);
    }
    for (size_t i = 0; i < changes->gone_count; i++) {
        if (!row_remove(disk, kind, changes->gone[i])) {
            snprintf(why->text, sizeof why->text,
                     "%s %" PRIu64 " is said to be gone and never was there",
                     about->name, changes->gone[i]);
            return false;
        }
    }
    return true;
}

bool disk_apply(struct disk *disk, const struct batch *batch,
                struct store_error *why)
{
    for (size_t i = 0; i < ROW_KINDS; i++) {
        if (!apply_kind(disk, i, &batch->changes[i], why)) {
            return false;
        }
    }
    return true;
}

struct loading {
    store_each *each;
    void *arg;
    enum row_kind kind;
    bool refused;
};

static void load_row(const void *node, VISIT visit, void *arg)
{
    struct loading *loading = arg;
    if ((visit != postorder && visit != leaf) || loading->refused) {
        return;
    }
    const void *row = *(const void *const *)node;
    loading->refused = !loading->each(loading->arg, loading->kind, row);
}

bool disk_load(const struct disk *disk, store_each *each, void *arg)
{
    struct loading loading = {each, arg, 0, false};
    for (size_t i = 0; i < ROW_KINDS; i++) {
        loading.kind = (enum row_kind)i;
        twalk_r(disk->trees[i], load_row, &loading);
    }
    return !loading.refused;
}

static void describe_column(const struct kind_row *kind, size_t column,
                            const void *row, struct out *out)
{
    const struct column_row *c = &kind->columns[column];
    const char *at = (const char *)row + c->offset;
    char text[64];
    out_byte(out, ' ');
    out_bytes(out, slice_of(c->name));
    out_byte(out, '=');
    switch (c->type) {
    case COLUMN_TEXT:
        write_string(out, *(const struct slice *)(const void *)at);
        return;
    case COLUMN_U64:
        write_digits(out, *(const uint64_t *)(const void *)at);
        return;
    case COLUMN_I64: {
        int64_t number = *(const int64_t *)(const void *)at;
        if (number < 0) {
            out_byte(out, '-');
        }
        write_digits(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
        return;
    }
    case COLUMN_F64:
        snprintf(text, sizeof text, "%.17g", *(const double *)(const void *)at);
        break;
    }
    out_bytes(out, slice_of(text));
}

static void describe_row(const struct kind_row *kind, const void *row,
                         struct out *out)
{
    out_bytes(out, SLICE("    "));
    out_bytes(out, slice_of(kind->name));
    for (size_t i = 0; i < kind->columns_count; i++) {
        if (!column_absent(kind, i, row)) {
            describe_column(kind, i, row, out);
        }
    }
    out_byte(out, '\n');
}

static void describe_gone(const struct kind_row *kind, uint64_t id,
                          struct out *out)
{
    out_bytes(out, SLICE("    "));
    out_bytes(out, slice_of(kind->name));
    out_byte(out, ' ');
    write_digits(out, id);
    out_bytes(out, SLICE(" gone\n"));
}

void disk_describe(const struct batch *batch, struct out *out)
{
    for (size_t i = 0; i < ROW_KINDS; i++) {
        const struct kind_row *kind = kind_row((enum row_kind)i);
        const struct row_changes *changes = &batch->changes[i];
        for (size_t k = 0; k < changes->rows_count; k++) {
            const char *rows = changes->rows;
            describe_row(kind, rows + k * kind->size, out);
        }
        for (size_t k = 0; k < changes->gone_count; k++) {
            describe_gone(kind, changes->gone[k], out);
        }
    }
}

int64_t disk_clock_us(const struct disk *disk)
{
    uint64_t id = 1;
    const struct row_counters *const *row =
        tfind(&id, &disk->trees[ROW_counters], by_id);
    return row == NULL ? 0 : (*row)->clock_us;
}
