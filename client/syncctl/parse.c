/*
 * The command line -> an invocation.
 *
 * Two passes: the first finds the word or two that name the command, wherever
 * global options stand; the second is one getopt_long over everything else,
 * with the options of that command and the global ones, in order and up to
 * "--". Arguments are checked by their type here, so that no command has to.
 */
#include "client/syncctl/parse.h"

#include "client/syncctl/duration.h"
#include "client/syncctl/help.h"
#include "client/syncctl/say.h"
#include "proto/limits.h"
#include "proto/nearest.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long answers for row i of all the rows. */
#define ROW_BASE 256

#define ROWS_MAX (GLOBALS + OPTIONS_MAX)

struct parser {
    struct invocation *invocation;
    const struct option_row *rows[ROWS_MAX]; /* global ones first */
    size_t rows_count;
    struct option long_options[ROWS_MAX + 1];
    char short_options[2 * ROWS_MAX + 3];
    bool help;
    bool version;
};

/* The global option that `arg` is, alone or with =; GLOBALS if it is none. */
static size_t global_of(const char *arg)
{
    for (size_t i = 0; i < GLOBALS; i++) {
        const struct option_row *row = &global_options[i];
        size_t len = strlen(row->name);
        if (strncmp(arg, "--", 2) == 0 &&
            strncmp(arg + 2, row->name, len) == 0 &&
            (arg[2 + len] == '\0' || arg[2 + len] == '=')) {
            return i;
        }
        if (row->letter != 0 && arg[1] == row->letter && arg[2] == '\0') {
            return i;
        }
    }
    return GLOBALS;
}

/*
 * The next word that is no global option, from argv[from] on; 0: there is
 * none. Stops at any other option, which belongs to a command.
 */
static int next_word(int argc, char **argv, int from, int *stopped_at)
{
    *stopped_at = 0;
    for (int i = from; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            return i;
        }
        size_t global = global_of(argv[i]);
        if (global == GLOBALS) {
            *stopped_at = i;
            return 0;
        }
        if (global_options[global].type != OPTION_FLAG &&
            strchr(argv[i], '=') == NULL) {
            i++;
        }
    }
    return 0;
}

static void suggest_command(const char *group, const char *word)
{
    struct nearest near = nearest_to(slice_of(word));
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *c = commands[i];
        bool in = group == NULL || (c->group && strcmp(c->group, group) == 0);
        if (in && !c->hidden) {
            nearest_offer(&near,
                          group == NULL && c->group ? c->group : c->name);
        }
    }
    const char *nearest = near.name;
    if (nearest != NULL) {
        say(NULL, "there is no command \"%s%s%s\"; did you mean \"%s%s%s\"?",
            group ? group : "", group ? " " : "", word, group ? group : "",
            group ? " " : "", nearest);
    } else {
        say(NULL, "there is no command \"%s%s%s\"; see syncctl %s%s--help",
            group ? group : "", group ? " " : "", word, group ? group : "",
            group ? " " : "");
    }
}

/* Takes words out of argv; returns the new count. */
static int drop(int argc, char **argv, int at)
{
    memmove(argv + at, argv + at + 1, (size_t)(argc - at) * sizeof(*argv));
    return argc - 1;
}

static bool starts_with_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

/* Is the last word a global option whose argument should come next? */
static bool ends_in_option(int argc, char **argv, size_t *global)
{
    *global = global_of(argv[argc - 1]);
    return *global < GLOBALS && global_options[*global].type != OPTION_FLAG &&
           strchr(argv[argc - 1], '=') == NULL;
}

