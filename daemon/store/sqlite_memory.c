/*
 * SQLite's memory comes from memory.h: when there is none the process ends, as
 * it does for everybody else, and no statement is given up halfway.
 */
#include "daemon/store/store.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <malloc.h>
#include <sqlite3.h>

static void *on_malloc(int size)
{
    return mem_alloc((size_t)size);
}

static void *on_realloc(void *old, int size)
{
    return mem_realloc(old, (size_t)size);
}

static int on_size(void *memory)
{
    return (int)malloc_usable_size(memory);
}

static int on_roundup(int size)
{
    return (size + 7) & ~7;
}

static int on_init(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void on_shutdown(void *data)
{
    (void)data;
}

void store_sqlite_take_memory(void)
{
    static const sqlite3_mem_methods methods = {
        on_malloc,  mem_free, on_realloc,  on_size,
        on_roundup, on_init,  on_shutdown, NULL};
    int rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    CHECK(rc == SQLITE_OK);
}
