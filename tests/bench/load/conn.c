/*
 * Connections, and the one loop that serves all of them.
 */
#include "load.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)

/* Room for a producer's number and a serial number. */
#define BODY_MIN 24

int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *grown(void *take_old, size_t size)
{
    void *got = realloc(take_old, size);
    must(got != NULL, "out of memory");
    return got;
}

static void reserve(struct buffer *buffer, size_t len)
{
    if (buffer->begin == buffer->end) {
        buffer->begin = 0;
        buffer->end = 0;
    }
    if (buffer->cap - buffer->end >= len) {
        return;
    }
    if (buffer->begin > 0) {
        memmove(buffer->at, buffer->at + buffer->begin,
                buffer->end - buffer->begin);
        buffer->end -= buffer->begin;
        buffer->begin = 0;
    }
    if (buffer->cap - buffer->end < len) {
        buffer->cap = 2 * buffer->cap + len;
        buffer->at = grown(buffer->at, buffer->cap);
    }
}

struct conn *conn_open(struct load *load, int number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = load->plan->path;
    must(strlen(path) < sizeof(address.sun_path), "%s: too long", path);
    memcpy(address.sun_path, path, strlen(path));
    struct conn *conn = calloc(1, sizeof(*conn));
    must(conn != NULL, "out of memory");
    conn->load = load;
    conn->number = number;
    conn->wanted = 1;
    conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 ||
        connect(conn->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        err(1, "%s", path);
    }
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = conn}};
    must(epoll_ctl(load->poll, EPOLL_CTL_ADD, conn->fd, &event) == 0, "epoll");
    load->conns =
        grown(load->conns, (load->conns_count + 1) * sizeof(struct conn *));
    load->conns[load->conns_count++] = conn;
    if (load->speaker->hello != NULL) {
        struct answer answer;
        load->speaker->hello(conn);
        conn_wait(conn, OP_HELLO, &answer);
    }
    return conn;
}

char *conn_room(struct conn *conn, size_t len)
{
    reserve(&conn->out, len);
    return conn->out.at + conn->out.end;
}

void conn_wrote(struct conn *conn, size_t len)
{
    conn->out.end += len;
}

void conn_text(struct conn *conn, const char *format, ...)
{
    va_list args;
    char *at = conn_room(conn, 512);
    va_start(args, format);
    int len = vsnprintf(at, 512, format, args);
    va_end(args);
    must(len < 512, "a text is too long");
    conn_wrote(conn, (size_t)len);
}

/* Its producer, its serial number, and blanks of x. */
size_t conn_body_len(const struct conn *conn)
{
    size_t len = (size_t)conn->load->plan->body;
    return len < BODY_MIN ? BODY_MIN : len;
}

void conn_body(struct conn *conn, bool quoted)
{
    size_t len = conn_body_len(conn);
    char *at = conn_room(conn, len + 1);
    memset(at, 'x', len);
    int head = snprintf(at, len, "%s%d %ld ", quoted ? "\"" : "", conn->number,
                        conn->serial++);
    at[head] = 'x';
    if (quoted) {
        at[len - 1] = '"';
    }
    conn_wrote(conn, len);
}

static void want_output(struct conn *conn, bool wanted)
{
    if (conn->blocked == wanted) {
        return;
    }
    conn->blocked = wanted;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u),
                                .data = {.ptr = conn}};
    must(epoll_ctl(conn->load->poll, EPOLL_CTL_MOD, conn->fd, &event) == 0,
         "epoll");
}

/* It never waits: a server may stop reading until its answers are read. */
void conn_flush(struct conn *conn)
{
    struct buffer *out = &conn->out;
    while (out->begin < out->end) {
        ssize_t sent = send(conn->fd, out->at + out->begin,
                            out->end - out->begin, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            must(errno == EAGAIN, "send: %s", strerror(errno));
            break;
        }
        out->begin += (size_t)sent;
    }
    want_output(conn, out->begin < out->end);
}

static void receive(struct conn *conn)
{
    reserve(&conn->in, READ_BYTES);
    ssize_t got = recv(conn->fd, conn->in.at + conn->in.end,
                       conn->in.cap - conn->in.end - 1, 0);
    must(got > 0, "the server ended the connection");
    conn->in.end += (size_t)got;
}

