/* The table of commands, looked up. */
#include "client/syncctl/command.h"

#include <stdio.h>
#include <string.h>

#define COMMAND(id) extern const struct command command_##id;
#include "client/syncctl/commands.def"
#undef COMMAND

const struct command *const commands[] = {
#define COMMAND(id) &command_##id,
#include "client/syncctl/commands.def"
#undef COMMAND
};
const size_t commands_count = sizeof(commands) / sizeof(commands[0]);

const struct option_row global_options[GLOBALS] = {
    [GLOBAL_SOCKET] = {"socket", 0, OPTION_TEXT, "PATH",
                       "the daemon's socket, instead of SYNCD_SOCKET, the "
                       "user's own daemon, the service",
                       NULL},
    [GLOBAL_JSON] = {"json", 0, OPTION_FLAG, NULL, "print JSON, for programs",
                     NULL},
    [GLOBAL_NO_PROGRESS] = {"no-progress", 0, OPTION_FLAG, NULL,
                            "no progress line on a terminal", NULL},
    [GLOBAL_QUIET] = {"quiet", 'q', OPTION_FLAG, NULL,
                      "print nothing but results and errors", NULL},
    [GLOBAL_HELP] = {"help", 'h', OPTION_FLAG, NULL, "print help", NULL},
    [GLOBAL_VERSION] = {"version", 0, OPTION_FLAG, NULL, "print the version",
                        NULL},
};

const struct status_row global_statuses[] = {
    {STATUS_DONE, "done"},
    {STATUS_FAILED, "failed: the message on standard error says why"},
    {STATUS_USAGE, "wrong usage"},
    {STATUS_NO_DAEMON, "no daemon there"},
    {STATUS_WOULD_WAIT, "would have to wait: no room, nothing to take, or the "
                        "daemon cannot do it just now"},
    {STATUS_NOT_ALLOWED, "not allowed"},
    {STATUS_TIMED_OUT, "timed out"},
    {0, NULL},
};

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const struct command *command_find(const char *group, const char *name)
{
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *c = commands[i];
        if (same(c->group, group) &&
            (name == NULL ? c->standard : same(c->name, name))) {
            return c;
        }
    }
    return NULL;
}

const struct command *command_implied(const char *group)
{
    for (size_t i = 0; i < commands_count; i++) {
        if (commands[i]->implied && same(commands[i]->group, group)) {
            return commands[i];
        }
    }
    return NULL;
}

bool command_has_option(const struct command *command, const char *arg)
{
    for (size_t i = 0; i < command->options_count; i++) {
        const struct option_row *row = &command->options[i];
        size_t len = strlen(row->name);
        bool is_long = strncmp(arg, "--", 2) == 0 &&
                       strncmp(arg + 2, row->name, len) == 0 &&
                       (arg[2 + len] == '\0' || arg[2 + len] == '=');
        if (is_long ||
            (row->letter != 0 && arg[0] == '-' && arg[1] == row->letter)) {
            return true;
        }
    }
    return false;
}

bool command_is_group(const char *name)
{
    return command_find(name, NULL) != NULL;
}

const char *command_name(const struct command *command,
                         char name[COMMAND_NAME_BYTES])
{
    (void)snprintf(name, COMMAND_NAME_BYTES, "%s%s%s",
                   command->group == NULL ? "" : command->group,
                   command->group == NULL ? "" : " ", command->name);
    return name;
}

const char *command_synopsis(const struct command *command,
                             char name[COMMAND_NAME_BYTES])
{
    if (!command->implied) {
        return command_name(command, name);
    }
    (void)snprintf(name, COMMAND_NAME_BYTES, "%s [%s]", command->group,
                   command->name);
    return name;
}

size_t command_words_min(const struct command *command)
{
    size_t count = 0;
    bool begin = true;
    for (const char *at = command->words; *at != '\0'; at++) {
        count += begin && *at != '[' && *at != ' ' ? 1 : 0;
        begin = *at == ' ';
    }
    return count;
}

size_t command_words_max(const struct command *command)
{
    size_t count = *command->words == '\0' ? 0 : 1;
    for (const char *at = command->words; *at != '\0'; at++) {
        count += *at == ' ' ? 1 : 0;
    }
    return strstr(command->words, "...") == NULL ? count : WORDS_MAX;
}