/* No command is named: --help and --version stand alone. */
static int without_command(int argc, char **argv, int stopped_at)
{
    if (stopped_at != 0 && strcmp(argv[stopped_at], "--") != 0) {
        return say_usage(NULL,
                         "there is no option %s before a command; see "
                         "syncctl --help",
                         argv[stopped_at]);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            printf("syncctl %s\n", SYNCD_VERSION);
            return STATUS_DONE;
        }
    }
    if (starts_with_help(argc, argv)) {
        help_print_all(stdout);
        return STATUS_DONE;
    }
    size_t global = GLOBALS;
    if (argc > 1 && ends_in_option(argc, argv, &global)) {
        return say_usage(NULL,
                         "--%s needs %s, and a command is missing; see "
                         "syncctl --help",
                         global_options[global].name,
                         global_options[global].argument);
    }
    if (argc > 1) {
        return say_usage(NULL, "a command is missing; see syncctl --help");
    }
    help_print_all(stderr);
    return STATUS_USAGE;
}

/* Does a command to run come behind "--"? */
static bool runs_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            return i + 1 < argc && argv[i + 1][0] != '-';
        }
    }
    return false;
}

/* The command of a group without a word that names it: alone what the group
 * means, unless the option at `stopped_at` (0: none) is the implied one's. */
static const struct command *unnamed(const char *group, char **argv,
                                     int stopped_at)
{
    const struct command *standard = command_find(group, NULL);
    const struct command *implied = command_implied(group);
    return stopped_at != 0 && implied != NULL &&
                   !command_has_option(standard, argv[stopped_at]) &&
                   command_has_option(implied, argv[stopped_at])
               ? implied
               : standard;
}

/*
 * The command of a group, its word taken out of argv. Where the implied command
 * runs another one and that stands behind "--", which none of the named ones
 * takes, every word before it is a name: a lock may be called "list".
 */
static const struct command *find_in_group(const char *group, int first,
                                           int *argc, char **argv, int *status)
{
    int stopped_at = 0;
    int second = next_word(*argc, argv, first, &stopped_at);
    const struct command *implied = command_implied(group);
    bool runs =
        implied != NULL && implied->runs != NULL && runs_command(*argc, argv);
    if (second == 0) {
        if (starts_with_help(*argc, argv)) {
            help_print_group(group, stdout);
            *status = STATUS_DONE;
            return NULL;
        }
        return runs ? implied : unnamed(group, argv, stopped_at);
    }
    const struct command *command = command_find(group, argv[second]);
    if (command == NULL || (runs && command != implied)) {
        if (implied == NULL) {
            suggest_command(group, argv[second]);
        }
        return implied;
    }
    *argc = drop(*argc, argv, second);
    return command;
}

/* Finds the command and takes its words out of argv. */
static const struct command *find_command(int *argc, char **argv, int *status)
{
    int stopped_at = 0;
    int first = next_word(*argc, argv, 1, &stopped_at);
    if (first == 0) {
        *status = without_command(*argc, argv, stopped_at);
        return NULL;
    }
    const char *word = argv[first];
    *argc = drop(*argc, argv, first);
    *status = STATUS_USAGE;
    if (!command_is_group(word)) {
        const struct command *command = command_find(NULL, word);
        if (command == NULL) {
            suggest_command(NULL, word);
        }
        return command;
    }
    return find_in_group(word, first, argc, argv, status);
}

static void parser_add(struct parser *parser, const struct option_row *row)
{
    size_t i = parser->rows_count++;
    int has = row->type == OPTION_FLAG ? no_argument : required_argument;
    parser->rows[i] = row;
    parser->long_options[i] =
        (struct option){row->name, has, NULL, ROW_BASE + (int)i};
    if (row->letter != 0) {
        size_t len = strlen(parser->short_options);
        parser->short_options[len++] = row->letter;
        if (has == required_argument) {
            parser->short_options[len] = ':';
        }
    }
}

static void parser_init(struct parser *parser, struct invocation *invocation)
{
    const struct command *command = invocation->command;
    memset(parser, 0, sizeof(*parser));
    parser->invocation = invocation;
    strcpy(parser->short_options, "-:"); /* words in order, errors silent */
    for (size_t i = 0; i < GLOBALS; i++) {
        parser_add(parser, &global_options[i]);
    }
    for (size_t i = 0; i < command->options_count; i++) {
        parser_add(parser, &command->options[i]);
    }
}

