/*
 * The SQLite store: what becomes of a batch when the disk does not do its part.
 *
 * Its life is a row of batches, one under way at a time, written where the
 * executor runs the work. Three things may go wrong:
 *
 * - The disk is full. The reserve is given up and the batch tried once more:
 *   STORE_DONE_LOW, until a probe could set the reserve aside again. If there
 * is no reserve, or too little: STORE_NO_ROOM, and the batch may come again.
 * - Something fails before the commit: STORE_FAILED; nothing was written.
 * - The commit fails, which includes every failed fsync: STORE_IN_DOUBT. It is
 *   never tried again, for a second fsync may succeed without having written.
 *
 * After the last two nothing is written any more, not even at the close: the
 * log stays as it is, and the next opening recovers what is really there.
 *
 * The reserve is twice the largest batch, what the log may hold (a checkpoint
 * makes the database grow by that much at most), and what a drain adds.
 */
#include "daemon/store/store.h"

#include "daemon/store/data_dir.h"
#include "daemon/store/database.h"
#include "daemon/store/reserve.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <stdatomic.h>

/* Bytes in the log from which on they are brought into the database, which a
 * batch has to wait for: some milliseconds of work, for less than one small
 * batch in a hundred. */
#define LOG_BYTES ((size_t)4 << 20)

/* Blocks of the log are made ahead of it, up to a little more than that, in
 * steps that double; at least so many are there before a batch. */
#define LOG_ROOM_MAX   (LOG_BYTES + ((size_t)1 << 20))
#define LOG_ROOM_FIRST ((size_t)256 << 10)
#define LOG_ROOM_AHEAD ((size_t)128 << 10)

/* What is written while the disk is full, beside what takes the place of other
 * rows: FULL_BYTES_MAX, and as much again for rows that are somewhat longer. */
#define DRAIN_BYTES ((size_t)2 << 20)

/* The reserve is a multiple of it. */
#define RESERVE_STEP ((size_t)4 << 20)

/* What a row may need beside its texts, bytes. */
#define ROW_BYTES 128

enum sqlite_state {
    SQLITE_STORE_SOUND,
    SQLITE_STORE_LOW,   /* sound, but the reserve is not whole */
    SQLITE_STORE_FAILED /* nothing is written any more */
};

struct sqlite_store {
    struct store store;
    struct executor executor;
    struct data_dir dir;
    struct database *database;
    struct reserve reserve;
    enum sqlite_state state;
    size_t largest_bytes;      /* of the batches so far */
    size_t log_room;           /* the log was lengthened to; bytes */
    struct store_error why;    /* of the last failure */
    atomic_bool busy;          /* something is under way: */
    const struct batch *batch; /* NULL: a probe */
    store_done *done;
    void *done_arg;
};

static struct sqlite_store *sqlite_of(struct store *store)
{
    return (struct sqlite_store *)store;
}

/* ---- Room ---- */

static void set_aside(struct sqlite_store *s)
{
    size_t bytes = LOG_BYTES + 2 * s->largest_bytes + DRAIN_BYTES;
    bytes = (bytes + RESERVE_STEP - 1) / RESERVE_STEP * RESERVE_STEP;
    if (bytes < 2 * RESERVE_STEP) {
        bytes = 2 * RESERVE_STEP;
    }
    s->state = reserve_grow(&s->reserve, bytes) == 0 ? SQLITE_STORE_SOUND
                                                     : SQLITE_STORE_LOW;
}

/* Before the batch as it looks, and after it as it was. */
static void count_batch(struct sqlite_store *s, size_t bytes)
{
    if (bytes > s->largest_bytes) {
        s->largest_bytes = bytes;
        if (s->state == SQLITE_STORE_SOUND) {
            set_aside(s);
        }
    }
}

static size_t looks_like(const struct batch *batch)
{
    size_t bytes = batch->bytes;
    for (int kind = 0; kind < ROW_KINDS; kind++) {
        bytes += batch->changes[kind].rows_count * ROW_BYTES;
    }
    return bytes;
}

/* ---- Work, on any thread ---- */

static enum store_status fail(struct sqlite_store *s, enum store_status status)
{
    s->state = SQLITE_STORE_FAILED;
    return status;
}

static enum store_status status_now(const struct sqlite_store *s)
{
    return s->state == SQLITE_STORE_LOW ? STORE_DONE_LOW : STORE_DONE;
}

static enum store_status committed(struct sqlite_store *s,
                                   enum database_result result)
{
    switch (result) {
    case DATABASE_DONE:
        break;
    case DATABASE_FULL:
        return STORE_NO_ROOM;
    case DATABASE_FAILED:
        return fail(s, STORE_FAILED);
    case DATABASE_IN_DOUBT:
        return fail(s, STORE_IN_DOUBT);
    }
    count_batch(s, database_commit_bytes(s->database));
    return status_now(s);
}

/* Keeps the log short; while room is short, as short as can be, since what is
 * written there again needs no more room. */
