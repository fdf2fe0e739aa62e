/*
 * `syncctl __man`: the manual page syncctl(1), as roff, from the table of
 * commands. The build runs it; client/man/syncd.8 is written by hand.
 */
#include "client/syncctl/help.h"

#include <string.h>

/* Text as roff: nothing in it is a request, an escape or a ligature. */
static void text_bytes(const char *text, size_t len)
{
    bool begin = true;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (begin && (c == '.' || c == '\'')) {
            (void)fputs("\\&", stdout);
        }
        switch (c) {
        case '\\':
            (void)fputs("\\e", stdout);
            break;
        case '-':
            (void)fputs("\\-", stdout);
            break;
        case '\'':
            (void)fputs("\\(aq", stdout);
            break;
        case '`':
            (void)fputs("\\(ga", stdout);
            break;
        case '^':
            (void)fputs("\\(ha", stdout);
            break;
        case '~':
            (void)fputs("\\(ti", stdout);
            break;
        case '"':
            (void)fputs("\\(dq", stdout);
            break;
        default:
            putchar(c);
        }
        begin = c == '\n';
    }
}

static void text(const char *words)
{
    text_bytes(words, strlen(words));
}

static void text_line(const char *words)
{
    text(words);
    putchar('\n');
}

static void paragraphs(const char *words)
{
    while (words != NULL && *words != '\0') {
        const char *end = strstr(words, "\n\n");
        size_t len = end == NULL ? strlen(words) : (size_t)(end - words);
        puts(".PP");
        text_bytes(words, len);
        putchar('\n');
        words += len + (end == NULL ? 0 : 2);
    }
}

static void option(const struct option_row *row)
{
    puts(".TP");
    if (row->letter != 0) {
        printf("\\fB\\-%c\\fR, ", row->letter);
    }
    (void)fputs("\\fB\\-\\-", stdout);
    text(row->name);
    (void)fputs("\\fR", stdout);
    if (row->argument != NULL) {
        printf(" \\fI%s\\fR", row->argument);
    }
    putchar('\n');
    text(row->help);
    if (row->choices != NULL) {
        printf(": %s", row->choices);
    }
    puts(".");
}

static void statuses(const struct status_row *row)
{
    for (; row != NULL && row->when != NULL; row++) {
        printf(".TP\n\\fB%d\\fR\n", row->status);
        text_line(row->when);
    }
}

static void examples(const struct example_row *row)
{
    for (; row != NULL && row->line != NULL; row++) {
        puts(".PP");
        text(row->what);
        puts("\n.PP\n.RS 4\n.nf");
        text_line(row->line);
        puts(".fi\n.RE");
    }
}

static void command_section(const struct command *command)
{
    char name[COMMAND_NAME_BYTES];
    printf(".SS \"%s\"\n", command_name(command, name));
    printf(".PP\n\\fBsyncctl %s\\fR", command_synopsis(command, name));
    (void)fputs(command->options_count == 0 ? "" : " [\\fIOPTION\\fR...]",
                stdout);
    putchar(*command->words == '\0' ? '\n' : ' ');
    if (*command->words != '\0') {
        text_line(command->words);
    }
    if (command->runs != NULL) {
        printf("[\\-\\- %s]\n", command->runs);
    }
    puts(".PP");
    text(command->summary);
    puts(".");
    paragraphs(command->description);
    for (size_t i = 0; i < command->options_count; i++) {
        option(&command->options[i]);
    }
    if (command->statuses != NULL) {
        puts(".PP\nExit statuses of its own:");
        statuses(command->statuses);
    }
    examples(command->examples);
}

static void page_begin(void)
{
    printf(".TH SYNCCTL 1 \"%s\" \"syncd %s\" \"User Commands\"\n", SYNCD_DATE,
           SYNCD_VERSION);
    puts(".SH NAME\nsyncctl \\- durable bounded queues for processes");
    puts(".SH SYNOPSIS\n\\fBsyncctl\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] "
         "...");
    puts(".SH DESCRIPTION");
    text_line("syncctl speaks with syncd, a small daemon that hosts durable "
              "bounded queues: put blocks while a queue is full, get waits for "
              "a job, done finishes it, join waits until every job is "
              "finished. It is made for scripts as well as for people.");
    paragraphs(
        "A body on the command line is JSON if it parses as JSON, else a "
        "string. Where a body is printed or handed to a command, a string is "
        "its text, and anything else the JSON as it was put.\n\n"
        "Ids of jobs grow, but not one by one: after a crash of the daemon "
        "they jump, and a gap means nothing.\n\n"
        "Durations read 5, 5s, 100ms, 2m, 1h, 1d; a number alone is seconds. "
        "Options of every command may stand anywhere before \"--\".");
}

static void page_end(void)
{
    puts(".SH EXIT STATUS");
    statuses(global_statuses);
    puts(".PP");
    text_line("What runs a command passes that command's status on: 126 if it "
              "cannot be run, 127 if it is not found, 128 plus the number of "
              "the signal that ended it.");
    puts(".SH ENVIRONMENT");
    puts(".TP\n\\fBSYNCD_SOCKET\\fR");
    text_line("The daemon's socket. Without it syncctl looks for the user's "
              "own daemon in $XDG_RUNTIME_DIR/syncd/syncd.sock (without that "
              "variable in /run/user/UID, then /tmp/syncd-UID), then for the "
              "service in /run/syncd/syncd.sock.");
    puts(".TP\n\\fBNO_COLOR\\fR");
    text_line("If set and not empty, tables have no colours.");
    puts(".TP\n\\fBSYNCD_JOB\\fR, \\fBSYNCD_TOKEN\\fR, \\fBSYNCD_QUEUE\\fR, "
         "\\fBSYNCD_ATTEMPT\\fR, \\fBSYNCD_SLOT\\fR, \\fBSYNCD_BATCH\\fR, "
         "\\fBSYNCD_STAGE\\fR, \\fBSYNCD_OWNER\\fR");
    text_line("Set for the commands that work runs: the job's id, its token, "
              "its queue, which try this is, the number of the slot from 1 on, "
              "its batch and stage if it has them, and a name for the owner of "
              "locks that is handed down to child processes. Where lock or sem "
              "runs a command, SYNCD_TOKEN is the token of what is held, and "
              "that of the job around it is SYNCD_JOB_TOKEN.");
    puts(".SH SEE ALSO\n.BR syncd (8)");
}

static int man_run(struct invocation *invocation)
{
    (void)invocation;
    page_begin();
    puts(".SH OPTIONS");
    for (size_t i = 0; i < GLOBALS; i++) {
        option(&global_options[i]);
    }
    puts(".SH COMMANDS");
    for (size_t i = 0; i < commands_count; i++) {
        if (!commands[i]->hidden) {
            command_section(commands[i]);
        }
    }
    page_end();
    return STATUS_DONE;
}

const struct command command_man = {
    .name = "__man",
    .summary = "Prints the manual page",
    .words = "",
    .run = man_run,
    .hidden = true,
};
