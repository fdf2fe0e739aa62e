/*
 * Makes sure that what a write-ahead log seems to hold is on the disk.
 *
 * When an fsync fails, Linux takes the pages for clean: they are in memory
 * alone, and no later fsync writes them. A daemon that starts again on that
 * machine reads them as if nothing had happened, brings them into the database,
 * and if the power fails while it does, the database has a part of a
 * transaction whose log is gone. So, before anything is made of a log, every
 * byte of it is written once more, and synced: if the disk still refuses, that
 * shows now; if not, the log is what it seems to be.
 */
#ifndef SYNCD_STORE_WAL_SETTLE_H
#define SYNCD_STORE_WAL_SETTLE_H

#include <sqlite3.h>

/* The log of a connection that has read from its database, in exclusive mode:
 * nobody else writes to it. An SQLite result; SQLITE_OK if there is none. */
int wal_settle(sqlite3 *db);

/* After it was cut off, and is open: that, too, is on the disk before anything
 * is written where the old frames were. */
int wal_sync(sqlite3 *db);

#endif
