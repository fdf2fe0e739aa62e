#include "tests/sim/pattern.h"

#include "proto/arena.h"
#include "proto/memory.h"
#include "proto/scan.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- names -------------------------------------------------------------- */

void bindings_init(struct bindings *bindings)
{
    *bindings = (struct bindings){NULL, 0};
}

void bindings_fini(struct bindings *bindings)
{
    for (size_t i = 0; i < bindings->count; i++) {
        mem_free(bindings->at[i].name);
        mem_free(bindings->at[i].json);
    }
    mem_free(bindings->at);
}

static struct binding *binding_find(const struct bindings *bindings,
                                    struct slice name)
{
    for (size_t i = 0; i < bindings->count; i++) {
        if (slice_equal(slice_of(bindings->at[i].name), name)) {
            return &bindings->at[i];
        }
    }
    return NULL;
}

struct slice bindings_get(const struct bindings *bindings, struct slice name)
{
    const struct binding *found = binding_find(bindings, name);
    return slice_of(found == NULL ? NULL : found->json);
}

void bindings_set(struct bindings *bindings, struct slice name,
                  struct slice json)
{
    struct binding *found = binding_find(bindings, name);
    if (found == NULL) {
        bindings->at = mem_realloc(bindings->at, (bindings->count + 1) *
                                                     sizeof bindings->at[0]);
        found = &bindings->at[bindings->count++];
        *found = (struct binding){mem_strndup(name.at, name.len), NULL};
    }
    mem_free(found->json);
    found->json = mem_strndup(json.at, json.len);
}

size_t pattern_name_len(struct slice text)
{
    size_t len = 0;
    while (len < text.len &&
           (isalnum((unsigned char)text.at[len]) != 0 || text.at[len] == '_')) {
        len++;
    }
    return len;
}

/* --- matching ----------------------------------------------------------- */

/* A place in a pattern, going forward while it matches. */
struct matcher {
    const char *at;
    const char *end;
    struct bindings *bindings;
    struct arena *arena;
    bool exact;
    char path[120];
    struct mismatch *why;
};

