#include "daemon/io/connection.h"

#include "daemon/io/server.h"
#include "proto/check.h"
#include "proto/limits.h"

/* Read from one connection before it is served; one that sends faster must not
 * keep the loop in the poll. */
#define UNSERVED_MAX ((size_t)256 << 10)

/* At once, of a user who has sent too much. */
#define READ_BYTES_TIGHT 4096

/* All unsent replies together; beyond it each connection gets less room. */
#define ALL_UNSENT_MAX ((size_t)256 << 20)
#define UNSENT_TIGHT   ((size_t)64 << 10)

/* A buffer of a quiet connection that is larger is given back: to be the spare
 * one, up to a size, or to the heap. */
#define KEEP_BYTES      ((size_t)4 << 10)
#define SPARE_BYTES_MAX ((size_t)4 << 20)

/* Written at once to one client while somebody quiet is there: one that reads
 * as fast as it is written to would have a write of megabytes last for
 * milliseconds, in which nobody else is heard. */
#define WRITE_BYTES ((size_t)128 << 10)

/* And when there is room again after there was none. */
#define WRITE_BYTES_WAITING ((size_t)4 << 10)

/* So much is copied sooner than that buffers change hands. */
#define COPY_BYTES ((size_t)32 << 10)

static int rest_compare(const struct connection *a, const struct connection *b)
{
    if (a->rest_until_us != b->rest_until_us) {
        return a->rest_until_us < b->rest_until_us ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

TREE_GENERATE(rest_tree, connection, rest_link, rest_compare)

void connections_init(struct connections *connections)
{
    connections->by_id = NULL;
    connections->count = 0;
    connections->last_id = 0;
    connections->unsent = 0;
    connections->decoding = 0;
    out_init(&connections->spare);
    TAILQ_INIT(&connections->fresh);
    TAILQ_INIT(&connections->ready);
    TAILQ_INIT(&connections->stalled);
    RB_INIT(&connections->resting);
    TAILQ_INIT(&connections->leaving);
    TAILQ_INIT(&connections->dirty);
    TAILQ_INIT(&connections->woken);
    TAILQ_INIT(&connections->sending);
    connections->serving = NULL;
}

struct connection *connections_find(struct connections *connections,
                                    uint64_t id)
{
    struct connection *found;
    HASH_FIND_NUMBER(hh, connections->by_id, id, found);
    return found;
}

/* The list that it is in, by its state; NULL: none. */
static struct connection_list *list_of(const struct connection *c)
{
    struct connections *all = &c->server->connections;
    switch (c->input) {
    case INPUT_READY:
        return c->fresh ? &all->fresh : &all->ready;
    case INPUT_STALLED:
        return &all->stalled;
    case INPUT_OVER:
        return &all->leaving;
    case INPUT_READING:
    case INPUT_FULL:
    case INPUT_RESTING:
    case INPUT_DECODING:
    case INPUT_GONE:
        break;
    }
    return NULL;
}

/* Its input buffer has become larger or smaller. */
static void charge_frame(struct connection *c)
{
    c->user->input += c->frame.cap - c->frame_charged;
    c->frame_charged = c->frame.cap;
}

/* Has its user sent so much that is not carried out yet? Then no more is read
 * of it than is needed for the next line. */
static bool is_tight(const struct connection *c)
{
    return c->user->input > USER_INPUT_MAX && !c->peer.access->everything;
}

bool connection_is_greedy(const struct connection *c)
{
    return is_tight(c) && c->frame.end - c->frame.begin > USER_INPUT_LINE;
}

static void unlink_input(struct connection *c)
{
    struct connections *all = &c->server->connections;
    all->decoding -= c->input == INPUT_DECODING;
    struct connection_list *list = list_of(c);
    if (list != NULL) {
        TAILQ_REMOVE(list, c, input_link);
    }
    if (c->input == INPUT_RESTING) {
        RB_REMOVE(rest_tree, &all->resting, c);
    }
}

/* The rest of a long line is read to where it goes on; room for that is given
 * only to who has sent as much. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct connection *c = handle->data;
    if (c->frame.end - c->frame.begin < READ_BYTES / 2) {
        *buf = uv_buf_init(c->server->connections.read,
                           is_tight(c) ? READ_BYTES_TIGHT : READ_BYTES);
        return;
    }
    size_t room;
    char *at = frame_room(&c->frame, READ_BYTES, &room);
    *buf =
        uv_buf_init(at, (unsigned)(room < UNSERVED_MAX ? room : UNSERVED_MAX));
}

static void listen_to(struct connection *c, bool on);

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    if (count == 0) { /* nothing there after all */
        return;
    }
    if (count < 0) {
        /* The end, or the peer has gone: what it sent before is carried out
         * all the same. */
        c->eof = true;
        listen_to(c, false);
    } else {
        size_t len = (size_t)count;
        size_t room;
        if (buf->base == c->server->connections.read) {
            memcpy(frame_room(&c->frame, len, &room), buf->base, len);
        }
        frame_filled(&c->frame, len);
        charge_frame(c);
        c->unserved += len;
        if (c->unserved >= UNSERVED_MAX || is_tight(c)) {
            listen_to(c, false);
        }
    }
    if (c->input == INPUT_READING) {
        connection_set_input(c, INPUT_READY);
    }
}

