/*
 * All SQL there is: the text of every statement, made from rows.def.
 *
 * A kind of row is a table of its name: `id` is the key, every other column is
 * NULL where it is absent. One more table, `store`, has one row: how often the
 * store was opened and written to (`run`), and the number of that run's last
 * batch, changed in the same transaction as the batch.
 *
 * The functions give texts to be freed by sqlite3_free, NULL if there is no
 * memory. Names, which come from rows.def alone, are quoted: some are words of
 * SQL. Values are bound.
 */
#ifndef SYNCD_STORE_SQL_H
#define SYNCD_STORE_SQL_H

#include "daemon/store/row.h"

/* How a schema version is reached: sql[i] makes version i + 1 of version i.
 * sql[0] is not used: a new file is made from rows.def, as the newest. */
struct sql_migrations {
    const char *const *sql;
    int count; /* the newest version */
};

/* Add an entry when rows.def changes: what it changes, as SQL. */
extern const struct sql_migrations sql_migrations;

extern const char sql_settings[]; /* before the first look at the file */
/* Of a new file, or a copy. The size that makes a small commit smallest, which
 * writes three pages at least; larger ones make a large one no cheaper. */
extern const char sql_page_size[];
extern const char sql_vacuum[];   /* that it can be made shorter */
extern const char sql_log[];      /* sets it to write-ahead logging */
extern const char sql_store[];    /* makes the table `store` */
extern const char sql_identity[]; /* application, version, objects */
extern const char sql_position[]; /* run, batch, bytes of a page */
extern const char sql_begin[];
extern const char sql_commit[];
extern const char sql_rollback[];
extern const char sql_number[]; /* ?1 ?2: the new run and batch, if they
                                   were ?3 ?4 */
extern const char sql_shrink[]; /* frees some pages at the file's end */
extern const char sql_pages[];  /* how many pages the file has */
extern const char sql_check[];  /* "ok", or what is wrong */
extern const char sql_copy[];   /* the whole database, to the file ?1 */
extern const char sql_no_log[]; /* back from write-ahead logging */

char *sql_version(int version); /* sets it, and the application */
char *sql_create(const struct kind_row *kind);
char *sql_columns(const char *table); /* a row each; 1: name, 2: type */
char *sql_load(const struct kind_row *kind);
char *sql_delete(const struct kind_row *kind, bool range); /* id, or ends */

/* The first `columns` of `rows` rows. */
char *sql_upsert(const struct kind_row *kind, size_t columns, int rows);

/* As in CREATE TABLE. */
const char *sql_type(enum column_type type);

/* The function that sql_load gives each row to: it finds all columns at once,
 * in half the time that asking for each of them takes. */
#define SQL_LOAD_ROW "load_row"

/* The application in a file: "sync" in ASCII. */
#define SQL_APPLICATION 0x73796e63

#endif
