#include "daemon/io/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "daemon/io/server.h"
#include "proto/check.h"
#include "proto/limits.h"

/* What one connection may have carried out in a turn, before it is the turn of
 * the next: bytes, lines or time, whatever comes first. Time, since a line may
 * be dear (a list of many jobs) or cheap. */
#define SHARE_BYTES ((size_t)64 << 10)
#define SHARE_LINES 1024
#define SHARE_NS    UINT64_C(200000)

/* What all of them may together, so that commits and timers get their turn,
 * and whoever has sent meanwhile is heard. */
#define TURN_BYTES ((size_t)1 << 20)
#define TURN_NS    UINT64_C(400000)

/* Replies are held back while a batch is written, and a disk may hang. So that
 * they cannot pile up without a bound, one connection may carry out so many
 * bytes of requests per batch, and have so many requests pending that only
 * read (their replies may be large). */
#define BATCH_BYTES_MAX   ((size_t)8 << 20)
#define PENDING_READS_MAX 64

/* Of all connections together; beyond it nothing more is carried out before
 * the disk has answered. */
#define HELD_BYTES_MAX ((size_t)256 << 20)

/* Replies of one connection that wait in batch arrays for others, bytes; an
 * array that comes then is refused. */
#define GATHERED_BYTES_MAX ((size_t)16 << 20)

/* What a reply must know when it comes: bits, and above them the number of the
 * batch array it belongs to, 0 for none. */
#define TAG_SURE  UINT64_C(1) /* the request never waits for other clients */
#define TAG_READS UINT64_C(2)
#define TAG_SHIFT 2

/* Replies. */

/* Bytes that wait in an array's answer are unsent replies of the user. */
static void count_gathered(struct connection *c, size_t bytes)
{
    c->gathered += bytes;
    c->user->unsent += bytes;
}

static void answer_array(struct connection *c, struct gather *gather)
{
    count_gathered(c, (size_t)0 - gather->out.len);
    connection_send(c, gather_line(gather));
    HASH_DEL(c->gathers, gather);
    gather_free(gather);
}

/* A line to where it belongs: the connection, or an array of replies. */
static void answer(struct connection *c, struct gather *gather,
                   struct slice line)
{
    if (gather == NULL) {
        connection_send(c, line);
        return;
    }
    size_t before = gather->out.len;
    gather_add(gather, line);
    count_gathered(c, gather->out.len - before);
    if (gather_whole(gather)) {
        answer_array(c, gather);
    }
}

static struct gather *gather_of(struct connection *c, uint64_t tag)
{
    struct gather *gather;
    uint64_t number = tag >> TAG_SHIFT;
    if (number == 0) {
        return NULL;
    }
    HASH_FIND_NUMBER(hh, c->gathers, number, gather);
    CHECK(gather != NULL && gather->missing > 0);
    gather->missing--;
    return gather;
}

static void deliver(struct server *server, const struct effect_reply *reply)
{
    struct connection *c = connections_find(&server->connections, reply->conn);
    if (c == NULL || c->input == INPUT_GONE) {
        return;
    }
    CHECK(c->pending > 0);
    c->pending--;
    c->pending_sure -= (reply->tag & TAG_SURE) != 0;
    c->pending_reads -= (reply->tag & TAG_READS) != 0;
    struct out *bytes = &server->effects.bytes;
    struct gather *gather = gather_of(c, reply->tag);
    if (gather == NULL && reply->len == bytes->len) { /* it is the only one */
        connection_send_all(c, bytes);
    } else {
        answer(c, gather, (struct slice){bytes->at + reply->at, reply->len});
    }
}

void bridge_step(struct server *server, struct event *event)
{
    struct effects *effects = &server->effects;
    event->now_us = server->now_us;
    event->sweep_rows = share_sweep_rows(server);
    engine_step(server->setup.engine, event, effects);
    if (effects->denied) {
        const struct connection *c =
            connections_find(&server->connections, event->conn);
        CHECK(c != NULL); /* it is carried out for a connection */
        denials_note(&server->denials, &c->peer, &effects->denial,
                     server->now_us);
        effects->denied = false;
    }
    if (effects->replies_count > 0) {
        for (size_t i = 0; i < effects->replies_count; i++) {
            deliver(server, &effects->replies[i]);
        }
        effects_clear(effects);
    }
}

/* Requests. */

