#include "proto/params.h"

#include "proto/check.h"
#include "proto/limits.h"
#include "proto/nearest.h"
#include "proto/utf8.h"

#include <math.h>
#include <stdio.h>

struct reader {
    struct arena *arena;
    struct complaint *why;
    const char *method; /* its name, for complaints */
};

/* Where a value stands, from the innermost name outwards: of "jobs[3].key" the
 * key, and above it jobs with the index 3. */
struct place {
    const struct place *up;
    const char *name;
    size_t index;
    bool indexed;
};

/* A list that grows in the arena; `size` bytes each. */
struct list {
    char *at;
    size_t count;
    size_t cap;
    size_t size;
};

/* What FIELD_OBJECTS fills, whatever the shape: as struct put_items. */
struct objects {
    const void *at;
    size_t count;
};

static void *list_add(struct reader *reader, struct list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap > 0 ? list->cap * 2 : 8;
        char *at = arena_alloc(reader->arena, cap * list->size);
        if (list->count > 0) {
            memcpy(at, list->at, list->count * list->size);
        }
        list->at = at;
        list->cap = cap;
    }
    return list->at + list->count++ * list->size;
}

static void write_path(char *text, size_t size, const struct place *place)
{
    size_t len = 0;
    text[0] = '\0';
    if (place->up != NULL) {
        write_path(text, size, place->up);
        len = strlen(text);
        (void)snprintf(text + len, size - len, ".");
        len = strlen(text);
    }
    (void)snprintf(text + len, size - len, "%s", place->name);
    len = strlen(text);
    if (place->indexed) {
        (void)snprintf(text + len, size - len, "[%zu]", place->index);
    }
}

/* invalid_params about that place, and "`place` is <what>". */
__attribute__((cold)) static bool
refuse(struct reader *reader, const struct place *place, const char *what)
{
    char path[sizeof(reader->why->param)];
    write_path(path, sizeof(path), place);
    complain(reader->why, ERROR_invalid_params, "`%s` is %s", path, what);
    memcpy(reader->why->param, path, sizeof(path));
    return false;
}

static void write_words(char *text, size_t size, const char *before,
                        const char *words)
{
    size_t len = (size_t)snprintf(text, size, "%s", before);
    for (; *words != '\0' && len + 2 < size; words++) {
        if (*words == ' ') {
            text[len++] = ',';
        }
        text[len++] = *words;
    }
    text[len] = '\0';
}

/* What a value of that type is; `words` has room for its words. */
static const char *type_sentence(const struct field_row *row, bool element,
                                 char *text, size_t size)
{
    switch (row->type) {
    case FIELD_NAMES:
        if (!element) {
            return "a list of 1 to 64 names";
        }
        /* fallthrough */
    case FIELD_NAME:
        return "a name: a string of 1 to 200 bytes without control characters";
    case FIELD_TEXT:
        return "a string of at most 200 bytes without control characters";
    case FIELD_JSON:
        return "any JSON value";
    case FIELD_RPC_ID:
        return "the id of a request: an integer up to 2^53 or a string of at "
               "most 200 bytes";
    case FIELD_JSONS:
        return "a list of at least one JSON value";
    case FIELD_IDS:
        if (!element) {
            return "a list of at least one integer from 1 to 2^53 - 1";
        }
        /* fallthrough */
    case FIELD_SOME:
    case FIELD_ID:
        return "an integer from 1 to 2^53 - 1";
    case FIELD_COUNT:
        return "an integer from 0 to 2^53 - 1";
    case FIELD_SECONDS:
        return "a number of seconds from 0 to 1e10";
    case FIELD_NUMBER:
        return "a finite number";
    case FIELD_FACTOR:
        return "a finite number of at least 1";
    case FIELD_PART:
        return "a number from 0 to 1";
    case FIELD_FLAG:
        return "true or false";
    case FIELD_WORDS:
        if (!element) {
            write_words(text, size, "a list of at least one of ", row->words);
            return text;
        }
        /* fallthrough */
    case FIELD_WORD:
        write_words(text, size, "one of ", row->words);
        return text;
    case FIELD_OBJECTS:
        if (!element) {
            return "a list of at least one object";
        }
        /* fallthrough */
    case FIELD_OBJECT:
        return "an object";
    }
    return NULL;
}

__attribute__((cold)) static bool refuse_value(struct reader *reader,
                                               const struct field_row *row,
                                               const struct place *place)
{
    char text[160];
    return refuse(reader, place,
                  type_sentence(row, place->indexed, text, sizeof(text)));
}

