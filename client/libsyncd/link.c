/*
 * The connection while it is up: requests out, replies in.
 *
 * Everything here runs under the session's lock and never blocks. Callers send
 * their own requests, so that in the usual case a request costs no switch to
 * the keeper; what the socket does not take is left to the keeper, which reads
 * meanwhile.
 */
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"
#include "proto/memory.h"

#include <errno.h>
#include <sys/socket.h>

/* Read at once, bytes; the lock is let go in between. */
#define READ_BYTES 65536

/* Of a line that makes no sense: so much is quoted. */
#define QUOTED_BYTES 60

/* Nothing more can be sent; the keeper sees the end when it has read all. */
static void stop_sending(struct syncd *s)
{
    s->broken = true;
    if (errno != EPIPE && errno != ECONNRESET) {
        (void)shutdown(s->fd, SHUT_RDWR);
    }
}

void link_send(struct syncd *s)
{
    while (s->state == STATE_UP && !s->broken && s->unsent != NULL) {
        struct call *call = s->unsent;
        ssize_t sent =
            send(s->fd, call->line.at + call->sent, call->line.len - call->sent,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            return;
        }
        if (sent < 0) {
            stop_sending(s);
            return;
        }
        call->sent += (size_t)sent;
        call->sent_ever = true;
        if (call->sent == call->line.len) {
            s->unsent = TAILQ_NEXT(call, link);
        }
    }
}

void link_add(struct syncd *s, struct call *call)
{
    call->id = s->next_id++;
    call_write_tail(call, call->began_us);
    TAILQ_INSERT_TAIL(&s->calls, call, link);
    if (s->unsent == NULL) {
        s->unsent = call;
    }
}

void link_cancel(struct syncd *s, struct call *call)
{
    call->cancelling = true;
    link_add(s, call_new_cancel(call->id));
}

void link_end_call(struct syncd *s, struct call *call,
                   const struct fault *fault)
{
    if (s->unsent == call) {
        s->unsent = TAILQ_NEXT(call, link);
    }
    TAILQ_REMOVE(&s->calls, call, link);
    if (call->ours) {
        call_fini(call);
        mem_free(call);
        return;
    }
    if (fault != NULL) {
        fault_copy(&call->fault, fault);
    }
    call->ended = true;
    (void)pthread_cond_signal(&call->wake);
}

void link_end_cancelled(struct syncd *s, struct call *call)
{
    struct fault fault = {0};
    fault_set(&fault, SYNCD_E_REPLY, "cancelled: the session was interrupted");
    fault.error = ERROR_cancelled;
    link_end_call(s, call, &fault);
}

/* The id of one of our requests: digits and nothing else. 0: it is none. */
static uint64_t our_id(struct slice id)
{
    uint64_t number = 0;
    if (id.len == 0 || id.len > 16 || id.at[0] == '0') {
        return 0;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.at[i] < '0' || id.at[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint64_t)(id.at[i] - '0');
    }
    return number;
}

/* The request that was sent and bears this id. */
static struct call *find_call(struct syncd *s, struct slice id)
{
    uint64_t number = our_id(id);
    struct call *call = NULL;
    TAILQ_FOREACH (call, &s->calls, link) {
        if (call->id == number && call->sent > 0) {
            return call;
        }
    }
    return NULL;
}

/*
 * `unavailable` is said by a daemon that shuts down, and then the call is for
 * the next one; and by one whose disk is full, and then it is for the caller.
 * Which of them it is tells a question that needs no disk: only the first
 * refuses that too, and then it hangs up.
 */
static void park(struct syncd *s, struct call *call, const struct reply *reply)
{
    fault_of_reply(&call->fault, reply);
    call->parked = true;
    call->parked_at = s->next_id;
    if (s->interrupted && call->waits) {
        link_end_cancelled(s, call);
    } else if (!s->probing) {
        s->probing = true;
        link_add(s, call_new_probe());
    }
}

/* The daemon goes on: what was parked before it was asked has its answer. */
static void unpark(struct syncd *s, uint64_t probe_id)
{
    struct call *call = TAILQ_FIRST(&s->calls);
    while (call != NULL) {
        struct call *next = TAILQ_NEXT(call, link);
        if (call->parked && call->parked_at <= probe_id) {
            link_end_call(s, call, &call->fault);
        } else if (call->parked && !s->probing) {
            s->probing = true;
            link_add(s, call_new_probe());
        }
        call = next;
    }
}

static void hand_out(struct syncd *s, struct call *call,
                     const struct reply *reply)
{
    if (call->ours) {
        bool goes_on = call->probe && reply->error != ERROR_unavailable;
        uint64_t id = call->id;
        link_end_call(s, call, NULL);
        if (goes_on) {
            s->probing = false;
            unpark(s, id);
        }
    } else if (reply->error == ERROR_unavailable && s->grace >= 0) {
        park(s, call, reply);
    } else if (reply->error != ERROR_NONE) {
        struct fault fault = {0};
        fault_of_reply(&fault, reply);
        link_end_call(s, call, &fault);
        fault_fini(&fault);
    } else {
        call->result = mem_strndup(reply->result.at, reply->result.len);
        call->result_len = reply->result.len;
        link_end_call(s, call, NULL);
    }
}

/* The first bytes of a line that makes no sense, safe to print. */
static void quote(struct slice line, char *text)
{
    size_t len = line.len < QUOTED_BYTES ? line.len : QUOTED_BYTES;
    for (size_t i = 0; i < len; i++) {
        text[i] =
            (char)(line.at[i] < ' ' || line.at[i] > '~' ? '?' : line.at[i]);
    }
    text[len] = '\0';
}

void link_blame(const struct syncd *s, struct slice line, struct fault *loss)
{
    char text[QUOTED_BYTES + 1];
    quote(line, text);
    fault_set(loss, SYNCD_E_PROTOCOL,
              "what answers at %s does not speak as syncd does (\"%s\"); is "
              "that its socket, and of the same version?",
              s->places.at[s->place].path, text);
}

static bool read_line(struct syncd *s, struct slice line, struct fault *loss)
{
    struct reply reply = {0};
    arena_reset(&s->arena);
    if (!message_read_reply(line, &s->arena, &reply)) {
        link_blame(s, line, loss);
        return false;
    }
    struct call *call = find_call(s, reply.id);
    if (call == NULL) {
        link_blame(s, line, loss);
        return false;
    }
    hand_out(s, call, &reply);
    return true;
}

static bool read_lines(struct syncd *s, struct fault *loss)
{
    struct slice line;
    for (;;) {
        switch (frame_next(&s->frame, &line)) {
        case FRAME_LINE:
            if (!read_line(s, line, loss)) {
                return false;
            }
            break;
        case FRAME_MORE:
            return true;
        case FRAME_LONG:
            link_blame(s, SLICE("an endless line"), loss);
            return false;
        }
    }
}

enum link_read link_receive(struct syncd *s)
{
    size_t room = 0;
    char *at = frame_room(&s->frame, READ_BYTES, &room);
    ssize_t got = recv(s->fd, at, room, MSG_DONTWAIT);
    if (got > 0) {
        frame_filled(&s->frame, (size_t)got);
        return LINK_BYTES;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? LINK_NOTHING
                                                          : LINK_OVER;
}

bool link_read(struct syncd *s, struct fault *loss)
{
    switch (link_receive(s)) {
    case LINK_BYTES:
        return read_lines(s, loss);
    case LINK_NOTHING:
        return true;
    case LINK_OVER:
        break;
    }
    return false;
}