static void read_entropy(unsigned char *to)
{
    ssize_t got;
    do {
        got = getrandom(to, ENTROPY_BYTES, 0);
    } while (got < 0 && errno == EINTR);
    CHECK(got == ENTROPY_BYTES);
}

/* Counts a request that expects an answer; its tag. */
static uint64_t count_pending(struct connection *c, unsigned traits)
{
    bool sure = (traits & TRAIT_WAITS) == 0;
    bool reads = sure && (traits & TRAIT_READS) != 0;
    c->pending++;
    c->pending_sure += sure;
    c->pending_reads += reads;
    uint64_t tag = (sure ? TAG_SURE : 0) | (reads ? TAG_READS : 0);
    if (c->gather != NULL) {
        c->gather->missing++;
        tag |= c->gather->number << TAG_SHIFT;
    }
    return tag;
}

/* Of a user whose connections leave too many replies unread. */
static bool is_unread(const struct connection *c)
{
    return c->user->unsent > USER_UNSENT_MAX && !c->peer.access->everything;
}

static void refuse(struct connection *c, struct slice id,
                   const struct complaint *why);

static void refuse_unread(struct connection *c, struct slice id)
{
    struct complaint why = {0};
    complain(&why, ERROR_limit,
             "user %u leaves more than %zu bytes of replies unread, over all "
             "of its connections: read them first",
             c->peer.uid, USER_UNSENT_MAX);
    (void)snprintf(why.limit, sizeof(why.limit), "max_user_unsent");
    why.value = (int64_t)USER_UNSENT_MAX;
    refuse(c, id, &why);
}

/* Does it change nothing, and nobody reads the answer? In a batch array it
 * counts among the replies. */
static bool is_for_nobody(const struct connection *c, unsigned traits)
{
    return c->deaf && c->gather == NULL &&
           (traits & (TRAIT_READS | TRAIT_LOOKS)) != 0;
}

static void carry_out(struct connection *c, const struct request *request,
                      size_t size)
{
    struct server *server = c->server;
    unsigned traits = method_row(request->method)->traits;
    if (is_for_nobody(c, traits)) {
        return;
    }
    if (is_unread(c)) {
        if (!request->notification) {
            refuse_unread(c, request->id.json);
        }
        return;
    }
    unsigned char entropy[ENTROPY_BYTES];
    struct event event = {
        .type = EVENT_REQUEST,
        .conn = c->id,
        .peer = c->peer,
        .request = request,
        .size = size,
    };
    share_request(c, request, size);
    if (request->id.json.at != NULL) {
        event.tag = count_pending(c, traits);
    }
    if ((traits & TRAIT_ENTROPY) != 0) {
        read_entropy(entropy);
        event.entropy = entropy;
    }
    server->commit.probe_wanted = server->commit.full;
    bridge_step(server, &event);
}

/* An absent id is answered as null. */
static void refuse(struct connection *c, struct slice id,
                   const struct complaint *why)
{
    struct out line;
    out_init(&line);
    message_error(&line, id, why);
    answer(c, c->gather, (struct slice){line.at, line.len});
    out_fini(&line);
}

static void refuse_limit(struct connection *c, const char *what)
{
    size_t most = (size_t)c->server->setup.config->max_message;
    struct complaint why = {0};
    complain(&why, ERROR_limit, "%s of more than %zu bytes (max_message)", what,
             most);
    (void)snprintf(why.limit, sizeof(why.limit), "max_message");
    why.value = (int64_t)most;
    refuse(c, (struct slice){NULL, 0}, &why);
}

static void refuse_greedy(struct connection *c)
{
    struct complaint why = {0};
    complain(&why, ERROR_limit,
             "user %u has sent more than %zu bytes of lines without their end, "
             "over all of its connections",
             c->peer.uid, USER_INPUT_MAX);
    (void)snprintf(why.limit, sizeof(why.limit), "max_user_input");
    why.value = (int64_t)USER_INPUT_MAX;
    refuse(c, (struct slice){NULL, 0}, &why);
}

/* Batch arrays. */

/* Their answers are whole when the last reply has come: nobody else waits. */
static void refuse_gathered(struct connection *c)
{
    struct complaint why = {0};
    complain(&why, ERROR_limit,
             "answers to batch arrays of more than %zu bytes wait for their "
             "last replies: read them first",
             GATHERED_BYTES_MAX);
    (void)snprintf(why.limit, sizeof(why.limit), "max_gathered");
    why.value = (int64_t)GATHERED_BYTES_MAX;
    refuse(c, (struct slice){NULL, 0}, &why);
}

