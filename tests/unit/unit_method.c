/* The tables of methods, fields, shapes and errors hold together. */
#include "proto/errors.h"
#include "proto/limits.h"
#include "proto/method.h"
#include "proto/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void test_every_name_is_found(void **state)
{
    (void)state;
    for (enum method i = 0; i < METHODS; i++) {
        const char *name = method_row(i)->name;
        char other[64];
        size_t len = strlen(name);
        assert_true(len + 2 < sizeof(other));
        assert_int_equal(method_of_name(slice_of(name)), i);
        /* Not by a beginning, a case, or with more behind it. */
        assert_int_equal(method_of_name((struct slice){name, len - 1}),
                         METHODS);
        memcpy(other, name, len);
        other[len] = '\0';
        assert_int_equal(method_of_name((struct slice){other, len + 1}),
                         METHODS);
        other[0] = (char)(other[0] - 'a' + 'A');
        assert_int_equal(method_of_name((struct slice){other, len}), METHODS);
    }
    assert_int_equal(method_of_name(SLICE("")), METHODS);
    char *longest = calloc(1, 70000);
    assert_non_null(longest);
    for (size_t len = 200; len < 70000; len += len < 600 ? 1 : 997) {
        assert_int_equal(method_of_name((struct slice){longest, len}), METHODS);
    }
    free(longest);
}

static void test_known_rows(void **state)
{
    const struct method_row *put = method_row(METHOD_queue_put);
    (void)state;
    assert_string_equal(put->name, "queue.put");
    assert_int_equal(put->role, ROLE_PRODUCER);
    assert_int_equal(put->traits, TRAIT_WAITS | TRAIT_DURABLE);
    assert_int_equal(put->params[0].field, FIELD_queue);
    assert_true(put->params[0].required);
    assert_int_equal(put->params[put->params_count - 1].field, FIELD_timeout);
    assert_string_equal(put->results[0].name, "id");
    const struct method_row *info = method_row(METHOD_server_info);
    assert_int_equal(info->params_count, 0);
    assert_string_equal(info->results[info->results_count - 1].name, "store");
    const struct shape_row *item = shape_row(SHAPE_put_item);
    assert_int_equal(item->size, sizeof(struct put_item));
    assert_ptr_equal(item->absent, &put_item_absent);
    assert_int_equal(item->members[0].field, FIELD_item_body);
    assert_true(item->members[0].required);
    assert_int_equal(shape_row(SHAPE_request)->members_count, 0);
    const struct field_row *token = field_row(FIELD_done_token);
    assert_int_equal(token->offset, offsetof(struct request, done.one.token));
    assert_int_equal(field_row(FIELD_each_token)->offset,
                     offsetof(struct done_item, token));
    assert_string_equal(field_row(FIELD_order)->words, "fifo lifo");
    assert_int_equal(field_row(FIELD_backoff)->shape, SHAPE_backoff);
}

