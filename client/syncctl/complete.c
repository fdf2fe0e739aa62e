/*
 * Completion for shells.
 *
 * `syncctl __complete bash` prints a small script, which asks
 * `syncctl __complete words WORD...` for what the last word may become: from
 * the table of commands, and for the names of queues from the daemon, which
 * gets a moment for its answer; every error is silence.
 */
#include "client/libsyncd/syncd.h"
#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/say.h"
#include "proto/scan.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long the daemon may take, seconds. */
#define ANSWER_SECONDS 1

/* What the script does with the answers is bash's affair; "-- COMMAND" is
 * completed as any command line is. */
static const char script[] =
    "# bash completion for syncctl; made by `syncctl __complete bash`\n"
    "_syncctl()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} i word\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        if [[ ${COMP_WORDS[i]} == -- ]]; then\n"
    "            if declare -F _command_offset > /dev/null; then\n"
    "                _command_offset $((i + 1))\n"
    "            else\n"
    "                mapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
    "            fi\n"
    "            return\n"
    "        fi\n"
    "    done\n"
    "    while IFS= read -r word; do\n"
    "        if [[ $word == :file ]]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "        elif [[ $word == \"$cur\"* ]]; then\n"
    "            COMPREPLY+=(\"$(printf '%q' \"$word\")\")\n"
    "        fi\n"
    "    done < <(\"${COMP_WORDS[0]}\" __complete words -- \\\n"
    "        \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2> /dev/null)\n"
    "}\n"
    "complete -F _syncctl syncctl\n";

static void give_up(int number)
{
    (void)number;
    _exit(STATUS_DONE);
}

/* What names are of: as words of commands and arguments of options call them,
 * and how the daemon lists them. */
struct kind {
    const char *word;  /* "QUEUE" */
    const char *group; /* of its commands: PREFIX and NAME are of these */
    const char *method;
    const char *list;
    const char *member;
};
static const struct kind kinds[] = {
    {"QUEUE", "queue", "queue.list", "queues", "queue"},
    {"LOCK", "lock", "lock.list", "locks", "lock"},
    {"SEMAPHORE", "sem", "semaphore.list", "semaphores", "semaphore"},
    {"EVENT", "event", "event.list", "events", "event"},
    {"BARRIER", "barrier", "barrier.list", "barriers", "barrier"},
    {"BATCH", "batch", "batch.list", "batches", "batch"},
    {"ID", "job", "job.list", "jobs", "id"},
};

/* The kind that "[BATCH]", "PREFIX", ... stands for; NULL: it is no name. */
static const struct kind *kind_of(const char *word, const char *group)
{
    word += *word == '[' ? 1 : 0;
    size_t len = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    bool of_group = (len == 6 && strncmp(word, "PREFIX", 6) == 0) ||
                    (len == 4 && strncmp(word, "NAME", 4) == 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct kind *kind = &kinds[i];
        if (of_group ? group != NULL && strcmp(kind->group, group) == 0
                     : strlen(kind->word) == len &&
                           strncmp(kind->word, word, len) == 0) {
            return kind;
        }
    }
    return NULL;
}

/* The members of that name in a list of objects. A batch alone sets and clears
 * the events of its stages: those are no good `to_set`. */
static void print_members(struct slice list, const char *member, bool to_set)
{
    struct arena arena;
    arena_init(&arena);
    struct scan_members objects = scan_members(list, 1);
    while (scan_next(&objects)) {
        struct slice name =
            body_text(fields_get(objects.value, member), &arena);
        if (!to_set || name.len < 6 || memcmp(name.at, "batch/", 6) != 0) {
            printf("%.*s\n", (int)name.len, name.at);
        }
    }
    arena_fini(&arena);
}

/* The answer of the daemon, if it comes soon; NULL: it does not. */
static char *ask_soon(const char *socket, const char *method,
                      struct out *take_params)
{
    struct syncd *s = NULL;
    char *result = NULL;
    const struct syncd_options options = {
        .socket = socket, .client = "syncctl", .grace = -1};
    (void)signal(SIGALRM, give_up);
    alarm(ANSWER_SECONDS);
    if (syncd_open(&options, &s) != SYNCD_OK) {
        out_fini(take_params);
        return NULL;
    }
    if (ask_call(s, method, take_params, &result) != SYNCD_OK) {
        result = NULL;
    }
    syncd_close(s);
    return result;
}

static void print_names(const char *socket, const struct kind *kind,
                        bool to_set)
{
    struct out params = {0};
    write_begin_object(&params);
    WRITE(&params, integer, "limit", 1000);
    write_end_object(&params);
    char *result = ask_soon(socket, kind->method, &params);
    if (result != NULL) {
        print_members(fields_get(slice_of(result), kind->list), kind->member,
                      to_set);
    }
    free(result);
}

static void print_stages(const char *socket, const char *batch)
{
    struct out params = {0};
    write_begin_object(&params);
    WRITE(&params, string, "batch", slice_of(batch));
    write_end_object(&params);
    char *result = ask_soon(socket, "batch.show", &params);
    if (result != NULL) {
        print_members(fields_get(slice_of(result), "stages"), "stage", false);
    }
    free(result);
}

static void print_choices(const char *choices)
{
    while (*choices != '\0') {
        size_t len = strcspn(choices, " ");
        printf("%.*s\n", (int)len, choices);
        choices += len + (choices[len] == ' ' ? 1 : 0);
    }
}

static void print_options(const struct option_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("--%s\n", rows[i].name);
    }
}

/* The option that `word` is, of the command (NULL: none yet) or a global one.
 */
static const struct option_row *option_of(const struct command *command,
                                          const char *word)
{
    const struct option_row *rows[2] = {global_options,
                                        command ? command->options : NULL};
    size_t counts[2] = {GLOBALS, command ? command->options_count : 0};
    for (size_t set = 0; set < 2; set++) {
        for (size_t i = 0; i < counts[set]; i++) {
            const struct option_row *row = &rows[set][i];
            bool is_long =
                strncmp(word, "--", 2) == 0 && strcmp(word + 2, row->name) == 0;
            bool is_short = word[0] == '-' && row->letter != 0 &&
                            word[1] == row->letter && word[2] == '\0';
            if (is_long || is_short) {
                return row;
            }
        }
    }
    return NULL;
}

/* Where the cursor is, from the words before it. */
struct place {
    const char *group;
    const struct command *command;
    size_t words_count;               /* of the command, so far */
    const struct option_row *pending; /* whose argument comes next */
    const char *socket;
    const char *batch; /* whose stages are meant; NULL: not told yet */
};

static void step(struct place *place, const char *word)
{
    if (place->pending != NULL) {
        if (place->pending == &global_options[GLOBAL_SOCKET]) {
            place->socket = word;
        } else if (strcmp(place->pending->name, "batch") == 0) {
            place->batch = word;
        }
        place->pending = NULL;
    } else if (word[0] == '-' && word[1] != '\0') {
        const struct command *implied = command_implied(place->group);
        if (place->command == NULL && place->group != NULL && implied != NULL &&
            command_has_option(implied, word)) {
            place->command = implied;
        }
        const struct option_row *row = option_of(place->command, word);
        place->pending = row != NULL && row->type != OPTION_FLAG ? row : NULL;
    } else if (place->command != NULL) {
        const char *group = place->command->group;
        if (group != NULL && strcmp(group, "batch") == 0 &&
            place->words_count == 0) {
            place->batch = word;
        }
        place->words_count++;
    } else if (place->group != NULL) {
        place->command = command_find(place->group, word);
        if (place->command == NULL) {
            place->command = command_implied(place->group);
            place->words_count = 1;
        }
    } else if (command_is_group(word)) {
        place->group = word;
    } else {
        place->command = command_find(NULL, word);
    }
}

static void print_commands(const char *group)
{
    const char *before = "";
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *c = commands[i];
        bool in = group == NULL
                      ? !c->hidden
                      : c->group != NULL && strcmp(c->group, group) == 0;
        const char *name = group == NULL && c->group ? c->group : c->name;
        if (in && strcmp(name, before) != 0) {
            puts(name);
            before = name;
        }
    }
}

