/*
 * What the typed calls share.
 */
#include "client/libsyncd/jobs.h"

#include "client/libsyncd/syncd.h"
#include "proto/memory.h"

int jobs_check_name(const char *name, const char *what)
{
    struct slice text = slice_of(name);
    bool fine = text.len >= 1 && text.len <= NAME_BYTES_MAX && scan_utf8(text);
    for (size_t i = 0; fine && i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        fine = byte >= 0x20 && byte != 0x7f;
    }
    return fine ? SYNCD_OK
                : fault_say(SYNCD_E_ARGUMENT,
                            "a %s has 1 to %d bytes of UTF-8 and no control "
                            "characters",
                            what, NAME_BYTES_MAX);
}

int jobs_begin_named(struct call *call, struct slice method, const char *member,
                     const char *name)
{
    char what[32];
    (void)snprintf(what, sizeof(what), "%s's name", member);
    call_init(call, method);
    int status = jobs_check_name(name, what);
    if (status == SYNCD_OK) {
        write_key(&call->line, slice_of(member));
        write_string(&call->line, slice_of(name));
    }
    return status;
}

int jobs_begin(struct call *call, struct slice method, const char *queue)
{
    return jobs_begin_named(call, method, "queue", queue);
}

int jobs_write_count(struct call *call, const char *member, uint64_t count)
{
    if (count >= (uint64_t)WIRE_INTEGER_MAX) {
        return fault_say(SYNCD_E_ARGUMENT, "%s is a number below 2^53", member);
    }
    write_key(&call->line, slice_of(member));
    write_integer(&call->line, (int64_t)count);
    return SYNCD_OK;
}

int jobs_run_whole(struct call *call, struct syncd *s, double timeout)
{
    int status = call_run(call, s, timeout);
    return status == SYNCD_E_REPLY && call->fault.error == ERROR_broken
               ? fault_retell(SYNCD_BROKEN)
               : status;
}

struct slice jobs_member_of(struct slice object, const char *name)
{
    struct scan_members members = scan_members(object, REPLY_DEPTH);
    struct slice value = {0};
    while (members.close == '}' && scan_next(&members)) {
        if (slice_equal(members.key, slice_of(name))) {
            value = members.value;
        }
    }
    return value;
}

struct slice jobs_member(const struct call *call, const char *name)
{
    struct slice result = {call->result, call->result_len};
    struct slice value = jobs_member_of(result, name);
    return value.at != NULL ? value : SLICE("null");
}

int jobs_no_sense(const struct call *call)
{
    return fault_say(SYNCD_E_PROTOCOL,
                     "the daemon answered what this library does not "
                     "understand (%.80s); are they of the same version?",
                     call->result);
}

bool jobs_natural(struct slice value, uint64_t *number)
{
    int64_t integer = -1;
    if (scan_kind_of(value) != SCAN_NUMBER || !scan_integer(value, &integer) ||
        integer < 0) {
        return false;
    }
    *number = (uint64_t)integer;
    return true;
}

int jobs_read_integer(const struct call *call, const char *name,
                      uint64_t *value)
{
    return jobs_natural(jobs_member(call, name), value) ? SYNCD_OK
                                                        : jobs_no_sense(call);
}

char *jobs_copy_text(struct slice string)
{
    struct arena arena;
    arena_init(&arena);
    struct slice text = scan_text(string, &arena);
    char *copy = mem_strndup(text.at, text.len);
    arena_fini(&arena);
    return copy;
}