static void listen_to(struct connection *c, bool on)
{
    if (on == c->listening) {
        return;
    }
    int rc = on ? uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read)
                : uv_read_stop((uv_stream_t *)&c->pipe);
    CHECK(rc == 0);
    c->listening = on;
}

void connection_set_input(struct connection *c, enum input_state state)
{
    CHECK(c->input != INPUT_OVER && c->input != INPUT_GONE);
    struct connections *all = &c->server->connections;
    unlink_input(c);
    c->fresh = c->input == INPUT_READING;
    c->input = state;
    struct connection_list *list = list_of(c);
    if (list != NULL) {
        TAILQ_INSERT_TAIL(list, c, input_link);
    }
    all->decoding += state == INPUT_DECODING;
    if (state == INPUT_READING) {
        c->unserved = 0;
        frame_trim(&c->frame);
        charge_frame(c);
        listen_to(c, !c->server->stopping);
    } else if (state != INPUT_READY) {
        listen_to(c, false);
    }
}

uint64_t connection_accept(struct server *server, int take_fd,
                           const struct peer *peer)
{
    struct connections *all = &server->connections;
    struct connection *c = mem_zalloc(sizeof(*c));
    int rc = uv_pipe_init(&server->loop, &c->pipe, 0);
    CHECK(rc == 0);
    c->server = server;
    c->peer = *peer;
    c->user = users_connected(&server->users, peer->uid);
    c->heavy_us = INT64_MIN / 2;
    c->pipe.data = c;
    c->write.data = c;
    frame_init(&c->frame, (size_t)server->setup.config->max_message);
    c->id = ++all->last_id;
    all->count++;
    HASH_ADD_NUMBER(hh, all->by_id, id, c);
    rc = uv_pipe_open(&c->pipe, take_fd);
    CHECK(rc == 0); /* it fails only for what is no open socket */
    c->input = INPUT_READING;
    listen_to(c, true);
    return c->id;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct server *server = c->server;
    struct gather *gather;
    struct gather *next;
    HASH_ITER (hh, c->gathers, gather, next) {
        HASH_DEL(c->gathers, gather);
        gather_free(gather);
    }
    decoded_free(c->decoded);
    frame_fini(&c->frame);
    out_fini(&c->pending_out);
    out_fini(&c->sending);
    mem_free(c);
    listener_resume(&server->listener);
}