/* No control characters: C0, DEL, and C1 as UTF-8. */
static bool is_clean(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20 || c == 0x7F ||
            (c == 0xC2 && (unsigned char)text.at[i + 1] < 0xA0)) {
            return false;
        }
    }
    return true;
}

/* A string of len_min to NAME_BYTES_MAX bytes, fit to be printed. */
static bool read_text(struct reader *reader, struct scan_members *from,
                      size_t len_min, struct slice *text)
{
    if (from->kind != SCAN_STRING || !scan_skip(from)) {
        return false;
    }
    struct slice string = from->value;
    *text = scan_text(string, reader->arena);
    return text->len >= len_min && text->len <= NAME_BYTES_MAX &&
           is_clean(*text) &&
           (text->len == string.len - 2 || !scan_lone_surrogate(string));
}

bool params_is_rpc_id(struct slice value, struct arena *arena)
{
    int64_t number;
    switch (scan_kind_of(value)) {
    case SCAN_STRING:
        return scan_text(value, arena).len <= RPC_ID_BYTES_MAX;
    case SCAN_NUMBER:
        for (size_t i = 1; i < value.len; i++) {
            if (value.at[i] < '0' || value.at[i] > '9') {
                return false;
            }
        }
        return scan_integer(value, &number);
    case SCAN_BAD:
    case SCAN_OBJECT:
    case SCAN_ARRAY:
    case SCAN_TRUE:
    case SCAN_FALSE:
    case SCAN_NULL:
        return false;
    }
    return false;
}

static bool read_rpc_id(struct reader *reader, struct scan_members *from,
                        struct slice *id)
{
    if (!scan_skip(from) || !params_is_rpc_id(from->value, reader->arena)) {
        return false;
    }
    *id = from->value;
    return true;
}

static bool read_integer(struct scan_members *from, int64_t min, int64_t *value)
{
    return scan_whole(from, value) && *value >= min &&
           *value < WIRE_INTEGER_MAX;
}

static bool read_id(struct scan_members *from, uint64_t *id)
{
    int64_t number;
    if (!read_integer(from, 1, &number)) {
        return false;
    }
    *id = (uint64_t)number;
    return true;
}

static bool read_seconds(struct scan_members *from, int64_t *us)
{
    return from->kind == SCAN_NUMBER && scan_skip(from) &&
           scan_seconds(from->value, us);
}

static bool read_number(struct scan_members *from, double min, double max,
                        double *number)
{
    if (from->kind != SCAN_NUMBER || !scan_skip(from)) {
        return false;
    }
    *number = scan_number(from->value);
    return isfinite(*number) && *number >= min && *number <= max;
}

static bool read_flag(struct scan_members *from, int *flag)
{
    *flag = from->kind == SCAN_TRUE;
    return (from->kind == SCAN_TRUE || from->kind == SCAN_FALSE) &&
           scan_skip(from);
}

/* The place of a word in a list like "fifo lifo", or -1. */
static int place_of_word(const char *words, struct slice word)
{
    for (int i = 0;; i++) {
        size_t len = strcspn(words, " ");
        if (slice_equal(word, (struct slice){words, len})) {
            return i;
        }
        if (words[len] == '\0') {
            return -1;
        }
        words += len + 1;
    }
}

static bool read_word(struct reader *reader, struct scan_members *from,
                      const char *words, int *word)
{
    if (from->kind != SCAN_STRING || !scan_skip(from)) {
        return false;
    }
    *word = place_of_word(words, scan_text(from->value, reader->arena));
    return *word >= 0;
}

static bool read_object(struct reader *reader, struct scan_members *from,
                        const struct param_row *rows, size_t count, char *into,
                        const struct place *place);

static bool read_nested(struct reader *reader, struct scan_members *from,
                        enum shape shape, char *into, const struct place *place)
{
    const struct shape_row *row = shape_row(shape);
    struct scan_members inner = scan_inside(from);
    bool read = read_object(reader, &inner, row->members, row->members_count,
                            into, place);
    return scan_leave(from, &inner) && read;
}

