/*
 * Fills the engine from the store, before anybody is served.
 */
#ifndef SYNCD_IO_LOAD_H
#define SYNCD_IO_LOAD_H

#include "daemon/engine/engine.h"
#include "daemon/store/store.h"

enum load_result {
    LOAD_DONE,
    LOAD_FAILED, /* `error` tells */
    LOAD_STOPPED /* SIGTERM or SIGINT came; both must be blocked */
};

enum load_result load(struct store *store, struct engine *engine,
                      struct store_error *error);

#endif
