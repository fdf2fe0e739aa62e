#include "daemon/io/share.h"

#include "daemon/io/server.h"

void share_init(struct share *share)
{
    *share = (struct share){.quiet_us = INT64_MIN / 2,
                            .waiting_us = INT64_MIN / 2,
                            .paced_us = INT64_MIN / 2,
                            .drips_us = INT64_MIN / 2};
}

static bool is_recent(const struct server *server, int64_t at_us)
{
    return server->now_us - at_us < SHARE_US;
}

/* Is somebody quiet there? */
static bool is_watched(const struct server *server)
{
    return is_recent(server, server->share.quiet_us);
}

bool share_is_waited(const struct server *server)
{
    return is_recent(server, server->share.waiting_us);
}

bool share_is_heavy(const struct connection *c)
{
    return is_recent(c->server, c->heavy_us);
}

void share_begin(struct connection *c)
{
    if (c->fresh && c->pending == 0) {
        c->burst = 0;
    }
}

void share_served(struct connection *c, size_t bytes)
{
    c->burst += bytes;
    if (c->burst > QUIET_BYTES) {
        c->heavy_us = c->server->now_us;
    }
    if (share_is_heavy(c)) {
        c->server->share.heavy += bytes;
    }
}

/* How many jobs it puts or ends. */
static int64_t jobs_of(const struct request *request)
{
    return (int64_t)(request->puts.count + request->bodies.count +
                     request->done.ids.count + request->done.jobs.count);
}

/* Is it the only thing that a quiet client wants? */
static bool note_quiet(struct connection *c, const struct request *request,
                       size_t size)
{
    struct server *server = c->server;
    if (request->max > 1 || jobs_of(request) > 1 ||
        c->pending >= QUIET_PENDING) {
        c->heavy_us = server->now_us;
        return false;
    }
    if (request->notification || c->pending > 0 ||
        c->burst + size > QUIET_BYTES || share_is_heavy(c)) {
        return false;
    }
    c->quiet_times = is_recent(server, c->quiet_us) ? c->quiet_times + 1 : 1;
    c->quiet_us = server->now_us;
    if (c->quiet_times < QUIET_TIMES) {
        return false;
    }
    c->quiet_times = QUIET_TIMES;
    server->share.quiet_us = server->now_us;
    return true;
}

/* What the others wait for while it is carried out and written. */
static int64_t cost_us(const struct server *server,
                       const struct request *request, size_t size)
{
    int64_t jobs = jobs_of(request);
    if (share_is_waited(server)) {
        return (jobs * REST_JOB_DISK_NS + (int64_t)(size >> 10) * REST_KIB_NS) /
               1000;
    }
    return is_watched(server) ? jobs * REST_JOB_LOOP_NS / 1000 : 0;
}

bool share_request(struct connection *c, const struct request *request,
                   size_t size)
{
    if (size <= QUIET_BYTES) {
        return note_quiet(c, request, size);
    }
    int64_t us = cost_us(c->server, request, size);
    if (us >= REST_FROM_US) {
        int64_t rest_us = us * REST_FACTOR;
        rest_us = rest_us > REST_US_MIN ? rest_us : REST_US_MIN;
        rest_us = rest_us < REST_US_MAX ? rest_us : REST_US_MAX;
        c->user->rest_until_us = c->server->now_us + us + rest_us;
    }
    return false;
}

void share_waits(struct share *share, int64_t now_us)
{
    share->waiting_us = now_us;
}

void share_cut(struct share *share)
{
    share->heavy = 0;
}

/* While there is no room for a batch nothing is cut: nobody waits for that. */
bool share_is_used(const struct server *server)
{
    return !server->commit.stuck && server->share.heavy >= BATCH_HEAVY_BYTES &&
           share_is_waited(server);
}

/* The end of a pause for so much work, behind the pauses before it. */
static int64_t pace(int64_t *paced_us, int64_t now_us, int64_t worked_us)
{
    int64_t most_us = now_us + REST_US_MAX;
    int64_t from_us = *paced_us > now_us ? *paced_us : now_us;
    int64_t until_us = from_us + worked_us * PACE_FACTOR;
    *paced_us = until_us < most_us ? until_us : most_us;
    return *paced_us;
}

bool share_pauses(struct connection *c, int64_t worked_us, int64_t *until_us)
{
    struct server *server = c->server;
    if (server->stopping || !share_is_heavy(c) || !is_watched(server)) {
        return false;
    }
    *until_us = pace(&server->share.paced_us, server->now_us, worked_us);
    return *until_us - server->now_us >= PACE_FROM_US;
}

bool share_is_resting(const struct connection *c)
{
    return !c->server->stopping && c->user->rest_until_us > c->server->now_us &&
           (c->decoded != NULL || c->frame.end - c->frame.begin >= REST_LINE);
}

/* When it has rested nothing new is there, so the next read is waited for. */
bool share_drips(struct connection *c, int64_t *until_us)
{
    struct server *server = c->server;
    if (c->unserved == 0 || c->unserved >= DRIP_BYTES || server->stopping ||
        !is_watched(server)) {
        return false;
    }
    if (c->drips < DRIPS_MAX) {
        c->drips++;
        return false;
    }
    *until_us = pace(&server->share.drips_us, server->now_us, DRIP_US);
    return true;
}

size_t share_sweep_rows(const struct server *server)
{
    return share_is_waited(server) ? BATCH_SWEEP_ROWS : 0;
}
