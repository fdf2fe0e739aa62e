/*
 * rpc.discover: the OpenRPC document of the table of methods.
 *
 * Made once, at the start of the daemon, with jansson. What JSON Schema has no
 * words for (bytes, control characters, seconds) stands in the descriptions;
 * what OpenRPC has no place for (who may call a method, what it waits for)
 * stands in members that begin with `x-`.
 */
#include "proto/check.h"
#include "proto/errors.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "proto/message.h"

#include <jansson.h>

#define OPENRPC_VERSION "1.2.6"

static void set(json_t *object, const char *key, json_t *take_value)
{
    CHECK(json_object_set_new(object, key, take_value) == 0);
}

static void add(json_t *array, json_t *take_value)
{
    CHECK(json_array_append_new(array, take_value) == 0);
}

/* {"$ref": "#/components/<kind>/<name>"} */
static json_t *reference(const char *kind, const char *name)
{
    return json_pack("{s:o}", "$ref",
                     json_sprintf("#/components/%s/%s", kind, name));
}

static json_t *list_of(json_t *take_items)
{
    return json_pack("{s:s, s:o, s:i}", "type", "array", "items", take_items,
                     "minItems", 1);
}

static json_t *integer_from(json_int_t min)
{
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", min,
                     "maximum", (json_int_t)WIRE_INTEGER_MAX - 1);
}

/* {"type": "string", "enum": [...]} of "fifo lifo". */
static json_t *one_of(const char *words)
{
    json_t *list = json_array();
    for (;;) {
        size_t len = strcspn(words, " ");
        add(list, json_stringn(words, len));
        if (words[len] == '\0') {
            return json_pack("{s:s, s:o}", "type", "string", "enum", list);
        }
        words += len + 1;
    }
}

static json_t *names(void)
{
    json_t *list = list_of(reference("schemas", "name"));
    set(list, "maxItems", json_integer(NAME_LIST_MAX));
    return list;
}

static json_t *schema_of(const struct field_row *row)
{
    switch (row->type) {
    case FIELD_NAME:
        return reference("schemas", "name");
    case FIELD_TEXT:
        return reference("schemas", "text");
    case FIELD_JSON:
        return json_object();
    case FIELD_RPC_ID:
        return reference("schemas", "request_id");
    case FIELD_NAMES:
        return names();
    case FIELD_JSONS:
        return list_of(json_object());
    case FIELD_ID:
        return reference("schemas", "id");
    case FIELD_IDS:
        return list_of(reference("schemas", "id"));
    case FIELD_COUNT:
        return integer_from(0);
    case FIELD_SOME:
        return integer_from(1);
    case FIELD_SECONDS:
        return reference("schemas", "seconds");
    case FIELD_NUMBER:
        return json_pack("{s:s}", "type", "number");
    case FIELD_FACTOR:
        return json_pack("{s:s, s:i}", "type", "number", "minimum", 1);
    case FIELD_PART:
        return json_pack("{s:s, s:i, s:i}", "type", "number", "minimum", 0,
                         "maximum", 1);
    case FIELD_FLAG:
        return json_pack("{s:s}", "type", "boolean");
    case FIELD_WORD:
        return one_of(row->words);
    case FIELD_WORDS:
        return list_of(one_of(row->words));
    case FIELD_OBJECT:
        return reference("schemas", shape_row(row->shape)->name);
    case FIELD_OBJECTS:
        return list_of(reference("schemas", shape_row(row->shape)->name));
    }
    return NULL;
}

/* The schema of an object whose members these are. */
static json_t *object_of(json_t *take_properties, json_t *take_required,
                         bool more)
{
    json_t *schema =
        json_pack("{s:s, s:o, s:o}", "type", "object", "properties",
                  take_properties, "required", take_required);
    CHECK(schema != NULL);
    if (!more) {
        set(schema, "additionalProperties", json_false());
    }
    return schema;
}

static json_t *shape_schema(const struct shape_row *row)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (size_t i = 0; i < row->members_count; i++) {
        const struct field_row *field = field_row(row->members[i].field);
        json_t *schema = schema_of(field);
        /* Beside a reference nothing else may stand. */
        if (json_object_get(schema, "$ref") != NULL) {
            schema = json_pack("{s:[o]}", "allOf", schema);
        }
        set(schema, "description", json_string(field->doc));
        set(properties, field->name, schema);
        if (row->members[i].required) {
            add(required, json_string(field->name));
        }
    }
    return object_of(properties, required, false);
}

