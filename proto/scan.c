#include "proto/scan.h"

#include "proto/check.h"
#include "proto/limits.h"
#include "proto/utf8.h"

/* Room for the nesting of one value. A `depth` below 1 in scan_members allows
 * more than JSON_DEPTH_MAX levels, up to this. */
#define LEVELS_MAX 128

/* A text being read, and what is wrong with it once something is. */
struct text {
    const char *end;
    const char *fault;
    const char *fault_at;
};

__attribute__((cold, noinline)) static const char *
fail(struct text *text, const char *at, const char *fault)
{
    text->fault = at == text->end ? "it ends too early" : fault;
    text->fault_at = at;
    return NULL;
}

static inline const char *skip_space(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at <= ' ' &&
           (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

static inline bool is_digit(const char *at, const char *end)
{
    return at < end && (unsigned)(*at - '0') <= 9;
}

/* -1: none. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* From the backslash to behind the escape. */
static const char *skip_escape(struct text *text, const char *at)
{
    if (text->end - at < 2) {
        return fail(text, text->end, "");
    }
    if (at[1] != 'u') {
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL
                   ? at + 2
                   : fail(text, at, "an escape that JSON does not have");
    }
    for (int i = 2; i < 6; i++) {
        if (at + i == text->end || hex_value(at[i]) < 0) {
            return fail(text, at + i, "\\u without four hexadecimal digits");
        }
    }
    return at + 6;
}

/* From behind the opening quote to behind the closing one. */
static inline const char *skip_string(struct text *text, const char *at)
{
    const char *end = text->end;
    for (;;) {
        at = utf8_plain(at, end);
        if (at == end) {
            return fail(text, at, "");
        }
        if (*at == '"') {
            return at + 1;
        }
        if (*at == '\\') {
            at = skip_escape(text, at);
            if (at == NULL) {
                return NULL;
            }
            continue;
        }
        if ((unsigned char)*at < 0x20) {
            return fail(text, at, "a control character that is not escaped");
        }
        do {
            size_t len = utf8_length(at, end);
            if (len == 0) {
                return fail(text, at, "bytes that are not UTF-8");
            }
            at += len;
        } while (at < end && (unsigned char)*at >= 0x80);
    }
}

static const char *skip_digits(struct text *text, const char *at)
{
    if (!is_digit(at, text->end)) {
        return fail(text, at, "a digit is missing");
    }
    do {
        at++;
    } while (is_digit(at, text->end));
    return at;
}

static const char *skip_number(struct text *text, const char *at)
{
    const char *end = text->end;
    if (*at == '-') {
        at++;
    }
    if (at < end && *at == '0') {
        at++;
    } else {
        at = skip_digits(text, at);
    }
    if (at != NULL && at < end && *at == '.') {
        at = skip_digits(text, at + 1);
    }
    if (at != NULL && at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        at = skip_digits(text, at);
    }
    return at;
}

static const char *skip_literal(struct text *text, const char *at,
                                struct slice literal)
{
    for (size_t i = 0; i < literal.len; i++, at++) {
        if (at == text->end || *at != literal.at[i]) {
            return fail(text, at, "neither true, false nor null");
        }
    }
    return at;
}

static enum scan_kind kind_of_byte(char first)
{
    switch (first) {
    case '{':
        return SCAN_OBJECT;
    case '[':
        return SCAN_ARRAY;
    case '"':
        return SCAN_STRING;
    case 't':
        return SCAN_TRUE;
    case 'f':
        return SCAN_FALSE;
    case 'n':
        return SCAN_NULL;
    default:
        return first == '-' || (unsigned)(first - '0') <= 9 ? SCAN_NUMBER
                                                            : SCAN_BAD;
    }
}

/* Anything but an object or array. */
static inline const char *skip_scalar(struct text *text, const char *at)
{
    switch (*at) {
    case '"':
        return skip_string(text, at + 1);
    case 't':
        return skip_literal(text, at, SLICE("true"));
    case 'f':
        return skip_literal(text, at, SLICE("false"));
    case 'n':
        return skip_literal(text, at, SLICE("null"));
    default:
        return kind_of_byte(*at) == SCAN_NUMBER
                   ? skip_number(text, at)
                   : fail(text, at, "a value is missing");
    }
}

/* From a key's opening quote to its value. */
static inline const char *skip_key(struct text *text, const char *at)
{
    if (at == text->end || *at != '"') {
        return fail(text, at, "a key is missing");
    }
    at = skip_string(text, at + 1);
    if (at == NULL) {
        return NULL;
    }
    at = skip_space(at, text->end);
    if (at == text->end || *at != ':') {
        return fail(text, at, "a colon is missing");
    }
    return skip_space(at + 1, text->end);
}

static inline char closing(char bracket)
{
    return bracket == '{' ? '}' : ']';
}

/*
 * From the first byte of a value to behind it; at most `levels` deep. `open`
 * holds the closing bracket of each level.
 */
static const char *skip_value(struct text *text, const char *at, int levels)
{
    const char *end = text->end;
    char open[LEVELS_MAX];
    int depth = 0;
    for (;;) {
        if (at == end) {
            return fail(text, at, "");
        }
        if (*at == '{' || *at == '[') {
            if (depth >= levels) {
                return fail(text, at, "more than 64 levels");
            }
            open[depth] = closing(*at);
            at = skip_space(at + 1, end);
            if (at == end || *at != open[depth]) {
                at = open[depth] == '}' ? skip_key(text, at) : at;
                if (at == NULL) {
                    return NULL;
                }
                depth++;
                continue;
            }
            at++;
        } else {
            at = skip_scalar(text, at);
            if (at == NULL) {
                return NULL;
            }
        }
        for (; depth > 0; depth--, at++) {
            at = skip_space(at, end);
            if (at == end || *at != open[depth - 1]) {
                break;
            }
        }
        if (depth == 0) {
            return at;
        }
        if (at == end || *at != ',') {
            return fail(text, at, "neither a comma nor a closing bracket");
        }
        at = skip_space(at + 1, end);
        at = open[depth - 1] == '}' ? skip_key(text, at) : at;
        if (at == NULL) {
            return NULL;
        }
    }
}

enum scan_kind scan_value(struct scan *scan, struct slice *value)
{
    struct text text = {.end = scan->end};
    const char *begin = skip_space(scan->at, scan->end);
    const char *behind = skip_value(&text, begin, JSON_DEPTH_MAX);
    if (behind == NULL) {
        return SCAN_BAD;
    }
    scan->at = behind;
    *value = (struct slice){begin, (size_t)(behind - begin)};
    return kind_of_byte(*begin);
}

enum scan_kind scan_kind_of(struct slice value)
{
    return value.len == 0 ? SCAN_BAD : kind_of_byte(value.at[0]);
}

bool scan_at_end(struct scan *scan)
{
    scan->at = skip_space(scan->at, scan->end);
    return scan->at == scan->end;
}

const char *scan_fault(struct slice whole, size_t *at)
{
    struct text text = {.end = whole.at + whole.len};
    const char *behind =
        skip_value(&text, skip_space(whole.at, text.end), JSON_DEPTH_MAX);
    if (behind != NULL) {
        behind = skip_space(behind, text.end);
        if (behind != text.end) {
            (void)fail(&text, behind, "something follows the value");
        }
    }
    if (text.fault != NULL) {
        *at = (size_t)(text.fault_at - whole.at);
    }
    return text.fault;
}

bool scan_valid(struct slice text)
{
    size_t at;
    return scan_fault(text, &at) == NULL;
}

static struct scan_members members_at(const char *at, const char *end,
                                      int depth)
{
    bool bad =
        at == end || (*at != '{' && *at != '[') || depth > JSON_DEPTH_MAX;
    struct scan_members members = {
        .scan = {.at = at, .end = end},
        .depth = depth,
        .first = true,
        .bad = bad,
    };
    if (!bad) {
        members.close = closing(*at);
        members.scan.at++;
    }
    return members;
}

struct scan_members scan_members(struct slice value, int depth)
{
    CHECK(depth >= JSON_DEPTH_MAX - LEVELS_MAX);
    const char *end = value.at + value.len;
    return members_at(skip_space(value.at, end), end, depth);
}

struct scan_members scan_inside(const struct scan_members *members)
{
    struct scan_members inner =
        members_at(members->scan.at, members->scan.end, members->depth + 1);
    inner.inner = true;
    return inner;
}

bool scan_leave(struct scan_members *members, const struct scan_members *inner)
{
    members->scan.at = inner->scan.at;
    members->value.len = (size_t)(inner->scan.at - members->value.at);
    members->bad = members->bad || inner->bad;
    return !members->bad;
}

static bool members_bad(struct scan_members *members)
{
    members->bad = true;
    return false;
}

/* At the closing bracket. */
static bool members_end(struct scan_members *members)
{
    members->scan.at++;
    members->close = '\0';
    if (!members->inner && !scan_at_end(&members->scan)) {
        members->bad = true;
    }
    return false;
}

bool scan_begin(struct scan_members *members)
{
    const char *end = members->scan.end;
    if (members->bad || members->close == '\0') {
        return false;
    }
    const char *at = skip_space(members->scan.at, end);
    if (at == end) {
        return members_bad(members);
    }
    if (*at == members->close) {
        members->scan.at = at;
        return members_end(members);
    }
    if (!members->first) {
        if (*at != ',') {
            return members_bad(members);
        }
        at = skip_space(at + 1, end);
    }
    members->first = false;
    if (members->close == '}') {
        struct text text = {.end = end};
        const char *quote = at;
        const char *behind =
            at < end && *at == '"' ? skip_string(&text, at + 1) : NULL;
        at = behind == NULL ? NULL : skip_space(behind, end);
        if (at == NULL || at == end || *at != ':') {
            return members_bad(members);
        }
        members->key = (struct slice){quote + 1, (size_t)(behind - quote) - 2};
        at = skip_space(at + 1, end);
    }
    members->kind = at == end ? SCAN_BAD : kind_of_byte(*at);
    members->scan.at = at;
    members->value = (struct slice){at, 0};
    return members->kind != SCAN_BAD || members_bad(members);
}

bool scan_skip(struct scan_members *members)
{
    struct text text = {.end = members->scan.end};
    const char *at = members->scan.at;
    const char *behind = skip_value(&text, at, JSON_DEPTH_MAX - members->depth);
    if (behind == NULL) {
        return members_bad(members);
    }
    members->scan.at = behind;
    members->value = (struct slice){at, (size_t)(behind - at)};
    return true;
}

bool scan_next(struct scan_members *members)
{
    return scan_begin(members) && scan_skip(members);
}

bool scan_whole(struct scan_members *members, int64_t *value)
{
    const char *at = members->scan.at;
    const char *end = members->scan.end;
    int64_t number = 0;
    /* Nearly always it is a few plain digits. */
    while (is_digit(at, end) && at - members->scan.at < 15) {
        number = number * 10 + (*at - '0');
        at++;
    }
    size_t len = (size_t)(at - members->scan.at);
    if (len > 0 && at < end && (*at == ',' || *at == ']' || *at == '}') &&
        members->scan.at[0] != '0') {
        members->value = (struct slice){members->scan.at, len};
        members->scan.at = at;
        *value = number;
        return true;
    }
    if (members->kind != SCAN_NUMBER) {
        return false;
    }
    struct scan_members before = *members;
    if (!scan_skip(members)) {
        return false;
    }
    if (!scan_integer(members->value, value)) {
        *members = before;
        return false;
    }
    return true;
}

bool scan_utf8(struct slice text)
{
    const char *at = text.at;
    const char *end = text.at + text.len;
    while (at < end) {
        size_t len = utf8_length(at, end);
        if (len == 0) {
            return false;
        }
        at = len == 1 ? utf8_plain(at + 1, end) : at + len;
    }
    return true;
}

/* Four hexadecimal digits that were checked. */
static unsigned unit_at(const char *at)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        unit = unit << 4 | (unsigned)hex_value(at[i]);
    }
    return unit;
}

