/* Errors in the words of the command line. */
#include "client/syncctl/hints.h"

#include "client/libsyncd/syncd.h"
#include "client/syncctl/fields.h"
#include "proto/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of a value that was refused so much is shown. */
#define SHOWN_BYTES_MAX 60

/*
 * A sentence for an error of the protocol. In it {0}, {1} stand for the words
 * of the command line and {name} for what its option was given, as a shell
 * takes them; a row whose values were not given is passed over. The first that
 * fits counts.
 */
struct hint {
    const char *error;   /* data.name */
    const char *about;   /* data.param or data.reason; NULL: it has neither */
    const char *command; /* "put"; NULL: any */
    const char *text;
};

static const struct hint hints[] = {
    {"not_found", "queue", "job retry",
     "there is no queue {queue}; these are there: syncctl queue list"},
    {"not_found", "queue", NULL,
     "there is no queue {0}; these are there: syncctl queue list"},
    {"not_found", "batch", "put",
     "there is no batch {batch}; make it with: syncctl batch create {batch} "
     "--stages NAME,NAME..."},
    {"not_found", "batch", NULL,
     "there is no batch {0}; these are there: syncctl batch list"},
    {"not_found", "stage", "put",
     "the batch {batch} has no stage {stage}; see its stages with: syncctl "
     "batch show {batch}"},
    {"not_found", "stage", NULL,
     "the batch {0} has no stage {stage}; see its stages with: syncctl batch "
     "show {0}"},
    {"not_found", "limits", "put",
     "there is no semaphore {limit}; make it with: syncctl sem set {limit} "
     "--value N"},
    {"not_found", "semaphore", "sem run",
     "there is no semaphore {0}: give --value N here, or make it with: syncctl "
     "sem set {0} --value N"},
    {"not_found", "semaphore", NULL,
     "there is no semaphore {0}; make it with: syncctl sem set {0} --value N"},
    {"not_found", "id", NULL,
     "there is no job {0} (any more): a finished job is kept only with "
     "--keep-done (put, queue set)"},
    {"conflict", "force", "queue delete",
     "{0} has jobs or is waited for; all the same: syncctl queue delete {0} "
     "--force"},
    {"conflict", "force", "sem delete",
     "{0} is held or waited for; all the same: syncctl sem delete {0} --force"},
    {"conflict", "bounded", "sem set",
     "{0} cannot become a counter (--unbounded), or cease to be one; to make "
     "it "
     "anew, first: syncctl sem delete {0}"},
    {"conflict", "batch", "batch delete",
     "{0} has unfinished or dead jobs; first: syncctl batch cancel {0}"},
    {"conflict", "id", "batch delete",
     "{0} is done, but has dead jobs, or such as were retried; first, of each: "
     "syncctl job cancel ID"},
    {"queue_closed", NULL, "put",
     "{0} is closed; to let jobs in again: syncctl queue open {0}"},
    {"queue_full", NULL, "put",
     "{0} is full; wait for room (longer, or without --timeout), or give it "
     "more: syncctl queue set {0} --capacity N"},
    {"stale_token", "from", "put",
     "the job that this command runs for is no longer ours: whoever has it now "
     "adds what is to be added"},
    {"method_not_found", NULL, "call",
     "there is no method {0}; these are there: syncctl call rpc.discover"},
};

/* --- what the command line said --- */

/* The n-th value of an option, NULL: there is none. */
static const char *value_of(const struct invocation *invocation, size_t option,
                            size_t n)
{
    for (size_t i = 0; i < invocation->listed_count; i++) {
        if (invocation->listed[i].option == option && n-- == 0) {
            return invocation->listed[i].text;
        }
    }
    return invocation->options[option].text;
}

/* The option of that name, in which _ is -; the count: there is none. */
static size_t option_of(const struct command *command, struct slice name)
{
    size_t i = 0;
    for (; i < command->options_count; i++) {
        const char *have = command->options[i].name;
        size_t len = 0;
        while (len < name.len && have[len] != '\0' &&
               have[len] == (name.at[len] == '_' ? '-' : name.at[len])) {
            len++;
        }
        if (len == name.len && have[len] == '\0') {
            break;
        }
    }
    return i;
}

/* What {name} stands for; NULL: it was not given. */
static const char *meant(const struct invocation *invocation, struct slice name)
{
    if (name.len == 1 && isdigit((unsigned char)name.at[0])) {
        size_t word = (size_t)(name.at[0] - '0');
        return word < invocation->words_count ? invocation->words[word] : NULL;
    }
    size_t option = option_of(invocation->command, name);
    return option < invocation->command->options_count
               ? value_of(invocation, option, 0)
               : NULL;
}

void hints_quote(const char *word, struct out *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-./:@%+=,";
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        out_bytes(out, slice_of(word));
        return;
    }
    out_byte(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            out_bytes(out, SLICE("'\\''"));
        } else {
            out_byte(out, *word);
        }
    }
    out_byte(out, '\'');
}

/* --- sentences of our own --- */

/* The row's sentence. False: it says what was not given. */
static bool fill(const struct invocation *invocation, const char *text,
                 struct out *out)
{
    while (*text != '\0') {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        if (end == NULL) {
            out_byte(out, *text++);
            continue;
        }
        const char *value = meant(
            invocation, (struct slice){text + 1, (size_t)(end - text) - 1});
        if (value == NULL) {
            return false;
        }
        hints_quote(value, out);
        text = end + 1;
    }
    return true;
}

static bool says(const char *row, struct slice have)
{
    return row == NULL ? have.at == NULL
                       : have.at != NULL && slice_equal(slice_of(row), have);
}

