/*
 * Putting jobs.
 */
#include "client/libsyncd/jobs.h"
#include "client/libsyncd/syncd.h"

#include <math.h>

/* Is it written at all? */
static bool is_given(double seconds)
{
    return !(seconds < 0);
}

static int check_terms(const struct syncd_terms *terms)
{
    if (!isfinite(terms->priority)) {
        return fault_say(SYNCD_E_ARGUMENT, "a priority is a finite number");
    }
    const double seconds[] = {terms->delay, terms->lease, terms->keep_done};
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        if (isnan(seconds[i]) || seconds[i] > SECONDS_MAX) {
            return fault_say(SYNCD_E_ARGUMENT,
                             "delay, lease and keep_done are seconds from 0 "
                             "to %g",
                             SECONDS_MAX);
        }
    }
    if (terms->max_attempts >= WIRE_INTEGER_MAX) {
        return fault_say(SYNCD_E_ARGUMENT, "max_attempts is too large");
    }
    return terms->key == NULL ? SYNCD_OK : jobs_check_name(terms->key, "key");
}

static int check_names(const char *const *names, size_t count, const char *what)
{
    int status = SYNCD_OK;
    if (count > NAME_LIST_MAX) {
        return fault_say(SYNCD_E_ARGUMENT, "at most %d names in a list",
                         NAME_LIST_MAX);
    }
    for (size_t i = 0; status == SYNCD_OK && i < count; i++) {
        status = jobs_check_name(names[i], what);
    }
    return status;
}

/* What holds it, and the batch it is of. */
static int check_holds(const struct syncd_terms *terms)
{
    if ((terms->batch == NULL) != (terms->stage == NULL)) {
        return fault_say(SYNCD_E_ARGUMENT, "a batch and a stage go together");
    }
    if ((terms->from_id == 0) != (terms->from_token == 0)) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "from_id and from_token go together");
    }
    int status = check_names(terms->after, terms->after_count, "event's name");
    if (status == SYNCD_OK) {
        status =
            check_names(terms->limits, terms->limits_count, "semaphore's name");
    }
    if (status == SYNCD_OK && terms->batch != NULL) {
        status = jobs_check_name(terms->batch, "batch's name");
    }
    if (status == SYNCD_OK && terms->stage != NULL) {
        status = jobs_check_name(terms->stage, "stage's name");
    }
    return status;
}

static void write_names(struct out *out, const char *key,
                        const char *const *names, size_t count)
{
    if (count == 0) {
        return;
    }
    write_key(out, slice_of(key));
    write_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        write_string(out, slice_of(names[i]));
    }
    write_end_array(out);
}

/* What all jobs of one message share. */
static void write_batch(struct out *out, const struct syncd_terms *terms)
{
    if (terms->batch != NULL) {
        WRITE(out, string, "batch", slice_of(terms->batch));
        WRITE(out, string, "stage", slice_of(terms->stage));
    }
    if (terms->from_id != 0) {
        write_key(out, SLICE("from"));
        write_begin_object(out);
        WRITE(out, integer, "id", (int64_t)terms->from_id);
        WRITE(out, integer, "token", (int64_t)terms->from_token);
        write_end_object(out);
    }
}

static void write_terms(struct out *out, const struct syncd_terms *terms)
{
    if (terms->key != NULL) {
        WRITE(out, string, "key", slice_of(terms->key));
    }
    if (terms->priority != 0) {
        WRITE(out, number, "priority", terms->priority);
    }
    if (terms->delay > 0) {
        WRITE(out, number, "delay", terms->delay);
    }
    if (is_given(terms->lease)) {
        WRITE(out, number, "lease", terms->lease);
    }
    if (is_given(terms->keep_done)) {
        WRITE(out, number, "keep_done", terms->keep_done);
    }
    if (terms->max_attempts >= 0) {
        WRITE(out, integer, "max_attempts", terms->max_attempts);
    }
    write_names(out, "after", terms->after, terms->after_count);
    write_names(out, "limits", terms->limits, terms->limits_count);
}

/* The queue and the terms, in a new call. */
static int begin_put(struct call *call, const char *queue,
                     const struct syncd_terms *terms)
{
    int status = jobs_begin(call, SLICE("queue.put"), queue);
    if (status == SYNCD_OK && terms != NULL) {
        status = check_terms(terms);
    }
    if (status == SYNCD_OK && terms != NULL) {
        status = check_holds(terms);
    }
    if (status == SYNCD_OK && terms != NULL) {
        write_terms(&call->line, terms);
        write_batch(&call->line, terms);
    }
    return status;
}

/* No room in time is no error, unless there can never be any. */
static int run_put(struct call *call, struct syncd *s, double timeout)
{
    int status = call_run(call, s, timeout);
    if (status == SYNCD_E_REPLY && call->fault.error == ERROR_queue_full &&
        !fault_data_is(call->fault.data, "reason", "never")) {
        return fault_retell(SYNCD_TIMEOUT);
    }
    return status;
}

