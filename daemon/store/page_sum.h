/*
 * A checksum on every page of the database file.
 *
 * SQLite checks the frames of its log, but not the pages of the database: a
 * bit that rots there would come back as somebody's job. So the file is made
 * with 8 spare bytes at the end of each page, and this VFS, laid over another
 * one, writes a sum of the page and its place into them and checks it whenever
 * the page is read; a page that does not match is SQLITE_IOERR_DATA. Page 1
 * says whether the pages of a file have sums: its byte 20, the number of spare
 * bytes, is PAGE_SUM_BYTES. The log is left alone: a page gets its sum when a
 * checkpoint brings it into the database. It is opened as log_file.h says.
 *
 * Only whole pages in exclusive mode: no shared memory, no memory mapping.
 */
#ifndef SYNCD_STORE_PAGE_SUM_H
#define SYNCD_STORE_PAGE_SUM_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SUM_BYTES 8

struct page_sum;

/* Registers a VFS over the one named `base` (NULL: the default one); NULL if
 * there is no such VFS or no memory. */
struct page_sum *page_sum_new(const char *base);

/* When no connection uses it any more; NULL is fine. */
void page_sum_free(struct page_sum *vfs);

/* Its name, for sqlite3_open_v2. */
const char *page_sum_name(const struct page_sum *vfs);

/* Do the pages of a connection's file, over this VFS, have sums? */
bool page_sum_on(sqlite3 *db);

/* What stands in the last bytes of a page, which lies at `at` in the file; as
 * it stands there, so in whatever order this machine has. */
uint64_t page_sum_of(const unsigned char *page, size_t len, sqlite3_int64 at);

#endif
