/*
 * Looks for damage in a write-ahead log before SQLite recovers from it.
 *
 * SQLite takes a frame with a wrong checksum for the end of the log: rightly
 * so after a power cut, when the last transaction was torn, but when a bit of
 * an older transaction rots, all that was acknowledged behind it would vanish
 * without a word. A transaction is begun only when the one before is safe on
 * disk, so what a power cut tears is in the last one alone: sound frames
 * behind the end of a transaction that has an unsound one are proof of damage.
 * Damage in the last transaction cannot be told from a torn write, and is taken
 * for one.
 */
#ifndef SYNCD_STORE_WAL_SCAN_H
#define SYNCD_STORE_WAL_SCAN_H

#include <sqlite3.h>

enum wal_state {
    WAL_SOUND, /* or not there, or its last transaction was torn */
    WAL_DAMAGED,
    WAL_ORPHANED, /* it has frames, but the database is empty: SQLite would
                     throw it away */
    WAL_UNREADABLE
};

/* The log of the database at `path`, which nobody has open, over a VFS that is
 * there. */
enum wal_state wal_scan(const char *vfs, const char *path);

#endif
