/*
 * The table of commands, and what a run of one of them is given.
 *
 * A command is one file that exports one `const struct command`; commands.def
 * lists them. Parsing, --help, the manual page and the completion of shells
 * are made from these rows, so a command is described once. To add one: its
 * file, its line in commands.def, an end-to-end test.
 */
#ifndef SYNCCTL_COMMAND_H
#define SYNCCTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses; what runs a command passes that command's status on. */
enum status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_NO_DAEMON = 69,
    STATUS_LOCK_LOST = 70,
    STATUS_WOULD_WAIT = 75,
    STATUS_NOT_ALLOWED = 77,
    STATUS_TIMED_OUT = 124,
    STATUS_BROKEN = 125,
    STATUS_NOT_EXECUTABLE = 126,
    STATUS_NOT_FOUND = 127,
    STATUS_SIGNAL = 128 /* plus the signal's number */
};

struct status_row {
    int status;
    const char *when;
};

enum option_type {
    OPTION_FLAG,    /* takes no argument */
    OPTION_TEXT,    /* anything */
    OPTION_NAME,    /* a name; the option may be given more than once */
    OPTION_WORD,    /* one of `choices` */
    OPTION_SECONDS, /* a duration: 5, 5s, 2m, 1h, 100ms, 1d */
    OPTION_COUNT,   /* a whole number from 0 */
    OPTION_NUMBER   /* any finite number */
};

struct option_row {
    const char *name; /* behind -- */
    char letter;      /* behind -, or 0 */
    enum option_type type;
    const char *argument; /* what to call its argument; NULL for a flag */
    const char *help;     /* one clause, no full stop */
    const char *choices;  /* of OPTION_WORD: "yes no" */
};

/* What an option was given. */
struct option_value {
    const char *text; /* NULL: not given; "" for a flag */
    double number;    /* OPTION_SECONDS: seconds; OPTION_NUMBER */
    int64_t count;    /* OPTION_COUNT */
};

/* One of those that are given more than once, in their order. */
struct listed_option {
    size_t option; /* by the command's own enum */
    const char *text;
};

struct example_row {
    const char *line;
    const char *what;
};

#define OPTIONS_MAX 24
#define WORDS_MAX   16
#define LISTED_MAX  128

struct invocation;

struct command {
    const char *group;   /* "queue" of `queue list`; NULL: none */
    const char *name;    /* "put" */
    const char *summary; /* a sentence without its full stop */
    const char *words;   /* "QUEUE [BODY]"; "NAME..." takes many */
    const char *runs;    /* behind --: "COMMAND [ARG...]"; NULL: more words */
    const struct option_row *options;
    size_t options_count;
    int (*run)(struct invocation *invocation); /* the exit status */
    const char *description;            /* paragraphs, parted by "\n\n" */
    const struct example_row *examples; /* ended by one without a line */
    const struct status_row *statuses;  /* beside the usual; ended likewise */
    bool standard;                      /* what the group alone means */
    bool implied;                       /* what the group means before a word
                                           that is none of its commands:
                                           `barrier NAME` */
    bool hidden;                        /* for programs: not in help */
};

/* A command line, read. */
struct invocation {
    const struct command *command;
    struct option_value options[OPTIONS_MAX]; /* by the command's own enum */
    const char *words[WORDS_MAX + 1];
    size_t words_count;
    struct listed_option listed[LISTED_MAX];
    size_t listed_count;
    char **rest;        /* behind --, NULL-terminated; NULL: no -- */
    const char *socket; /* NULL: where the library looks */
    bool json;
    bool quiet;
    bool no_progress;
};

extern const struct command *const commands[];
extern const size_t commands_count;

/* Options that every command takes; what the exit statuses mean. */
enum global_option {
    GLOBAL_SOCKET,
    GLOBAL_JSON,
    GLOBAL_NO_PROGRESS,
    GLOBAL_QUIET,
    GLOBAL_HELP,
    GLOBAL_VERSION,
    GLOBALS
};
extern const struct option_row global_options[GLOBALS];
extern const struct status_row global_statuses[];

/* The command of that group (NULL: none) and name, or NULL. */
const struct command *command_find(const char *group, const char *name);

/* What the group means before a word that is none of its commands; NULL: that
 * is a mistake. */
const struct command *command_implied(const char *group);

/* Is `arg` an option of this command, "--name", "--name=..." or "-x"? */
bool command_has_option(const struct command *command, const char *arg);

/* Is it the name of a group of commands? */
bool command_is_group(const char *name);

/* "queue list" or "put", into `name`. */
#define COMMAND_NAME_BYTES 64
const char *command_name(const struct command *command,
                         char name[COMMAND_NAME_BYTES]);

/* The same, with the word that may be left out in brackets. */
const char *command_synopsis(const struct command *command,
                             char name[COMMAND_NAME_BYTES]);

/* How many words it takes at least and at most, from `words`. */
size_t command_words_min(const struct command *command);
size_t command_words_max(const struct command *command);

#endif
