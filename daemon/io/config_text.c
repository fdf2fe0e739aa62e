#include "daemon/io/config_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/memory.h"

/* Nobody writes a longer one. */
#define FILE_BYTES_MAX ((size_t)1 << 20)

/* Behind a string in quotes that begins at `at`. */
static char *skip_quoted(char *at)
{
    char quote = *at++;
    while (*at != '\0' && *at != quote) {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return *at == '\0' ? at : at + 1;
}

static char *blank_until(char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at != '\n') {
            *at = ' ';
        }
    }
    return at;
}

/* Behind the comment that begins at `at`, now blank; `at` if none does. */
static char *blank_comment(char *at)
{
    if (at[0] == '#' || (at[0] == '/' && at[1] == '/')) {
        return blank_until(at, at + strcspn(at, "\n"));
    }
    if (at[0] == '/' && at[1] == '*') {
        char *end = strstr(at + 2, "*/");
        return blank_until(at, end == NULL ? at + strlen(at) : end + 2);
    }
    return at;
}

/* A word without quotes ends at a #, but may have // and a slash and a star in
 * it. */
static void blank_comments(char *text)
{
    static const char between[] = " \t\r\n=\"'{}()+,";
    bool in_word = false;
    for (char *at = text; *at != '\0';) {
        char *behind = in_word && *at != '#' ? at : blank_comment(at);
        if (behind == at && (*at == '"' || *at == '\'')) {
            behind = skip_quoted(at);
        }
        if (behind != at) {
            in_word = false;
            at = behind;
        } else {
            in_word = strchr(between, *at) == NULL;
            at++;
        }
    }
}

char *config_text_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    char *text = mem_alloc(FILE_BYTES_MAX + 2);
    *len = fread(text, 1, FILE_BYTES_MAX + 1, file);
    int reason = ferror(file) ? errno : *len > FILE_BYTES_MAX ? EFBIG : 0;
    (void)fclose(file);
    if (reason != 0) {
        mem_free(text);
        errno = reason;
        return NULL;
    }
    text[*len] = '\0';
    *len = strlen(text); /* a NUL ends it for libconfuse too */
    blank_comments(text);
    return text;
}
