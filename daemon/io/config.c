/*
 * Reads and prints the configuration, by the table in config.def.
 *
 * libconfuse splits the file into keys and values and knows the lines; every
 * value is read by config_set, whether it comes from the table, from the file
 * or from the command line.
 */
#include "daemon/io/config.h"

#include <confuse.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/config_allow.h"
#include "daemon/io/config_text.h"
#include "proto/check.h"
#include "proto/memory.h"
#include "proto/nearest.h"

enum key_type { TYPE_TEXT, TYPE_WORD, TYPE_SIZE, TYPE_COUNT, TYPE_MODE };

struct key_row {
    const char *name;
    enum key_type type;
    size_t offset; /* in struct config */
    const char *fallback;
    int64_t least;
    int64_t most;
    const char *words;
    bool reload;
    const char *doc;
};

static const struct key_row keys[CONFIG_KEYS] = {
#define KEY(name, type, fallback, least, most, words, reload, doc) \
    {#name,    TYPE_##type, offsetof(struct config, name),         \
     fallback, least,       most,                                  \
     words,    reload,      doc},
#include "daemon/io/config.def"
#undef KEY
};

/* The option that no file sets: it carries the error to report to, the only
 * place where libconfuse lets a caller hang something of its own. */
#define CARRIER "(error)"

static char **text_of(struct config *config, const struct key_row *key)
{
    return (char **)(void *)((char *)config + key->offset);
}

static int64_t *number_of(struct config *config, const struct key_row *key)
{
    return (int64_t *)(void *)((char *)config + key->offset);
}

static int fail(struct config_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(struct config_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -1;
}

/* The place of a word in a list parted by spaces; -1: it is not in there. */
static int64_t word_place(const char *words, const char *word)
{
    size_t len = strlen(word);
    int64_t place = 0;
    for (const char *at = words; *at != '\0' && len > 0; place++) {
        size_t width = strcspn(at, " ");
        if (width == len && memcmp(at, word, len) == 0) {
            return place;
        }
        at += width + (at[width] == ' ');
    }
    return -1;
}

void config_word(enum config_key key, int64_t value, char *text, size_t size)
{
    const char *at = keys[key].words;
    for (int64_t i = 0; i < value; i++) {
        at += strcspn(at, " ") + 1;
    }
    (void)snprintf(text, size, "%.*s", (int)strcspn(at, " "), at);
}

/* How far a unit shifts; -1: it is none. */
static int unit_shift(const char *unit)
{
    static const char *const letters = "KMG";
    if (unit[0] == '\0') {
        return 0;
    }
    const char *letter = strchr(letters, unit[0]);
    if (letter == NULL || (unit[1] != '\0' && strcmp(unit + 1, "iB") != 0)) {
        return -1;
    }
    return 10 * (int)(letter - letters + 1);
}

/* A number by the rules of its key; false: it is none, or out of range. */
static bool read_number(const struct key_row *key, const char *text,
                        int64_t *number)
{
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, key->type == TYPE_MODE ? 8 : 10);
    int shift = key->type == TYPE_SIZE ? unit_shift(end) : *end ? -1 : 0;
    if (errno != 0 || shift < 0 || value > (INT64_MAX >> shift)) {
        return false;
    }
    *number = (int64_t)value << shift;
    return *number >= key->least && *number <= key->most;
}

static int refuse_number(const struct key_row *key, const char *text,
                         struct config_error *error)
{
    if (key->type == TYPE_MODE) {
        return fail(error, "%s is permissions in octal, such as 0660, not '%s'",
                    key->name, text);
    }
    return fail(error,
                "%s is a number from %" PRId64 " to %" PRId64 "%s, not '%s'",
                key->name, key->least, key->most,
                key->type == TYPE_SIZE ? " (K, M, G may follow it)" : "", text);
}

/* Sets one value from its text; 0, or -1 with `error` set. */
static int config_set(struct config *config, enum config_key which,
                      const char *text, enum config_origin origin,
                      struct config_error *error)
{
    const struct key_row *key = &keys[which];
    switch (key->type) {
    case TYPE_TEXT:
        mem_free(*text_of(config, key));
        *text_of(config, key) = mem_strndup(text, strlen(text));
        break;
    case TYPE_WORD: {
        int64_t place = word_place(key->words, text);
        if (place < 0) {
            return fail(error, "%s is one of: %s; not '%s'", key->name,
                        key->words, text);
        }
        *number_of(config, key) = place;
        break;
    }
    case TYPE_SIZE:
    case TYPE_COUNT:
    case TYPE_MODE: {
        int64_t number;
        if (!read_number(key, text, &number)) {
            return refuse_number(key, text, error);
        }
        *number_of(config, key) = number;
        break;
    }
    }
    config->origin[which] = origin;
    return 0;
}

static void config_init(struct config *config)
{
    struct config_error error;
    memset(config, 0, sizeof(*config));
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        int rc =
            config_set(config, key, keys[key].fallback, ORIGIN_DEFAULT, &error);
        CHECK(rc == 0);
    }
}

