/*
 * Requests: whatever is accepted lies within the documented range of its type,
 * in whatever order its members came; whatever is refused is answered with a
 * reply that a client, and jansson, can read.
 */
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "proto/message.h"
#include "proto/method.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <math.h>

/* As struct put_items, of whatever shape. */
struct objects {
    const char *at;
    size_t count;
};

static void check_name(struct slice text, size_t len_min)
{
    CHECK(text.at != NULL);
    CHECK(text.len >= len_min && text.len <= NAME_BYTES_MAX);
    CHECK(scan_utf8(text));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        CHECK(c >= 0x20 && c != 0x7F);
        CHECK(c != 0xC2 || (unsigned char)text.at[i + 1] >= 0xA0);
    }
}

/* A body: JSON, with no white space around it. */
static void check_json(struct slice json)
{
    size_t last = json.len - 1;
    CHECK(json.at != NULL && scan_valid(json));
    CHECK(strchr(" \t\r\n", json.at[0]) == NULL);
    CHECK(strchr(" \t\r\n", json.at[last]) == NULL);
}

static void check_rpc_id(struct slice id)
{
    struct arena arena;
    int64_t number;
    arena_init(&arena);
    check_json(id);
    if (scan_kind_of(id) == SCAN_STRING) {
        CHECK(scan_text(id, &arena).len <= RPC_ID_BYTES_MAX);
    } else {
        CHECK(scan_kind_of(id) == SCAN_NUMBER);
        CHECK(scan_integer(id, &number));
        CHECK(memchr(id.at, '.', id.len) == NULL);
        CHECK(memchr(id.at, 'e', id.len) == NULL);
        CHECK(memchr(id.at, 'E', id.len) == NULL);
    }
    arena_fini(&arena);
}

static void check_object(const struct param_row *rows, size_t count,
                         const char *base, struct out *dump);

/* Was anything given? What absent looks like is request.h's business. */
static bool is_given(const struct field_row *row, const char *at)
{
    const void *member = at;
    switch (row->type) {
    case FIELD_NAME:
    case FIELD_TEXT:
    case FIELD_JSON:
    case FIELD_RPC_ID:
    case FIELD_NAMES:
    case FIELD_JSONS:
    case FIELD_IDS:
    case FIELD_OBJECTS:
        return *(const char *const *)member != NULL;
    case FIELD_ID:
        return *(const uint64_t *)member != 0;
    case FIELD_COUNT:
    case FIELD_SOME:
    case FIELD_SECONDS:
        return *(const int64_t *)member != -1;
    case FIELD_NUMBER:
        return *(const double *)member != 0;
    case FIELD_FACTOR:
    case FIELD_PART:
        return *(const double *)member != -1;
    case FIELD_FLAG:
    case FIELD_WORD:
        return *(const int *)member != -1;
    case FIELD_WORDS:
        return *(const unsigned *)member != 0;
    case FIELD_OBJECT: {
        const struct shape_row *shape = shape_row(row->shape);
        for (size_t i = 0; i < shape->members_count; i++) {
            const struct field_row *inner = field_row(shape->members[i].field);
            if (is_given(inner, at + inner->offset)) {
                return true;
            }
        }
        return false;
    }
    }
    return false;
}

static void check_list(const struct field_row *row, const char *at,
                       struct out *dump)
{
    const struct objects *list = (const void *)at;
    CHECK(list->count > 0);
    for (size_t i = 0; i < list->count; i++) {
        if (row->type == FIELD_IDS) {
            uint64_t id = ((const uint64_t *)(const void *)list->at)[i];
            CHECK(id > 0 && id < (uint64_t)WIRE_INTEGER_MAX);
            write_integer(dump, (int64_t)id);
        } else if (row->type == FIELD_OBJECTS) {
            const struct shape_row *shape = shape_row(row->shape);
            check_object(shape->members, shape->members_count,
                         list->at + i * shape->size, dump);
        } else {
            struct slice text =
                ((const struct slice *)(const void *)list->at)[i];
            CHECK(row->type == FIELD_JSONS || list->count <= NAME_LIST_MAX);
            if (row->type == FIELD_JSONS) {
                check_json(text);
            } else {
                check_name(text, 1);
            }
            write_string(dump, text);
        }
    }
}

static void check_number(const struct field_row *row, double number,
                         struct out *dump)
{
    CHECK(isfinite(number));
    CHECK(row->type != FIELD_FACTOR || number >= 1);
    CHECK(row->type != FIELD_PART || (number >= 0 && number <= 1));
    write_number(dump, number);
}

