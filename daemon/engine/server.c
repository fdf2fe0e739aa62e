/* The methods about the daemon itself, and what it counts. */
#include "daemon/engine/core.h"

/* Upper bounds, seconds: from what a loop turn takes to an hour. */
static const double bounds_s[HISTOGRAM_BUCKETS] = {
    0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600};

void histogram_add(struct histogram *histogram, int64_t us)
{
    double s = (double)us / 1e6;
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS && s > bounds_s[i]) {
        i++;
    }
    histogram->counts[i]++;
    histogram->sum_s += s;
}

static void write_limits(const struct engine *engine, struct out *out)
{
    const struct engine_options *options = &engine->options;
    write_key(out, SLICE("limits"));
    write_begin_object(out);
    WRITE(out, integer, "max_message", (int64_t)options->message_max);
    WRITE(out, integer, "max_memory", (int64_t)options->memory_max);
    WRITE(out, integer, "max_pending", (int64_t)options->pending_max);
    WRITE(out, integer, "max_pending_bytes",
          (int64_t)options->pending_bytes_max);
    WRITE(out, integer, "max_connections", (int64_t)options->connections_max);
    WRITE(out, integer, "max_user_connections",
          (int64_t)options->user_connections_max);
    WRITE(out, integer, "max_user_pending", (int64_t)options->user_pending_max);
    WRITE(out, integer, "max_user_memory", (int64_t)options->user_memory_max);
    WRITE(out, integer, "max_user_objects", (int64_t)options->user_objects_max);
    WRITE(out, integer, "max_unsent", (int64_t)UNSENT_BYTES_MAX);
    WRITE(out, integer, "max_objects", OBJECTS_MAX);
    WRITE(out, integer, "max_depth", JSON_DEPTH_MAX);
    WRITE(out, integer, "max_name", NAME_BYTES_MAX);
    WRITE(out, integer, "max_page", PAGE_MAX);
    WRITE(out, integer, "max_grace", GRACE_SECONDS_MAX);
    WRITE(out, integer, "max_outcomes", OUTCOMES_MAX);
    write_end_object(out);
}

void method_server_info(struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    (void)request;
    const struct engine_options *options = &engine->options;
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    WRITE(out, string, "name", SLICE("syncd"));
    WRITE(out, string, "version", slice_of(options->version));
    WRITE(out, integer, "protocol", 1);
    WRITE(out, integer, "pid", options->pid);
    WRITE(out, seconds, "uptime",
          engine->now_us - engine->skew_us - options->started_at_us);
    write_limits(engine, out);
    WRITE(out, string, "store", slice_of(options->store));
    write_end_object(out);
    answer_end(engine, 0);
}

void method_rpc_discover(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    (void)request;
    write_json(answer_begin(engine), engine->options.discover);
    answer_end(engine, 0);
}

static void write_histogram(struct out *out, struct slice key,
                            const struct histogram *histogram)
{
    uint64_t count = 0;
    write_key(out, key);
    write_begin_object(out);
    write_key(out, SLICE("buckets"));
    write_begin_array(out);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += histogram->counts[i];
        write_begin_array(out);
        write_number(out, bounds_s[i]);
        write_integer(out, (int64_t)count);
        write_end_array(out);
    }
    count += histogram->counts[HISTOGRAM_BUCKETS];
    write_end_array(out);
    WRITE(out, integer, "count", (int64_t)count);
    WRITE(out, number, "sum", histogram->sum_s);
    write_end_object(out);
}

static void write_counters(const struct counters *counters, struct out *out)
{
    write_key(out, SLICE("counters"));
    write_begin_object(out);
    WRITE(out, integer, "jobs_put", (int64_t)counters->put);
    WRITE(out, integer, "jobs_handed_out", (int64_t)counters->handed_out);
    WRITE(out, integer, "jobs_done", (int64_t)counters->done);
    WRITE(out, integer, "jobs_failed", (int64_t)counters->failed);
    WRITE(out, integer, "jobs_crashed", (int64_t)counters->crashed);
    WRITE(out, integer, "jobs_died", (int64_t)counters->died);
    WRITE(out, integer, "jobs_cancelled", (int64_t)counters->cancelled);
    WRITE(out, integer, "batches", (int64_t)counters->batches);
    WRITE(out, integer, "rows", (int64_t)counters->rows);
    write_key(out, SLICE("requests"));
    write_begin_object(out);
    for (size_t i = 0; i < METHODS; i++) {
        write_key(out, slice_of(method_row((enum method)i)->name));
        write_integer(out, (int64_t)counters->calls[i]);
    }
    write_end_object(out);
    write_key(out, SLICE("errors"));
    write_begin_object(out);
    for (size_t i = ERROR_NONE + 1; i < ERRORS; i++) {
        write_key(out, slice_of(error_row((enum error)i)->name));
        write_integer(out, (int64_t)counters->errors[i]);
    }
    write_end_object(out);
    write_end_object(out);
}

static void write_gauges(const struct engine *engine, struct out *out)
{
    write_key(out, SLICE("gauges"));
    write_begin_object(out);
    WRITE(out, integer, "queues", (int64_t)engine->queues.count);
    WRITE(out, integer, "sessions", (int64_t)engine->sessions_count);
    WRITE(out, integer, "waiting_requests", (int64_t)engine->waiters_count);
    WRITE(out, integer, "memory_bytes", (int64_t)engine->memory_used);
    WRITE(out, flag, "disk_full", engine->full);
    write_key(out, SLICE("jobs"));
    write_begin_object(out);
    for (size_t i = 0; i < JOB_STATES; i++) {
        write_key(out, slice_of(job_state_names[i]));
        write_integer(out, (int64_t)engine->counts[i]);
    }
    write_end_object(out);
    write_end_object(out);
}

void method_server_stats(struct engine *engine, struct session *session,
                         const struct request *request)
{
    (void)session;
    (void)request;
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_counters(&engine->counters, out);
    write_gauges(engine, out);
    write_key(out, SLICE("histograms"));
    write_begin_object(out);
    write_histogram(out, SLICE("wait_seconds"), &engine->counters.wait);
    write_histogram(out, SLICE("run_seconds"), &engine->counters.run);
    write_end_object(out);
    accounts_write(engine, out);
    write_end_object(out);
    answer_end(engine, 0);
}