void config_fini(struct config *config)
{
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        if (keys[key].type == TYPE_TEXT) {
            mem_free(*text_of(config, &keys[key]));
            *text_of(config, &keys[key]) = NULL;
        }
    }
    allows_fini(&config->allows);
}

static void refuse_unknown(cfg_t *cfg, const char *name,
                           struct config_error *error)
{
    struct nearest nearest = nearest_to(slice_of(name));
    bool in_allow = strcmp(cfg_name(cfg), CONFIG_ALLOW) == 0;
    for (enum config_key key = 0; !in_allow && key < CONFIG_KEYS; key++) {
        nearest_offer(&nearest, keys[key].name);
    }
    for (enum allow_list list = 0; in_allow && list < ALLOW_LISTS; list++) {
        nearest_offer(&nearest, allow_list_names[list]);
    }
    nearest_offer(&nearest, CONFIG_ALLOW);
    if (nearest.name != NULL) {
        fail(error, "%s:%d: unknown key '%.60s'; did you mean '%s'?",
             cfg->filename, cfg->line, name, nearest.name);
    } else {
        fail(error,
             "%s:%d: unknown key '%.60s'; 'syncd --default-config' lists "
             "them all",
             cfg->filename, cfg->line, name);
    }
}

/* What libconfuse has to say, with its place; the first mistake counts. */
static void on_error(cfg_t *cfg, const char *format, va_list args)
{
    static const char unknown[] = "no such option '";
    struct config_error *error =
        (void *)cfg_getopt(cfg, CARRIER)->simple_value.ptr;
    if (error->text[0] != '\0') {
        return;
    }
    char text[240];
    (void)vsnprintf(text, sizeof(text), format, args);
    if (strncmp(text, unknown, sizeof(unknown) - 1) == 0) {
        char *name = text + sizeof(unknown) - 1;
        name[strcspn(name, "'")] = '\0';
        refuse_unknown(cfg, name, error);
        return;
    }
    fail(error, "%s:%d: %s", cfg->filename, cfg->line, text);
}

/* Refuses a bad value while libconfuse still knows its line. */
static int on_value(cfg_t *cfg, cfg_opt_t *option)
{
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        if (strcmp(keys[key].name, cfg_opt_name(option)) == 0) {
            struct config scratch;
            struct config_error why;
            config_init(&scratch);
            int rc = config_set(&scratch, key, cfg_opt_getnstr(option, 0),
                                ORIGIN_FILE, &why);
            if (rc < 0) {
                cfg_error(cfg, "%s", why.text);
            }
            config_fini(&scratch);
            return rc;
        }
    }
    return 0;
}

static cfg_t *reader_new(struct config_error *error)
{
    cfg_opt_t options[CONFIG_KEYS + 3];
    cfg_opt_t allow[CONFIG_ALLOW_OPTIONS];
    static const cfg_opt_t end = CFG_END();
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        options[key] = (cfg_opt_t)CFG_STR(keys[key].name, NULL, CFGF_NODEFAULT);
    }
    options[CONFIG_KEYS] =
        (cfg_opt_t)CFG_PTR_CB(CARRIER, NULL, CFGF_NODEFAULT, NULL, NULL);
    options[CONFIG_KEYS].simple_value.ptr = (void **)(void *)error;
    config_allow_options(allow, options[CONFIG_KEYS]);
    options[CONFIG_KEYS + 1] =
        (cfg_opt_t)CFG_SEC(CONFIG_ALLOW, allow, CFGF_MULTI);
    options[CONFIG_KEYS + 2] = end;
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    CHECK(cfg != NULL);
    cfg_set_error_function(cfg, on_error);
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        cfg_set_validate_func(cfg, keys[key].name, on_value);
    }
    config_allow_validate(cfg);
    return cfg;
}

static int take_values(struct config *config, cfg_t *cfg,
                       struct config_error *error)
{
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        const char *text = cfg_getstr(cfg, keys[key].name);
        if (text != NULL &&
            config_set(config, key, text, ORIGIN_FILE, error) < 0) {
            return -1;
        }
    }
    config_allow_take(&config->allows, cfg);
    return 0;
}

/* What is in the file, into `config`. */
static int parse(struct config *config, const char *file, char *text,
                 size_t len, struct config_error *error)
{
    if (len == 0) {
        return 0; /* and no stream can be opened on it */
    }
    FILE *stream = fmemopen(text, len, "r");
    CHECK(stream != NULL);
    cfg_t *cfg = reader_new(error);
    cfg->filename = strdup(file); /* libconfuse frees it */
    int rc = cfg_parse_fp(cfg, stream) == CFG_SUCCESS ? 0 : -1;
    if (rc == 0) {
        rc = take_values(config, cfg, error);
    } else if (error->text[0] == '\0') {
        fail(error, "%s:%d: this is not `key = value`", file, cfg->line);
    }
    cfg_free(cfg);
    (void)fclose(stream);
    return rc;
}

static int read_file(struct config *config, const struct config_source *source,
                     struct config_error *error)
{
    size_t len;
    char *text = config_text_read(source->file, &len);
    if (text == NULL) {
        return errno == ENOENT && !source->file_required
                   ? 0
                   : fail(error, "%s: %s", source->file, strerror(errno));
    }
    int rc = parse(config, source->file, text, len, error);
    mem_free(text);
    return rc;
}

