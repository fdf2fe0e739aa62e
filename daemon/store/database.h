/*
 * Batches in, rows out: what the SQLite store does with its connection.
 *
 * It commits and says what became of it; what to do about a full disk is for
 * sqlite.c to decide. Statements are made when first needed and kept, one for
 * each number of columns that rows of a kind are given with.
 */
#ifndef SYNCD_STORE_DATABASE_H
#define SYNCD_STORE_DATABASE_H

#include "daemon/store/sql.h"
#include "daemon/store/store.h"

enum database_result {
    DATABASE_DONE,
    DATABASE_FULL,    /* the disk is; nothing was changed */
    DATABASE_FAILED,  /* nothing was changed */
    DATABASE_IN_DOUBT /* unknown whether it was */
};

struct database;

/* Opens, makes or migrates it, and brings what is in the log into it. `path`
 * is borrowed. NULL with `error` set. */
struct database *database_open(const char *path, const char *vfs,
                               const struct sql_migrations *migrations,
                               struct store_error *error);

/* `sound`: as connection_close. */
void database_close(struct database *db, bool sound);

/* As store_load. */
int database_load(struct database *db, store_each *each, void *arg,
                  struct store_error *error);

/* One batch in one transaction. */
enum database_result database_commit(struct database *db,
                                     const struct batch *batch,
                                     struct store_error *error);

/* Bytes that the last commit appended to the log. */
size_t database_commit_bytes(const struct database *db);

/* Bytes in the log that are not known to be in the database. */
size_t database_log_bytes(const struct database *db);

/* Brings what is in the log into the database. DATABASE_FULL is harmless: it
 * stays in the log. DATABASE_FAILED is not. */
enum database_result database_checkpoint(struct database *db,
                                         struct store_error *error);

/* Makes blocks ahead of the log, until it has so many bytes; if there is room.
 * DATABASE_DONE or DATABASE_FAILED. */
enum database_result database_lengthen_log(struct database *db, size_t bytes,
                                           struct store_error *error);

/* Gives free pages at the end of the file, up to 16 MiB, back to the file
 * system; results as of database_checkpoint. */
enum database_result database_shrink(struct database *db,
                                     struct store_error *error);

#endif