static bool keep_log_short(struct sqlite_store *s)
{
    size_t bytes = database_log_bytes(s->database);
    if (bytes < LOG_BYTES && (s->state != SQLITE_STORE_LOW || bytes == 0)) {
        return true;
    }
    switch (database_checkpoint(s->database, &s->why)) {
    case DATABASE_DONE:
        return true;
    case DATABASE_FULL:
        return true;
    case DATABASE_FAILED:
    case DATABASE_IN_DOUBT:
        break;
    }
    return false;
}

/* An fsync of blocks that are there costs half of one that makes them. Not
 * while room is short; and if there is none, it goes on without. */
static bool make_log_room(struct sqlite_store *s)
{
    size_t wanted = database_log_bytes(s->database) + LOG_ROOM_AHEAD;
    if (s->state == SQLITE_STORE_LOW || wanted <= s->log_room ||
        s->log_room == LOG_ROOM_MAX) {
        return true;
    }
    s->log_room = s->log_room == 0 ? LOG_ROOM_FIRST : 2 * s->log_room;
    if (s->log_room > LOG_ROOM_MAX) {
        s->log_room = LOG_ROOM_MAX;
    }
    return database_lengthen_log(s->database, s->log_room, &s->why) ==
           DATABASE_DONE;
}

static enum store_status write_batch(struct sqlite_store *s)
{
    if (s->state == SQLITE_STORE_FAILED) {
        return STORE_FAILED;
    }
    if (!keep_log_short(s) || !make_log_room(s)) {
        return fail(s, STORE_FAILED);
    }
    count_batch(s, looks_like(s->batch));
    enum database_result result =
        database_commit(s->database, s->batch, &s->why);
    if (result == DATABASE_FULL) {
        s->state = SQLITE_STORE_LOW;
        if (reserve_give_up(&s->reserve)) {
            result = database_commit(s->database, s->batch, &s->why);
        }
    }
    return committed(s, result);
}

/* Jobs that are gone leave free pages behind, which are no room for others
 * until the file is shorter. */
static enum store_status look_for_room(struct sqlite_store *s)
{
    if (s->state == SQLITE_STORE_LOW) {
        set_aside(s);
    }
    if (s->state == SQLITE_STORE_LOW) {
        switch (database_shrink(s->database, &s->why)) {
        case DATABASE_DONE:
            set_aside(s);
            break;
        case DATABASE_FULL:
            break;
        case DATABASE_FAILED:
        case DATABASE_IN_DOUBT:
            return fail(s, STORE_FAILED);
        }
    }
    return s->state == SQLITE_STORE_FAILED ? STORE_FAILED : status_now(s);
}

static void work(void *arg)
{
    struct sqlite_store *s = arg;
    enum store_status status =
        s->batch != NULL ? write_batch(s) : look_for_room(s);
    store_done *done = s->done;
    void *done_arg = s->done_arg;
    bool failed = s->state == SQLITE_STORE_FAILED || status == STORE_NO_ROOM;
    struct store_error why = failed ? s->why : (struct store_error){""};
    atomic_store(&s->busy, false);
    done(done_arg, status, why.text);
}

/* ---- The interface ---- */

static void begin(struct sqlite_store *s, const struct batch *batch,
                  store_done *done, void *arg)
{
    bool busy = atomic_exchange(&s->busy, true);
    CHECK(!busy);
    s->batch = batch;
    s->done = done;
    s->done_arg = arg;
    s->executor.run(s->executor.context, work, s);
}

static int sqlite_load(struct store *store, store_each *each, void *arg,
                       struct store_error *error)
{
    return database_load(sqlite_of(store)->database, each, arg, error);
}

static void sqlite_submit(struct store *store, const struct batch *batch,
                          store_done *done, void *arg)
{
    CHECK(batch != NULL);
    begin(sqlite_of(store), batch, done, arg);
}

static void sqlite_probe(struct store *store, store_done *done, void *arg)
{
    begin(sqlite_of(store), NULL, done, arg);
}

static void sqlite_close(struct store *store)
{
    struct sqlite_store *s = sqlite_of(store);
    CHECK(!atomic_load(&s->busy));
    database_close(s->database, s->state != SQLITE_STORE_FAILED);
    data_dir_close(&s->dir);
    mem_free(s);
}

static const struct store_ops sqlite_ops = {
    "sqlite", sqlite_load, sqlite_submit, sqlite_probe, sqlite_close};

struct store *store_sqlite_open_vfs(const char *dir, const char *vfs,
                                    const struct executor *executor,
                                    struct store_error *error)
{
    struct sqlite_store *s = mem_zalloc(sizeof(*s));
    s->store.ops = &sqlite_ops;
    s->executor = *executor;
    if (data_dir_open(&s->dir, dir, error) != 0) {
        goto free_store;
    }
    s->database = database_open(s->dir.database, vfs, &sql_migrations, error);
    if (s->database == NULL) {
        goto close_dir;
    }
    s->reserve.dir_fd = s->dir.fd;
    set_aside(s);
    return &s->store;
close_dir:
    data_dir_close(&s->dir);
free_store:
    mem_free(s);
    return NULL;
}

struct store *store_sqlite_open(const char *dir,
                                const struct executor *executor,
                                struct store_error *error)
{
    return store_sqlite_open_vfs(dir, NULL, executor, error);
}
