/*
 * A daemon that plays what a test tells it to: for tests of the client library.
 *
 * It listens on a socket in a directory of its own and runs a script, a plain
 * function, in a thread: accept, read a line, write bytes, close. A script
 * cannot use cmocka's asserts, which jump in the main thread; it uses CHECK.
 */
#ifndef SYNCD_TESTS_FAKE_PEER_H
#define SYNCD_TESTS_FAKE_PEER_H

#include "client/libsyncd/syncd.h"
#include "proto/check.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PEER_BYTES_MAX ((size_t)8 << 20)

struct peer {
    char dir[64];
    char path[96];
    int listener;
    int fd;      /* the connection at hand */
    char *bytes; /* owned; read and not yet handed out */
    size_t begin;
    size_t end;
    int sessions; /* opened so far; its number is 100 + that */
    void (*script)(struct peer *peer);
    pthread_t thread;
};

static inline void peer_listen(struct peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, peer->path, strlen(peer->path) + 1);
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(peer->listener >= 0);
    CHECK(bind(peer->listener, (const struct sockaddr *)&address,
               sizeof(address)) == 0);
    CHECK(listen(peer->listener, 16) == 0);
}

static inline void peer_unlisten(struct peer *peer)
{
    CHECK(unlink(peer->path) == 0);
    CHECK(close(peer->listener) == 0);
}

static inline void peer_accept(struct peer *peer)
{
    peer->fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(peer->fd >= 0);
    peer->begin = peer->end = 0;
}

static inline void peer_hang_up(struct peer *peer)
{
    CHECK(close(peer->fd) == 0);
    peer->fd = -1;
}

static inline void peer_send_bytes(struct peer *peer, const char *at,
                                   size_t len)
{
    while (len > 0) {
        ssize_t n = send(peer->fd, at, len, MSG_NOSIGNAL);
        if (n < 0) {
            CHECK(errno == EPIPE || errno == ECONNRESET);
            return;
        }
        at += n;
        len -= (size_t)n;
    }
}

__attribute__((format(printf, 2, 3))) static inline void
peer_send(struct peer *peer, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    peer_send_bytes(peer, text, strlen(text));
    free(text);
}

/* The next line, without its end; NULL at the end of the stream. Valid until
 * the next read. */
static inline char *peer_read_line(struct peer *peer)
{
    for (;;) {
        char *at = peer->bytes + peer->begin;
        char *newline = memchr(at, '\n', peer->end - peer->begin);
        if (newline != NULL) {
            *newline = '\0';
            peer->begin += (size_t)(newline - at) + 1;
            return at;
        }
        memmove(peer->bytes, at, peer->end - peer->begin);
        peer->end -= peer->begin;
        peer->begin = 0;
        CHECK(peer->end < PEER_BYTES_MAX);
        ssize_t n = recv(peer->fd, peer->bytes + peer->end,
                         PEER_BYTES_MAX - peer->end, 0);
        if (n <= 0) {
            return NULL;
        }
        peer->end += (size_t)n;
    }
}

/* The next request, parsed; the caller decrefs it. */
static inline json_t *peer_read(struct peer *peer)
{
    char *line = peer_read_line(peer);
    CHECK(line != NULL);
    json_t *request = json_loads(line, JSON_DECODE_ANY, NULL);
    CHECK(json_is_object(request));
    CHECK(json_is_integer(json_object_get(request, "id")));
    return request;
}

static inline long long peer_id(const json_t *request)
{
    return json_integer_value(json_object_get(request, "id"));
}

static inline const json_t *peer_param(const json_t *request, const char *name)
{
    return json_object_get(json_object_get(request, "params"), name);
}

/* The next request must be of that method; gives its id. */
static inline long long peer_expect(struct peer *peer, const char *method)
{
    json_t *request = peer_read(peer);
    const char *name = json_string_value(json_object_get(request, "method"));
    CHECK(name != NULL && strcmp(name, method) == 0);
    long long id = peer_id(request);
    json_decref(request);
    return id;
}

static inline void peer_result(struct peer *peer, long long id,
                               const char *result)
{
    peer_send(peer, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"result\":%s}\n", id,
              result);
}

