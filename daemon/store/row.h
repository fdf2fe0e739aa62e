/*
 * Rows, and batches of changes to them: plain data, from rows.def.
 *
 * A batch says what each row that changed is like afterwards, or that it is
 * gone; no row is in it twice. Batches are numbered from 1 on without gaps.
 * The slices in it belong to the engine and stay as they are until the batch
 * was answered, so that another thread may read them meanwhile.
 */
#ifndef SYNCD_STORE_ROW_H
#define SYNCD_STORE_ROW_H

#include "proto/request.h"
#include "proto/slice.h"

typedef uint64_t row_u64;
typedef int64_t row_i64;
typedef double row_f64;
typedef struct slice row_text;

/* struct row_<kind>: one member a column. The helper macros name C types. */
#define ROW_TYPE_U64  row_u64
#define ROW_TYPE_I64  row_i64
#define ROW_TYPE_F64  row_f64
#define ROW_TYPE_TEXT row_text

enum row_kind {
#define ROW(kind) ROW_##kind,
#define COLUMN(kind, name, type, absent)
#define END(kind)
#include "daemon/store/rows.def"
#undef ROW
#undef COLUMN
#undef END
    ROW_KINDS
};

#define ROW(kind)                        struct row_##kind {
#define COLUMN(kind, name, type, absent) ROW_TYPE_##type name;
#define END(kind) \
    }             \
    ;
#include "daemon/store/rows.def"
#undef ROW
#undef COLUMN
#undef END

enum column_type { COLUMN_U64, COLUMN_I64, COLUMN_F64, COLUMN_TEXT };

struct column_row {
    const char *name;
    enum column_type type;
    size_t offset; /* in struct row_<kind> */
};

/* A kind of row: what a store must know to keep any of them. */
struct kind_row {
    const char *name;
    size_t size; /* of struct row_<kind> */
    const struct column_row *columns;
    size_t columns_count;
    const void *absent; /* a struct row_<kind> with nothing given */
};

const struct kind_row *kind_row(enum row_kind kind);

/* Is the column absent in this row? */
bool column_absent(const struct kind_row *kind, size_t column, const void *row);

struct row_changes {
    const void *rows; /* array of struct row_<kind>: new or changed */
    size_t rows_count;
    const uint64_t *gone; /* ids of rows that are no more */
    size_t gone_count;
};

struct batch {
    uint64_t number;
    struct row_changes changes[ROW_KINDS];
    size_t bytes; /* of all texts, roughly: how much room it needs */
};

#endif