/* One element of a list, at the place of that index. */
static bool read_element(struct reader *reader, struct scan_members *from,
                         const struct field_row *row, struct list *list,
                         const struct place *place)
{
    if (row->type == FIELD_JSONS) {
        struct slice *body = list_add(reader, list);
        bool read = scan_skip(from);
        *body = from->value;
        return read;
    }
    if (row->type == FIELD_IDS) {
        return read_id(from, list_add(reader, list)) ||
               refuse_value(reader, row, place);
    }
    if (row->type == FIELD_NAMES) {
        return read_text(reader, from, 1, list_add(reader, list)) ||
               refuse_value(reader, row, place);
    }
    CHECK(row->type == FIELD_OBJECTS);
    if (from->kind != SCAN_OBJECT) {
        return refuse_value(reader, row, place);
    }
    char *into = list_add(reader, list);
    memcpy(into, shape_row(row->shape)->absent, list->size);
    return read_nested(reader, from, row->shape, into, place);
}

/* A list of at least one value of `size` bytes; each is refused by itself. */
static bool read_list(struct reader *reader, struct scan_members *from,
                      const struct field_row *row, size_t size, void *into,
                      const struct place *place)
{
    size_t max = row->type == FIELD_NAMES ? NAME_LIST_MAX : SIZE_MAX;
    struct list list = {.size = size};
    if (from->kind != SCAN_ARRAY) {
        return refuse_value(reader, row, place);
    }
    struct place at = *place;
    at.indexed = true;
    struct scan_members inner = scan_inside(from);
    while (scan_begin(&inner)) {
        at.index = list.count;
        if (list.count == max ||
            !read_element(reader, &inner, row, &list, &at)) {
            break;
        }
    }
    bool complete = inner.close == '\0' && !inner.bad;
    if (reader->why->error != ERROR_NONE) {
        return false;
    }
    if (!complete || list.count == 0) {
        return refuse_value(reader, row, place);
    }
    struct objects objects = {list.at, list.count};
    memcpy(into, &objects, sizeof(objects));
    return scan_leave(from, &inner);
}

static bool read_words(struct reader *reader, struct scan_members *from,
                       const struct field_row *row, unsigned *mask,
                       const struct place *place)
{
    if (from->kind != SCAN_ARRAY) {
        return refuse_value(reader, row, place);
    }
    struct place at = *place;
    at.indexed = true;
    struct scan_members inner = scan_inside(from);
    for (at.index = 0; scan_begin(&inner); at.index++) {
        int word;
        if (!read_word(reader, &inner, row->words, &word)) {
            return refuse_value(reader, row, &at);
        }
        *mask |= 1U << word;
    }
    return scan_leave(from, &inner) &&
           (*mask != 0 || refuse_value(reader, row, place));
}

/* Its members lie in the struct at `into`, absent so far. */
static bool read_inner(struct reader *reader, struct scan_members *from,
                       const struct field_row *row, char *base,
                       const struct place *place)
{
    if (from->kind != SCAN_OBJECT) {
        return refuse_value(reader, row, place);
    }
    if (row == field_row(FIELD_get_done)) {
        /* Empty, it could not be told from one that was not given. */
        ((struct request *)(void *)base)->has_done = true;
    }
    return read_nested(reader, from, row->shape, base + row->offset, place);
}

static bool read_field(struct reader *reader, struct scan_members *from,
                       const struct field_row *row, char *base,
                       const struct place *place)
{
    void *into = base + row->offset;
    bool read = false;
    if (from->kind == SCAN_NULL && row->type != FIELD_JSON) {
        return refuse(reader, place, "null: leave it out instead");
    }
    switch (row->type) {
    case FIELD_NAME:
        read = read_text(reader, from, 1, into);
        break;
    case FIELD_TEXT:
        read = read_text(reader, from, 0, into);
        break;
    case FIELD_JSON:
        read = scan_skip(from);
        *(struct slice *)into = from->value;
        break;
    case FIELD_RPC_ID:
        read = read_rpc_id(reader, from, into);
        break;
    case FIELD_ID:
        read = read_id(from, into);
        break;
    case FIELD_COUNT:
        read = read_integer(from, 0, into);
        break;
    case FIELD_SOME:
        read = read_integer(from, 1, into);
        break;
    case FIELD_SECONDS:
        read = read_seconds(from, into);
        break;
    case FIELD_NUMBER:
        read = read_number(from, -INFINITY, INFINITY, into);
        break;
    case FIELD_FACTOR:
        read = read_number(from, 1, INFINITY, into);
        break;
    case FIELD_PART:
        read = read_number(from, 0, 1, into);
        break;
    case FIELD_FLAG:
        read = read_flag(from, into);
        break;
    case FIELD_WORD:
        read = read_word(reader, from, row->words, into);
        break;
    case FIELD_WORDS:
        return read_words(reader, from, row, into, place);
    case FIELD_NAMES:
    case FIELD_JSONS:
        return read_list(reader, from, row, sizeof(struct slice), into, place);
    case FIELD_IDS:
        return read_list(reader, from, row, sizeof(uint64_t), into, place);
    case FIELD_OBJECTS:
        return read_list(reader, from, row, shape_row(row->shape)->size, into,
                         place);
    case FIELD_OBJECT:
        return read_inner(reader, from, row, base, place);
    }
    return read || refuse_value(reader, row, place);
}

