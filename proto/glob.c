#include "proto/glob.h"

#include <string.h>

#include "proto/check.h"

/* Behind the set that begins at `at`, which is a `[`; NULL: it does not end. A
 * `]` that comes first is one of the set. */
static const char *behind_set(const char *at, const char *end)
{
    at++;
    if (at < end && *at == '!') {
        at++;
    }
    for (const char *first = at; at < end; at++) {
        if (*at == ']' && at > first) {
            return at + 1;
        }
    }
    return NULL;
}

const char *glob_fault(struct slice pattern)
{
    const char *end = pattern.at + pattern.len;
    if (pattern.len == 0) {
        return "it is empty";
    }
    for (const char *at = pattern.at; at != NULL && at < end;) {
        if (*at == '[') {
            at = behind_set(at, end);
            if (at == NULL) {
                return "a [ has no ]";
            }
        } else if (*at == '\\') {
            if (end - at < 2) {
                return "nothing follows the last \\";
            }
            at += 2;
        } else {
            at++;
        }
    }
    return NULL;
}

/* Bytes of the character that begins at `at`; names are valid UTF-8. */
static size_t character_len(const char *at, const char *end)
{
    size_t len = 1;
    while (at + len < end && ((unsigned char)at[len] & 0xC0) == 0x80) {
        len++;
    }
    return len;
}

static bool in_set(const char *at, const char *end, unsigned char byte)
{
    bool negated = at[1] == '!';
    bool found = false;
    at += negated ? 2 : 1;
    for (const char *stop = end - 1; at < stop; at++) {
        unsigned char low = (unsigned char)*at;
        unsigned char high = low;
        if (at + 2 < stop && at[1] == '-') {
            high = (unsigned char)at[2];
            at += 2;
        }
        found = found || (low <= byte && byte <= high);
    }
    return found != negated;
}

/* One item of the pattern that is no `*` against the beginning of the text:
 * moves both on, or neither. */
static bool match_one(const char **pattern, const char *pattern_end,
                      const char **text, const char *text_end)
{
    const char *p = *pattern;
    const char *t = *text;
    if (t == text_end) {
        return false;
    }
    size_t len = character_len(t, text_end);
    if (*p == '[') {
        const char *behind = behind_set(p, pattern_end);
        CHECK(behind != NULL);
        /* No character but an ASCII one is in a set. */
        if (!in_set(p, behind, len == 1 ? (unsigned char)*t : 0xFF)) {
            return false;
        }
        *pattern = behind;
        *text = t + len;
        return true;
    }
    if (*p == '?') {
        *pattern = p + 1;
        *text = t + len;
        return true;
    }
    p += *p == '\\';
    if (*p != *t) {
        return false;
    }
    *pattern = p + 1;
    *text = t + 1;
    return true;
}

bool glob_matches(struct slice pattern, struct slice text)
{
    const char *p = pattern.at;
    const char *p_end = p + pattern.len;
    const char *t = text.at;
    const char *t_end = t + text.len;
    const char *star = NULL; /* behind the last *; it takes up to `taken` */
    const char *taken = NULL;
    while (p < p_end || t < t_end) {
        if (p < p_end && *p == '*') {
            star = ++p;
            taken = t;
        } else if (p == p_end || !match_one(&p, p_end, &t, t_end)) {
            if (star == NULL || taken == t_end) {
                return false;
            }
            taken += character_len(taken, t_end);
            p = star;
            t = taken;
        }
    }
    return true;
}

size_t glob_literal(struct slice pattern)
{
    size_t len = 0;
    while (len < pattern.len && strchr("*?[\\", pattern.at[len]) == NULL) {
        len++;
    }
    return len;
}
