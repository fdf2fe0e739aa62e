/* Bodies as people and commands see them <-> JSON. */
#include "client/syncctl/body.h"

#include "proto/limits.h"
#include "proto/scan.h"

#include <jansson.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The JSON without its white space that contains an end of line; strings have
 * no raw ones. */
static void one_line(struct slice json, struct out *line)
{
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.at[i];
        if (!in_string && is_space(c)) {
            size_t begin = i;
            while (i + 1 < json.len && is_space(json.at[i + 1])) {
                i++;
            }
            struct slice run = {json.at + begin, i + 1 - begin};
            if (memchr(run.at, '\n', run.len) == NULL &&
                memchr(run.at, '\r', run.len) == NULL) {
                out_bytes(line, run);
            }
            continue;
        }
        out_byte(line, c);
        if (in_string && c == '\\' && i + 1 < json.len) {
            out_byte(line, json.at[++i]);
        } else if (c == '"') {
            in_string = !in_string;
        }
    }
}

void body_write_json(struct slice value, struct out *json)
{
    if (memchr(value.at, '\n', value.len) == NULL &&
        memchr(value.at, '\r', value.len) == NULL) {
        write_json(json, value);
        return;
    }
    struct out line = {0};
    one_line(value, &line);
    write_json(json, (struct slice){line.at, line.len});
    out_fini(&line);
}

bool body_write(struct slice text, bool as_string, struct out *json)
{
    if (!as_string && scan_valid(text)) {
        struct scan scan = {text.at, text.at + text.len};
        struct slice value = text;
        scan_value(&scan, &value);
        body_write_json(value, json);
        return true;
    }
    if (!scan_utf8(text)) {
        return false;
    }
    write_string(json, text);
    return true;
}

/* How deep its brackets go, outside of strings. */
static int levels_of(struct slice text)
{
    int depth = 0;
    int most = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            most = depth > most ? depth : most;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return most;
}

/* The scanner ends where it is too deep; what is deeper than jansson goes as
 * well (2048) is no string that somebody means. */
static bool parses(struct slice text)
{
    json_error_t error;
    json_t *json =
        json_loadb(text.at, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool deep =
        json == NULL && json_error_code(&error) == json_error_stack_overflow;
    json_decref(json);
    return json != NULL || deep;
}

bool body_too_deep(struct slice text, int around)
{
    return levels_of(text) > JSON_DEPTH_MAX - around &&
           (scan_valid(text) || parses(text));
}

const char *body_write_line(struct slice text, struct out *json)
{
    if (body_too_deep(text, BODY_AROUND_MANY)) {
        _Static_assert(JSON_DEPTH_MAX - BODY_AROUND_MANY == 61, "as it says");
        return "is nested deeper than 61 levels, a message has 64";
    }
    if (!scan_valid(text)) {
        return "is not JSON";
    }
    (void)body_write(text, false, json);
    return NULL;
}

struct slice body_text(struct slice json, struct arena *arena)
{
    return scan_kind_of(json) == SCAN_STRING ? scan_text(json, arena) : json;
}

/* The length of the UTF-8 sequence at the start, or 0. */
static size_t sequence(const char *at, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++) {
        if (scan_utf8((struct slice){at, n})) {
            return n;
        }
    }
    return 0;
}

void body_write_repaired(struct slice bytes, struct out *json)
{
    if (scan_utf8(bytes)) {
        write_string(json, bytes);
        return;
    }
    struct out text = {0};
    for (size_t i = 0; i < bytes.len;) {
        size_t n = sequence(bytes.at + i, bytes.len - i);
        if (n == 0) {
            out_bytes(&text, SLICE("\xef\xbf\xbd"));
            i++;
        } else {
            out_bytes(&text, (struct slice){bytes.at + i, n});
            i += n;
        }
    }
    write_string(json, (struct slice){text.at, text.len});
    out_fini(&text);
}
