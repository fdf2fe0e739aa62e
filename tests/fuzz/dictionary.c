/* Writes the fuzzers' dictionary, from the tables of the protocol. */
#include "proto/method.h"

#include <stdio.h>

/* As a JSON string, in the dictionary's own quotes. */
static void print_string(const char *text, size_t len)
{
    printf("\"\\\"%.*s\\\"\"\n", (int)len, text);
}

static void print_words(const char *words)
{
    for (;;) {
        size_t len = strcspn(words, " ");
        print_string(words, len);
        if (words[len] == '\0') {
            return;
        }
        words += len + 1;
    }
}

int main(void)
{
    static const char *const others[] = {
        "\\\"jsonrpc\\\":\\\"2.0\\\"",
        "\\\"id\\\":1",
        "\\\"method\\\":",
        "\\\"params\\\":{",
        "\\\"result\\\":",
        "\\\"error\\\":",
        "\\\\u0000",
        "\\\\ud83d\\\\ude00",
        "\\\\ud800",
        "\\xC3\\xA4",
        "\\xE2\\x80\\xA8",
        "\\xF0\\x9F\\x98\\x80",
        "\\xED\\xA0\\x80",
        "9007199254740992",
        "1e10",
        "1e-9",
        "1e999",
        "-0",
        "0.1",
        "null",
        "true",
        "false",
        "\\x0D\\x0A",
    };
    for (enum method i = 0; i < METHODS; i++) {
        print_string(method_row(i)->name, strlen(method_row(i)->name));
    }
    for (enum field i = 0; i < FIELDS; i++) {
        const struct field_row *row = field_row(i);
        print_string(row->name, row->name_len);
        if (row->words != NULL) {
            print_words(row->words);
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        printf("\"%s\"\n", others[i]);
    }
    return 0;
}
