#include "proto/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "out of memory (%zu bytes asked for): exiting\n",
                  size);
    _exit(MEMORY_EXIT_STATUS);
}

static void *checked(void *got, size_t size)
{
    if (got == NULL) {
        out_of_memory(size);
    }
    return got;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size > 0 ? size : 1), size);
}

void *mem_realloc(void *take_old, size_t size)
{
    return checked(realloc(take_old, size > 0 ? size : 1), size);
}

char *mem_strndup(const char *at, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len > 0) {
        memcpy(copy, at, len);
    }
    copy[len] = '\0';
    return copy;
}

size_t mem_size(void *block)
{
    return malloc_usable_size(block);
}

void mem_free(void *take_old)
{
    free(take_old);
}