static bool differ(struct matcher *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool differ(struct matcher *m, const char *format, ...)
{
    char text[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(m->why->text, sizeof m->why->text, "%.60s: %s",
             m->path[0] == '\0' ? "all of it" : m->path, text);
    return false;
}

static void skip_space(struct matcher *m)
{
    while (m->at < m->end && isspace((unsigned char)*m->at) != 0) {
        m->at++;
    }
}

static bool take(struct matcher *m, const char *token)
{
    size_t len = strlen(token);
    skip_space(m);
    if ((size_t)(m->end - m->at) < len || memcmp(m->at, token, len) != 0) {
        return false;
    }
    m->at += len;
    return true;
}

/* A word such as `of`, not the beginning of a longer one. */
static bool take_word(struct matcher *m, const char *word)
{
    const char *before = m->at;
    if (!take(m, word)) {
        return false;
    }
    struct slice rest = {m->at, (size_t)(m->end - m->at)};
    if (pattern_name_len(rest) == 0) {
        return true;
    }
    m->at = before;
    return false;
}

/* Shortens what is shown of a long value. */
static int shown(struct slice json)
{
    return json.len > 120 ? 120 : (int)json.len;
}

static bool match_value(struct matcher *m, struct slice json);

static bool same_number(struct slice a, struct slice b)
{
    /* Two ways to write one number may differ in the last bit of a double;
     * a microsecond is several of them in a Unix time. */
    double x = scan_number(a);
    return slice_equal(a, b) || fabs(x - scan_number(b)) <= 4e-16 * fabs(x);
}

static bool same_scalar(struct matcher *m, struct slice a, struct slice b)
{
    enum scan_kind kind = scan_kind_of(a);
    if (kind != scan_kind_of(b)) {
        return false;
    }
    if (kind == SCAN_NUMBER) {
        return same_number(a, b);
    }
    if (kind == SCAN_STRING) {
        return slice_equal(scan_text(a, m->arena), scan_text(b, m->arena));
    }
    return slice_equal(a, b);
}

static bool match_literal(struct matcher *m, struct slice json)
{
    struct scan scan = {m->at, m->end};
    struct slice expected;
    if (scan_value(&scan, &expected) == SCAN_BAD) {
        return differ(m, "not a pattern: %.40s", m->at);
    }
    m->at = scan.at;
    if (!same_scalar(m, expected, json)) {
        return differ(m, "expected %.*s, got %.*s", shown(expected),
                      expected.at, shown(json), json.at);
    }
    return true;
}

static bool match_bytes(struct matcher *m, struct slice json)
{
    const char *end = memchr(m->at, '`', (size_t)(m->end - m->at));
    if (end == NULL) {
        return differ(m, "a ` has no second one");
    }
    struct slice expected = {m->at, (size_t)(end - m->at)};
    m->at = end + 1;
    if (!slice_equal(expected, json)) {
        return differ(m, "expected the bytes %.*s, got %.*s", shown(expected),
                      expected.at, shown(json), json.at);
    }
    return true;
}

static struct slice take_name(struct matcher *m)
{
    struct slice rest = {m->at, (size_t)(m->end - m->at)};
    struct slice name = {m->at, pattern_name_len(rest)};
    m->at += name.len;
    return name;
}

/* The right side of a comparison: a name or a number. */
static bool take_operand(struct matcher *m, double *operand)
{
    if (take(m, "$")) {
        struct slice value = bindings_get(m->bindings, take_name(m));
        if (value.at == NULL || scan_kind_of(value) != SCAN_NUMBER) {
            return differ(m, "compared with what is no number");
        }
        *operand = scan_number(value);
        return true;
    }
    char *end;
    *operand = strtod(m->at, &end);
    if (end == m->at) {
        return differ(m, "compared with what is no number");
    }
    m->at = end;
    return true;
}

/* A comparison, if there is one here. */
static bool match_compared(struct matcher *m, struct slice json)
{
    static const char *const operators[] = {">=", "<=", ">", "<"};
    size_t op = 0;
    while (op < 4 && !take(m, operators[op])) {
        op++;
    }
    if (op == 4) {
        return true;
    }
    double right = 0;
    if (!take_operand(m, &right)) {
        return false;
    }
    double left = scan_kind_of(json) == SCAN_NUMBER ? scan_number(json) : NAN;
    bool holds = op == 0   ? left >= right
                 : op == 1 ? left <= right
                 : op == 2 ? left > right
                           : left < right;
    if (!holds) {
        return differ(m, "expected %s %.17g, got %.*s", operators[op], right,
                      shown(json), json.at);
    }
    return true;
}

static bool match_name(struct matcher *m, struct slice json)
{
    struct slice name = take_name(m);
    struct slice value = bindings_get(m->bindings, name);
    if (value.at == NULL) {
        bindings_set(m->bindings, name, json);
    } else if (!slice_equal(value, json) && !same_scalar(m, value, json)) {
        return differ(m, "expected $%.*s, which is %.*s, got %.*s",
                      (int)name.len, name.at, shown(value), value.at,
                      shown(json), json.at);
    }
    return match_compared(m, json);
}

static bool find_member(struct slice object, struct slice key,
                        struct slice *value)
{
    struct scan_members members = scan_members(object, 1);
    while (scan_next(&members)) {
        if (slice_equal(members.key, key)) {
            *value = members.value;
            return true;
        }
    }
    return false;
}

static size_t count_members(struct slice json)
{
    size_t count = 0;
    struct scan_members members = scan_members(json, 1);
    while (scan_next(&members)) {
        count++;
    }
    return count;
}

/* `"key": pattern`, of an object. Counts members that are there. */
static bool match_member(struct matcher *m, struct slice object, size_t *there)
{
    struct scan scan = {m->at, m->end};
    struct slice key;
    struct slice value;
    if (scan_value(&scan, &key) != SCAN_STRING) {
        return differ(m, "a pattern's key is no string: %.40s", m->at);
    }
    m->at = scan.at;
    key = (struct slice){key.at + 1, key.len - 2};
    if (!take(m, ":")) {
        return differ(m, "no ':' behind %.*s", (int)key.len, key.at);
    }
    size_t path_len = strlen(m->path);
    snprintf(m->path + path_len, sizeof m->path - path_len, ".%.*s",
             (int)key.len, key.at);
    bool found = find_member(object, key, &value);
    if (take_word(m, "absent")) {
        if (found) {
            return differ(m, "expected none, got %.*s", shown(value), value.at);
        }
    } else if (!found) {
        return differ(m, "expected it, not there");
    } else if (!match_value(m, value)) {
        return false;
    }
    *there += found;
    m->path[path_len] = '\0';
    return true;
}

static bool match_object(struct matcher *m, struct slice json)
{
    size_t there = 0;
    if (scan_kind_of(json) != SCAN_OBJECT) {
        return differ(m, "expected an object, got %.*s", shown(json), json.at);
    }
    if (take(m, "}")) {
        return !m->exact || count_members(json) == 0 ||
               differ(m, "expected {}, got %.*s", shown(json), json.at);
    }
    do {
        skip_space(m);
        if (!match_member(m, json, &there)) {
            return false;
        }
    } while (take(m, ","));
    if (!take(m, "}")) {
        return differ(m, "a pattern has no '}'");
    }
    return !m->exact || count_members(json) == there ||
           differ(m, "expected these members alone, got %.*s", shown(json),
                  json.at);
}

static bool match_element(struct matcher *m, struct slice json, size_t index)
{
    size_t path_len = strlen(m->path);
    snprintf(m->path + path_len, sizeof m->path - path_len, "[%zu]", index);
    if (!match_value(m, json)) {
        return false;
    }
    m->path[path_len] = '\0';
    return true;
}

/* `[N of P]`; the place is behind `of`. */
static bool match_each(struct matcher *m, struct slice json, size_t count)
{
    const char *each = m->at;
    size_t index = 0;
    if (count_members(json) != count || count == 0) {
        return differ(m, "expected %zu elements, got %zu", count,
                      count_members(json));
    }
    struct scan_members members = scan_members(json, 1);
    while (scan_next(&members)) {
        m->at = each;
        if (!match_element(m, members.value, index++)) {
            return false;
        }
    }
    return take(m, "]") || differ(m, "a pattern has no ']'");
}

static bool take_count(struct matcher *m, size_t *count)
{
    const char *before = m->at;
    char *end;
    skip_space(m);
    *count = strtoul(m->at, &end, 10);
    if (end != m->at) {
        m->at = end;
        if (take_word(m, "of")) {
            return true;
        }
    }
    m->at = before;
    return false;
}

static bool match_elements(struct matcher *m, struct slice json)
{
    struct scan_members members = scan_members(json, 1);
    size_t index = 0;
    if (take(m, "]")) {
        return !scan_next(&members) ||
               differ(m, "expected [], got %.*s", shown(json), json.at);
    }
    do {
        if (take(m, "...")) {
            return take(m, "]") || differ(m, "a pattern has no ']'");
        }
        if (!scan_next(&members)) {
            return differ(m, "expected more than %zu elements: %.*s", index,
                          shown(json), json.at);
        }
        if (!match_element(m, members.value, index++)) {
            return false;
        }
    } while (take(m, ","));
    if (!take(m, "]")) {
        return differ(m, "a pattern has no ']'");
    }
    return !scan_next(&members) ||
           differ(m, "expected %zu elements, got %zu: %.*s", index,
                  count_members(json), shown(json), json.at);
}

static bool match_array(struct matcher *m, struct slice json)
{
    size_t count;
    if (scan_kind_of(json) != SCAN_ARRAY) {
        return differ(m, "expected a list, got %.*s", shown(json), json.at);
    }
    if (take_count(m, &count)) {
        return match_each(m, json, count);
    }
    return match_elements(m, json);
}

static bool match_value(struct matcher *m, struct slice json)
{
    skip_space(m);
    if (take_word(m, "_")) {
        return true;
    }
    if (take(m, "$")) {
        return match_name(m, json);
    }
    if (take(m, "`")) {
        return match_bytes(m, json);
    }
    if (m->at < m->end && (*m->at == '<' || *m->at == '>')) {
        return match_compared(m, json);
    }
    if (take(m, "{")) {
        return match_object(m, json);
    }
    if (take(m, "[")) {
        return match_array(m, json);
    }
    return match_literal(m, json);
}

bool pattern_match(struct slice pattern, struct slice json, bool exact,
                   struct bindings *bindings, struct mismatch *why)
{
    struct arena arena;
    arena_init(&arena);
    struct matcher m = {
        pattern.at, pattern.at + pattern.len, bindings, &arena, exact, "", why};
    bool matches = match_value(&m, json);
    skip_space(&m);
    if (matches && m.at != m.end) {
        matches = differ(&m, "behind the pattern: %.40s", m.at);
    }
    arena_fini(&arena);
    return matches;
}
