/*
 * The write-ahead log as a file: pieces that SQLite writes reach it as one, and
 * blocks are made ahead of it.
 *
 * SQLite writes the header and the page of each frame by themselves. What was
 * written last and lies in one row is kept in memory here until SQLite syncs,
 * reads, or looks at the file in any other way; in whose order makes no
 * difference before the sync. A write that fails is reported by the call that
 * was under way; with synchronous=FULL that is within the same commit.
 */
#ifndef SYNCD_STORE_LOG_FILE_H
#define SYNCD_STORE_LOG_FILE_H

#include <sqlite3.h>

/* What must be allocated for one over `base`, bytes. */
int log_file_bytes(const sqlite3_vfs *base);

/* As xOpen of `base`, for a log. */
int log_file_open(sqlite3_vfs *base, const char *name, sqlite3_file *file,
                  int flags, int *out_flags);

/* Lengthens the log of `db` to `size` with zeros, which are safe with the next
 * commit. From then on a commit there changes nothing but the file's bytes, and
 * has neither blocks nor a size to note down. (Bytes that are merely allocated
 * would be noted down when they are written.) Should there be no room it stays
 * as it was, which is SQLITE_OK, too. */
int log_file_lengthen(sqlite3 *db, sqlite3_int64 size);

#endif
