#include "tests/sim/row_text.h"

#include "proto/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Behind the value that begins at `at`: a blank that is not in a string. */
static const char *value_end(const char *at, const char *end)
{
    bool inside = false;
    for (; at < end && (inside || *at != ' '); at++) {
        if (inside && *at == '\\' && at + 1 < end) {
            at++;
        } else if (*at == '"') {
            inside = !inside;
        }
    }
    return at;
}

static void read_value(struct arena *arena, const struct column_row *column,
                       struct slice value, char *row)
{
    char *at = row + column->offset;
    int64_t number = 0;
    switch (column->type) {
    case COLUMN_TEXT:
        if (value.len > 0 && value.at[0] == ',') { /* of the writer */
            value = (struct slice){value.at + 1, value.len - 1};
        }
        if (scan_valid(value) && scan_kind_of(value) == SCAN_STRING) {
            struct slice text = scan_text(value, arena);
            memcpy(at, &text, sizeof(text));
        }
        return;
    case COLUMN_F64: {
        char text[40];
        size_t len = value.len < sizeof(text) - 1 ? value.len : 39;
        memcpy(text, value.at, len);
        text[len] = '\0';
        double real = strtod(text, NULL);
        if (!isnan(real)) {
            memcpy(at, &real, sizeof(real));
        }
        return;
    }
    case COLUMN_U64:
    case COLUMN_I64: {
        char text[24] = {0};
        memcpy(text, value.at, value.len < 23 ? value.len : 23);
        number = strtoll(text, NULL, 10);
        if (number >= 0 || column->type == COLUMN_I64) {
            memcpy(at, &number, sizeof(number));
        }
        return;
    }
    }
}

static void read_column(struct arena *arena, const struct kind_row *kind,
                        struct slice word, char *row)
{
    const char *equals = memchr(word.at, '=', word.len);
    if (equals == NULL) {
        return;
    }
    struct slice name = {word.at, (size_t)(equals - word.at)};
    struct slice value = {equals + 1, word.len - name.len - 1};
    for (size_t i = 0; i < kind->columns_count; i++) {
        if (slice_equal(name, slice_of(kind->columns[i].name))) {
            read_value(arena, &kind->columns[i], value, row);
        }
    }
}

void *row_read(struct slice line, struct arena *arena, enum row_kind *kind_out)
{
    const char *at = line.at;
    const char *end = line.at + line.len;
    while (at < end && *at == ' ') {
        at++;
    }
    const char *blank = value_end(at, end);
    struct slice name = {at, (size_t)(blank - at)};
    for (int k = 0; k < ROW_KINDS; k++) {
        const struct kind_row *kind = kind_row((enum row_kind)k);
        if (!slice_equal(name, slice_of(kind->name))) {
            continue;
        }
        char *row = arena_alloc(arena, kind->size);
        memcpy(row, kind->absent, kind->size);
        for (at = blank; at < end; at = blank) {
            at++;
            blank = value_end(at, end);
            read_column(arena, kind, (struct slice){at, (size_t)(blank - at)},
                        row);
        }
        *kind_out = (enum row_kind)k;
        return row;
    }
    return NULL;
}
