#include "tests/starve.h"

#include <stdatomic.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static atomic_size_t fail_at;
static atomic_size_t count;

void starve_at(size_t n)
{
    atomic_store(&count, 0);
    atomic_store(&fail_at, n);
}

size_t starve_count(void)
{
    return atomic_load(&count);
}

__attribute__((constructor)) static void from_environment(void)
{
    const char *given = getenv("SYNCD_STARVE");
    if (given != NULL) {
        starve_at(strtoul(given, NULL, 10));
    }
}

static int fails(void)
{
    return atomic_fetch_add(&count, 1) + 1 == atomic_load(&fail_at);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
