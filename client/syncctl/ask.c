/* A command's questions to the daemon. */
#include "client/syncctl/ask.h"

#include "client/syncctl/say.h"

#include <stdlib.h>
#include <string.h>

int ask_open(const struct invocation *invocation, double grace,
             struct syncd **s)
{
    const struct syncd_options options = {
        .socket = invocation->socket, .client = "syncctl", .grace = grace};
    int result = syncd_open(&options, s);
    return result == SYNCD_OK ? STATUS_DONE : ask_failed(invocation, result);
}

static int reply_status(void)
{
    static const struct {
        const char *name;
        int status;
    } statuses[] = {{"forbidden", STATUS_NOT_ALLOWED},
                    {"broken", STATUS_BROKEN},
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
    say(invocation->command, "%s", syncd_error_text());
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
