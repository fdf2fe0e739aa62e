/*
 * Takes in a database that was saved by hand: `sqlite3 syncd.db .dump`.
 *
 * Such a file has no sums on its pages, and they cannot be added in place. So
 * it is checked as a whole, copied to a file beside it that has them, and
 * replaced by that at once.
 */
#ifndef SYNCD_STORE_SALVAGE_H
#define SYNCD_STORE_SALVAGE_H

#include "daemon/store/connection.h"

/* Copies an open database, which has no log any more then; the copy is safe on
 * disk. 0, or -1 with `error` set. */
int salvage_copy(struct connection *c, struct store_error *error);

/* Puts the copy into the place of the original, which is closed. */
int salvage_replace(const char *path, struct store_error *error);

#endif
