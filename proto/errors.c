#include "proto/errors.h"

#include "proto/check.h"

#include <stddef.h>

static const struct error_row rows[ERRORS] = {
#define ERROR(name, code, retryable, when) \
    [ERROR_##name] = {#name, code, retryable, when},
#include "proto/errors.def"
#undef ERROR
};

const struct error_row *error_row(enum error error)
{
    CHECK(error > ERROR_NONE && error < ERRORS);
    return &rows[error];
}

enum error error_of_code(int code)
{
    for (size_t i = ERROR_NONE + 1; i < ERRORS; i++) {
        if (rows[i].code == code) {
            return (enum error)i;
        }
    }
    return ERROR_NONE;
}
