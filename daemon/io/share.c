#include "daemon/io/share.h"

#include "daemon/io/server.h"

void share_init(struct share *share)
{
    *share = (struct share){.quiet_us = INT64_MIN / 2,
                            .disk_us = INT64_MIN / 2,
                            .paced_us = INT64_MIN / 2,
                            .drips_us = INT64_MIN / 2};
    TAILQ_INIT(&share->owing);
    TAILQ_INIT(&share->owing_out);
}

static bool is_recent(const struct server *server, int64_t at_us)
{
    return server->now_us - at_us < SHARE_US;
}

bool share_is_watched(const struct server *server)
{
    return is_recent(server, server->share.quiet_us);
}

static bool is_heavy(const struct connection *c)
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
    if (is_heavy(c)) {
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
static void note_quiet(struct connection *c, const struct request *request,
                       size_t size)
{
    struct server *server = c->server;
    if (request->max > 1 || jobs_of(request) > 1 ||
        c->pending >= QUIET_PENDING) {
        c->heavy_us = server->now_us;
        return;
    }
    if (request->notification || c->pending > 0 ||
        c->burst + size > QUIET_BYTES || is_heavy(c)) {
        return;
    }
    c->quiet_times = is_recent(server, c->quiet_us) ? c->quiet_times + 1 : 1;
    c->quiet_us = server->now_us;
    if (c->quiet_times >= QUIET_TIMES) {
        c->quiet_times = QUIET_TIMES;
        server->share.quiet_us = server->now_us;
    }
}

/* How long whoever made the others wait for so long has to wait in turn. */
static int64_t rest_us(int64_t us)
{
    int64_t rest = us * REST_FACTOR;
    rest = rest > REST_US_MIN ? rest : REST_US_MIN;
    return rest < REST_US_MAX ? rest : REST_US_MAX;
}

/* The user owes a rest, which begins when the open batch has been written. */
static void owe(struct share *share, struct user *user, int64_t us)
{
    if (user->owed_us == 0) {
        TAILQ_INSERT_TAIL(&share->owing, user, owing_link);
    }
    user->owed_us = us > user->owed_us ? us : user->owed_us;
}

void share_request(struct connection *c, const struct request *request,
                   size_t size)
{
    if (size <= QUIET_BYTES) {
        note_quiet(c, request, size);
        return;
    }
    int64_t us =
        (jobs_of(request) * REST_JOB_NS + (int64_t)(size >> 10) * REST_KIB_NS) /
        1000;
    if (us >= REST_FROM_US && share_is_watched(c->server)) {
        owe(&c->server->share, c->user, us);
    }
}

/* Their rests begin; so much is the least that each has taken. */
static void pay(struct user_list *owing, int64_t now_us, int64_t least_us)
{
    struct user *user;
    while ((user = TAILQ_FIRST(owing)) != NULL) {
        TAILQ_REMOVE(owing, user, owing_link);
        int64_t us = user->owed_us > least_us ? user->owed_us : least_us;
        user->rest_until_us = now_us + rest_us(us);
        user->owed_us = 0;
    }
}

void share_cut(struct server *server, bool any)
{
    struct share *share = &server->share;
    if (any) {
        TAILQ_CONCAT(&share->owing_out, &share->owing, owing_link);
    } else {
        pay(&share->owing, server->now_us, 0);
    }
    share->heavy_out = share->heavy;
    share->heavy = 0;
}

void share_written(struct server *server, int64_t took_us)
{
    struct share *share = &server->share;
    pay(&share->owing_out, server->now_us, took_us);
    if (share->heavy_out > 0 && share_is_watched(server)) {
        took_us = took_us < PACE_BATCH_US ? took_us : PACE_BATCH_US;
        share->disk_us = server->now_us + took_us * PACE_FACTOR;
    }
}

bool share_is_used(const struct server *server)
{
    return server->share.heavy >= BATCH_HEAVY_BYTES && share_is_watched(server);
}

/* May the next line be a large message? How many jobs it has is known only once
 * it is decoded. */
static bool may_be_large(const struct connection *c)
{
    return c->decoded != NULL || c->frame.end - c->frame.begin >= REST_LINE;
}

/* While there is no room for a batch nothing is cut: nobody waits for that. */
bool share_stalls(const struct connection *c)
{
    const struct server *server = c->server;
    return !server->commit.stuck && ((share_is_used(server) && is_heavy(c)) ||
                                     (c->user->owed_us > 0 && may_be_large(c)));
}

bool share_rests(const struct connection *c, int64_t *until_us)
{
    const struct server *server = c->server;
    *until_us = c->rest_until_us;
    if (is_heavy(c) && share_is_watched(server) &&
        server->share.disk_us > *until_us) {
        *until_us = server->share.disk_us;
    }
    if (may_be_large(c) && c->user->rest_until_us > *until_us) {
        *until_us = c->user->rest_until_us;
    }
    return !server->stopping && *until_us > server->now_us;
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
    if (server->stopping || !is_heavy(c) || !share_is_watched(server)) {
        return false;
    }
    *until_us = pace(&server->share.paced_us, server->now_us, worked_us);
    return *until_us - server->now_us >= PACE_FROM_US;
}

/* When it has rested nothing new is there, so the next read is waited for. */
bool share_drips(struct connection *c, int64_t *until_us)
{
    struct server *server = c->server;
    if (c->unserved == 0 || c->unserved >= DRIP_BYTES || server->stopping ||
        !share_is_watched(server)) {
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
    return share_is_watched(server) ? BATCH_SWEEP_ROWS : 0;
}