/* What several parameters have in common. */
static void set_common_schemas(json_t *schemas)
{
    set(schemas, "name",
        json_pack("{s:s, s:i, s:i, s:s}", "type", "string", "minLength", 1,
                  "maxLength", NAME_BYTES_MAX, "description",
                  "1 to 200 bytes of UTF-8, no control characters"));
    set(schemas, "text",
        json_pack("{s:s, s:i, s:s}", "type", "string", "maxLength",
                  NAME_BYTES_MAX, "description",
                  "at most 200 bytes of UTF-8, no control characters"));
    json_t *id = integer_from(1);
    set(id, "description", json_string("an id or token"));
    set(schemas, "id", id);
    set(schemas, "seconds",
        json_pack("{s:s, s:i, s:f, s:s}", "type", "number", "minimum", 0,
                  "maximum", SECONDS_MAX, "description",
                  "a duration in seconds"));
    set(schemas, "request_id",
        json_pack("{s:[{s:s, s:I, s:I}, {s:s, s:i}]}", "oneOf", "type",
                  "integer", "minimum", -(json_int_t)WIRE_INTEGER_MAX,
                  "maximum", (json_int_t)WIRE_INTEGER_MAX, "type", "string",
                  "maxLength", RPC_ID_BYTES_MAX));
}

static json_t *schemas(void)
{
    json_t *object = json_object();
    set_common_schemas(object);
    for (enum shape i = SHAPE_none + 1; i < SHAPES; i++) {
        if (i != SHAPE_request) {
            const struct shape_row *row = shape_row(i);
            set(object, row->name, shape_schema(row));
        }
    }
    return object;
}

static json_t *errors(void)
{
    json_t *object = json_object();
    for (enum error i = ERROR_NONE + 1; i < ERRORS; i++) {
        const struct error_row *row = error_row(i);
        set(object, row->name,
            json_pack("{s:i, s:s, s:{s:s, s:b}}", "code", row->code, "message",
                      row->when, "data", "name", row->name, "retryable",
                      (int)row->retryable));
    }
    return object;
}

/* Required parameters must come first. */
static json_t *params_of(const struct method_row *row)
{
    json_t *list = json_array();
    for (int required = 1; required >= 0; required--) {
        for (size_t i = 0; i < row->params_count; i++) {
            const struct field_row *field = field_row(row->params[i].field);
            if (row->params[i].required == (required == 1)) {
                add(list, json_pack("{s:s, s:s, s:b, s:o}", "name", field->name,
                                    "description", field->doc, "required",
                                    required, "schema", schema_of(field)));
            }
        }
    }
    return list;
}

static json_t *result_of(const struct method_row *row)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (size_t i = 0; i < row->results_count; i++) {
        const struct result_row *result = &row->results[i];
        json_t *schema = json_pack("{s:s}", "description", result->doc);
        if (strcmp(result->type, "any") != 0) {
            set(schema, "type", json_string(result->type));
        }
        set(properties, result->name, schema);
        if (result->required) {
            add(required, json_string(result->name));
        }
    }
    return json_pack("{s:s, s:o}", "name", "result", "schema",
                     object_of(properties, required, true));
}

/* JSON-RPC's own errors go without saying. */
static json_t *errors_of_ours(void)
{
    json_t *list = json_array();
    for (enum error i = ERROR_NONE + 1; i < ERRORS; i++) {
        if (error_row(i)->code > -32100) {
            add(list, reference("errors", error_row(i)->name));
        }
    }
    return list;
}

static const char *const role_names[] = {
    [ROLE_ANY] = "any",           [ROLE_PRODUCER] = "producer",
    [ROLE_WORKER] = "worker",     [ROLE_EITHER] = "producer or worker",
    [ROLE_OPERATOR] = "operator", [ROLE_ADMIN] = "admin",
};

static json_t *method_object(const struct method_row *row)
{
    json_t *method =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:b}", "name",
                  row->name, "summary", row->summary, "paramStructure",
                  "by-name", "params", params_of(row), "result", result_of(row),
                  "errors", errors_of_ours(), "x-role", role_names[row->role],
                  "x-waits", (int)(row->traits & TRAIT_WAITS), "x-durable",
                  (int)(row->traits & TRAIT_DURABLE), "x-grants",
                  (int)(row->traits & TRAIT_GRANTS));
    CHECK(method != NULL);
    return method;
}

void message_take_memory(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
}

char *message_discover(const char *version, size_t *len)
{
    json_t *methods = json_array();
    for (enum method i = 0; i < METHODS; i++) {
        add(methods, method_object(method_row(i)));
    }
    json_t *document = json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:{s:s}}, s:o, s:{s:o, s:o}}", "openrpc",
        OPENRPC_VERSION, "info", "title", "syncd", "version", version,
        "description", "Python's threading and queue, for processes.",
        "license", "name", "MIT", "methods", methods, "components", "schemas",
        schemas(), "errors", errors());
    CHECK(document != NULL);
    char *dump = json_dumps(document, JSON_COMPACT);
    CHECK(dump != NULL);
    json_decref(document);
    *len = strlen(dump);
    char *text = mem_strndup(dump, *len);
    free(dump);
    return text;
}