/* The row getopt's answer means, or the count. */
static size_t row_of(const struct parser *parser, int answer)
{
    if (answer >= ROW_BASE && answer < ROW_BASE + (int)parser->rows_count) {
        return (size_t)(answer - ROW_BASE);
    }
    for (size_t i = 0; i < parser->rows_count; i++) {
        if (answer != 0 && parser->rows[i]->letter == answer) {
            return i;
        }
    }
    return parser->rows_count;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; len > 0 && *at != '\0';) {
        size_t word = strcspn(at, " ");
        if (word == len && strncmp(at, text, len) == 0) {
            return true;
        }
        at += word + (at[word] == ' ' ? 1 : 0);
    }
    return false;
}

static bool parse_count(const char *text, int64_t *count)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 ||
        value >= WIRE_INTEGER_MAX) {
        return false;
    }
    *count = value;
    return true;
}

static bool parse_number(const char *text, double *number)
{
    char *end = NULL;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*number);
}

/* Checks an argument by its option's type. */
static bool read_value(const struct command *command,
                       const struct option_row *row, const char *text,
                       struct option_value *value)
{
    value->text = text == NULL ? "" : text;
    switch (row->type) {
    case OPTION_FLAG:
    case OPTION_TEXT:
    case OPTION_NAME:
        return true;
    case OPTION_WORD:
        if (!is_choice(row->choices, value->text)) {
            say(command, "--%s \"%s\": give one of: %s", row->name, value->text,
                row->choices);
            return false;
        }
        return true;
    case OPTION_SECONDS:
        if (!duration_parse(value->text, &value->number)) {
            say(command,
                "--%s \"%s\" is no duration; write 5, 5s, 100ms, 2m, 1h or 1d",
                row->name, value->text);
            return false;
        }
        return true;
    case OPTION_COUNT:
        if (!parse_count(value->text, &value->count)) {
            say(command, "--%s \"%s\" is no whole number from 0 on", row->name,
                value->text);
            return false;
        }
        return true;
    case OPTION_NUMBER:
        if (!parse_number(value->text, &value->number)) {
            say(command, "--%s \"%s\" is no number", row->name, value->text);
            return false;
        }
        return true;
    }
    return false;
}

static bool take_global(struct parser *parser, size_t global)
{
    struct invocation *invocation = parser->invocation;
    switch ((enum global_option)global) {
    case GLOBAL_SOCKET:
        invocation->socket = optarg;
        return true;
    case GLOBAL_JSON:
        invocation->json = true;
        return true;
    case GLOBAL_NO_PROGRESS:
        invocation->no_progress = true;
        return true;
    case GLOBAL_QUIET:
        invocation->quiet = true;
        return true;
    case GLOBAL_HELP:
        parser->help = true;
        return true;
    case GLOBAL_VERSION:
        parser->version = true;
        return true;
    case GLOBALS:
        break;
    }
    return false;
}

static bool take_word(struct invocation *invocation, const char *word)
{
    char name[COMMAND_NAME_BYTES];
    const struct command *command = invocation->command;
    if (invocation->words_count >= command_words_max(command)) {
        command_name(command, name);
        if (command->runs != NULL) {
            say(command,
                "\"%s\" is too much; put -- before the command: "
                "syncctl %s %s -- %s",
                word, name, command->words, command->runs);
        } else {
            say(command, "\"%s\" is too much: syncctl %s %s", word, name,
                command->words);
        }
        return false;
    }
    invocation->words[invocation->words_count++] = word;
    return true;
}