static void begin_array(struct connection *c, struct slice line)
{
    if (c->gathered > GATHERED_BYTES_MAX) {
        refuse_gathered(c);
        return;
    }
    if (is_unread(c)) {
        refuse_unread(c, (struct slice){NULL, 0});
        return;
    }
    c->gather = gather_new(++c->gathers_made);
    HASH_ADD_NUMBER(hh, c->gathers, number, c->gather);
    c->array = message_batch(line);
    connection_pause(c); /* the array is in its buffer, over several turns */
}

static void end_array(struct connection *c)
{
    struct gather *gather = c->gather;
    c->gather = NULL;
    decoded_free(c->decoded);
    c->decoded = NULL;
    gather->carried_out = true;
    if (gather_whole(gather)) {
        answer_array(c, gather);
    }
}

/* The next element; its size, 0 at the end. An answer that has grown beyond
 * max_message ends the array, and so does what its user leaves unread: one
 * error stands for all that was left, which is not carried out. */
static size_t serve_element(struct connection *c)
{
    struct server *server = c->server;
    struct request request;
    enum message_kind kind;
    struct complaint why;
    if (c->gather->out.len > (size_t)server->setup.config->max_message) {
        refuse_limit(c, "the rest of the batch was not carried out: an answer");
        end_array(c);
        return 0;
    }
    if (is_unread(c)) {
        refuse_unread(c, (struct slice){NULL, 0});
        end_array(c);
        return 0;
    }
    const char *from = c->array.members.scan.at;
    if (!message_batch_next(&c->array, &server->arena, &request, &kind, &why)) {
        end_array(c);
        return 0;
    }
    size_t size = (size_t)(c->array.members.scan.at - from);
    if (kind == MESSAGE_REQUEST) {
        carry_out(c, &request, size);
    } else if (!request.notification) {
        refuse(c, request.id.json, &why);
    }
    arena_reset(&server->arena);
    return size;
}

/* Lines. */

static void serve_message(struct connection *c, enum message_kind kind,
                          const struct request *request,
                          const struct complaint *why, struct slice line)
{
    switch (kind) {
    case MESSAGE_REQUEST:
        carry_out(c, request, line.len);
        break;
    case MESSAGE_BAD:
        if (!request->notification) {
            refuse(c, request->id.json, why);
        }
        break;
    case MESSAGE_BATCH:
        begin_array(c, line);
        break;
    }
}

static void serve_line(struct connection *c, struct slice line)
{
    struct server *server = c->server;
    struct request request;
    struct complaint why;
    if (line.len >= DECODER_LINE_MIN &&
        decoder_try(&server->decoder, c->id, line)) {
        connection_set_input(c, INPUT_DECODING);
        return;
    }
    enum message_kind kind =
        message_decode(line, &server->arena, &request, &why);
    serve_message(c, kind, &request, &why, line);
    arena_reset(&server->arena);
}

/* A large line that is back from the pool. */
static size_t serve_decoded(struct connection *c)
{
    struct decoded *decoded = c->decoded;
    size_t size = decoded->line.len;
    serve_message(c, decoded->kind, &decoded->request, &decoded->why,
                  decoded->line);
    if (c->gather == NULL) { /* else end_array does it */
        decoded_free(decoded);
        c->decoded = NULL;
    }
    return size;
}

/* The client has ended, or what it sends makes no sense any more. */
static void end_input(struct connection *c)
{
    struct commit *commit = &c->server->commit;
    c->leave_after = commit->answered + (commit->work == COMMIT_NONE ? 1 : 2);
    connection_set_input(c, INPUT_OVER);
}

/* The next line from the buffer; its size, 0 if it is not ready any more. */
static size_t serve_next_line(struct connection *c)
{
    struct slice line;
    int64_t until_us;
    enum frame_result result =
        c->eof ? frame_last(&c->frame, &line) : frame_next(&c->frame, &line);
    switch (result) {
    case FRAME_LINE:
        c->drips = 0;
        serve_line(c, line);
        return line.len;
    case FRAME_MORE:
        if (c->eof) {
            end_input(c);
        } else if (connection_is_greedy(c)) {
            refuse_greedy(c);
            end_input(c);
        } else if (share_drips(c, &until_us)) {
            connection_rest(c, until_us);
        } else {
            connection_set_input(c, INPUT_READING);
        }
        break;
    case FRAME_LONG:
        refuse_limit(c, "a line");
        end_input(c);
        break;
    }
    return 0;
}