void conn_hold(struct conn *conn, uint64_t id, uint64_t more)
{
    if (conn->held_count == conn->held_cap) {
        conn->held_cap = 2 * conn->held_cap + 64;
        conn->held = grown(conn->held, conn->held_cap * sizeof(*conn->held));
    }
    conn->held[conn->held_count++] = (struct held){id, more};
}

/* ---- Requests that are answered in their order ---- */

void conn_asked(struct conn *conn, enum op op, long parts)
{
    if (conn->asked_count == conn->asked_cap) {
        size_t cap = 2 * conn->asked_cap + 16;
        struct asked *ring = grown(NULL, cap * sizeof(*ring));
        for (size_t i = 0; i < conn->asked_count; i++) {
            ring[i] = conn->asked[(conn->asked_first + i) % conn->asked_cap];
        }
        free(conn->asked);
        conn->asked = ring;
        conn->asked_first = 0;
        conn->asked_cap = cap;
    }
    conn->asked[(conn->asked_first + conn->asked_count++) % conn->asked_cap] =
        (struct asked){.op = op, .parts = parts};
}

struct asked *conn_first_asked(struct conn *conn)
{
    must(conn->asked_count > 0, "a reply to nothing");
    return &conn->asked[conn->asked_first];
}

/* One reply has come, about so many jobs. True: it was the request's last. */
bool conn_part(struct conn *conn, long jobs, struct answer *answer)
{
    struct asked *asked = conn_first_asked(conn);
    asked->jobs += jobs;
    if (--asked->parts > 0) {
        return false;
    }
    *answer = (struct answer){asked->op, asked->jobs};
    conn->asked_first = (conn->asked_first + 1) % conn->asked_cap;
    conn->asked_count--;
    return true;
}

/* A body, from its producer's number on: is it the one behind the last? */
void conn_seen(struct conn *conn, const char *body)
{
    long *last = conn->load->last;
    if (last == NULL) {
        return;
    }
    char *end;
    long producer = strtol(body, &end, 10);
    long serial = strtol(end, NULL, 10);
    must(producer >= 0 && producer < conn->load->plan->producers &&
             serial == last[producer] + 1,
         "out of order: producer %ld, serial %ld", producer, serial);
    last[producer] = serial;
}

/* ---- Waiting ---- */

/* For the answer to the one thing that was asked. */
void conn_wait(struct conn *conn, enum op op, struct answer *answer)
{
    conn_flush(conn);
    while (!conn->load->speaker->read(conn, answer)) {
        if (conn->blocked) {
            struct pollfd fd = {.fd = conn->fd, .events = POLLIN | POLLOUT};
            must(poll(&fd, 1, -1) == 1, "poll");
            conn_flush(conn);
            if ((fd.revents & POLLIN) == 0) {
                continue;
            }
        }
        receive(conn);
    }
    must(answer->op == op, "another answer than was asked for");
}

static void serve(struct conn *conn, uint32_t events)
{
    struct answer answer;
    if ((events & EPOLLOUT) != 0) {
        conn_flush(conn);
    }
    if ((events & ~(uint32_t)EPOLLOUT) == 0) {
        return;
    }
    receive(conn);
    while (!conn->load->over && conn->load->speaker->read(conn, &answer)) {
        conn->on_answer(conn, &answer);
    }
    conn_flush(conn);
}

void load_run(struct load *load)
{
    struct epoll_event events[64];
    while (!load->over) {
        int count = epoll_wait(load->poll, events, 64, 60000);
        must(count > 0, "no answer for a minute");
        for (int i = 0; i < count && !load->over; i++) {
            serve(events[i].data.ptr, events[i].events);
        }
    }
}

void load_time(struct load *load, double seconds)
{
    if (load->times_count == load->times_cap) {
        load->times_cap = 2 * load->times_cap + 1024;
        load->times = grown(load->times, load->times_cap * sizeof(double));
    }
    load->times[load->times_count++] = seconds;
}

void load_fini(struct load *load)
{
    for (size_t i = 0; i < load->conns_count; i++) {
        struct conn *conn = load->conns[i];
        (void)close(conn->fd);
        free(conn->in.at);
        free(conn->out.at);
        free(conn->asked);
        free(conn->held);
        free(conn);
    }
    free(load->conns);
    free(load->times);
    free(load->last);
    (void)close(load->poll);
}
