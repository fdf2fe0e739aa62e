/* Aligned tables on standard output, by libsmartcols. */
#ifndef SYNCCTL_TABLE_H
#define SYNCCTL_TABLE_H

#include "proto/slice.h"

struct table;

struct table_column {
    const char *name;
    bool right;    /* aligned to the right: numbers */
    bool truncate; /* cut to the terminal's width */
};

struct table *table_new(const struct table_column *columns, size_t count);

/* Two columns without headings: what, and its value. */
struct table *table_new_pairs(void);

/* A new line; then its cells, from the left. */
void table_line(struct table *table);
void table_cell(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void table_cell_slice(struct table *table, struct slice text);

/* The last cell needs attention: in red, where there are colours. */
void table_alarm(struct table *table);

/* How many lines it has so far. */
size_t table_lines(const struct table *table);

void table_free(struct table *take_table); /* NULL is fine */

/* Prints it and frees it. */
void table_print(struct table *take_table);

/* A line of table_new_pairs. */
#define TABLE_PAIR(table, name, ...)                       \
    (table_line(table), table_cell((table), "%s", (name)), \
     table_cell((table), __VA_ARGS__))

/* An instant, Unix seconds, in local time: "2024-05-01 12:30:05"; "-" for 0. */
#define TABLE_TIME_BYTES 32
const char *table_time(double instant, char text[TABLE_TIME_BYTES]);

#endif