/* Holds a connection back that has more in flight than it may. */
static bool hold_back(struct connection *c)
{
    struct commit *commit = &c->server->commit;
    int64_t until_us;
    if (c->batch != commit->answered) {
        c->batch = commit->answered;
        c->batch_bytes = 0;
    }
    if (!connection_has_room(c)) {
        connection_set_input(c, INPUT_FULL);
    } else if (engine_held_bytes(c->server->setup.engine) > HELD_BYTES_MAX ||
               c->pending_reads >= PENDING_READS_MAX ||
               (commit->work != COMMIT_NONE &&
                c->batch_bytes >= BATCH_BYTES_MAX) ||
               share_stalls(c)) {
        connection_set_input(c, INPUT_STALLED);
    } else if (share_rests(c, &until_us)) {
        connection_rest(c, until_us);
    }
    return c->input != INPUT_READY;
}

/* Also if it has nothing more to do: it is not read meanwhile; and if it waits
 * for something else, which may well be there sooner. */
static void pause_if_heavy(struct connection *c, int64_t worked_us)
{
    int64_t until_us;
    if (c->input == INPUT_OVER || c->input == INPUT_GONE ||
        !share_pauses(c, worked_us, &until_us)) {
        return;
    }
    until_us = until_us > c->rest_until_us ? until_us : c->rest_until_us;
    if (c->input == INPUT_FULL || c->input == INPUT_DECODING) {
        c->rest_until_us = until_us; /* hold_back */
    } else {
        connection_rest(c, until_us);
    }
}

/* One share; how many bytes it was. */
static size_t serve_share(struct connection *c)
{
    size_t bytes = 0;
    uint64_t from_ns = uv_hrtime();
    c->server->connections.serving = c;
    share_begin(c);
    for (unsigned lines = 0; lines < SHARE_LINES && bytes < SHARE_BYTES;
         lines++) {
        if (hold_back(c)) {
            break;
        }
        size_t size = c->gather != NULL    ? serve_element(c)
                      : c->decoded != NULL ? serve_decoded(c)
                                           : serve_next_line(c);
        bytes += size;
        c->batch_bytes += size;
        share_served(c, size);
        if (c->input != INPUT_READY || uv_hrtime() - from_ns >= SHARE_NS) {
            break;
        }
    }
    c->server->connections.serving = NULL;
    pause_if_heavy(c, (int64_t)(uv_hrtime() - from_ns) / 1000);
    return bytes;
}

/* A share for each up to `last`, or for as many as the turn has time for, and
 * for one at least. */
static void serve_list(struct connection_list *list,
                       const struct connection *last, struct turn *turn)
{
    for (bool more = last != NULL; more;) {
        struct connection *c = TAILQ_FIRST(list);
        turn->bytes += serve_share(c);
        if (c->input == INPUT_READY) {
            connection_set_input(c, INPUT_READY); /* behind the others */
        }
        more = c != last && turn->bytes < TURN_BYTES &&
               uv_hrtime() < turn->until_ns;
    }
}

void bridge_serve_fresh(struct server *server, struct turn *turn)
{
    struct connections *all = &server->connections;
    turn->last = TAILQ_LAST(&all->ready, connection_list);
    turn->bytes = 0;
    turn->until_ns = uv_hrtime() + TURN_NS;
    serve_list(&all->fresh, TAILQ_LAST(&all->fresh, connection_list), turn);
}

void bridge_serve_rest(struct server *server, struct turn *turn)
{
    serve_list(&server->connections.ready, turn->last, turn);
}

/* What an array has so far; its other elements end with the session. */
static void answer_open_arrays(struct connection *c)
{
    struct gather *gather;
    struct gather *next;
    HASH_ITER (hh, c->gathers, gather, next) {
        answer_array(c, gather);
    }
}

void bridge_leave(struct server *server)
{
    struct connection *c;
    struct connection *next;
    TAILQ_FOREACH_SAFE (c, &server->connections.leaving, input_link, next) {
        if (!connection_may_leave(c)) {
            continue;
        }
        struct event event = {.type = EVENT_DISCONNECTED, .conn = c->id};
        bridge_step(server, &event);
        answer_open_arrays(c);
        connection_leave(c);
        connection_flush(c);
    }
}