int config_load(struct config *config, const struct config_source *source,
                struct config_error *error)
{
    error->text[0] = '\0';
    config_init(config);
    allows_default(&config->allows);
    if (source->file != NULL && read_file(config, source, error) < 0) {
        goto failed;
    }
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        const char *text = source->options[key];
        if (text != NULL &&
            config_set(config, key, text, ORIGIN_OPTION, error) < 0) {
            goto failed;
        }
    }
    return 0;

failed:
    config_fini(config);
    return -1;
}

static bool key_differs(struct config *a, struct config *b,
                        const struct key_row *key)
{
    return key->type == TYPE_TEXT
               ? strcmp(*text_of(a, key), *text_of(b, key)) != 0
               : *number_of(a, key) != *number_of(b, key);
}

void config_reload(struct config *config, struct config *fresh,
                   void (*restart)(void *arg, const char *key), void *arg)
{
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        if (!key_differs(config, fresh, &keys[key])) {
            continue;
        }
        if (keys[key].reload) {
            CHECK(keys[key].type != TYPE_TEXT);
            *number_of(config, &keys[key]) = *number_of(fresh, &keys[key]);
            config->origin[key] = fresh->origin[key];
        } else {
            restart(arg, keys[key].name);
        }
    }
    struct allows before = config->allows;
    config->allows = fresh->allows;
    fresh->allows = before;
}

/* A value as it would be written in the file. */
static void print_value(const struct config *config, enum config_key which,
                        FILE *to)
{
    const struct key_row *key = &keys[which];
    const void *at = (const char *)config + key->offset;
    char word[32];
    switch (key->type) {
    case TYPE_TEXT:
        (void)fputc('"', to);
        for (const char *c = *(char *const *)at; *c != '\0'; c++) {
            (void)fprintf(to, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        }
        (void)fputc('"', to);
        break;
    case TYPE_WORD:
        config_word(which, *(const int64_t *)at, word, sizeof(word));
        (void)fputs(word, to);
        break;
    case TYPE_SIZE:
    case TYPE_COUNT:
        (void)fprintf(to, "%" PRId64, *(const int64_t *)at);
        break;
    case TYPE_MODE:
        (void)fprintf(to, "0%03" PRIo64, (uint64_t) * (const int64_t *)at);
        break;
    }
}

void config_print(const struct config *config, FILE *to)
{
    static const char *const origins[] = {"default", "file", "option"};
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        (void)fprintf(to, "%s = ", keys[key].name);
        print_value(config, key, to);
        (void)fprintf(to, " # %s\n", origins[config->origin[key]]);
    }
    allows_print(&config->allows, to);
}

/* Words of `text` in comment lines of at most 79 columns. */
static void print_comment(const char *text, FILE *to)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > 79) {
            (void)fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, column == 0 ? "# %.*s" : " %.*s",
                                  (int)len, text);
        text += len + (text[len] == ' ');
    }
    (void)fputc('\n', to);
}

static const char allow_example[] =
    "\n"
    "# Who may do what (reload). The daemon's own user and root may do "
    "everything;\n"
    "# each `allow` opens roles to more users and groups: producer, worker, "
    "operator\n"
    "# (both, and what concerns everybody: pause, purge, delete, retry, "
    "cancel)\n"
    "# and admin (everything of every name, without quotas). `kinds` (queue, "
    "lock,\n"
    "# semaphore, event, barrier, condition, batch) and `names` (patterns with "
    "*, ?,\n"
    "# [a-z]) narrow it down; without them it is for all. A job goes by its "
    "queue.\n"
    "# Without any `allow`, the service lets the group syncd be producers and "
    "workers:\n"
    "#\n"
    "#   allow {\n"
    "#       roles = {\"producer\", \"worker\"}\n"
    "#       groups = {\"syncd\"}\n"
    "#   }\n"
    "#   allow {\n"
    "#       roles = {\"producer\"}\n"
    "#       users = {\"www-data\"}\n"
    "#       kinds = {\"queue\"}\n"
    "#       names = {\"mail-*\", \"resize\"}\n"
    "#   }\n";

void config_print_default(FILE *to)
{
    (void)fputs(
        "# The configuration of syncd. What is commented out shows the "
        "default.\n"
        "# `syncd --check-config` tells whether this file is right. Keys "
        "marked (reload)\n"
        "# take effect with a SIGHUP, the others with a restart.\n",
        to);
    for (enum config_key key = 0; key < CONFIG_KEYS; key++) {
        const struct key_row *row = &keys[key];
        (void)fputc('\n', to);
        print_comment(row->doc, to);
        if (row->words != NULL) {
            (void)fprintf(to, "# One of: %s.\n", row->words);
        }
        if (row->reload) {
            (void)fputs("# (reload)\n", to);
        }
        (void)fprintf(to,
                      row->type == TYPE_TEXT ? "#%s = \"%s\"\n" : "#%s = %s\n",
                      row->name, row->fallback);
    }
    (void)fputs(allow_example, to);
}
