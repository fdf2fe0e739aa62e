/* --help: what the table of commands says, for people at a terminal. */
#include "client/syncctl/help.h"

#include "client/syncctl/parse.h"
#include "client/syncctl/say.h"

#include <string.h>

#define WIDTH 79

const char *help_option(const struct option_row *row,
                        char look[OPTION_LOOK_BYTES])
{
    char letter[8] = "    ";
    if (row->letter != 0) {
        (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    }
    (void)snprintf(look, OPTION_LOOK_BYTES, "%s--%s%s%s", letter, row->name,
                   row->argument == NULL ? "" : " ",
                   row->argument == NULL ? "" : row->argument);
    return look;
}

void help_print_synopsis(const struct command *command, FILE *to)
{
    char name[COMMAND_NAME_BYTES];
    (void)fprintf(to, "syncctl %s%s%s%s", command_synopsis(command, name),
                  command->options_count == 0 ? "" : " [OPTION...]",
                  *command->words == '\0' ? "" : " ", command->words);
    if (command->runs != NULL) {
        (void)fprintf(to, " [-- %s]", command->runs);
    }
}

/* Words of a paragraph between two margins; `column` is where it begins. */
static void wrap(const char *text, size_t indent, size_t column, FILE *to)
{
    bool first = true;
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (!first && column + 1 + word > WIDTH) {
            (void)fprintf(to, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            (void)fputc(' ', to);
            column++;
        }
        (void)fprintf(to, "%.*s", (int)word, text);
        column += word;
        first = false;
        text += word;
        text += strspn(text, " \n");
    }
    (void)fputc('\n', to);
}

static void print_paragraphs(const char *text, FILE *to)
{
    while (*text != '\0') {
        const char *end = strstr(text, "\n\n");
        size_t len = end == NULL ? strlen(text) : (size_t)(end - text);
        char paragraph[2048];
        (void)snprintf(paragraph, sizeof(paragraph), "%.*s", (int)len, text);
        (void)fputc('\n', to);
        wrap(paragraph, 0, 0, to);
        text += len + (end == NULL ? 0 : 2);
    }
}

#define OPTION_COLUMN 26

static void print_options(const char *title, const struct option_row *rows,
                          size_t count, FILE *to)
{
    if (count == 0) {
        return;
    }
    (void)fprintf(to, "\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        char look[OPTION_LOOK_BYTES];
        char help[512];
        help_option(&rows[i], look);
        (void)snprintf(help, sizeof(help), "%s%s%s", rows[i].help,
                       rows[i].choices == NULL ? "" : ": ",
                       rows[i].choices == NULL ? "" : rows[i].choices);
        (void)fprintf(to, "  %-*s", OPTION_COLUMN - 4, look);
        if (strlen(look) > OPTION_COLUMN - 4) {
            (void)fprintf(to, "\n%*s", OPTION_COLUMN - 2, "");
        }
        (void)fprintf(to, "  ");
        wrap(help, OPTION_COLUMN, OPTION_COLUMN, to);
    }
}

/* The row of the smallest status above `after`; NULL: none. */
static const struct status_row *next_status(const struct status_row *rows,
                                            int after)
{
    const struct status_row *next = NULL;
    for (; rows != NULL && rows->when != NULL; rows++) {
        if (rows->status > after &&
            (next == NULL || rows->status < next->status)) {
            next = rows;
        }
    }
    return next;
}

/* In their order, the command's own instead of the usual. */
static void print_statuses(const struct status_row *own, FILE *to)
{
    int after = -1;
    for (;;) {
        const struct status_row *row = next_status(own, after);
        const struct status_row *usual = next_status(global_statuses, after);
        if (row == NULL || (usual != NULL && usual->status < row->status)) {
            row = usual;
        }
        if (row == NULL) {
            return;
        }
        (void)fprintf(to, "  %3d  ", row->status);
        wrap(row->when, 7, 7, to);
        after = row->status;
    }
}

void help_print(const struct command *command, FILE *to)
{
    (void)fprintf(to, "Usage: ");
    help_print_synopsis(command, to);
    (void)fprintf(to, "\n\n%s.\n", command->summary);
    if (command->description != NULL) {
        print_paragraphs(command->description, to);
    }
    print_options("Options:", command->options, command->options_count, to);
    print_options("Options of every command:", global_options, GLOBALS, to);
    const struct example_row *example = command->examples;
    if (example != NULL) {
        (void)fprintf(to, "\nExamples:\n");
    }
    for (; example != NULL && example->line != NULL; example++) {
        (void)fprintf(to, "  $ %s\n      ", example->line);
        wrap(example->what, 6, 6, to);
    }
    (void)fprintf(to, "\nExit statuses:\n");
    print_statuses(command->statuses, to);
}

static void print_summary(const struct command *command, FILE *to)
{
    char line[COMMAND_NAME_BYTES + 64];
    char name[COMMAND_NAME_BYTES];
    (void)snprintf(line, sizeof(line), "%s%s%s",
                   command_synopsis(command, name),
                   *command->words == '\0' ? "" : " ", command->words);
    (void)fprintf(to, "  %-28s  ", line);
    if (strlen(line) > 28) {
        (void)fprintf(to, "\n%*s", 32, "");
    }
    wrap(command->summary, 32, 32, to);
}

void help_print_group(const char *group, FILE *to)
{
    (void)fprintf(to, "Usage: syncctl %s COMMAND ...\n\n", group);
    for (size_t i = 0; i < commands_count; i++) {
        if (commands[i]->group && strcmp(commands[i]->group, group) == 0) {
            print_summary(commands[i], to);
        }
    }
    char name[COMMAND_NAME_BYTES];
    const struct command *implied = command_implied(group);
    if (implied != NULL) {
        bool always = strncmp(implied->runs, "COMMAND", 7) == 0;
        (void)fprintf(to,
                      "\nThe word \"%s\" may be left out, unless %s is itself "
                      "%s%s.\n",
                      implied->name, implied->words,
                      always ? "called " : "one of these commands",
                      always ? implied->name : "");
    }
    (void)fprintf(to,
                  "\nAlone it means \"%s\". See syncctl %s COMMAND --help.\n",
                  command_name(command_find(group, NULL), name), group);
}

void help_print_all(FILE *to)
{
    (void)fprintf(
        to, "Usage: syncctl COMMAND [OPTION...] ...\n\n"
            "Durable bounded queues for processes, from one small daemon, "
            "syncd.\n\nCommands:\n");
    for (size_t i = 0; i < commands_count; i++) {
        if (!commands[i]->hidden) {
            print_summary(commands[i], to);
        }
    }
    print_options("Options of every command:", global_options, GLOBALS, to);
    (void)fprintf(to, "\nDurations read 5, 5s, 100ms, 2m, 1h, 1d. See syncctl "
                      "COMMAND --help.\n");
}

static int help_run(struct invocation *invocation)
{
    const char *first = invocation->words[0];
    const char *second = invocation->words[1];
    if (first == NULL) {
        help_print_all(stdout);
        return STATUS_DONE;
    }
    if (second == NULL && command_is_group(first)) {
        help_print_group(first, stdout);
        return STATUS_DONE;
    }
    const struct command *command = second == NULL
                                        ? command_find(NULL, first)
                                        : command_find(first, second);
    if (command == NULL) {
        return say_usage(invocation->command,
                         "there is no command \"%s%s%s\"; see syncctl --help",
                         first, second == NULL ? "" : " ",
                         second == NULL ? "" : second);
    }
    help_print(command, stdout);
    return STATUS_DONE;
}

const struct command command_help = {
    .name = "help",
    .summary = "Prints help on syncctl or on one of its commands",
    .words = "[COMMAND] [SUBCOMMAND]",
    .run = help_run,
};

static int version_run(struct invocation *invocation)
{
    if (invocation->json) {
        printf("{\"name\":\"syncctl\",\"version\":\"%s\"}\n", SYNCD_VERSION);
    } else {
        printf("syncctl %s\n", SYNCD_VERSION);
    }
    return STATUS_DONE;
}

const struct command command_version = {
    .name = "version",
    .summary = "Prints the version of syncctl (`ping` tells the daemon's)",
    .words = "",
    .run = version_run,
};
