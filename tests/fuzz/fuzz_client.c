/*
 * The client library against a daemon that says anything: in the handshake, and
 * in answer to each of its typed calls. All of it is read by the session's own
 * code; only the keeper's thread is not there, and the calls' thread reads.
 *
 * The input is what the daemon sends, in pieces parted by NUL: the first is its
 * answer to the handshake (ids 1 and 2), the others to the calls in order (3
 * and following). When there are no more it has hung up.
 */
#include "client/libsyncd/session.h"
#include "client/libsyncd/syncd.h"

#include "proto/check.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a socket takes at once. */
#define PIECE_MAX 60000

/* The linker puts it in the place of session_run. */
void __wrap_session_run(struct syncd *s, struct call *call);

static struct {
    struct slice input; /* what was not sent yet */
    int fd;             /* the daemon's end */
} hostile;

static struct slice next_piece(void)
{
    struct slice input = hostile.input;
    const char *end = memchr(input.at, '\0', input.len);
    size_t len = end != NULL ? (size_t)(end - input.at) : input.len;
    size_t used = end != NULL ? len + 1 : len;
    hostile.input = (struct slice){input.at + used, input.len - used};
    return (struct slice){input.at, len < PIECE_MAX ? len : PIECE_MAX};
}

static void say(struct slice piece)
{
    if (piece.len > 0) {
        ssize_t sent = send(hostile.fd, piece.at, piece.len, MSG_NOSIGNAL);
        CHECK(sent == (ssize_t)piece.len);
    }
}

/* A new connection; the daemon's end of the one before is closed. */
static void connect_to(struct syncd *s)
{
    int fds[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
    CHECK(rc == 0);
    if (s->fd >= 0) {
        (void)close(s->fd);
        (void)close(hostile.fd);
    }
    s->fd = fds[0];
    hostile.fd = fds[1];
}

/* What the daemon is sent is of no account here. */
static void drain(void)
{
    static char bytes[65536];
    while (recv(hostile.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
        /* all of it */
    }
}

static void lose_call(struct syncd *s, struct call *call,
                      const struct fault *loss)
{
    struct fault fault = {0};
    if (loss->status == SYNCD_OK) {
        fault_set(&fault, SYNCD_E_LOST, "it hung up");
    } else {
        fault_copy(&fault, loss);
    }
    link_end_call(s, call, &fault);
    fault_fini(&fault);
}

void __wrap_session_run(struct syncd *s, struct call *call)
{
    struct fault loss = {0};
    bool up = s->state == STATE_UP;
    link_add(s, call);
    link_send(s);
    drain();
    while (up && !call->ended && hostile.input.len > 0) {
        struct slice piece = next_piece();
        say(piece);
        up = piece.len == 0 || link_read(s, &loss);
        link_send(s);
        drain();
    }
    if (!call->ended) {
        lose_call(s, call, &loss);
        s->state = STATE_DEAD;
    }
    fault_fini(&loss);
}

static struct syncd *session_begin(void)
{
    struct syncd *s = mem_zalloc(sizeof(*s));
    s->fd = -1;
    s->grace = 30;
    s->next_id = 1;
    s->places.count = 1;
    s->places.at[0].path = mem_strndup("/daemon", 7);
    s->client = mem_strndup("fuzz", 4);
    s->message_max = MESSAGE_BYTES_DEFAULT;
    TAILQ_INIT(&s->calls);
    frame_init(&s->frame, REPLY_BYTES_MAX);
    arena_init(&s->arena);
    s->wake_fd = -1;
    return s;
}

static void session_end(struct syncd *s)
{
    while (!TAILQ_EMPTY(&s->calls)) {
        CHECK(TAILQ_FIRST(&s->calls)->ours);
        link_end_call(s, TAILQ_FIRST(&s->calls), NULL);
    }
    (void)close(s->fd);
    (void)close(hostile.fd);
    places_fini(&s->places);
    frame_fini(&s->frame);
    arena_fini(&s->arena);
    fault_fini(&s->trouble);
    fault_fini(&s->loss);
    mem_free(s->client);
    mem_free(s->secret);
    mem_free(s);
}

static bool shake_hands(struct syncd *s)
{
    bool resumed = false;
    connect_to(s);
    say(next_piece());
    (void)shutdown(hostile.fd, SHUT_WR);
    (void)pthread_mutex_lock(&s->lock);
    enum hello hello = hello_say(s, &resumed);
    (void)pthread_mutex_unlock(&s->lock);
    CHECK((hello == HELLO_DONE) == (s->session != 0));
    CHECK(hello != HELLO_WRONG || s->trouble.status != SYNCD_OK);
    return hello == HELLO_DONE;
}

static void get_and_finish(struct syncd *s)
{
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    size_t stale = 0;
    if (syncd_get_many(s, "q", 3, 1, &jobs, &count) == SYNCD_OK) {
        CHECK(count >= 1 && count <= 3);
        for (size_t i = 0; i < count; i++) {
            CHECK(jobs[i]->id > 0 && jobs[i]->token > 0);
            CHECK(syncd_is_json(jobs[i]->body, jobs[i]->body_len));
            CHECK(jobs[i]->queue != NULL);
        }
        (void)syncd_extend(s, jobs[0], NULL);
        (void)syncd_done_many(s, jobs, count, &stale);
        syncd_jobs_free(jobs, count);
    }
}

static void finish_and_get(struct syncd *s)
{
    struct syncd_job *job = NULL;
    bool stale = false;
    for (int i = 0; i < 2; i++) {
        int status = syncd_next(s, "q", 1, &job, "1", &stale);
        CHECK(status != SYNCD_OK || job != NULL);
    }
    syncd_job_free(job);
}

static void use(struct syncd *s)
{
    struct syncd_text bodies[2] = {{"1", 1}, {"\"two\"", 5}};
    struct syncd_round round;
    const char *stages[] = {"a", "b"};
    uint64_t ids[2] = {0, 0};
    char *text = NULL;
    (void)syncd_put(s, "q", bodies[0], NULL, 1, ids);
    (void)syncd_put_many(s, "q", bodies, 2, NULL, SYNCD_FOREVER, ids);
    get_and_finish(s);
    (void)syncd_join(s, "q", 1, ids);
    (void)syncd_event_wait(s, "e", 1);
    (void)syncd_barrier_wait(s, "b", 2, true, 1, &round);
    if (syncd_batch_create(s, NULL, stages, 2, false, &text) == SYNCD_OK) {
        free(text);
    }
    (void)syncd_batch_wait(s, "b", "a", 1);
    if (syncd_call(s, "queue.list", NULL, &text) == SYNCD_OK) {
        CHECK(syncd_is_json(text, strlen(text)));
        free(text);
    }
    finish_and_get(s);
    CHECK(syncd_error_text() != NULL && syncd_error_data() != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hostile.input = (struct slice){(const char *)data, size};
    struct syncd *s = session_begin();
    if (shake_hands(s)) {
        connect_to(s);
        s->state = STATE_UP;
        use(s);
    }
    session_end(s);
    return 0;
}
