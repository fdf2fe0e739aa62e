/*
 * What the typed calls share: the beginning of a request about a queue or a
 * job, and reading what came back.
 */
#ifndef SYNCD_LIBSYNCD_JOBS_H
#define SYNCD_LIBSYNCD_JOBS_H

#include "client/libsyncd/call.h"
#include "client/libsyncd/syncd.h"
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

/* A member of the result; `null` if there is none of that name. */
struct slice jobs_member(const struct call *call, const char *name);

/* A member of an object inside of it; absent if there is none. */
struct slice jobs_member_of(struct slice object, const char *name);

/* Is it a natural number, and which? */
bool jobs_natural(struct slice value, uint64_t *number);

/* A member that is one. */
int jobs_read_integer(const struct call *call, const char *name,
                      uint64_t *value);

/* Members "id" and "token". */
void jobs_write_lease(struct out *out, const struct syncd_job *job);

/* A member "jobs" of those that are not NULL, with their results, if any;
 * `depth`: of brackets around it. */
int jobs_write_finished(struct call *call, struct syncd_job *const *jobs,
                        const char *const *results, size_t count, int depth);

/* Is one of them not NULL? */
bool jobs_are_any(struct syncd_job *const *jobs, size_t count);

/* How many ids this part of the result calls stale. */
int jobs_count_stale(const struct call *call, struct slice outcome,
                     size_t *stale);

/* The result is not what that method returns: told as SYNCD_E_PROTOCOL. */
int jobs_no_sense(const struct call *call);

#endif
