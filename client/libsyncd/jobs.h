/*
 * What the typed calls share: the beginning of a request about a queue or a
 * job, and reading what came back.
 */
#ifndef SYNCD_LIBSYNCD_JOBS_H
#define SYNCD_LIBSYNCD_JOBS_H

#include "client/libsyncd/call.h"
#include "proto/limits.h"

#include <stdio.h>

/* Depth at which a reply is read: below 1, as a body stands deeper in a reply
 * than in the request that brought it (see scan.h). */
#define REPLY_DEPTH (-16)

/* SYNCD_OK, or told as SYNCD_E_ARGUMENT. `what`: "queue", "key". */
int jobs_check_name(const char *name, const char *what);

/* A new call about a queue; call_fini it in any case. */
int jobs_begin(struct call *call, struct slice method, const char *queue);

/* The same about a thing of another kind, that `member` names: "event". */
int jobs_begin_named(struct call *call, struct slice method, const char *member,
                     const char *name);

/* A member that is a count, or a token. */
int jobs_write_count(struct call *call, const char *member, uint64_t count);

/* call_run, for what may be broken: that is SYNCD_BROKEN, and no error. */
int jobs_run_whole(struct call *call, struct syncd *s, double timeout);

/* The text of a JSON string; given. */
char *jobs_copy_text(struct slice string);

/* A member of the result; absent if there is none of that name. */
struct slice jobs_member(const struct call *call, const char *name);

/* Is it a natural number, and which? */
bool jobs_natural(struct slice value, uint64_t *number);

/* A member that is one. */
int jobs_read_integer(const struct call *call, const char *name,
                      uint64_t *value);

/* The result is not what that method returns: told as SYNCD_E_PROTOCOL. */
int jobs_no_sense(const struct call *call);

#endif
