/*
 * The tables that rows.def makes: what a store must know of each kind of row
 * to keep it, without knowing what it means.
 */
#include "daemon/store/row.h"

#include "proto/check.h"

#define NONE \
    {        \
        0    \
    }

/* clang-format off: a block a kind, whatever the formatter makes of it. */
#define ROW(kind)                          static const struct row_##kind absent_##kind = {
#define COLUMN(kind, column, type, absent) .column = absent,
#define END(kind) \
    }             \
    ;
#include "daemon/store/rows.def"
#undef ROW
#undef COLUMN
#undef END

#define ROW(kind) static const struct column_row columns_##kind[] = {
#define COLUMN(kind, column, type, absent) \
    {#column, COLUMN_##type, offsetof(struct row_##kind, column)},
#define END(kind) \
    }             \
    ;
#include "daemon/store/rows.def"
#undef ROW
#undef COLUMN
#undef END

static const struct kind_row kinds[ROW_KINDS] = {
#define ROW(kind)                                                       \
    [ROW_##kind] = {#kind, sizeof(struct row_##kind), columns_##kind,   \
                    sizeof(columns_##kind) / sizeof(columns_##kind[0]), \
                    &absent_##kind},
#define COLUMN(kind, column, type, absent)
#define END(kind)
#include "daemon/store/rows.def"
#undef ROW
#undef COLUMN
#undef END
};
/* clang-format on */

const struct kind_row *kind_row(enum row_kind kind)
{
    CHECK(kind < ROW_KINDS);
    return &kinds[kind];
}

/* Numbers are compared by their bits: -0.0 is given where 0 is absent. */
bool column_absent(const struct kind_row *kind, size_t column, const void *row)
{
    const struct column_row *c = &kind->columns[column];
    const char *at = (const char *)row + c->offset;
    const char *none = (const char *)kind->absent + c->offset;
    switch (c->type) {
    case COLUMN_TEXT:
        return ((const struct slice *)(const void *)at)->at == NULL;
    case COLUMN_U64:
    case COLUMN_I64:
    case COLUMN_F64:
        break;
    }
    return memcmp(at, none, sizeof(uint64_t)) == 0;
}
