/* rpc.discover: the document says what the table says, and is OpenRPC. */
#include "proto/errors.h"
#include "proto/memory.h"
#include "proto/message.h"
#include "proto/method.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static int setup(void **state)
{
    size_t len = 0;
    char *text = message_discover("1.2.3", &len);
    assert_int_equal(strlen(text), len);
    assert_true(scan_valid((struct slice){text, len}));
    assert_null(strchr(text, '\n'));
    *state = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    mem_free(text);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static void test_head(void **state)
{
    const json_t *info = json_object_get(*state, "info");
    assert_string_equal(text_of(*state, "openrpc"), "1.2.6");
    assert_string_equal(text_of(info, "version"), "1.2.3");
    assert_string_equal(text_of(info, "title"), "syncd");
    /* Nothing but what OpenRPC has at its top. */
    assert_int_equal(json_object_size(*state), 4);
}

static const json_t *param_named(const json_t *params, const char *name)
{
    size_t i;
    json_t *param;
    json_array_foreach(params, i, param)
    {
        if (strcmp(text_of(param, "name"), name) == 0) {
            return param;
        }
    }
    return NULL;
}

static void test_methods(void **state)
{
    const json_t *methods = json_object_get(*state, "methods");
    assert_int_equal(json_array_size(methods), METHODS);
    for (enum method m = 0; m < METHODS; m++) {
        const struct method_row *row = method_row(m);
        const json_t *method = json_array_get(methods, m);
        const json_t *params = json_object_get(method, "params");
        bool required = true;
        size_t i;
        json_t *param;
        assert_string_equal(text_of(method, "name"), row->name);
        assert_string_equal(text_of(method, "summary"), row->summary);
        assert_string_equal(text_of(method, "paramStructure"), "by-name");
        assert_int_equal(json_array_size(params), row->params_count);
        json_array_foreach(params, i, param)
        {
            bool is = json_is_true(json_object_get(param, "required"));
            assert_true(required || !is); /* those come first */
            required = is;
            assert_true(json_is_object(json_object_get(param, "schema")));
        }
        for (i = 0; i < row->params_count; i++) {
            const struct field_row *field = field_row(row->params[i].field);
            const json_t *found = param_named(params, field->name);
            assert_non_null(found);
            assert_string_equal(text_of(found, "description"), field->doc);
            assert_int_equal(json_is_true(json_object_get(found, "required")),
                             row->params[i].required);
        }
        const json_t *schema =
            json_object_get(json_object_get(method, "result"), "schema");
        const json_t *properties = json_object_get(schema, "properties");
        assert_int_equal(json_object_size(properties), row->results_count);
        for (i = 0; i < row->results_count; i++) {
            assert_non_null(json_object_get(properties, row->results[i].name));
        }
        assert_int_equal(json_is_true(json_object_get(method, "x-waits")),
                         (row->traits & TRAIT_WAITS) != 0);
        assert_int_equal(json_is_true(json_object_get(method, "x-durable")),
                         (row->traits & TRAIT_DURABLE) != 0);
    }
}

/* Every "$ref" leads to something; how many there were. */
static size_t check_references(const json_t *document, const json_t *value)
{
    size_t count = 0;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            count += check_references(document, json_array_get(value, i));
        }
        return count;
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member)
    {
        if (strcmp(key, "$ref") != 0) {
            count += check_references(document, member);
            continue;
        }
        char path[200];
        const json_t *at = document;
        char *rest = path;
        assert_true(json_string_length(member) < sizeof(path));
        memcpy(path, json_string_value(member), json_string_length(member) + 1);
        assert_string_equal(strsep(&rest, "/"), "#");
        while (rest != NULL) {
            at = json_object_get(at, strsep(&rest, "/"));
        }
        assert_non_null(at);
        assert_int_equal(json_object_size(value), 1);
        count++;
    }
    return count;
}

static void test_references(void **state)
{
    assert_true(check_references(*state, *state) > METHODS);
}

static void test_shapes(void **state)
{
    const json_t *schemas =
        json_object_get(json_object_get(*state, "components"), "schemas");
    for (enum shape s = SHAPE_none + 1; s < SHAPES; s++) {
        const struct shape_row *row = shape_row(s);
        if (s == SHAPE_request) {
            continue;
        }
        const json_t *schema = json_object_get(schemas, row->name);
        const json_t *properties = json_object_get(schema, "properties");
        assert_int_equal(json_object_size(properties), row->members_count);
        assert_true(
            json_is_false(json_object_get(schema, "additionalProperties")));
        for (size_t i = 0; i < row->members_count; i++) {
            const struct field_row *field = field_row(row->members[i].field);
            const json_t *property = json_object_get(properties, field->name);
            assert_string_equal(text_of(property, "description"), field->doc);
        }
    }
}

static void test_errors(void **state)
{
    const json_t *errors =
        json_object_get(json_object_get(*state, "components"), "errors");
    assert_int_equal(json_object_size(errors), ERRORS - 1);
    for (enum error e = ERROR_NONE + 1; e < ERRORS; e++) {
        const json_t *error = json_object_get(errors, error_row(e)->name);
        assert_int_equal(json_integer_value(json_object_get(error, "code")),
                         error_row(e)->code);
        assert_string_equal(text_of(error, "message"), error_row(e)->when);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),       cmocka_unit_test(test_methods),
        cmocka_unit_test(test_references), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("discover", tests, setup, teardown);
}
