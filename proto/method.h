/*
 * The table of methods, from methods.def and fields.def.
 *
 * Everything that must know which methods there are reads it here: decoding
 * and checking (message.c), dispatch (daemon/engine), counters, rpc.discover,
 * the dictionary of the fuzzers, the test that every method is exercised.
 */
#ifndef SYNCD_PROTO_METHOD_H
#define SYNCD_PROTO_METHOD_H

#include "proto/slice.h"

enum method {
#define METHOD(id, name, role, traits, summary) METHOD_##id,
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
    METHODS
};

/* Whom a method is for: bits, one of which is needed. Who has which role is
 * configured (daemon/engine/access.h). No method needs an admin: that role
 * opens everything of every name. */
enum role {
    ROLE_ANY = 0, /* whoever may connect */
    ROLE_PRODUCER = 1,
    ROLE_WORKER = 2,
    ROLE_EITHER = ROLE_PRODUCER | ROLE_WORKER,
    ROLE_OPERATOR = 4,
    ROLE_ADMIN = 8
};

enum trait {
    TRAIT_NONE = 0,
    TRAIT_WAITS = 1,    /* may be answered later; takes `timeout` */
    TRAIT_GRANTS = 2,   /* hands something over: nothing as a notification */
    TRAIT_DURABLE = 4,  /* changes what is on disk: answered when it is there */
    TRAIT_READS = 8,    /* answered when what it saw is on disk */
    TRAIT_ENTROPY = 16, /* needs random bytes from the shell */
    TRAIT_LOOKS = 32    /* changes nothing, as all that reads */
};

/* How a parameter is written on the wire, and the member it fills. */
enum field_type {
    FIELD_NAME,   /* slice: 1 to NAME_BYTES_MAX bytes, no control characters */
    FIELD_TEXT,   /* slice: a string, at most NAME_BYTES_MAX bytes, may be "" */
    FIELD_JSON,   /* slice: any value, untouched; null counts */
    FIELD_RPC_ID, /* slice: a request's id, as JSON */
    FIELD_NAMES,  /* slices: 1 to NAME_LIST_MAX names */
    FIELD_JSONS,  /* slices: a list of values, at least one */
    FIELD_ID,     /* uint64_t: 1 to WIRE_INTEGER_MAX - 1 */
    FIELD_IDS,    /* struct ids: at least one */
    FIELD_COUNT,  /* int64_t: 0 to WIRE_INTEGER_MAX - 1 */
    FIELD_SOME,   /* int64_t: 1 to WIRE_INTEGER_MAX - 1 */
    FIELD_SECONDS, /* int64_t: microseconds, 0 to SECONDS_MAX seconds, rounded
                      up so that only 0 is 0 */
    FIELD_NUMBER,  /* double: any finite number */
    FIELD_FACTOR,  /* double: at least 1, finite */
    FIELD_PART,    /* double: 0 to 1 */
    FIELD_FLAG,    /* int: 0 or 1 */
    FIELD_WORD,    /* int: the place of the word in `words` */
    FIELD_WORDS,   /* unsigned: 1 << the place of each word of a list */
    FIELD_OBJECT,  /* a struct of `shape` */
    FIELD_OBJECTS  /* {const struct *at; size_t count;} of `shape`, >= 1 */
};

/* Objects inside parameters; each has its own rows and its own struct. */
enum shape {
    SHAPE_none,
#define SHAPE(id, type, absent) SHAPE_##id,
#define FIELD(shape, tag, name, type, member, more, doc)
#define MEMBER(shape, field, need)
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
    SHAPES
};

enum field {
#define SHAPE(id, type, absent)
#define FIELD(shape, tag, name, type, member, more, doc) FIELD_##tag,
#define MEMBER(shape, field, need)
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
    FIELDS
};

struct field_row {
    const char *name; /* on the wire */
    size_t name_len;
    enum field_type type;
    size_t offset;     /* of the member, in the struct of its shape */
    enum shape shape;  /* of FIELD_OBJECT, FIELD_OBJECTS */
    const char *words; /* of FIELD_WORD, FIELD_WORDS: "fifo lifo" */
    const char *doc;
};

struct param_row {
    enum field field;
    bool required;
};

struct result_row {
    const char *name;
    const char *type; /* JSON Schema's: integer, number, string, ..., any */
    bool required;
    const char *doc;
};

struct method_row {
    const char *name;
    enum role role;
    unsigned traits; /* of enum trait */
    const char *summary;
    const struct param_row *params;
    size_t params_count;
    const struct result_row *results;
    size_t results_count;
};

struct shape_row {
    const char *name;
    size_t size;        /* of its struct */
    const void *absent; /* its struct with nothing given */
    const struct param_row *members;
    size_t members_count;
};

const struct method_row *method_row(enum method method);
const struct field_row *field_row(enum field field);
const struct shape_row *shape_row(enum shape shape);

/* The method of that name, or METHODS. */
enum method method_of_name(struct slice name);

#endif
