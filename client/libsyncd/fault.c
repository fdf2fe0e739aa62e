/*
 * Faults, and the last one of each thread.
 *
 * The last error of a thread is the one piece of state here that belongs to no
 * session: as with errno, a caller must be able to ask for it after a call that
 * gave no session at all. It hangs on a pthread key, so that it goes with its
 * thread; for this the library is linked so that it is never unloaded.
 */
#include "client/libsyncd/fault.h"

#include "client/libsyncd/syncd.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void last_free(void *last)
{
    fault_fini(last);
    mem_free(last);
}

static void make_key(void)
{
    CHECK(pthread_key_create(&key, last_free) == 0);
}

/* The last fault of this thread, made at its first use. */
static struct fault *last_fault(void)
{
    (void)pthread_once(&once, make_key);
    struct fault *last = pthread_getspecific(key);
    if (last == NULL) {
        last = mem_zalloc(sizeof(*last));
        CHECK(pthread_setspecific(key, last) == 0);
    }
    return last;
}

void fault_fini(struct fault *fault)
{
    if (fault != NULL) {
        mem_free(fault->data);
        fault->data = NULL;
    }
}

void fault_clear(struct fault *fault)
{
    fault_fini(fault);
    fault->status = SYNCD_OK;
    fault->error = ERROR_NONE;
    fault->reason[0] = '\0';
    fault->text[0] = '\0';
}

__attribute__((format(printf, 3, 0))) static void
set_list(struct fault *fault, int status, const char *format, va_list args)
{
    fault_fini(fault);
    fault->status = status;
    fault->error = ERROR_NONE;
    fault->reason[0] = '\0';
    (void)vsnprintf(fault->text, sizeof(fault->text), format, args);
}

void fault_set(struct fault *fault, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_list(fault, status, format, args);
    va_end(args);
}

void fault_add(struct fault *fault, const char *format, ...)
{
    size_t len = strlen(fault->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(fault->text + len, sizeof(fault->text) - len, format, args);
    va_end(args);
}

void fault_copy(struct fault *fault, const struct fault *from)
{
    if (fault == from) {
        return;
    }
    fault_fini(fault);
    *fault = *from;
    if (from->data != NULL) {
        fault->data = mem_strndup(from->data, strlen(from->data));
    }
}

/* The data's `reason`: a few words without escapes. */
static void read_reason(struct fault *fault)
{
    struct scan_members members = scan_members(slice_of(fault->data), 1);
    while (scan_next(&members)) {
        if (members.kind == SCAN_STRING &&
            slice_equal(members.key, SLICE("reason"))) {
            (void)snprintf(fault->reason, sizeof(fault->reason), "%.*s",
                           (int)members.value.len - 2, members.value.at + 1);
        }
    }
}

void fault_of_reply(struct fault *fault, const struct reply *reply)
{
    size_t len = reply->message.len;
    fault_set(fault, SYNCD_E_REPLY, "%.*s",
              (int)(len < FAULT_TEXT_BYTES ? len : FAULT_TEXT_BYTES),
              len == 0 ? "" : reply->message.at);
    fault->error = reply->error;
    if (reply->data.at != NULL) {
        fault->data = mem_strndup(reply->data.at, reply->data.len);
        read_reason(fault);
    }
}

int fault_tell(const struct fault *fault)
{
    if (fault->status != SYNCD_OK) {
        fault_copy(last_fault(), fault);
    }
    return fault->status;
}

int fault_say(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_list(last_fault(), status, format, args);
    va_end(args);
    return status;
}

int fault_retell(int status)
{
    last_fault()->status = status;
    return status;
}

bool fault_data_is(const char *data, const char *name, const char *text)
{
    if (data == NULL) {
        return false;
    }
    struct scan_members members = scan_members(slice_of(data), 1);
    bool found = false;
    while (scan_next(&members)) {
        struct slice value = members.value;
        if (slice_equal(members.key, slice_of(name)) &&
            members.kind == SCAN_STRING) {
            value = (struct slice){value.at + 1, value.len - 2};
            found = slice_equal(value, slice_of(text));
        }
    }
    return found && !members.bad;
}

const char *syncd_error_text(void)
{
    return last_fault()->text;
}

int syncd_error_code(void)
{
    enum error error = last_fault()->error;
    return error == ERROR_NONE ? 0 : error_row(error)->code;
}

const char *syncd_error_name(void)
{
    enum error error = last_fault()->error;
    return error == ERROR_NONE ? "" : error_row(error)->name;
}

const char *syncd_error_reason(void)
{
    return last_fault()->reason;
}

const char *syncd_error_data(void)
{
    const char *data = last_fault()->data;
    return data == NULL ? "" : data;
}
