/* A command's questions to the daemon. */
#include "client/syncctl/ask.h"

#include "client/syncctl/hints.h"
#include "client/syncctl/say.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A command line as a name for lists: blanks for control characters, and cut
 * where a character ends. */
static char *clean(struct out *take_line)
{
    size_t len = take_line->len;
    out_byte(take_line, '\0'); /* one may be looked at behind the last */
    struct slice line = {take_line->at, len};
    bool utf8 = scan_utf8(line);
    for (size_t i = 0; i < line.len; i++) {
        unsigned char byte = (unsigned char)line.at[i];
        if (byte < ' ' || byte == 0x7f) {
            take_line->at[i] = ' ';
        } else if (byte == 0xC2 && (unsigned char)line.at[i + 1] < 0xA0) {
            take_line->at[i] = take_line->at[i + 1] = ' ';
        } else if (byte >= 0x80 && !utf8) {
            take_line->at[i] = '?';
        }
    }
    line.len = line.len < NAME_BYTES_MAX ? line.len : NAME_BYTES_MAX;
    while (!scan_utf8(line)) {
        line.len--;
    }
    char *text = mem_strndup(line.at, line.len);
    out_fini(take_line);
    return text;
}

char *ask_client(const struct invocation *invocation)
{
    struct out line = {0};
    char name[COMMAND_NAME_BYTES];
    const struct command *command = invocation->command;
    out_bytes(&line, SLICE("syncctl "));
    out_bytes(&line, slice_of(command->implied ? command->group
                                               : command_name(command, name)));
    if (invocation->words_count > 0) {
        out_byte(&line, ' ');
        out_bytes(&line, slice_of(invocation->words[0]));
    }
    if (invocation->rest != NULL) {
        out_bytes(&line, SLICE(" --"));
    }
    for (char **word = invocation->rest; word != NULL && *word != NULL;
         word++) {
        out_byte(&line, ' ');
        out_bytes(&line, slice_of(*word));
    }
    return clean(&line);
}

/* A daemon that was started a moment ago, as in `syncd & syncctl ...`, is not
 * there yet: so long it is waited for. */
#define CONNECT_SECONDS 1.0

int ask_open(const struct invocation *invocation, double grace,
             struct syncd **s)
{
    char *client = ask_client(invocation);
    const struct syncd_options options = {.socket = invocation->socket,
                                          .client = client,
                                          .grace = grace,
                                          .connect_timeout = CONNECT_SECONDS};
    int result = syncd_open(&options, s);
    mem_free(client);
    return result == SYNCD_OK ? STATUS_DONE : ask_failed(invocation, result);
}

static int reply_status(void)
{
    static const struct {
        const char *name;
        int status;
    } statuses[] = {{"invalid_params", STATUS_USAGE},
                    {"forbidden", STATUS_NOT_ALLOWED},
                    {"broken", STATUS_BROKEN},
                    {"limit", STATUS_WOULD_WAIT},
                    {"unavailable", STATUS_WOULD_WAIT}};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(syncd_error_name(), statuses[i].name) == 0) {
            return statuses[i].status;
        }
    }
    return STATUS_FAILED;
}

int ask_status(int result)
{
    switch (result) {
    case SYNCD_OK:
        return STATUS_DONE;
    case SYNCD_TIMEOUT:
        return STATUS_TIMED_OUT;
    case SYNCD_E_CONNECT:
    case SYNCD_E_LOST:
        return STATUS_NO_DAEMON;
    case SYNCD_E_PERMISSION:
        return STATUS_NOT_ALLOWED;
    case SYNCD_E_REPLY:
        return reply_status();
    default:
        return STATUS_FAILED;
    }
}

int ask_failed(const struct invocation *invocation, int result)
{
    char text[HINT_BYTES];
    say(invocation->command, "%s", hints_text(invocation, result, text));
    return ask_status(result);
}

int ask_call(struct syncd *s, const char *method, struct out *take_params,
             char **result)
{
    const char *params = NULL;
    if (take_params != NULL) {
        out_byte(take_params, '\0');
        params = take_params->at;
    }
    int answer = syncd_call(s, method, params, result);
    if (take_params != NULL) {
        out_fini(take_params);
    }
    return answer;
}

int ask(const struct invocation *invocation, struct syncd *s,
        const char *method, struct out *take_params, char **result)
{
    int answer = ask_call(s, method, take_params, result);
    return answer == SYNCD_OK ? STATUS_DONE : ask_failed(invocation, answer);
}

int ask_once(const struct invocation *invocation, double grace,
             const char *method, struct out *take_params, char **result)
{
    struct syncd *s = NULL;
    int status = ask_open(invocation, grace, &s);
    if (status != STATUS_DONE) {
        if (take_params != NULL) {
            out_fini(take_params);
        }
        return status;
    }
    status = ask(invocation, s, method, take_params, result);
    syncd_close(s);
    return status;
}

struct out ask_begin(const struct invocation *invocation, const char *member)
{
    struct out params = {0};
    write_begin_object(&params);
    write_key(&params, slice_of(member));
    write_string(&params, slice_of(invocation->words[0]));
    return params;
}

int ask_change(const struct invocation *invocation, double grace,
               const char *method, struct out *take_params)
{
    char *result = NULL;
    write_end_object(take_params);
    int status = ask_once(invocation, grace, method, take_params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    }
    free(result);
    return status;
}
