#include "proto/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *cond, const char *file, int line,
                            const char *function)
{
    (void)fprintf(stderr, "%s:%d: %s: broken invariant: %s\n", file, line,
                  function, cond);
    abort();
}