int syncd_put(struct syncd *s, const char *queue, struct syncd_text body,
              const struct syncd_terms *terms, double timeout, uint64_t *id)
{
    struct call call;
    uint64_t put_id = 0;
    int status = begin_put(&call, queue, terms);
    if (status == SYNCD_OK) {
        write_key(&call.line, SLICE("body"));
        status = call_write_json(&call, (struct slice){body.at, body.len}, 2,
                                 "body");
    }
    if (status == SYNCD_OK) {
        status = run_put(&call, s, timeout);
    }
    if (status == SYNCD_OK) {
        status = jobs_read_integer(&call, "id", &put_id);
    }
    if (status == SYNCD_OK && id != NULL) {
        *id = put_id;
    }
    call_fini(&call);
    return status;
}

static int write_bodies(struct call *call, const struct syncd_text *bodies,
                        size_t count)
{
    write_key(&call->line, SLICE("bodies"));
    write_begin_array(&call->line);
    for (size_t i = 0; i < count; i++) {
        struct slice body = {bodies[i].at, bodies[i].len};
        char what[48];
        (void)snprintf(what, sizeof(what), "body number %zu", i + 1);
        int status = call_write_json(call, body, 3, what);
        if (status != SYNCD_OK) {
            return status;
        }
    }
    write_end_array(&call->line);
    return SYNCD_OK;
}

/* The ids of the reply, as many as there were bodies. */
static int read_ids(const struct call *call, size_t count, uint64_t *ids)
{
    struct slice list = jobs_member(call, "ids");
    struct scan_members members = scan_members(list, REPLY_DEPTH);
    size_t got = 0;
    while (scan_next(&members)) {
        int64_t id = 0;
        if (got == count || members.kind != SCAN_NUMBER ||
            !scan_integer(members.value, &id) || id <= 0) {
            return jobs_no_sense(call);
        }
        if (ids != NULL) {
            ids[got] = (uint64_t)id;
        }
        got++;
    }
    return members.bad || got != count ? jobs_no_sense(call) : SYNCD_OK;
}

/* run_put of so many jobs; their ids. */
static int run_puts(struct call *call, struct syncd *s, double timeout,
                    size_t count, uint64_t *ids)
{
    int status = run_put(call, s, timeout);
    return status == SYNCD_OK ? read_ids(call, count, ids) : status;
}

int syncd_put_many(struct syncd *s, const char *queue,
                   const struct syncd_text *bodies, size_t count,
                   const struct syncd_terms *terms, double timeout,
                   uint64_t *ids)
{
    if (terms != NULL && terms->key != NULL) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "a key is of one job: put it with syncd_put");
    }
    if (count == 0) {
        return SYNCD_OK;
    }
    struct call call;
    int status = begin_put(&call, queue, terms);
    if (status == SYNCD_OK) {
        status = write_bodies(&call, bodies, count);
    }
    if (status == SYNCD_OK) {
        status = run_puts(&call, s, timeout, count, ids);
    }
    call_fini(&call);
    return status;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_batch(const struct syncd_terms *a, const struct syncd_terms *b)
{
    return same_text(a->batch, b->batch) && same_text(a->stage, b->stage) &&
           a->from_id == b->from_id && a->from_token == b->from_token;
}

/* One of `jobs`: {"body": ..., its terms}. */
static int write_job(struct call *call, const struct syncd_new_job *job,
                     const struct syncd_terms *terms, size_t number)
{
    char what[48];
    (void)snprintf(what, sizeof(what), "body of job number %zu", number);
    int status = check_terms(terms);
    if (status == SYNCD_OK) {
        status = check_holds(terms);
    }
    if (status == SYNCD_OK) {
        write_begin_object(&call->line);
        write_terms(&call->line, terms);
        write_key(&call->line, SLICE("body"));
        status = call_write_json(
            call, (struct slice){job->body.at, job->body.len}, 4, what);
        write_end_object(&call->line);
    }
    return status;
}

static int write_jobs(struct call *call, const struct syncd_new_job *jobs,
                      size_t count)
{
    const struct syncd_terms none = SYNCD_TERMS;
    const struct syncd_terms *first = jobs[0].terms ? jobs[0].terms : &none;
    int status = SYNCD_OK;
    write_batch(&call->line, first);
    write_key(&call->line, SLICE("jobs"));
    write_begin_array(&call->line);
    for (size_t i = 0; status == SYNCD_OK && i < count; i++) {
        const struct syncd_terms *terms = jobs[i].terms ? jobs[i].terms : &none;
        status = same_batch(terms, first)
                     ? write_job(call, &jobs[i], terms, i + 1)
                     : fault_say(SYNCD_E_ARGUMENT,
                                 "jobs put together are of one batch and "
                                 "stage, and from one job");
    }
    write_end_array(&call->line);
    return status;
}

int syncd_put_jobs(struct syncd *s, const char *queue,
                   const struct syncd_new_job *jobs, size_t count,
                   double timeout, uint64_t *ids)
{
    if (count == 0) {
        return SYNCD_OK;
    }
    struct call call;
    int status = jobs_begin(&call, SLICE("queue.put"), queue);
    if (status == SYNCD_OK) {
        status = write_jobs(&call, jobs, count);
    }
    if (status == SYNCD_OK) {
        status = run_puts(&call, s, timeout, count, ids);
    }
    call_fini(&call);
    return status;
}