static bool by_row(const struct invocation *invocation, struct slice about,
                   struct out *out)
{
    char name[COMMAND_NAME_BYTES];
    command_name(invocation->command, name);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        const struct hint *hint = &hints[i];
        if (strcmp(hint->error, syncd_error_name()) == 0 &&
            says(hint->about, about) &&
            (hint->command == NULL || strcmp(hint->command, name) == 0)) {
            out->len = 0;
            if (fill(invocation, hint->text, out)) {
                return true;
            }
        }
    }
    return false;
}

/* --- arguments that only the daemon could judge --- */

/* The argument behind a parameter: its name on the command line and what was
 * given. */
struct argument {
    char name[64];
    const char *value;
};

/* By the word of the command: "queue" is QUEUE, and NAME is whatever its
 * group's parameter is. */
static bool word_of(const struct invocation *invocation, struct slice param,
                    struct argument *argument)
{
    const char *at = invocation->command->words;
    for (size_t i = 0; i < invocation->words_count && *at != '\0'; i++) {
        at += *at == '[' ? 1 : 0;
        size_t len = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        bool is_name = len == 4 && strncmp(at, "NAME", 4) == 0 &&
                       (slice_equal(param, SLICE("lock")) ||
                        slice_equal(param, SLICE("semaphore")));
        if (is_name ||
            (len == param.len && strncasecmp(at, param.at, len) == 0)) {
            (void)snprintf(argument->name, sizeof(argument->name), "%.*s",
                           (int)len, at);
            argument->value = invocation->words[i];
            return true;
        }
        at += strcspn(at, " ");
        at += *at == ' ' ? 1 : 0;
    }
    return false;
}

/* "limits[2]" is the third --limit. */
static bool argument_of(const struct invocation *invocation, struct slice param,
                        struct argument *argument)
{
    size_t n = 0;
    struct slice base = param;
    base.len = 0;
    while (base.len < param.len && param.at[base.len] != '[' &&
           param.at[base.len] != '.') {
        base.len++;
    }
    if (base.len < param.len && param.at[base.len] == '[') {
        n = (size_t)strtoul(param.at + base.len + 1, NULL, 10);
    }
    if (word_of(invocation, base, argument)) {
        return true;
    }
    const struct command *command = invocation->command;
    size_t option = option_of(
        command, slice_equal(base, SLICE("limits")) ? SLICE("limit") : base);
    if (option == command->options_count ||
        value_of(invocation, option, n) == NULL) {
        return false;
    }
    (void)snprintf(argument->name, sizeof(argument->name), "--%s",
                   command->options[option].name);
    argument->value = value_of(invocation, option, n);
    return true;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "factor " of backoff.factor; of other parameters nothing. */
static struct slice member_of(struct slice param)
{
    const char *dot = memchr(param.at, '.', param.len);
    return dot == NULL ? (struct slice){param.at, 0}
                       : (struct slice){
                             dot + 1, (size_t)(param.at + param.len - dot) - 1};
}

/* "`queue` is a name: ..." -> "QUEUE "x" is not a name: ...". False: that is
 * not how the daemon said it, or the parameter is none of ours. */
static bool by_argument(const struct invocation *invocation, struct slice param,
                        struct out *out)
{
    struct argument argument;
    const char *text = strchr(syncd_error_text(), '`');
    const char *rest = text == NULL ? NULL : strstr(text, "` ");
    if (param.at == NULL || rest == NULL ||
        !argument_of(invocation, param, &argument)) {
        return false;
    }
    rest += 2;
    const char *verb = "";
    if (begins(rest, "is a ") || begins(rest, "is an ") ||
        begins(rest, "is one of ")) {
        verb = "is not ";
        rest += strlen("is ");
    } else if (begins(rest, "is at ") || begins(rest, "is from ")) {
        verb = "must be ";
        rest += strlen("is ");
    } else if (!begins(rest, "must be ")) {
        return false;
    }
    size_t len = strlen(argument.value);
    size_t shown = utf8_clip(argument.value, len, SHOWN_BYTES_MAX);
    out->len = 0;
    out_bytes(out, slice_of(argument.name));
    out_bytes(out, SLICE(" \""));
    out_bytes(out, (struct slice){argument.value, shown});
    struct slice member = member_of(param);
    out_bytes(out, shown < len ? SLICE("...\"") : SLICE("\""));
    out_bytes(out, member.len > 0 ? SLICE(": the ") : SLICE(" "));
    out_bytes(out, member);
    out_bytes(out, member.len > 0 ? SLICE(" ") : SLICE(""));
    out_bytes(out, slice_of(verb));
    out_bytes(out, slice_of(rest));
    return true;
}

const char *hints_text(const struct invocation *invocation, int result,
                       char text[HINT_BYTES])
{
    struct arena arena;
    struct out out = {0};
    arena_init(&arena);
    struct slice data = slice_of(syncd_error_data());
    struct slice param = fields_text(data, "param", &arena);
    struct slice reason = fields_text(data, "reason", &arena);
    bool ours =
        result == SYNCD_E_REPLY &&
        (strcmp(syncd_error_name(), "invalid_params") == 0
             ? by_argument(invocation, param, &out)
             : by_row(invocation, param.at != NULL ? param : reason, &out));
    if (ours) {
        (void)snprintf(text, HINT_BYTES, "%.*s", (int)out.len, out.at);
    } else {
        (void)snprintf(text, HINT_BYTES, "%s", syncd_error_text());
    }
    out_fini(&out);
    arena_fini(&arena);
    return text;
}
