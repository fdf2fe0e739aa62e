/*
 * Shaking hands: what is said on a new connection before anything else.
 *
 * Two requests in one write: session.open, which names the session or takes it
 * up again, and server.info, which tells the version of the protocol and how
 * long a line may be: a longer one would end the connection, and with it the
 * session, so it must never be sent.
 */
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"
#include "proto/limits.h"
#include "proto/memory.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define PROTOCOL_VERSION 1

struct handshake {
    uint64_t open_id; /* of session.open; server.info's is the next */
    bool opened;
    bool informed;
    bool resumed;
    int64_t session;
    char *secret;       /* owned */
    enum hello verdict; /* HELLO_DONE: so far nothing was wrong */
};

static void begin_request(struct out *out, struct slice method, uint64_t id)
{
    write_begin_object(out);
    WRITE(out, string, "jsonrpc", SLICE("2.0"));
    WRITE(out, integer, "id", (int64_t)id);
    WRITE(out, string, "method", method);
}

static void write_requests(struct syncd *s, struct out *out, uint64_t open_id)
{
    begin_request(out, SLICE("session.open"), open_id);
    write_key(out, SLICE("params"));
    write_begin_object(out);
    WRITE(out, string, "client", slice_of(s->client));
    if (s->grace >= 0) {
        WRITE(out, number, "grace", s->grace);
    }
    if (s->session != 0) {
        write_key(out, SLICE("resume"));
        write_begin_object(out);
        WRITE(out, integer, "session", (int64_t)s->session);
        WRITE(out, string, "secret", slice_of(s->secret));
        write_end_object(out);
    }
    write_end_object(out);
    write_end_object(out);
    out_byte(out, '\n');
    begin_request(out, SLICE("server.info"), open_id + 1);
    write_end_object(out);
    out_byte(out, '\n');
}

/* The connection is of no use, but the next one may be. */
static void try_again(struct syncd *s, struct handshake *shake,
                      const char *what)
{
    fault_set(&s->trouble, SYNCD_E_CONNECT, "the daemon at %s %s",
              s->places.at[s->place].path, what);
    shake->verdict = HELLO_AGAIN;
}

static void send_requests(struct syncd *s, struct handshake *shake,
                          const struct out *out, int64_t until_us)
{
    size_t sent = 0;
    while (sent < out->len && !s->closing) {
        ssize_t n = send(s->fd, out->at + sent, out->len - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return; /* the end, and perhaps a word before it, are read */
        } else if (monotonic_us() >= until_us) {
            try_again(s, shake, "does not read what it is sent");
            return;
        } else {
            keeper_nap(s, s->fd, POLLOUT, until_us);
        }
    }
}

/* session.open's result. False: it is no such thing. */
static bool take_session(struct syncd *s, struct handshake *shake,
                         struct slice result)
{
    struct scan_members members = scan_members(result, 1);
    struct slice secret = {0};
    bool told = false;
    while (scan_next(&members)) {
        if (slice_equal(members.key, SLICE("session")) &&
            members.kind == SCAN_NUMBER) {
            (void)scan_integer(members.value, &shake->session);
        } else if (slice_equal(members.key, SLICE("secret")) &&
                   members.kind == SCAN_STRING) {
            secret = scan_text(members.value, &s->arena);
        } else if (slice_equal(members.key, SLICE("resumed"))) {
            told = members.kind == SCAN_TRUE || members.kind == SCAN_FALSE;
            shake->resumed = members.kind == SCAN_TRUE;
        }
    }
    if (members.bad || shake->session <= 0 || secret.at == NULL || !told) {
        return false;
    }
    shake->secret = mem_strndup(secret.at, secret.len);
    return true;
}

/* limits.max_message, which never makes us read less than before. */
static void take_limits(struct syncd *s, struct slice limits)
{
    struct scan_members members = scan_members(limits, 2);
    int64_t max = 0;
    while (scan_next(&members)) {
        if (slice_equal(members.key, SLICE("max_message")) &&
            members.kind == SCAN_NUMBER && scan_integer(members.value, &max) &&
            max > 0) {
            s->message_max = (size_t)max;
        }
    }
    if (s->frame.line_max < 2 * s->message_max) {
        s->frame.line_max = 2 * s->message_max;
    }
}

