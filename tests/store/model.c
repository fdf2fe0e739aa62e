#include "tests/store/model.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <float.h>
#include <math.h>

uint64_t random_next(struct random *random)
{
    /* splitmix64 */
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

/* ---- Rows ---- */

static struct slice *text_of(void *row, const struct column_row *column)
{
    return (struct slice *)(void *)((char *)row + column->offset);
}

static uint64_t id_of(const void *row)
{
    uint64_t id;
    memcpy(&id, row, sizeof(id)); /* the first column */
    return id;
}

static struct slice copy_text(struct slice text)
{
    if (text.at == NULL) {
        return text;
    }
    return (struct slice){mem_strndup(text.at, text.len), text.len};
}

static void free_texts(const struct kind_row *kind, void *row)
{
    for (size_t i = 0; i < kind->columns_count; i++) {
        if (kind->columns[i].type == COLUMN_TEXT) {
            mem_free((char *)(uintptr_t)text_of(row, &kind->columns[i])->at);
        }
    }
}

static void *copy_row(const struct kind_row *kind, const void *row)
{
    void *copy = mem_alloc(kind->size);
    memcpy(copy, row, kind->size);
    for (size_t i = 0; i < kind->columns_count; i++) {
        if (kind->columns[i].type == COLUMN_TEXT) {
            struct slice *text = text_of(copy, &kind->columns[i]);
            *text = copy_text(*text);
        }
    }
    return copy;
}

static bool column_equal(const struct column_row *column, const void *a,
                         const void *b)
{
    const char *x = (const char *)a + column->offset;
    const char *y = (const char *)b + column->offset;
    if (column->type != COLUMN_TEXT) {
        return memcmp(x, y, sizeof(uint64_t)) == 0;
    }
    struct slice s = *(const struct slice *)(const void *)x;
    struct slice t = *(const struct slice *)(const void *)y;
    return (s.at == NULL) == (t.at == NULL) && slice_equal(s, t);
}

static bool row_equal(const struct kind_row *kind, const void *a, const void *b)
{
    for (size_t i = 0; i < kind->columns_count; i++) {
        if (!column_equal(&kind->columns[i], a, b)) {
            return false;
        }
    }
    return true;
}

/* ---- The model ---- */

void model_init(struct model *model)
{
    *model = (struct model){0};
}

void model_fini(struct model *model)
{
    for (int k = 0; k < ROW_KINDS; k++) {
        struct model_rows *rows = &model->kinds[k];
        for (size_t i = 0; i < rows->count; i++) {
            free_texts(kind_row((enum row_kind)k), rows->rows[i]);
            mem_free(rows->rows[i]);
        }
        mem_free(rows->rows);
    }
}

void model_copy(struct model *to, const struct model *from)
{
    model_init(to);
    for (int k = 0; k < ROW_KINDS; k++) {
        for (size_t i = 0; i < from->kinds[k].count; i++) {
            model_put(to, (enum row_kind)k, from->kinds[k].rows[i]);
        }
    }
}

/* Where the id stands, or would stand. */
static size_t place_of(const struct model_rows *rows, uint64_t id)
{
    size_t at = rows->count;
    while (at > 0 && id_of(rows->rows[at - 1]) >= id) {
        at--;
    }
    return at;
}

void model_remove(struct model *model, enum row_kind kind, uint64_t id)
{
    struct model_rows *rows = &model->kinds[kind];
    size_t at = place_of(rows, id);
    if (at < rows->count && id_of(rows->rows[at]) == id) {
        free_texts(kind_row(kind), rows->rows[at]);
        mem_free(rows->rows[at]);
        rows->count--;
        memmove(&rows->rows[at], &rows->rows[at + 1],
                (rows->count - at) * sizeof(void *));
    }
}

void model_put(struct model *model, enum row_kind kind, const void *row)
{
    struct model_rows *rows = &model->kinds[kind];
    void *copy = copy_row(kind_row(kind), row);
    model_remove(model, kind, id_of(copy));
    size_t at = place_of(rows, id_of(copy));
    if (rows->count == rows->cap) {
        rows->cap = rows->cap * 2 + 16;
        rows->rows = mem_realloc(rows->rows, rows->cap * sizeof(void *));
    }
    memmove(&rows->rows[at + 1], &rows->rows[at],
            (rows->count - at) * sizeof(void *));
    rows->rows[at] = copy;
    rows->count++;
}

void model_apply(struct model *model, const struct batch *batch)
{
    for (int k = 0; k < ROW_KINDS; k++) {
        const struct row_changes *changes = &batch->changes[k];
        const char *row = changes->rows;
        for (size_t i = 0; i < changes->rows_count; i++) {
            model_put(model, (enum row_kind)k, row);
            row += kind_row((enum row_kind)k)->size;
        }
        for (size_t i = 0; i < changes->gone_count; i++) {
            model_remove(model, (enum row_kind)k, changes->gone[i]);
        }
    }
}

bool model_equal(const struct model *a, const struct model *b)
{
    for (int k = 0; k < ROW_KINDS; k++) {
        if (a->kinds[k].count != b->kinds[k].count) {
            return false;
        }
        for (size_t i = 0; i < a->kinds[k].count; i++) {
            if (!row_equal(kind_row((enum row_kind)k), a->kinds[k].rows[i],
                           b->kinds[k].rows[i])) {
                return false;
            }
        }
    }
    return true;
}

/* Also sees to the order: kinds as in rows.def, ids ascending. */
bool model_load(void *arg, enum row_kind kind, const void *row)
{
    struct model *model = arg;
    const struct model_rows *rows = &model->kinds[kind];
    CHECK(rows->count == 0 || id_of(rows->rows[rows->count - 1]) < id_of(row));
    for (int later = (int)kind + 1; later < ROW_KINDS; later++) {
        CHECK(model->kinds[later].count == 0);
    }
    model_put(model, kind, row);
    return true;
}

/* ---- Random batches ---- */

static const char letters[] = "a\"\\ \t\n\x01\x7f"
                              "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";

static struct slice random_text(struct random *random, size_t max)
{
    static const size_t sizes[] = {0, 1, 7, 100, 700};
    size_t len = sizes[random_below(random, 5)];
    if (random_below(random, 20) == 0) {
        len = random_below(random, max + 1);
    }
    len = len > max ? max : len;
    char *text = mem_alloc(len + 1);
    size_t start = random_below(random, sizeof(letters));
    for (size_t i = 0; i < len; i++) {
        text[i] = letters[(start + i) % (sizeof(letters) - 1)];
    }
    return (struct slice){text, len};
}

static double random_double(struct random *random)
{
    static const double values[] = {0.0,     -0.0,         1.0,      0.1,
                                    DBL_MAX, -DBL_MAX,     INFINITY, -INFINITY,
                                    DBL_MIN, DBL_TRUE_MIN, -1e300,   3.0};
    return values[random_below(random, sizeof(values) / sizeof(values[0]))];
}

static int64_t random_integer(struct random *random)
{
    static const int64_t values[] = {0,    1,         -1,        127,  128,
                                     -129, INT64_MAX, INT64_MIN, 65536};
    size_t count = sizeof(values) / sizeof(values[0]);
    size_t at = random_below(random, count + 1);
    return at < count ? values[at] : (int64_t)random_next(random);
}

static void random_column(struct random *random, size_t text_max,
                          const struct column_row *column, void *row)
{
    char *at = (char *)row + column->offset;
    switch (column->type) {
    case COLUMN_U64: {
        uint64_t number = (uint64_t)random_integer(random) & INT64_MAX;
        memcpy(at, &number, sizeof(number));
        return;
    }
    case COLUMN_I64: {
        int64_t number = random_integer(random);
        memcpy(at, &number, sizeof(number));
        return;
    }
    case COLUMN_F64: {
        double number = random_double(random);
        memcpy(at, &number, sizeof(number));
        return;
    }
    case COLUMN_TEXT:
        *text_of(row, column) = random_text(random, text_max);
        return;
    }
}

/* Rows are given up to a random column, and have holes before it. */
static void random_row(struct random *random, const struct model_terms *terms,
                       const struct kind_row *kind, uint64_t id, void *row)
{
    memcpy(row, kind->absent, kind->size);
    memcpy(row, &id, sizeof(id));
    size_t columns = 1 + random_below(random, kind->columns_count);
    for (size_t i = 1; i < columns; i++) {
        if (random_below(random, 4) != 0) {
            random_column(random, terms->text_max, &kind->columns[i], row);
        }
    }
}

static bool contains(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* Each id once: some in rows, some gone, be they there or not. */
static void random_changes(struct random *random,
                           const struct model_terms *terms, enum row_kind kind,
                           struct row_changes *changes)
{
    const struct kind_row *k = kind_row(kind);
    size_t count = random_below(random, terms->changes_max + 1);
    uint64_t *ids = mem_alloc((count + 1) * sizeof(*ids));
    uint64_t *gone = mem_alloc((count + 1) * sizeof(*gone));
    char *rows = mem_alloc((count + 1) * k->size);
    size_t used = 0;
    bool in_order = random_below(random, 2) == 0;
    uint64_t next = 1 + random_below(random, terms->ids);
    while (used < count) {
        uint64_t id = in_order ? next++ : 1 + random_below(random, terms->ids);
        if (!in_order && random_below(random, 50) == 0) {
            id = INT64_MAX;
        }
        if (contains(ids, used, id)) {
            count--;
            continue;
        }
        ids[used++] = id;
        if (random_below(random, 3) == 0) {
            gone[changes->gone_count++] = id;
        } else {
            random_row(random, terms, k, id,
                       rows + changes->rows_count++ * k->size);
        }
    }
    mem_free(ids);
    changes->rows = rows;
    changes->gone = gone;
}

struct batch *model_batch(struct random *random,
                          const struct model_terms *terms, uint64_t number)
{
    struct batch *batch = mem_zalloc(sizeof(*batch));
    batch->number = number;
    for (int k = 0; k < ROW_KINDS; k++) {
        random_changes(random, terms, (enum row_kind)k, &batch->changes[k]);
    }
    return batch;
}

void model_batch_free(struct batch *take_batch)
{
    for (int k = 0; k < ROW_KINDS; k++) {
        struct row_changes *changes = &take_batch->changes[k];
        const struct kind_row *kind = kind_row((enum row_kind)k);
        char *rows = (char *)(uintptr_t)changes->rows;
        for (size_t i = 0; i < changes->rows_count; i++) {
            free_texts(kind, rows + i * kind->size);
        }
        mem_free(rows);
        mem_free((uint64_t *)(uintptr_t)changes->gone);
    }
    mem_free(take_batch);
}