static void close_now(struct connection *c)
{
    struct connections *all = &c->server->connections;
    CHECK(!c->closing);
    c->closing = true;
    unlink_input(c);
    if (c->in_dirty != NULL) {
        TAILQ_REMOVE(c->in_dirty, c, dirty_link);
    }
    all->unsent -= c->unsent;
    c->user->unsent -= c->unsent + c->gathered;
    all->count--;
    HASH_DEL(all->by_id, c);
    roles_give(&c->server->roles, c->peer.access);
    c->user->input -= c->frame_charged;
    users_closed(&c->server->users, c->user, c->server->now_us);
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

bool connections_are_ready(const struct connections *connections)
{
    return !TAILQ_EMPTY(&connections->fresh) ||
           !TAILQ_EMPTY(&connections->ready);
}

bool connection_has_room(const struct connection *c)
{
    bool tight = c->server->connections.unsent > ALL_UNSENT_MAX;
    return c->unsent <= (tight ? UNSENT_TIGHT : UNSENT_BYTES_MAX);
}

static void make_dirty(struct connection *c, struct connection_list *list)
{
    if (c->in_dirty == NULL) {
        c->in_dirty = list;
        TAILQ_INSERT_TAIL(list, c, dirty_link);
    }
}

static void count_unsent(struct connection *c, size_t bytes)
{
    struct connections *all = &c->server->connections;
    c->unsent += bytes;
    all->unsent += bytes;
    c->user->unsent += bytes;
    make_dirty(c, c == all->serving ? &all->dirty : &all->woken);
}

void connection_send(struct connection *c, struct slice lines)
{
    if (!c->deaf) {
        out_bytes(&c->pending_out, lines);
        count_unsent(c, lines.len);
    }
}

static void swap(struct out *a, struct out *b)
{
    struct out was = *a;
    *a = *b;
    *b = was;
}

void connection_send_all(struct connection *c, struct out *lines)
{
    if (c->deaf || c->pending_out.len > 0 || lines->len < COPY_BYTES) {
        connection_send(c, (struct slice){lines->at, lines->len});
    } else {
        swap(&c->pending_out, lines);
        count_unsent(c, c->pending_out.len);
        if (lines->cap < COPY_BYTES) {
            swap(lines, &c->server->connections.spare);
        }
    }
    lines->len = 0;
}

static void count_sent(struct connection *c, size_t bytes)
{
    c->unsent -= bytes;
    c->server->connections.unsent -= bytes;
    c->user->unsent -= bytes;
}

static void forget_sent(struct connection *c, struct out *out)
{
    struct out *spare = &c->server->connections.spare;
    out->len = 0;
    if (out->cap > spare->cap && out->cap <= SPARE_BYTES_MAX) {
        swap(out, spare);
    }
    if (out->cap > KEEP_BYTES) {
        out_fini(out);
    }
}

/* The peer reads no more. What it sent is still carried out, if it changes
 * something. */
static void turn_deaf(struct connection *c)
{
    c->deaf = true;
    count_sent(c, c->pending_out.len + c->sending.len - c->sent);
    c->sent = 0;
    out_fini(&c->pending_out);
    out_fini(&c->sending);
}

void connection_pause(struct connection *c)
{
    listen_to(c, false);
}

/* After the output has moved: read again, or close. */
static void look_around(struct connection *c)
{
    bool drained = c->sending.len == 0 && c->pending_out.len == 0;
    if (c->input == INPUT_GONE && drained) {
        close_now(c);
    } else if (c->input == INPUT_FULL && connection_has_room(c)) {
        connection_set_input(c, INPUT_READY);
    } else if (c->input == INPUT_READING && !connection_has_room(c)) {
        connection_set_input(c, INPUT_FULL);
    }
}

/* The next part of what is to be sent: all of it, unless somebody quiet would
 * wait for that. */
static uv_buf_t next_part(const struct connection *c, size_t most)
{
    size_t len = c->sending.len - c->sent;
    bool whole = len < most || !share_is_watched(c->server);
    return uv_buf_init(c->sending.at + c->sent, (unsigned)(whole ? len : most));
}

/* So much more of `sending` is out. */
static void note_sent(struct connection *c, size_t bytes)
{
    c->sent += bytes;
    count_sent(c, bytes);
    if (c->sent == c->sending.len) {
        c->sent = 0;
        forget_sent(c, &c->sending);
        if (c->pending_out.cap == 0) { /* one buffer will do */
            swap(&c->sending, &c->pending_out);
        }
    }
}

/* libuv may be between turns, about to wait. */
static void send_next_turn(struct connection *c)
{
    make_dirty(c, &c->server->connections.sending);
    server_turn_again(c->server);
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;
    if (c->closing) {
        return;
    }
    size_t part = c->writing;
    c->writing = 0;
    if (status < 0) {
        turn_deaf(c);
    } else {
        note_sent(c, part);
    }
    send_next_turn(c);
}

/* The peer reads more slowly than it is written to. */
static void wait_for_room(struct connection *c)
{
    uv_buf_t part = next_part(c, WRITE_BYTES_WAITING);
    int rc = uv_write(&c->write, (uv_stream_t *)&c->pipe, &part, 1, on_written);
    if (rc < 0) {
        turn_deaf(c);
    } else {
        c->writing = part.len;
    }
}

static void send_part(struct connection *c)
{
    uv_buf_t part = next_part(c, WRITE_BYTES);
    int sent = uv_try_write((uv_stream_t *)&c->pipe, &part, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        turn_deaf(c);
        return;
    }
    note_sent(c, sent > 0 ? (size_t)sent : 0);
    if (sent < 0 || (size_t)sent < part.len) {
        wait_for_room(c);
    }
}

void connection_flush(struct connection *c)
{
    if (c->writing == 0 && c->sending.len == 0) {
        swap(&c->sending, &c->pending_out);
    }
    if (c->writing == 0 && c->sending.len > 0) {
        send_part(c);
    }
    if (c->writing == 0 && c->sending.len + c->pending_out.len > 0) {
        send_next_turn(c);
    }
    look_around(c);
}

bool connection_may_leave(const struct connection *c)
{
    const struct commit *commit = &c->server->commit;
    if (c->pending == 0) {
        return true;
    }
    /* What is held back hangs on the batch under way or the one behind it;
     * without either nothing is. */
    return c->pending_sure == 0 &&
           (commit_is_idle(commit) || commit->answered >= c->leave_after);
}

void connection_leave(struct connection *c)
{
    CHECK(c->input == INPUT_OVER);
    unlink_input(c);
    c->input = INPUT_GONE;
}

void connections_set_line_max(struct connections *connections, size_t line_max)
{
    struct connection *c;
    struct connection *next;
    HASH_ITER (hh, connections->by_id, c, next) {
        c->frame.line_max = line_max;
    }
}

void connections_stop_reading(struct connections *connections)
{
    struct connection *c;
    struct connection *next;
    HASH_ITER (hh, connections->by_id, c, next) {
        listen_to(c, false);
    }
}

void connections_close(struct connections *connections)
{
    struct connection *c;
    struct connection *next;
    HASH_ITER (hh, connections->by_id, c, next) {
        close_now(c);
    }
}

void connections_unstall(struct connections *connections)
{
    struct connection *c;
    while ((c = TAILQ_FIRST(&connections->stalled)) != NULL) {
        connection_set_input(c, INPUT_READY);
    }
}

void connection_rest(struct connection *c, int64_t until_us)
{
    connection_set_input(c, INPUT_RESTING);
    c->unserved = 0;
    c->rest_until_us = until_us;
    RB_INSERT(rest_tree, &c->server->connections.resting, c);
}

static struct connection *first_resting(const struct connections *connections)
{
    /* RB_MIN only reads, but is not declared so. */
    struct rest_tree resting = connections->resting;
    return RB_MIN(rest_tree, &resting);
}

int64_t connections_rest_us(const struct connections *connections)
{
    const struct connection *first = first_resting(connections);
    return first == NULL ? DEADLINE_NEVER : first->rest_until_us;
}

void connections_unrest(struct connections *connections, int64_t now_us)
{
    struct connection *c;
    while ((c = first_resting(connections)) != NULL &&
           c->rest_until_us <= now_us) {
        connection_set_input(c, INPUT_READY); /* whoever still owes rests on */
    }
}