static void check_integer(const struct field_row *row, int64_t number,
                          struct out *dump)
{
    int64_t min = row->type == FIELD_SOME || row->type == FIELD_ID;
    int64_t max = row->type == FIELD_SECONDS ? (int64_t)SECONDS_MAX * 1000000
                                             : WIRE_INTEGER_MAX - 1;
    CHECK(number >= min && number <= max);
    write_integer(dump, number);
}

static int words_of(const char *words)
{
    int count = 1;
    for (; *words != '\0'; words++) {
        count += *words == ' ';
    }
    return count;
}

/* A member that was given; it is also written to `dump`. */
static void check_field(const struct field_row *row, const char *at,
                        struct out *dump)
{
    const void *member = at;
    switch (row->type) {
    case FIELD_NAME:
    case FIELD_TEXT:
        check_name(*(const struct slice *)member, row->type == FIELD_NAME);
        write_string(dump, *(const struct slice *)member);
        break;
    case FIELD_JSON:
        check_json(*(const struct slice *)member);
        write_json(dump, *(const struct slice *)member);
        break;
    case FIELD_RPC_ID:
        check_rpc_id(*(const struct slice *)member);
        write_json(dump, *(const struct slice *)member);
        break;
    case FIELD_NAMES:
    case FIELD_JSONS:
    case FIELD_IDS:
    case FIELD_OBJECTS:
        check_list(row, at, dump);
        break;
    case FIELD_ID:
    case FIELD_COUNT:
    case FIELD_SOME:
    case FIELD_SECONDS:
        check_integer(row, *(const int64_t *)member, dump);
        break;
    case FIELD_NUMBER:
    case FIELD_FACTOR:
    case FIELD_PART:
        check_number(row, *(const double *)member, dump);
        break;
    case FIELD_FLAG:
        CHECK(*(const int *)member == 0 || *(const int *)member == 1);
        write_integer(dump, *(const int *)member);
        break;
    case FIELD_WORD:
        CHECK(*(const int *)member >= 0);
        CHECK(*(const int *)member < words_of(row->words));
        write_integer(dump, *(const int *)member);
        break;
    case FIELD_WORDS:
        CHECK(*(const unsigned *)member < 1U << words_of(row->words));
        write_integer(dump, *(const unsigned *)member);
        break;
    case FIELD_OBJECT: {
        const struct shape_row *shape = shape_row(row->shape);
        /* Its members are laid out from where it lies. */
        check_object(shape->members, shape->members_count, at, dump);
        break;
    }
    }
}

static void check_object(const struct param_row *rows, size_t count,
                         const char *base, struct out *dump)
{
    for (size_t i = 0; i < count; i++) {
        const struct field_row *row = field_row(rows[i].field);
        const char *at = base + row->offset;
        if (is_given(row, at)) {
            write_string(dump, slice_of(row->name));
            check_field(row, at, dump);
        } else {
            CHECK(!rows[i].required);
        }
    }
}

/* No method fills what only others take. */
static void check_absent(const struct request *request)
{
    const struct method_row *own = method_row(request->method);
    struct request other = *request;
    for (size_t i = 0; i < own->params_count; i++) {
        const struct field_row *row = field_row(own->params[i].field);
        struct slice all = {(const char *)&request_absent, sizeof(other)};
        size_t size = row->type == FIELD_OBJECT ? shape_row(row->shape)->size
                                                : sizeof(struct slice);
        size = row->offset + size < all.len ? size : all.len - row->offset;
        memcpy((char *)&other + row->offset, all.at + row->offset, size);
    }
    for (enum method m = 0; m < METHODS; m++) {
        const struct method_row *row = method_row(m);
        for (size_t i = 0; i < row->params_count; i++) {
            const struct field_row *field = field_row(row->params[i].field);
            CHECK(!is_given(field, (const char *)&other + field->offset));
        }
    }
}

static void check_request(const struct request *request, struct out *dump)
{
    const struct method_row *row = method_row(request->method);
    CHECK(request->notification == (request->id.json.at == NULL));
    CHECK((request->id.key == 0) == (request->id.json.at == NULL));
    if (request->id.json.at != NULL) {
        check_rpc_id(request->id.json);
        write_json(dump, request->id.json);
    }
    write_string(dump, slice_of(row->name));
    write_flag(dump, request->has_done);
    CHECK(!request->has_done || request->method == METHOD_queue_get);
    check_object(row->params, row->params_count, (const char *)request, dump);
    check_absent(request);
}

