#include "daemon/store/page_sum.h"

#include "daemon/store/log_file.h"
#include "daemon/store/shim_file.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 40

/* Whatever SQLite reads or writes at once is a page, or less than one. */
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 65536

/* In page 1: how many spare bytes each page has. */
#define SPARE_AT 20

/*
 * Most methods are those of the base, copied with its pAppData: they find in
 * it what they look for. Only xOpen is ours.
 */
struct page_sum {
    sqlite3_vfs vfs; /* first: SQLite hands it back to us as such */
    sqlite3_vfs *base;
    char name[NAME_BYTES];
};

/* A database file. */
struct summed_file {
    struct shim_file shim;
    unsigned char *copy; /* owned: of a page that is being written */
    bool summed;         /* its pages have sums */
};

static struct summed_file *summed_of(sqlite3_file *file)
{
    return (struct summed_file *)(void *)file;
}

static bool is_page(int len, sqlite3_int64 at)
{
    if (len < PAGE_BYTES_MIN) {
        return false;
    }
    CHECK(len <= PAGE_BYTES_MAX && (len & (len - 1)) == 0 && at % len == 0);
    return true;
}

/*
 * Four lanes, so that a page takes a fraction of a microsecond. Each step maps
 * lanes one to one, so a single changed word always changes the sum.
 */
uint64_t page_sum_of(const unsigned char *page, size_t len, sqlite3_int64 at)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t lanes[4] = {(uint64_t)at, 1, 2, 3};
    size_t words = (len - PAGE_SUM_BYTES) / 8;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, page + i * 8, 8);
        uint64_t lane = (lanes[i % 4] ^ le64toh(word)) * odd;
        lanes[i % 4] = lane << 29 | lane >> 35;
    }
    uint64_t sum = len;
    for (int i = 0; i < 4; i++) {
        sum = (sum ^ lanes[i]) * odd;
        sum ^= sum >> 32;
    }
    return htole64(sum);
}

/* Page 1, or its beginning, passes by: it tells whether there are sums. */
static void learn(struct summed_file *f, const unsigned char *bytes, int len,
                  sqlite3_int64 at)
{
    if (at == 0) {
        CHECK(len > SPARE_AT);
        f->summed = bytes[SPARE_AT] == PAGE_SUM_BYTES;
    }
}

static int summed_close(sqlite3_file *file)
{
    struct summed_file *f = summed_of(file);
    mem_free(f->copy);
    return shim_close(file);
}

static int summed_read(sqlite3_file *file, void *bytes, int len,
                       sqlite3_int64 at)
{
    struct summed_file *f = summed_of(file);
    int rc = shim_read(file, bytes, len, at);
    if (rc == SQLITE_IOERR_SHORT_READ && f->summed && is_page(len, at)) {
        return SQLITE_IOERR_DATA; /* SQLite would take what is missing for
                                     zeros; it asks only for what is there */
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    learn(f, bytes, len, at);
    if (!f->summed || !is_page(len, at)) {
        return SQLITE_OK;
    }
    uint64_t sum = page_sum_of(bytes, (size_t)len, at);
    const char *kept = (const char *)bytes + len - PAGE_SUM_BYTES;
    return memcmp(&sum, kept, sizeof(sum)) == 0 ? SQLITE_OK : SQLITE_IOERR_DATA;
}

static int summed_write(sqlite3_file *file, const void *bytes, int len,
                        sqlite3_int64 at)
{
    struct summed_file *f = summed_of(file);
    learn(f, bytes, len, at);
    if (f->summed) {
        CHECK(is_page(len, at));
        uint64_t sum = page_sum_of(bytes, (size_t)len, at);
        memcpy(f->copy, bytes, (size_t)len - sizeof(sum));
        memcpy(f->copy + len - sizeof(sum), &sum, sizeof(sum));
        bytes = f->copy;
    }
    return shim_write(file, bytes, len, at);
}

static const sqlite3_io_methods summed_methods = {
    SHIM_METHODS,           .xClose = summed_close,     .xRead = summed_read,
    .xWrite = summed_write, .xTruncate = shim_truncate, .xSync = shim_sync,
    .xFileSize = shim_size,
};

/* Page 1 may be read from the log alone, so its copy in the file is asked
 * first. An empty file is new; one that is shorter than this was cut off. */
static int look_at_header(struct summed_file *f)
{
    unsigned char header[SPARE_AT + 1];
    int rc = shim_read(&f->shim.file, header, sizeof(header), 0);
    if (rc == SQLITE_IOERR_SHORT_READ) {
        sqlite3_int64 size;
        rc = shim_size(&f->shim.file, &size);
        return rc == SQLITE_OK && size > 0 ? SQLITE_IOERR_DATA : rc;
    }
    if (rc == SQLITE_OK) {
        learn(f, header, sizeof(header), 0);
    }
    return rc;
}

static int summed_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                       int flags, int *out_flags)
{
    sqlite3_vfs *base = ((struct page_sum *)(void *)vfs)->base;
    if (flags & SQLITE_OPEN_WAL) {
        return log_file_open(base, name, file, flags, out_flags);
    }
    if (!(flags & SQLITE_OPEN_MAIN_DB)) {
        return base->xOpen(base, name, file, flags, out_flags);
    }
    struct summed_file *f = summed_of(file);
    *f = (struct summed_file){0};
    int rc = shim_open(base, name, &f->shim, sizeof(*f), flags, out_flags);
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = look_at_header(f);
    if (rc != SQLITE_OK) {
        (void)shim_close(file);
        return rc;
    }
    f->copy = mem_alloc(PAGE_BYTES_MAX);
    f->shim.file.pMethods = &summed_methods;
    return SQLITE_OK;
}

struct page_sum *page_sum_new(const char *base_name)
{
    sqlite3_vfs *base = sqlite3_vfs_find(base_name);
    if (base == NULL) {
        return NULL;
    }
    struct page_sum *v = mem_zalloc(sizeof(*v));
    v->vfs = *base;
    v->base = base;
    (void)snprintf(v->name, sizeof(v->name), "syncd-%p", (void *)v);
    v->vfs.pNext = NULL;
    v->vfs.zName = v->name;
    v->vfs.xOpen = summed_open;
    int summed_bytes = shim_bytes(base, sizeof(struct summed_file));
    int log_bytes = log_file_bytes(base);
    v->vfs.szOsFile = summed_bytes > log_bytes ? summed_bytes : log_bytes;
    int rc = sqlite3_vfs_register(&v->vfs, 0);
    CHECK(rc == SQLITE_OK);
    return v;
}

void page_sum_free(struct page_sum *vfs)
{
    if (vfs != NULL) {
        int rc = sqlite3_vfs_unregister(&vfs->vfs);
        CHECK(rc == SQLITE_OK);
        mem_free(vfs);
    }
}

const char *page_sum_name(const struct page_sum *vfs)
{
    return vfs->name;
}

bool page_sum_on(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    CHECK(rc == SQLITE_OK && file->pMethods == &summed_methods);
    return summed_of(file)->summed;
}