/* The rows as they stand in the file, one behind another. */
static const struct {
    enum method of;
    enum field field;
} param_rows[] = {
#define METHOD(id, name, role, traits, summary)
#define PARAM(method, field, need) {METHOD_##method, FIELD_##field},
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

static const struct {
    enum method of;
    const char *name;
} result_rows[] = {
#define METHOD(id, name, role, traits, summary)
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc) {METHOD_##method, name},
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
};

static const struct {
    enum shape of;
    enum field field;
} member_rows[] = {
#define SHAPE(id, type, absent)
#define FIELD(shape, tag, name, type, member, more, doc)
#define MEMBER(shape, field, need) {SHAPE_##shape, FIELD_##field},
#include "proto/fields.def"
#undef SHAPE
#undef FIELD
#undef MEMBER
};

/* Each method has its own rows, all of them, in their order, and no others. */
static void test_rows_of_methods(void **state)
{
    size_t params[METHODS] = {0};
    size_t results[METHODS] = {0};
    (void)state;
    for (size_t i = 0; i < ROWS(param_rows); i++) {
        enum method m = param_rows[i].of;
        assert_true(params[m] < method_row(m)->params_count);
        assert_int_equal(method_row(m)->params[params[m]++].field,
                         param_rows[i].field);
    }
    for (size_t i = 0; i < ROWS(result_rows); i++) {
        enum method m = result_rows[i].of;
        assert_true(results[m] < method_row(m)->results_count);
        assert_string_equal(method_row(m)->results[results[m]++].name,
                            result_rows[i].name);
    }
    for (enum method m = 0; m < METHODS; m++) {
        assert_int_equal(method_row(m)->params_count, params[m]);
        assert_int_equal(method_row(m)->results_count, results[m]);
    }
}

static void test_rows_of_shapes(void **state)
{
    size_t members[SHAPES] = {0};
    (void)state;
    for (size_t i = 0; i < ROWS(member_rows); i++) {
        enum shape s = member_rows[i].of;
        assert_true(members[s] < shape_row(s)->members_count);
        assert_int_equal(shape_row(s)->members[members[s]++].field,
                         member_rows[i].field);
    }
    for (enum shape s = SHAPE_none + 1; s < SHAPES; s++) {
        assert_int_equal(shape_row(s)->members_count, members[s]);
    }
}

static void check_params(const struct param_row *rows, size_t count,
                         size_t size)
{
    assert_true(count < 64);
    for (size_t i = 0; i < count; i++) {
        const struct field_row *row = field_row(rows[i].field);
        assert_true(row->offset < size);
        for (size_t j = 0; j < i; j++) {
            const struct field_row *other = field_row(rows[j].field);
            assert_string_not_equal(row->name, other->name);
            assert_int_not_equal(row->offset, other->offset);
        }
    }
}

/* No method takes a name or fills a member twice, or says a result twice. */
static void test_methods(void **state)
{
    (void)state;
    for (enum method i = 0; i < METHODS; i++) {
        const struct method_row *row = method_row(i);
        bool waits = false;
        check_params(row->params, row->params_count, sizeof(struct request));
        for (size_t j = 0; j < row->params_count; j++) {
            waits = waits || row->params[j].field == FIELD_timeout;
        }
        assert_int_equal(waits, (row->traits & TRAIT_WAITS) != 0);
        for (size_t j = 0; j < row->results_count; j++) {
            for (size_t k = 0; k < j; k++) {
                assert_string_not_equal(row->results[j].name,
                                        row->results[k].name);
            }
        }
        for (enum method j = 0; j < i; j++) {
            assert_string_not_equal(row->name, method_row(j)->name);
        }
    }
    for (enum shape i = SHAPE_none + 1; i < SHAPES; i++) {
        const struct shape_row *row = shape_row(i);
        check_params(row->members, row->members_count, row->size);
    }
}

static void test_fields(void **state)
{
    (void)state;
    for (enum field i = 0; i < FIELDS; i++) {
        const struct field_row *row = field_row(i);
        assert_int_equal(row->name_len, strlen(row->name));
        assert_true(strlen(row->doc) > 0);
        assert_int_equal(row->words != NULL,
                         row->type == FIELD_WORD || row->type == FIELD_WORDS);
        assert_int_equal(row->shape != SHAPE_none,
                         row->type == FIELD_OBJECT ||
                             row->type == FIELD_OBJECTS);
        if (row->type == FIELD_OBJECTS) {
            assert_non_null(shape_row(row->shape)->absent);
        }
    }
}

/* The words of a job's states are the names of the enum, in its order. */
static void test_words(void **state)
{
    const char *words = field_row(FIELD_state)->words;
    (void)state;
    assert_string_equal(words, field_row(FIELD_states)->words);
    for (int i = 0; i < JOB_STATES; i++) {
        size_t len = strcspn(words, " ");
        assert_true(slice_equal((struct slice){words, len},
                                slice_of(job_state_names[i])));
        words += len + (words[len] == ' ');
    }
    assert_string_equal(words, "");
    assert_string_equal(field_row(FIELD_order)->words, "fifo lifo");
    assert_int_equal(ORDER_FIFO, 0);
    assert_int_equal(ORDER_LIFO, 1);
}

static void test_errors(void **state)
{
    (void)state;
    for (enum error i = ERROR_NONE + 1; i < ERRORS; i++) {
        assert_int_equal(error_of_code(error_row(i)->code), i);
        for (enum error j = ERROR_NONE + 1; j < i; j++) {
            assert_string_not_equal(error_row(i)->name, error_row(j)->name);
        }
    }
    assert_int_equal(error_of_code(0), ERROR_NONE);
    assert_int_equal(error_of_code(-32000), ERROR_NONE);
    assert_int_equal(error_row(ERROR_parse_error)->code, -32700);
    assert_string_equal(error_row(ERROR_queue_full)->name, "queue_full");
}

/* What request.h says of members that were not given. */
static void test_absent(void **state)
{
    const struct request *r = &request_absent;
    (void)state;
    assert_int_equal(r->method, METHODS);
    assert_null(r->id.json.at);
    assert_int_equal(r->id.key, 0);
    for (enum field i = 0; i < FIELDS; i++) {
        const struct field_row *row = field_row(i);
        const char *at = (const char *)r + row->offset;
        bool top = false;
        for (enum method m = 0; m < METHODS; m++) {
            for (size_t j = 0; j < method_row(m)->params_count; j++) {
                top = top || method_row(m)->params[j].field == i;
            }
        }
        if (!top) {
            continue;
        }
        int64_t number;
        int word;
        void *pointer;
        memcpy(&number, at, sizeof(number));
        memcpy(&word, at, sizeof(word));
        memcpy(&pointer, at, sizeof(pointer));
        switch (row->type) {
        case FIELD_NAME:
        case FIELD_TEXT:
        case FIELD_JSON:
        case FIELD_RPC_ID:
        case FIELD_NAMES:
        case FIELD_JSONS:
        case FIELD_IDS:
        case FIELD_OBJECTS:
            assert_null(pointer);
            break;
        case FIELD_ID:
        case FIELD_NUMBER:
            assert_int_equal(number, 0);
            break;
        case FIELD_COUNT:
        case FIELD_SOME:
        case FIELD_SECONDS:
            assert_int_equal(number, -1);
            break;
        case FIELD_FLAG:
        case FIELD_WORD:
            assert_int_equal(word, -1);
            break;
        case FIELD_WORDS:
            assert_int_equal(word, 0);
            break;
        case FIELD_FACTOR:
        case FIELD_PART:
        case FIELD_OBJECT:
            break;
        }
    }
    assert_true(r->backoff.factor < 0 && r->backoff.jitter < 0);
    assert_true(r->backoff.base_us == -1 && r->backoff.max_us == -1);
    assert_memory_equal(&r->put, &put_item_absent, sizeof(put_item_absent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_is_found),
        cmocka_unit_test(test_known_rows),
        cmocka_unit_test(test_rows_of_methods),
        cmocka_unit_test(test_rows_of_shapes),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_absent),
    };
    return cmocka_run_group_tests_name("method", tests, NULL, NULL);
}
