/* Aligned tables on standard output. */
#include "client/syncctl/table.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct table {
    struct libscols_table *scols;
    struct libscols_line *line; /* the last one; owned by scols */
    size_t cells;               /* of the last line */
};

/* https://no-color.org, and terminals that have none. */
static bool has_colours(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && (no == NULL || *no == '\0') &&
           term != NULL && strcmp(term, "dumb") != 0;
}

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = mem_zalloc(sizeof(*table));
    table->scols = scols_new_table();
    CHECK(table->scols != NULL);
    scols_table_enable_colors(table->scols, has_colours() ? 1 : 0);
    for (size_t i = 0; i < count; i++) {
        int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) |
                    (columns[i].truncate ? SCOLS_FL_TRUNC : 0);
        CHECK(scols_table_new_column(table->scols, columns[i].name, 0, flags) !=
              NULL);
    }
    return table;
}

struct table *table_new_pairs(void)
{
    static const struct table_column columns[] = {{"WHAT", false, false},
                                                  {"VALUE", false, false}};
    struct table *table = table_new(columns, 2);
    scols_table_enable_noheadings(table->scols, 1);
    return table;
}

void table_line(struct table *table)
{
    table->line = scols_table_new_line(table->scols, NULL);
    table->cells = 0;
    CHECK(table->line != NULL);
}

void table_cell_slice(struct table *table, struct slice text)
{
    char *copy = mem_strndup(text.at == NULL ? "-" : text.at,
                             text.at == NULL ? 1 : text.len);
    CHECK(scols_line_refer_data(table->line, table->cells++, copy) == 0);
}

void table_cell(struct table *table, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    table_cell_slice(table, slice_of(text));
}

void table_alarm(struct table *table)
{
    struct libscols_cell *cell =
        scols_line_get_cell(table->line, table->cells - 1);
    CHECK(cell != NULL && scols_cell_set_color(cell, "red") == 0);
}

void table_free(struct table *take_table)
{
    if (take_table != NULL) {
        scols_unref_table(take_table->scols);
        mem_free(take_table);
    }
}

size_t table_lines(const struct table *table)
{
    return scols_table_get_nlines(table->scols);
}

void table_print(struct table *take_table)
{
    scols_print_table(take_table->scols);
    table_free(take_table);
}

const char *table_time(double instant, char text[TABLE_TIME_BYTES])
{
    time_t seconds = (time_t)instant;
    struct tm local;
    if (instant <= 0 || localtime_r(&seconds, &local) == NULL ||
        strftime(text, TABLE_TIME_BYTES, "%F %T", &local) == 0) {
        memcpy(text, "-", 2);
    }
    return text;
}
