/* The errors of the protocol, from errors.def. */
#ifndef SYNCD_PROTO_ERRORS_H
#define SYNCD_PROTO_ERRORS_H

#include <stdbool.h>

enum error {
    ERROR_NONE,
#define ERROR(name, code, retryable, when) ERROR_##name,
#include "proto/errors.def"
#undef ERROR
    ERRORS
};

struct error_row {
    const char *name; /* as in error.data.name */
    int code;         /* as in error.code */
    bool retryable;
    const char *when;
};

/* The row of an error other than ERROR_NONE. */
const struct error_row *error_row(enum error error);

/* The error with that code; ERROR_NONE if there is none. */
enum error error_of_code(int code);

#endif