/* server.info's result. False: it is no such thing. */
static bool take_info(struct syncd *s, struct slice result)
{
    struct scan_members members = scan_members(result, 1);
    int64_t protocol = 0;
    while (scan_next(&members)) {
        if (slice_equal(members.key, SLICE("protocol")) &&
            members.kind == SCAN_NUMBER) {
            (void)scan_integer(members.value, &protocol);
        } else if (slice_equal(members.key, SLICE("limits")) &&
                   members.kind == SCAN_OBJECT) {
            take_limits(s, members.value);
        }
    }
    return !members.bad && protocol == PROTOCOL_VERSION;
}

static void take_error(struct syncd *s, struct handshake *shake,
                       const struct reply *reply)
{
    fault_of_reply(&s->trouble, reply);
    if (reply->error == ERROR_method_not_found) {
        s->trouble.status = SYNCD_E_PROTOCOL;
    }
    bool passes =
        reply->error == ERROR_unavailable || reply->error == ERROR_limit;
    shake->verdict = passes ? HELLO_AGAIN : HELLO_WRONG;
}

/* Whoever is turned away at the door is told so before it asks anything. */
static bool is_turned_away(const struct reply *reply)
{
    return reply->error != ERROR_NONE && scan_kind_of(reply->id) == SCAN_NULL;
}

/* Is it the answer to the request with this id? */
static bool answers(const struct reply *reply, uint64_t id)
{
    int64_t number = 0;
    return scan_kind_of(reply->id) == SCAN_NUMBER &&
           scan_integer(reply->id, &number) && (uint64_t)number == id;
}

static void take_line(struct syncd *s, struct handshake *shake,
                      struct slice line)
{
    struct reply reply = {0};
    arena_reset(&s->arena);
    bool sense = message_read_reply(line, &s->arena, &reply);
    bool is_open = sense && !shake->opened && answers(&reply, shake->open_id);
    bool is_info =
        sense && !shake->informed && answers(&reply, shake->open_id + 1);
    if (sense && is_turned_away(&reply)) {
        take_error(s, shake, &reply);
    } else if (!is_open && !is_info) {
        sense = false;
    } else if (reply.error != ERROR_NONE) {
        take_error(s, shake, &reply);
    } else if (is_open) {
        shake->opened = sense = take_session(s, shake, reply.result);
    } else {
        shake->informed = sense = take_info(s, reply.result);
    }
    if (!sense) {
        link_blame(s, line, &s->trouble);
        shake->verdict = HELLO_WRONG;
    }
}

static void take_lines(struct syncd *s, struct handshake *shake)
{
    struct slice line;
    while (shake->verdict == HELLO_DONE) {
        switch (frame_next(&s->frame, &line)) {
        case FRAME_LINE:
            take_line(s, shake, line);
            break;
        case FRAME_MORE:
            return;
        case FRAME_LONG:
            take_line(s, shake, SLICE("an endless line"));
            return;
        }
    }
}

static void read_answers(struct syncd *s, struct handshake *shake,
                         int64_t until_us)
{
    while (shake->verdict == HELLO_DONE && !s->closing &&
           !(shake->opened && shake->informed)) {
        switch (link_receive(s)) {
        case LINK_BYTES:
            take_lines(s, shake);
            break;
        case LINK_NOTHING:
            if (monotonic_us() >= until_us) {
                try_again(s, shake, "does not answer");
            } else {
                keeper_nap(s, s->fd, POLLIN, until_us);
            }
            break;
        case LINK_OVER:
            try_again(
                s, shake,
                "closed the connection: it ended, or is restarted; try again");
            break;
        }
    }
}

enum hello hello_say(struct syncd *s, bool *resumed)
{
    int64_t until_us = monotonic_us() + (int64_t)HELLO_SECONDS * 1000000;
    struct handshake shake = {.open_id = s->next_id};
    s->next_id += 2;
    struct out out;
    out_init(&out);
    write_requests(s, &out, shake.open_id);
    send_requests(s, &shake, &out, until_us);
    out_fini(&out);
    read_answers(s, &shake, until_us);
    if (s->closing && shake.verdict == HELLO_DONE) {
        try_again(s, &shake, "was left by syncd_close");
    }
    if (shake.verdict == HELLO_DONE) {
        mem_free(s->secret);
        s->secret = shake.secret;
        s->session = (uint64_t)shake.session;
        *resumed = shake.resumed;
    } else {
        mem_free(shake.secret);
    }
    return shake.verdict;
}
