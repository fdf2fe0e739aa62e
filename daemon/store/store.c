/* What all stores share: the executor that waits, and error texts. */
#include "daemon/store/store.h"

#include <stdarg.h>
#include <stdio.h>

static void run_inline(void *context, void (*work)(void *arg), void *arg)
{
    (void)context;
    work(arg);
}

const struct executor executor_inline = {run_inline, NULL};

void store_error_set(struct store_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
}