/* The reply to a request that was refused. */
static void check_refusal(const struct request *request,
                          const struct complaint *why, struct out *dump)
{
    struct arena arena;
    struct reply reply;
    struct out out;
    arena_init(&arena);
    out_init(&out);
    CHECK(why->error == ERROR_parse_error ||
          why->error == ERROR_invalid_request ||
          why->error == ERROR_method_not_found ||
          why->error == ERROR_invalid_params);
    CHECK(!request->notification || request->id.json.at == NULL);
    CHECK(why->error != ERROR_parse_error || request->id.json.at == NULL);
    message_error(&out, request->id.json, why);
    struct slice line = {out.at, out.len};
    CHECK(line.at[line.len - 1] == '\n');
    CHECK(memchr(line.at, '\n', line.len) == line.at + line.len - 1);
    CHECK(message_read_reply(line, &arena, &reply));
    CHECK(reply.error == why->error);
    CHECK(slice_equal(reply.message, slice_of(why->message)));
    CHECK(slice_equal(reply.id, request->id.json.at == NULL
                                    ? SLICE("null")
                                    : request->id.json));
    json_error_t error;
    json_t *json = json_loadb(line.at, line.len, JSON_ALLOW_NUL, &error);
    /* It refuses one thing that may stand in an id. */
    CHECK(json != NULL || strstr(error.text, "invalid Unicode '") != NULL);
    json_decref(json);
    write_json(dump, (struct slice){line.at, line.len - 1});
    out_fini(&out);
    arena_fini(&arena);
}

static enum message_kind decode(struct slice line, struct arena *arena,
                                struct out *dump, struct complaint *why)
{
    struct request request;
    enum message_kind kind = message_decode(line, arena, &request, why);
    CHECK((kind == MESSAGE_BAD) == (why->error != ERROR_NONE));
    if (kind == MESSAGE_REQUEST) {
        check_request(&request, dump);
    } else if (kind == MESSAGE_BAD) {
        check_refusal(&request, why, dump);
    }
    return kind;
}

/* The same members from the last to the first. */
static void reverse(struct scan_members *members, struct out *out, bool first)
{
    if (!scan_next(members)) {
        return;
    }
    struct slice key = members->key;
    struct slice value = members->value;
    reverse(members, out, false);
    write_key(out, key);
    write_json(out, value);
    if (first) {
        write_end_object(out);
    }
}

/* The order of a request's members is of no account: what comes of it is
 * told by the dumps. */
static void check_order(struct slice line, struct arena *arena,
                        const struct out *dump)
{
    struct scan_members members = scan_members(line, 1);
    struct complaint why;
    struct out turned;
    struct out again;
    out_init(&turned);
    out_init(&again);
    write_begin_object(&turned);
    reverse(&members, &turned, true);
    (void)decode((struct slice){turned.at, turned.len}, arena, &again, &why);
    CHECK(dump->len == again.len);
    CHECK(memcmp(dump->at, again.at, dump->len) == 0);
    out_fini(&turned);
    out_fini(&again);
}

static void check_batch(struct slice line, struct arena *arena,
                        struct out *dump)
{
    struct message_batch batch = message_batch(line);
    struct scan_members members = scan_members(line, 1);
    struct request request;
    struct complaint why;
    enum message_kind kind;
    while (message_batch_next(&batch, arena, &request, &kind, &why)) {
        CHECK(kind != MESSAGE_BATCH && why.error != ERROR_parse_error);
        CHECK((kind == MESSAGE_BAD) == (why.error != ERROR_NONE));
        CHECK(scan_next(&members));
        if (kind == MESSAGE_REQUEST) {
            check_request(&request, dump);
        } else {
            check_refusal(&request, &why, dump);
        }
    }
    CHECK(!scan_next(&members) && !members.bad);
}

/* What a client makes of it as a reply. */
static void check_reply(struct slice line, struct arena *arena)
{
    struct reply reply;
    if (message_read_reply(line, arena, &reply)) {
        CHECK(reply.id.len > 0);
        CHECK((reply.error == ERROR_NONE) == (reply.result.at != NULL));
        CHECK((reply.error == ERROR_NONE) == (reply.message.at == NULL));
        CHECK(reply.data.at == NULL || reply.data.at[0] == '{');
        CHECK(reply.message.at == NULL || scan_utf8(reply.message));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice line = {(const char *)data, size};
    struct complaint why;
    struct arena arena;
    struct out dump;
    arena_init(&arena);
    out_init(&dump);
    enum message_kind kind = decode(line, &arena, &dump, &why);
    CHECK(scan_valid(line) ==
          (kind != MESSAGE_BAD || why.error != ERROR_parse_error));
    if (kind == MESSAGE_BATCH) {
        check_batch(line, &arena, &dump);
    } else if (kind == MESSAGE_REQUEST || why.error == ERROR_method_not_found ||
               why.error == ERROR_invalid_params) {
        check_order(line, &arena, &dump);
    }
    check_reply(line, &arena);
    out_fini(&dump);
    arena_fini(&arena);
    return 0;
}