/* An option that is not there, or has an argument too many or too few. */
static void refuse_option(const struct parser *parser, const char *arg)
{
    const struct command *command = parser->invocation->command;
    size_t row = row_of(parser, optopt);
    if (row < parser->rows_count) {
        say(command, "--%s takes no argument", parser->rows[row]->name);
        return;
    }
    bool is_long = strncmp(arg, "--", 2) == 0;
    struct slice word = slice_of(is_long ? arg + 2 : "");
    word.len = strcspn(is_long ? arg + 2 : "", "=");
    struct nearest near = nearest_to(word);
    for (size_t i = 0; is_long && i < parser->rows_count; i++) {
        nearest_offer(&near, parser->rows[i]->name);
    }
    char letter[3] = {'-', (char)optopt, '\0'};
    char name[COMMAND_NAME_BYTES];
    if (near.name != NULL) {
        say(command, "there is no option --%.*s; did you mean --%s?",
            (int)word.len, word.at, near.name);
    } else {
        say(command, "there is no option %s; see syncctl %s --help%s",
            is_long ? arg : letter, command_name(command, name),
            command->runs != NULL
                ? ", or put -- before the command"
                : ", or put -- before words that begin with -");
    }
}

/* One more of an option that may be given more than once. */
static bool take_listed(struct invocation *invocation, size_t option)
{
    if (invocation->listed_count == LISTED_MAX) {
        say(invocation->command, "--%s and the like are given too often",
            invocation->command->options[option].name);
        return false;
    }
    invocation->listed[invocation->listed_count++] =
        (struct listed_option){option, optarg};
    return true;
}

/* One answer of getopt_long. */
static bool take(struct parser *parser, int answer, char **argv)
{
    struct invocation *invocation = parser->invocation;
    if (answer == 1) {
        return take_word(invocation, optarg);
    }
    if (answer == '?') {
        refuse_option(parser, argv[optind - 1]);
        return false;
    }
    if (answer == ':') {
        const struct option_row *row = parser->rows[row_of(parser, optopt)];
        say(invocation->command, "--%s needs %s", row->name, row->argument);
        return false;
    }
    size_t row = row_of(parser, answer);
    if (row < GLOBALS) {
        return take_global(parser, row);
    }
    return read_value(invocation->command, parser->rows[row], optarg,
                      &invocation->options[row - GLOBALS]) &&
           (parser->rows[row]->type != OPTION_NAME ||
            take_listed(invocation, row - GLOBALS));
}

/* What stands behind "--": a command, or more words. */
static bool take_rest(struct invocation *invocation, int argc, char **argv)
{
    bool dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
    if (invocation->command->runs != NULL) {
        invocation->rest = dashes ? argv + optind : NULL;
        return true;
    }
    for (int i = optind; i < argc; i++) {
        if (!take_word(invocation, argv[i])) {
            return false;
        }
    }
    return true;
}

static bool enough_words(const struct invocation *invocation)
{
    const struct command *command = invocation->command;
    size_t have = invocation->words_count;
    if (have >= command_words_min(command)) {
        return true;
    }
    const char *missing = command->words;
    for (size_t i = 0; i < have; i++) {
        missing += strcspn(missing, " ") + 1;
    }
    char name[COMMAND_NAME_BYTES];
    say(command, "%.*s is missing: syncctl %s %s%s%s%s",
        (int)strcspn(missing, " "), missing, command_name(command, name),
        command->words, command->runs ? " [-- " : "",
        command->runs ? command->runs : "", command->runs ? "]" : "");
    return false;
}

bool parse_command_line(int argc, char **argv, struct invocation *invocation,
                        int *status)
{
    memset(invocation, 0, sizeof(*invocation));
    invocation->command = find_command(&argc, argv, status);
    if (invocation->command == NULL) {
        return false;
    }
    struct parser parser;
    parser_init(&parser, invocation);
    *status = STATUS_USAGE;
    optind = 0; /* GNU: begin anew */
    int answer = 0;
    while ((answer = getopt_long(argc, argv, parser.short_options,
                                 parser.long_options, NULL)) != -1) {
        if (!take(&parser, answer, argv)) {
            return false;
        }
    }
    if (parser.help) {
        help_print(invocation->command, stdout);
        *status = STATUS_DONE;
        return false;
    }
    if (parser.version) {
        printf("syncctl %s\n", SYNCD_VERSION);
        *status = STATUS_DONE;
        return false;
    }
    return take_rest(invocation, argc, argv) && enough_words(invocation);
}