/*
 * The character that the escape at `*at` (its backslash) stands for; puts *at
 * behind it, and behind the second half of a pair. *lone: it was a half.
 */
static unsigned unescape_one(const char **at, const char *end, bool *lone)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    char what = (*at)[1];
    *lone = false;
    if (what != 'u') {
        *at += 2;
        const char *found = strchr(from, what);
        return (unsigned char)(found == NULL ? what : to[found - from]);
    }
    unsigned unit = unit_at(*at + 2);
    *at += 6;
    if (unit < 0xD800 || unit > 0xDFFF) {
        return unit;
    }
    if (unit < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' &&
        (*at)[1] == 'u') {
        unsigned low = unit_at(*at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *at += 6;
            return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    *lone = true;
    return 0xFFFD;
}

static char *put_utf8(char *at, unsigned c)
{
    if (c < 0x80) {
        *at++ = (char)c;
    } else if (c < 0x800) {
        *at++ = (char)(0xC0 | c >> 6);
        *at++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *at++ = (char)(0xE0 | c >> 12);
        *at++ = (char)(0x80 | (c >> 6 & 0x3F));
        *at++ = (char)(0x80 | (c & 0x3F));
    } else {
        *at++ = (char)(0xF0 | c >> 18);
        *at++ = (char)(0x80 | (c >> 12 & 0x3F));
        *at++ = (char)(0x80 | (c >> 6 & 0x3F));
        *at++ = (char)(0x80 | (c & 0x3F));
    }
    return at;
}

struct slice scan_key_text(struct slice key, struct arena *arena)
{
    const char *at = key.at;
    const char *end = key.at + key.len;
    const char *escape = memchr(at, '\\', key.len);
    if (escape == NULL) {
        return key;
    }
    /* An escape is never shorter than what it stands for. */
    char *text = arena_alloc(arena, key.len);
    char *to = text;
    while (escape != NULL) {
        bool lone;
        memcpy(to, at, (size_t)(escape - at));
        to += escape - at;
        at = escape;
        to = put_utf8(to, unescape_one(&at, end, &lone));
        escape = memchr(at, '\\', (size_t)(end - at));
    }
    memcpy(to, at, (size_t)(end - at));
    to += end - at;
    return (struct slice){text, (size_t)(to - text)};
}

/* Without its quotes. */
static struct slice unquoted(struct slice string)
{
    CHECK(string.len >= 2 && string.at[0] == '"');
    return (struct slice){string.at + 1, string.len - 2};
}

struct slice scan_text(struct slice string, struct arena *arena)
{
    return scan_key_text(unquoted(string), arena);
}

bool scan_lone_surrogate(struct slice string)
{
    struct slice inside = unquoted(string);
    const char *at = inside.at;
    const char *end = inside.at + inside.len;
    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        bool lone;
        (void)unescape_one(&at, end, &lone);
        if (lone) {
            return true;
        }
    }
    return false;
}
