/*
 * The configuration: defaults, then the file, then the command line.
 *
 * What keys there are is told by config.def alone. The syntax of the file is
 * libconfuse's: `key = value`, `#` comments. A mistake in it is reported with
 * file and line, an unknown key with the nearest one that exists.
 */
#ifndef SYNCD_IO_CONFIG_H
#define SYNCD_IO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/io/allow.h"

enum config_key {
#define KEY(name, type, fallback, least, most, words, reload, doc) KEY_##name,
#include "daemon/io/config.def"
#undef KEY
    CONFIG_KEYS
};

/* The places of the words of a WORD. */
enum config_store { CONFIG_STORE_SQLITE, CONFIG_STORE_MEMORY };
enum config_log { CONFIG_LOG_STDERR, CONFIG_LOG_JOURNAL };

enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_OPTION };

#define CONFIG_TYPE_TEXT  char * /* owned, never NULL */
#define CONFIG_TYPE_WORD  int64_t
#define CONFIG_TYPE_SIZE  int64_t
#define CONFIG_TYPE_COUNT int64_t
#define CONFIG_TYPE_MODE  int64_t

struct config {
#define KEY(name, type, fallback, least, most, words, reload, doc) \
    CONFIG_TYPE_##type name;
#include "daemon/io/config.def"
#undef KEY
    enum config_origin origin[CONFIG_KEYS];
    struct allows allows;
};

/* Where a configuration comes from; kept so that a reload reads it again. */
struct config_source {
    const char *file;                 /* borrowed; NULL: none */
    bool file_required;               /* named by the user: it must be there */
    const char *options[CONFIG_KEYS]; /* borrowed; NULL: not given */
};

/* One line that says what is wrong and what is right. */
struct config_error {
    char text[400];
};

/* 0, or -1 with `error` set and nothing to be freed. */
int config_load(struct config *config, const struct config_source *source,
                struct config_error *error);
void config_fini(struct config *config);

/* The word of a WORD as it is written, such as "sqlite". */
void config_word(enum config_key key, int64_t value, char *text, size_t size);

/* Takes over from `fresh` what may change while running; what was there before
 * is in `fresh` then. Calls `restart` with the name of each key that differs
 * and may not. */
void config_reload(struct config *config, struct config *fresh,
                   void (*restart)(void *arg, const char *key), void *arg);

/* The values in force, as a file that could be read again, each with where it
 * comes from. */
void config_print(const struct config *config, FILE *to);

/* A file of comments: every key with what it does and its default. */
void config_print_default(FILE *to);

#endif
