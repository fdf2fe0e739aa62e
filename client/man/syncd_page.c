/*
 * Makes syncd(8): copies the page from standard input to standard output, and
 * puts the configuration keys of daemon/io/config.def where it says @KEYS@,
 * the version and its date where it says @VERSION@ and @DATE@.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    const char *fallback;
    const char *words; /* NULL: it is no choice of words */
    const char *doc;
    bool reload;
};

static const struct row rows[] = {
#define KEY(name, type, fallback, least, most, words, reload, doc) \
    {#name, fallback, words, doc, reload},
#include "daemon/io/config.def"
#undef KEY
};

/* Text as roff: no escape, and no quotes that end an argument. */
static void print_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            (void)fputs("\\e", stdout);
        } else if (*text == '~') {
            (void)fputs("\\(ti", stdout);
        } else {
            putchar(*text);
        }
    }
}

static void print_keys(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        printf(".It Ic %s\n", row->name);
        print_text(row->doc);
        if (row->words != NULL) {
            printf("\nOne of: %s.", row->words);
        }
        if (*row->fallback != '\0') {
            printf("\nDefault: %s.", row->fallback);
        }
        puts(row->reload ? "\nA SIGHUP changes it." : "");
    }
}

int main(void)
{
    char line[1024];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *version = strstr(line, "@VERSION@");
        char *date = strstr(line, "@DATE@");
        if (strcmp(line, "@KEYS@\n") == 0) {
            print_keys();
        } else if (version != NULL) {
            printf("%.*s%s%s", (int)(version - line), line, SYNCD_VERSION,
                   version + strlen("@VERSION@"));
        } else if (date != NULL) {
            printf("%.*s%s%s", (int)(date - line), line, SYNCD_DATE,
                   date + strlen("@DATE@"));
        } else {
            (void)fputs(line, stdout);
        }
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
