#include "daemon/store/wal_scan.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log" */
#define HEADER_BYTES 32
#define FRAME_HEADER 24
#define MAGIC        0x377f0682u /* the lowest bit: sums of big-endian words */
#define PAGE_MIN     512
#define PAGE_MAX     65536

struct sum {
    uint32_t a, b;
};

struct scan {
    sqlite3_file *file;
    unsigned char *frame; /* owned: a frame's header and page */
    size_t frame_bytes;
    unsigned char header[HEADER_BYTES];
    bool big_endian;
};

static uint32_t word_at(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return be32toh(word);
}

/* `len` is a multiple of 8. */
static struct sum sum_on(struct sum sum, const unsigned char *at, size_t len,
                         bool big_endian)
{
    for (size_t i = 0; i < len; i += 8) {
        uint32_t words[2];
        memcpy(words, at + i, sizeof(words));
        for (int k = 0; k < 2; k++) {
            words[k] = big_endian ? be32toh(words[k]) : le32toh(words[k]);
        }
        sum.a += words[0] + sum.b;
        sum.b += words[1] + sum.a;
    }
    return sum;
}

static bool sum_is(struct sum sum, const unsigned char *at)
{
    return sum.a == word_at(at) && sum.b == word_at(at + 4);
}

static bool header_sound(const unsigned char *header)
{
    bool big_endian = (word_at(header) & 1) != 0;
    struct sum sum = sum_on((struct sum){0, 0}, header, 24, big_endian);
    return (word_at(header) & ~1u) == MAGIC && sum_is(sum, header + 24);
}

/* A header is one sector, written and synced before its frames: it is old or
 * new, never torn. One that a single bit makes sound has rotted. */
static bool header_rotted(const unsigned char *header)
{
    unsigned char copy[HEADER_BYTES];
    memcpy(copy, header, sizeof(copy));
    for (size_t bit = 0; bit < sizeof(copy) * 8; bit++) {
        unsigned char mask = (unsigned char)(1u << bit % 8);
        copy[bit / 8] ^= mask;
        if (header_sound(copy)) {
            return true;
        }
        copy[bit / 8] ^= mask;
    }
    return false;
}

/* What the frames so far say. */
struct trail {
    struct sum sum; /* of the last frame, as it stands there */
    uint32_t top;   /* the greatest page of the transaction under way */
    bool unsound;   /* some frame was */
    bool ended;     /* a transaction, at or behind the first such frame */
};

/* A frame's sum goes on from that of the frame before, as it stands there, be
 * that one sound or not. */
static bool frame_sound(const struct scan *s, struct sum before)
{
    size_t page = s->frame_bytes - FRAME_HEADER;
    struct sum sum = sum_on(before, s->frame, 8, s->big_endian);
    sum = sum_on(sum, s->frame + FRAME_HEADER, page, s->big_endian);
    return memcmp(s->frame + 8, s->header + 16, 8) == 0 &&
           sum_is(sum, s->frame + 16);
}

/* False: there is a sound frame of a transaction behind the one that has the
 * first unsound frame. That one has ended where its last frame is, the one that
 * tells the size of the database, and at the latest where pages begin anew: a
 * transaction writes each page once, in order. */
static bool follow(struct trail *trail, const struct scan *s)
{
    uint32_t page = word_at(s->frame);
    bool last = word_at(s->frame + 4) != 0;
    if (!frame_sound(s, trail->sum)) {
        trail->unsound = true;
    } else if (!trail->unsound) {
        trail->top = last ? 0 : page;
    } else if (trail->ended || page <= trail->top) {
        return false;
    } else {
        trail->top = page;
        trail->ended = last;
    }
    trail->sum = (struct sum){word_at(s->frame + 16), word_at(s->frame + 20)};
    return true;
}

static enum wal_state scan_frames(struct scan *s, sqlite3_int64 size)
{
    struct trail trail = {
        .sum = {word_at(s->header + 24), word_at(s->header + 28)}};
    sqlite3_int64 step = (sqlite3_int64)s->frame_bytes;
    for (sqlite3_int64 at = HEADER_BYTES; at + step <= size; at += step) {
        if (s->file->pMethods->xRead(s->file, s->frame, (int)step, at) !=
            SQLITE_OK) {
            return WAL_UNREADABLE;
        }
        if (!follow(&trail, s)) {
            return WAL_DAMAGED;
        }
    }
    return WAL_SOUND;
}

