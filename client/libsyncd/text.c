/*
 * Text and JSON, for programs that have no JSON library of their own.
 */
#include "client/libsyncd/call.h"
#include "client/libsyncd/syncd.h"
#include "proto/memory.h"

char *syncd_quote(const char *text, size_t len)
{
    struct slice slice = {text, len};
    if (!scan_utf8(slice)) {
        return NULL;
    }
    struct out out;
    out_init(&out);
    write_string(&out, slice);
    out_byte(&out, '\0');
    return out.at;
}

bool syncd_is_json(const char *text, size_t len)
{
    return text != NULL && scan_valid((struct slice){text, len});
}

char *syncd_text_of(const char *json, size_t json_len, size_t *len)
{
    struct scan scan = {json, json + json_len};
    struct slice value = {0};
    if (json == NULL || scan_value(&scan, &value) != SCAN_STRING ||
        !scan_at_end(&scan)) {
        return NULL;
    }
    struct arena arena;
    arena_init(&arena);
    struct slice text = scan_text(value, &arena);
    char *copy = mem_strndup(text.at, text.len);
    if (len != NULL) {
        *len = text.len;
    }
    arena_fini(&arena);
    return copy;
}
