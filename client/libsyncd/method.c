/*
 * Any method by its name, with parameters as JSON text.
 */
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"
#include "proto/limits.h"
#include "proto/memory.h"

#include <stdlib.h>

static bool is_timeout(const struct scan_members *members)
{
    double number =
        members->kind == SCAN_NUMBER ? scan_number(members->value) : -1;
    return slice_equal(members->key, SLICE("timeout")) && number >= 0 &&
           number <= SECONDS_MAX;
}

/*
 * Writes the members but for the first timeout there is, which goes to
 * *timeout: the session must know it, to send again with what is left of it.
 * What is wrong with a second one, or with one that is no duration, is for the
 * daemon to say.
 */
static void write_members(struct call *call, struct slice params,
                          double *timeout)
{
    struct scan_members members = scan_members(params, 2);
    bool seen = *timeout >= 0;
    while (scan_next(&members)) {
        if (!seen && is_timeout(&members)) {
            *timeout = scan_number(members.value);
            seen = true;
        } else {
            write_key(&call->line, members.key);
            (void)call_write_json(call, members.value, 2, "parameter");
        }
    }
}

static int check_params(struct slice params)
{
    struct scan_members members = scan_members(params, 2);
    bool is_object = members.close == '}';
    while (scan_next(&members)) {
        /* Each is checked as it is read. */
    }
    if (!is_object || members.bad) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "the parameters of a method are one JSON object, "
                         "like {\"queue\":\"mail\"}");
    }
    return SYNCD_OK;
}

/* The answer, for the caller to free. */
static void give(struct call *call, char **result)
{
    if (result != NULL) {
        *result = call->result;
        call->result = NULL;
    }
}

/* A new call of it; *timeout is that of the parameters if they have one.
 * call_fini it if that is SYNCD_OK. */
static int begin_method(struct call *call, const char *method,
                        const char *params, double *timeout)
{
    struct slice name = slice_of(method);
    struct slice given = params != NULL ? slice_of(params) : SLICE("{}");
    if (name.len == 0 || !scan_utf8(name)) {
        return fault_say(SYNCD_E_ARGUMENT, "the method's name is missing");
    }
    int status = check_params(given);
    if (status == SYNCD_OK) {
        call_init(call, name);
        write_members(call, given, timeout);
    }
    return status;
}

int syncd_call_timeout(struct syncd *s, const char *method, const char *params,
                       double timeout, char **result)
{
    struct call call;
    int status = begin_method(&call, method, params, &timeout);
    if (status != SYNCD_OK) {
        return status;
    }
    status = call_run(&call, s, timeout);
    if (status == SYNCD_OK) {
        give(&call, result);
    }
    call_fini(&call);
    return status;
}

int syncd_call(struct syncd *s, const char *method, const char *params,
               char **result)
{
    return syncd_call_timeout(s, method, params, SYNCD_FOREVER, result);
}

struct syncd_pending {
    struct syncd *s;
    struct call call;
};

int syncd_call_begin(struct syncd *s, const char *method, const char *params,
                     struct syncd_pending **pending)
{
    double timeout = SYNCD_FOREVER;
    struct syncd_pending *new = mem_zalloc(sizeof(*new));
    new->s = s;
    int status = begin_method(&new->call, method, params, &timeout);
    if (status != SYNCD_OK) {
        mem_free(new);
        return status;
    }
    status = call_begin(&new->call, s, timeout);
    if (status != SYNCD_OK) {
        call_fini(&new->call);
        mem_free(new);
        return status;
    }
    *pending = new;
    return SYNCD_OK;
}

bool syncd_call_ended(const struct syncd_pending *pending)
{
    return session_has_ended(pending->s, &pending->call);
}

int syncd_call_end(struct syncd_pending *pending, char **result)
{
    int status = call_end(&pending->call, pending->s);
    if (status == SYNCD_OK) {
        give(&pending->call, result);
    }
    call_fini(&pending->call);
    mem_free(pending);
    return status;
}