static enum wal_state scan_file(struct scan *s)
{
    sqlite3_int64 size = 0;
    if (s->file->pMethods->xFileSize(s->file, &size) != SQLITE_OK) {
        return WAL_UNREADABLE;
    }
    if (size < HEADER_BYTES) {
        return WAL_SOUND;
    }
    if (s->file->pMethods->xRead(s->file, s->header, HEADER_BYTES, 0) !=
        SQLITE_OK) {
        return WAL_UNREADABLE;
    }
    if (!header_sound(s->header)) {
        return header_rotted(s->header) ? WAL_DAMAGED : WAL_SOUND;
    }
    uint32_t page = word_at(s->header + 8);
    if (page < PAGE_MIN || page > PAGE_MAX || (page & (page - 1)) != 0) {
        return WAL_DAMAGED;
    }
    s->big_endian = (word_at(s->header) & 1) != 0;
    s->frame_bytes = FRAME_HEADER + page;
    s->frame = mem_alloc(s->frame_bytes);
    enum wal_state state = scan_frames(s, size);
    mem_free(s->frame);
    return state;
}

/* Opens a file for reading; NULL: cannot. Close it by close_file. */
static sqlite3_file *open_file(sqlite3_vfs *vfs, const char *name, int flags)
{
    sqlite3_file *file = mem_zalloc((size_t)vfs->szOsFile);
    if (vfs->xOpen(vfs, name, file, flags | SQLITE_OPEN_READONLY, NULL) ==
        SQLITE_OK) {
        return file;
    }
    if (file->pMethods != NULL) {
        (void)file->pMethods->xClose(file);
    }
    mem_free(file);
    return NULL;
}

static void close_file(sqlite3_file *file)
{
    (void)file->pMethods->xClose(file);
    mem_free(file);
}

static enum wal_state scan_log(sqlite3_vfs *vfs, const char *name)
{
    struct scan scan = {.file = open_file(vfs, name, SQLITE_OPEN_WAL)};
    if (scan.file == NULL) {
        return WAL_UNREADABLE;
    }
    enum wal_state state = scan_file(&scan);
    close_file(scan.file);
    return state;
}

static bool is_empty(sqlite3_vfs *vfs, const char *name)
{
    sqlite3_int64 size = 1;
    sqlite3_file *file = open_file(vfs, name, SQLITE_OPEN_MAIN_DB);
    if (file != NULL) {
        (void)file->pMethods->xFileSize(file, &size);
        close_file(file);
    }
    return size == 0;
}

static bool has_frames(sqlite3_vfs *vfs, const char *name)
{
    sqlite3_int64 size = 0;
    sqlite3_file *file = open_file(vfs, name, SQLITE_OPEN_WAL);
    if (file != NULL) {
        (void)file->pMethods->xFileSize(file, &size);
        close_file(file);
    }
    return size > HEADER_BYTES;
}

static enum wal_state scan_pair(sqlite3_vfs *vfs, const char *database,
                                const char *log)
{
    int there = 0;
    if (vfs->xAccess(vfs, log, SQLITE_ACCESS_EXISTS, &there) != SQLITE_OK) {
        return WAL_UNREADABLE;
    }
    if (!there) {
        return WAL_SOUND;
    }
    if (is_empty(vfs, database) && has_frames(vfs, log)) {
        return WAL_ORPHANED;
    }
    return scan_log(vfs, log);
}

enum wal_state wal_scan(const char *vfs_name, const char *path)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    char *log = sqlite3_mprintf("%s-wal", path);
    /* A VFS wants names in a form of SQLite's own. */
    const char *name =
        log != NULL ? sqlite3_create_filename(path, "", log, 0, NULL) : NULL;
    CHECK(vfs != NULL);
    enum wal_state state = WAL_UNREADABLE;
    if (name != NULL) {
        state = scan_pair(vfs, name, sqlite3_filename_wal(name));
    }
    sqlite3_free_filename((char *)(uintptr_t)name);
    sqlite3_free(log);
    return state;
}
