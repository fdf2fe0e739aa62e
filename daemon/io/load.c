#include "daemon/io/load.h"

#include <signal.h>
#include <stdio.h>

#include "daemon/io/service.h"

/* After so many rows it is looked whether we are to stop, and the service
 * manager is asked for more time. */
#define LOOK_EVERY   65536
#define MORE_TIME_US 30000000

struct loading {
    struct engine *engine;
    uint64_t rows;
    enum row_kind bad; /* kind of the row that makes no sense; ROW_KINDS */
    bool stopped;
};

static bool told_to_stop(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 ||
                                         sigismember(&pending, SIGINT) == 1);
}

static bool load_row(void *arg, enum row_kind kind, const void *row)
{
    struct loading *loading = arg;
    if (loading->rows++ % LOOK_EVERY == 0) {
        loading->stopped = told_to_stop();
        if (loading->stopped) {
            return false;
        }
        service_notify("EXTEND_TIMEOUT_USEC=%d\nSTATUS=Loading, %llu rows so "
                       "far",
                       MORE_TIME_US, (unsigned long long)loading->rows - 1);
    }
    if (!engine_load(loading->engine, kind, row)) {
        loading->bad = kind;
        return false;
    }
    return true;
}

enum load_result load(struct store *store, struct engine *engine,
                      struct store_error *error)
{
    struct loading loading = {.engine = engine, .bad = ROW_KINDS};
    if (store_load(store, load_row, &loading, error) == 0) {
        return LOAD_DONE;
    }
    if (loading.stopped) {
        return LOAD_STOPPED;
    }
    if (loading.bad != ROW_KINDS) {
        (void)snprintf(
            error->text, sizeof(error->text),
            "the store is damaged: row %llu (%s) contradicts what is "
            "before it; nothing was changed. Move the data directory "
            "away and restore it from a backup, or start empty",
            (unsigned long long)loading.rows, kind_row(loading.bad)->name);
    }
    return LOAD_FAILED;
}