static bool sets_event(const struct command *command)
{
    return command->group != NULL && strcmp(command->group, "event") == 0 &&
           (strcmp(command->name, "set") == 0 ||
            strcmp(command->name, "clear") == 0);
}

/* What may stand for the word "QUEUE", "STATE...", ... of a command. */
static void print_word(const struct place *place)
{
    const char *words = place->command->words;
    for (size_t i = 0; i < place->words_count; i++) {
        size_t len = strcspn(words, " ");
        if (words[len] == '\0' && strstr(words, "...") == NULL) {
            return;
        }
        words += words[len] == '\0' ? 0 : len + 1;
    }
    words += *words == '[' ? 1 : 0;
    const struct kind *kind = kind_of(words, place->command->group);
    if (kind != NULL) {
        print_names(place->socket, kind, sets_event(place->command));
    } else if (strncmp(words, "STATE", 5) == 0) {
        print_choices("held delayed ready running done dead");
    } else if (strncmp(words, "COMMAND", 7) == 0) {
        print_commands(NULL);
    }
}

static void print_candidates(const struct place *place, const char *word)
{
    if (place->pending != NULL) {
        if (place->pending->choices != NULL) {
            print_choices(place->pending->choices);
        } else if (place->pending == &global_options[GLOBAL_SOCKET]) {
            puts(":file");
        } else if (strcmp(place->pending->name, "stage") == 0) {
            if (place->batch != NULL) {
                print_stages(place->socket, place->batch);
            }
        } else if (kind_of(place->pending->argument, NULL) != NULL) {
            print_names(place->socket, kind_of(place->pending->argument, NULL),
                        false);
        }
    } else if (word[0] == '-') {
        print_options(global_options, GLOBALS);
        if (place->command != NULL) {
            print_options(place->command->options,
                          place->command->options_count);
        }
    } else if (place->command == NULL) {
        print_commands(place->group);
    } else {
        print_word(place);
    }
}

static int complete_run(struct invocation *invocation)
{
    const char *what = invocation->words[0];
    if (strcmp(what, "bash") == 0) {
        (void)fputs(script, stdout);
        return STATUS_DONE;
    }
    if (strcmp(what, "words") != 0 || invocation->rest == NULL) {
        return say_usage(invocation->command, "give bash, or words -- WORD...");
    }
    struct place place = {.socket = invocation->socket};
    char **word = invocation->rest;
    for (; word[0] != NULL && word[1] != NULL; word++) {
        step(&place, *word);
    }
    print_candidates(&place, *word == NULL ? "" : *word);
    return STATUS_DONE;
}

const struct command command_complete = {
    .name = "__complete",
    .summary = "Completion for shells",
    .words = "WHAT",
    .runs = "WORD...",
    .run = complete_run,
    .hidden = true,
};