static inline void peer_error(struct peer *peer, long long id, int code,
                              const char *data)
{
    peer_send(peer,
              "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"error\":{\"code\":%d,"
              "\"message\":\"so it is\",\"data\":%s}}\n",
              id, code, data);
}

/* Answers session.open, which must ask for a resume if `resume`. */
static inline void peer_answer_open(struct peer *peer, bool resume,
                                    bool resumed)
{
    json_t *request = peer_read(peer);
    const json_t *resume_part = peer_param(request, "resume");
    CHECK((resume_part != NULL) == resume);
    if (resume) {
        char secret[32];
        (void)snprintf(secret, sizeof(secret), "s-%d", 100 + peer->sessions);
        CHECK(json_integer_value(json_object_get(resume_part, "session")) ==
              100 + peer->sessions);
        CHECK(strcmp(secret, json_string_value(
                                 json_object_get(resume_part, "secret"))) == 0);
    }
    peer->sessions += resumed ? 0 : 1;
    peer_send(peer,
              "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"result\":{\"session\":%d,"
              "\"secret\":\"s-%d\",\"resumed\":%s}}\n",
              peer_id(request), 100 + peer->sessions, 100 + peer->sessions,
              resumed ? "true" : "false");
    json_decref(request);
}

static inline void peer_answer_info(struct peer *peer, const char *info)
{
    peer_result(peer, peer_expect(peer, "server.info"), info);
}

#define PEER_INFO "{\"protocol\":1,\"limits\":{\"max_message\":4194304}}"

/* Accepts and shakes hands. */
static inline void peer_hello(struct peer *peer, bool resume, bool resumed)
{
    peer_accept(peer);
    peer_answer_open(peer, resume, resumed);
    peer_answer_info(peer, PEER_INFO);
}

/* The client hangs up, and so does the peer. */
static inline void peer_goodbye(struct peer *peer)
{
    CHECK(peer_read_line(peer) == NULL);
    peer_hang_up(peer);
}

static inline void *peer_main(void *context)
{
    struct peer *peer = context;
    peer->script(peer);
    return NULL;
}

/* A socket in a directory of its own, and nobody who accepts. */
static inline void peer_init(struct peer *peer)
{
    *peer = (struct peer){.fd = -1};
    peer->bytes = malloc(PEER_BYTES_MAX);
    CHECK(peer->bytes != NULL);
    (void)snprintf(peer->dir, sizeof(peer->dir), "/tmp/libsyncd-test-XXXXXX");
    CHECK(mkdtemp(peer->dir) != NULL);
    (void)snprintf(peer->path, sizeof(peer->path), "%s/socket", peer->dir);
    peer_listen(peer);
}

static inline void peer_fini(struct peer *peer)
{
    peer_unlisten(peer);
    CHECK(rmdir(peer->dir) == 0);
    free(peer->bytes);
}

static inline void peer_run(struct peer *peer, void (*script)(struct peer *))
{
    peer->script = script;
    CHECK(pthread_create(&peer->thread, NULL, peer_main, peer) == 0);
}

static inline void peer_start(struct peer *peer, void (*script)(struct peer *))
{
    peer_init(peer);
    peer_run(peer, script);
}

/* Waits for the end of the script. */
static inline void peer_end(struct peer *peer)
{
    CHECK(pthread_join(peer->thread, NULL) == 0);
    peer_fini(peer);
}

/* A session with the peer; its grace in seconds, negative for none. */
static inline struct syncd *
peer_open(struct peer *peer, void (*script)(struct peer *), double grace)
{
    peer_start(peer, script);
    struct syncd_options options = {.socket = peer->path, .grace = grace};
    struct syncd *s = NULL;
    int status = syncd_open(&options, &s);
    if (status != SYNCD_OK) {
        print_error("%s\n", syncd_error_text());
    }
    assert_int_equal(status, SYNCD_OK);
    return s;
}

static inline void peer_close(struct peer *peer, struct syncd *s)
{
    syncd_close(s);
    peer_end(peer);
}

#endif