/* A parameter that there is not: which one was meant, or which there are. */
__attribute__((cold)) static bool refuse_unknown(struct reader *reader,
                                                 struct slice key,
                                                 const struct param_row *rows,
                                                 size_t count,
                                                 const struct place *up)
{
    char name[64];
    char path[2 * sizeof(reader->why->param)];
    char known[160] = "";
    struct nearest nearest = nearest_to(key);
    (void)snprintf(name, sizeof(name), "%.*s",
                   (int)utf8_clip(key.at, key.len, sizeof(name) - 1), key.at);
    write_path(path, sizeof(path), &(struct place){.up = up, .name = name});
    path[utf8_clip(path, strlen(path), sizeof(reader->why->param) - 1)] = '\0';
    for (size_t i = 0, len = 0; i < count; i++) {
        const char *field = field_row(rows[i].field)->name;
        nearest_offer(&nearest, field);
        if (len < sizeof(known)) {
            len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
                                    i > 0 ? ", " : "", field);
        }
    }
    if (nearest.name != NULL) {
        complain(reader->why, ERROR_invalid_params,
                 "%s takes no `%s`; did you mean `%s`?", reader->method, path,
                 nearest.name);
    } else if (count == 0) {
        complain(reader->why, ERROR_invalid_params,
                 "%s takes no parameters, so no `%s`", reader->method, path);
    } else {
        complain(reader->why, ERROR_invalid_params, "%s takes no `%s`, only %s",
                 reader->method, path, known);
    }
    memcpy(reader->why->param, path, strlen(path) + 1);
    return false;
}

/*
 * The row of a key, or `count`. Clients send parameters in some order, again
 * and again, and most in that of the table: the search begins at `hint`.
 */
static inline size_t row_of_key(struct slice key, const struct param_row *rows,
                                size_t count, size_t hint)
{
    for (size_t n = 0, i = hint; n < count; n++, i++) {
        i = i < count ? i : 0;
        const struct field_row *row = field_row(rows[i].field);
        if (row->name_len == key.len &&
            memcmp(row->name, key.at, key.len) == 0) {
            return i;
        }
    }
    return count;
}

static bool check_required(struct reader *reader, const struct param_row *rows,
                           size_t count, uint64_t seen, const struct place *up)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].required && (seen >> i & 1) == 0) {
            struct place place = {.up = up,
                                  .name = field_row(rows[i].field)->name};
            return refuse(reader, &place, "missing");
        }
    }
    return true;
}

/*
 * All members of an object by its rows, into the struct at `into`. It calls
 * itself for objects in objects, as deep as the shapes of fields.def go (3),
 * not as deep as a client likes.
 */
static bool read_object(struct reader *reader, struct scan_members *from,
                        const struct param_row *rows, size_t count, char *into,
                        const struct place *up)
{
    uint64_t seen = 0;
    size_t i = 0;
    CHECK(count < 64);
    while (scan_begin(from)) {
        struct slice key = scan_key_text(from->key, reader->arena);
        i = row_of_key(key, rows, count, i);
        if (i == count) {
            return refuse_unknown(reader, key, rows, count, up);
        }
        const struct field_row *row = field_row(rows[i].field);
        struct place place = {.up = up, .name = row->name};
        if ((seen >> i & 1) != 0) {
            return refuse(reader, &place, "given twice");
        }
        seen |= UINT64_C(1) << i;
        if (!read_field(reader, from, row, into, &place)) {
            return false;
        }
        i++;
    }
    return !from->bad && check_required(reader, rows, count, seen, up);
}

bool params_read(struct scan_members *params, enum method method,
                 struct arena *arena, struct request *request,
                 struct complaint *why)
{
    const struct method_row *row = method_row(method);
    struct reader reader = {arena, why, row->name};
    return read_object(&reader, params, row->params, row->params_count,
                       (char *)request, NULL);
}
