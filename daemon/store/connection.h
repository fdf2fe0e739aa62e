/*
 * A connection to the database file: opened, checked, and at the newest schema
 * version, or refused with a sentence that says what to do.
 *
 * There is one for good, in exclusive mode, and it is used by one thread at a
 * time. Nothing here changes the file before it is clear that it is ours, and
 * that this version can read it.
 */
#ifndef SYNCD_STORE_CONNECTION_H
#define SYNCD_STORE_CONNECTION_H

#include "daemon/store/page_sum.h"
#include "daemon/store/sql.h"
#include "daemon/store/store.h"

struct connection {
    sqlite3 *db;
    struct page_sum *vfs;
    const char *path;  /* borrowed */
    sqlite3_int64 run; /* as they stood in `store` */
    sqlite3_int64 batch;
    size_t page_bytes; /* as the file was made */
};

/* 0, or -1 with `error` set and nothing to close. */
int connection_open(struct connection *c, const char *path, const char *vfs,
                    const struct sql_migrations *migrations,
                    struct store_error *error);

/* `sound`: nothing failed; the log is brought into the database and removed.
 * Else it stays, for the next opening to recover. */
void connection_close(struct connection *c, bool sound);

/* SQLite's result of running `sql`, all of it, whatever rows it gives. */
int connection_exec(struct connection *c, const char *sql);

/* Takes `sql` (NULL: no memory) and makes a statement of it. */
int connection_prepare(struct connection *c, char *take_sql,
                       sqlite3_stmt **statement);

/* Does this result say that the disk is full? */
bool connection_full(struct connection *c, int rc);

/* Says what the last call could not do, and what to do about it. */
void connection_tell(struct connection *c, int rc, struct store_error *error);

/* The file is damaged. */
void connection_damaged(const struct connection *c, const char *what,
                        struct store_error *error);

#endif
