/*
 * The tables of method.h. Where the rows of a method or shape begin in a
 * table, and how many there are, is worked out by the compiler: each
 * METHOD (SHAPE) row begins an enumerator and a struct, which the rows behind
 * it count up.
 */
#include "proto/method.h"

#include "proto/check.h"
#include "proto/request.h"

#include <stddef.h>

#define REQUIRED true
#define OPTIONAL false

/* Parameters: their first index, and a struct of as many bytes, plus one. */
enum params_begin {
#define METHOD(id, name, role, traits, summary) \
    PARAMS_BEGIN_##id, PARAMS_BEFORE_##id = PARAMS_BEGIN_##id - 1,
#define PARAM(method, field, need) PARAM_AT_##method##_##field,
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

struct params_none {
    char none;
#define METHOD(id, name, role, traits, summary) \
    }                                           \
    ;                                           \
    struct params_##id {                        \
        char none;
#define PARAM(method, field, need) char field;
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

static const struct param_row params[] = {
#define METHOD(id, name, role, traits, summary)
#define PARAM(method, field, need) {FIELD_##field, need},
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

/* Results have no identifiers: a row counts as a bit-field without a name. */
struct results_none {
    char none;
#define METHOD(id, name, role, traits, summary) \
    }                                           \
    ;                                           \
    struct results_##id {                       \
        char none;
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc) char : 8;
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

/* A method's first result lies behind all results of the methods before it:
 * the offset of its member here. */
struct results_layout {
#define METHOD(id, name, role, traits, summary) char id[0];
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc) char : 8;
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
    char end;
};

static const struct result_row results[] = {
#define METHOD(id, name, role, traits, summary)
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc) {name, type, need, doc},
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

_Static_assert(offsetof(struct results_layout, end) ==
                   sizeof(results) / sizeof(results[0]),
               "a byte of the layout is a row of results");

static const struct method_row methods[METHODS] = {
#define METHOD(id, name, role, traits, summary)                     \
    [METHOD_##id] = {name,                                          \
                     ROLE_##role,                                   \
                     traits,                                        \
                     summary,                                       \
                     params + PARAMS_BEGIN_##id,                    \
                     sizeof(struct params_##id) - 1,                \
                     results + offsetof(struct results_layout, id), \
                     sizeof(struct results_##id) - 1},
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

/* A byte each, so that memchr finds the names of one length. */
static const unsigned char name_lens[METHODS] = {
#define METHOD(id, name, role, traits, summary) \
    [METHOD_##id] = sizeof(name) - 1,
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

#define NO_SHAPE(id, type, absent)
#define NO_FIELD(shape, tag, name, type, member, more, doc)
#define NO_MEMBER(shape, field, need)

/* shape_<id>: the struct of a shape. */
#define SHAPE(id, type, absent) typedef type shape_##id;
#define FIELD                   NO_FIELD
#define MEMBER                  NO_MEMBER
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER

#define PLAIN       .words = NULL
#define WORDS(text) .words = (text)
#define OF(id)      .shape = SHAPE_##id

static const struct field_row fields[FIELDS] = {
#define SHAPE NO_SHAPE
#define FIELD(in, tag, text, kind, member, more, about)      \
    [FIELD_##tag] = {.name = (text),                         \
                     .name_len = sizeof(text) - 1,           \
                     .type = FIELD_##kind,                   \
                     .offset = offsetof(shape_##in, member), \
                     .doc = (about),                         \
                     more},
#define MEMBER NO_MEMBER
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
};

enum members_begin {
#define SHAPE(id, type, absent) \
    MEMBERS_BEGIN_##id, MEMBERS_BEFORE_##id = MEMBERS_BEGIN_##id - 1,
#define FIELD                      NO_FIELD
#define MEMBER(shape, field, need) MEMBER_AT_##shape##_##field,
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
};

struct members_none {
    char none;
#define SHAPE(id, type, absent) \
    }                           \
    ;                           \
    struct members_##id {       \
        char none;
#define FIELD                      NO_FIELD
#define MEMBER(shape, field, need) char field;
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
};

static const struct param_row members[] = {
#define SHAPE                      NO_SHAPE
#define FIELD                      NO_FIELD
#define MEMBER(shape, field, need) {FIELD_##field, need},
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
};

static const struct shape_row shapes[SHAPES] = {
#define SHAPE(id, type, absent)                                              \
    [SHAPE_##id] = {#id, sizeof(type), absent, members + MEMBERS_BEGIN_##id, \
                    sizeof(struct members_##id) - 1},
#define FIELD  NO_FIELD
#define MEMBER NO_MEMBER
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
};

const struct method_row *method_row(enum method method)
{
    CHECK((unsigned)method < METHODS);
    return &methods[method];
}

const struct field_row *field_row(enum field field)
{
    CHECK((unsigned)field < FIELDS);
    return &fields[field];
}

const struct shape_row *shape_row(enum shape shape)
{
    CHECK(shape > SHAPE_none && shape < SHAPES);
    return &shapes[shape];
}

enum method method_of_name(struct slice name)
{
    const unsigned char *at = name_lens;
    const unsigned char *end = name_lens + METHODS;
    if (name.len > UINT8_MAX) {
        return METHODS;
    }
    while ((at = memchr(at, (int)name.len, (size_t)(end - at))) != NULL) {
        enum method method = (enum method)(at - name_lens);
        if (memcmp(methods[method].name, name.at, name.len) == 0) {
            return method;
        }
        at++;
    }
    return METHODS;
}
