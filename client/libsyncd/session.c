/*
 * Sessions from the callers' side: open, use, interrupt, close.
 */
#include "client/libsyncd/session.h"

#include "client/libsyncd/syncd.h"
#include "proto/check.h"
#include "proto/limits.h"
#include "proto/memory.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct syncd_options defaults;

static int check_options(const struct syncd_options *options)
{
    if (isnan(options->grace) || options->grace > GRACE_SECONDS_MAX) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "a grace is at most %d seconds, or negative for none",
                         GRACE_SECONDS_MAX);
    }
    if (!(options->connect_timeout >= 0) ||
        options->connect_timeout > SECONDS_MAX) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "a connect_timeout is from 0 to %g seconds",
                         SECONDS_MAX);
    }
    struct slice client = slice_of(options->client);
    if (client.len > NAME_BYTES_MAX || !scan_utf8(client)) {
        return fault_say(SYNCD_E_ARGUMENT,
                         "a client's name is UTF-8 of at most %d bytes",
                         NAME_BYTES_MAX);
    }
    return SYNCD_OK;
}

static char *client_name(const char *given)
{
    const char *name = given != NULL ? given : program_invocation_short_name;
    struct slice text = slice_of(name);
    text.len = text.len < NAME_BYTES_MAX ? text.len : NAME_BYTES_MAX;
    if (!scan_utf8(text)) {
        text = SLICE("libsyncd");
    }
    return mem_strndup(text.at, text.len);
}

/* By the clock of deadlines: syncd_wait_lost waits with one. */
static void lost_init(pthread_cond_t *lost)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(lost, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

static struct syncd *session_new(const struct syncd_options *options)
{
    struct syncd *s = mem_zalloc(sizeof(*s));
    places_find(&s->places, options->socket);
    s->client = client_name(options->client);
    s->grace = options->grace != 0 ? options->grace : GRACE_SECONDS_DEFAULT;
    s->connect_timeout = options->connect_timeout;
    s->fd = -1;
    s->next_id = 1;
    s->message_max = MESSAGE_BYTES_DEFAULT;
    TAILQ_INIT(&s->calls);
    frame_init(&s->frame, REPLY_BYTES_MAX);
    arena_init(&s->arena);
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    CHECK(pthread_cond_init(&s->settled, NULL) == 0);
    lost_init(&s->lost);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s;
}

static void session_free(struct syncd *s)
{
    if (s->wake_fd >= 0) {
        (void)close(s->wake_fd);
    }
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    places_fini(&s->places);
    frame_fini(&s->frame);
    arena_fini(&s->arena);
    fault_fini(&s->trouble);
    fault_fini(&s->loss);
    fault_fini(&s->end);
    mem_free(s->client);
    mem_free(s->secret);
    mem_free(s);
}

/* The keeper, which no signal of the program may reach. */
static int start_keeper(struct syncd *s)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&s->keeper, NULL, keeper_main, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        (void)pthread_setname_np(s->keeper, "syncd-keeper");
    }
    return error;
}

/* Ends the keeper and destroys what only it kept busy. */
static void end_keeper(struct syncd *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->closing = true;
    keeper_wake(s);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->keeper, NULL);
    (void)pthread_cond_destroy(&s->settled);
    (void)pthread_cond_destroy(&s->lost);
    (void)pthread_mutex_destroy(&s->lock);
}

/* Waits for the first connection, which may be lost again already. */
static int await_first(struct syncd *s)
{
    (void)pthread_mutex_lock(&s->lock);
    while (!s->reached && s->state == STATE_CONNECTING) {
        (void)pthread_cond_wait(&s->settled, &s->lock);
    }
    int status = s->reached ? SYNCD_OK : fault_tell(&s->loss);
    (void)pthread_mutex_unlock(&s->lock);
    return status;
}

int syncd_open(const struct syncd_options *options, struct syncd **s)
{
    options = options != NULL ? options : &defaults;
    int status = check_options(options);
    if (status != SYNCD_OK) {
        return status;
    }
    struct syncd *new = session_new(options);
    keeper_begin(new, new->connect_timeout);
    int error = new->wake_fd < 0 ? errno : start_keeper(new);
    if (error != 0) {
        session_free(new);
        return fault_say(SYNCD_E_CONNECT, "cannot start a session: %s",
                         strerror(error));
    }
    status = await_first(new);
    if (status != SYNCD_OK) {
        end_keeper(new);
        session_free(new);
        return status;
    }
    *s = new;
    return SYNCD_OK;
}

void syncd_close(struct syncd *s)
{
    if (s != NULL) {
        end_keeper(s);
        session_free(s);
    }
}

/*
 * The keeper and the other threads do not exist in the child. If one of them
 * had the lock at the fork, what it was changing is in pieces and is left.
 */
void syncd_abandon(struct syncd *s)
{
    if (s == NULL) {
        return;
    }
    if (pthread_mutex_trylock(&s->lock) == 0) {
        session_free(s);
        return;
    }
    (void)close(s->wake_fd);
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
}

const char *syncd_socket(const struct syncd *s)
{
    return s->places.at[s->place].path;
}

uint64_t syncd_session(const struct syncd *s)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock;
    (void)pthread_mutex_lock(lock);
    uint64_t session = s->session;
    (void)pthread_mutex_unlock(lock);
    return session;
}

static void set_interrupted(struct fault *fault)
{
    fault_set(fault, SYNCD_E_REPLY, "cancelled: the session was interrupted");
    fault->error = ERROR_cancelled;
}

uint64_t syncd_losses(const struct syncd *s)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock;
    (void)pthread_mutex_lock(lock);
    uint64_t losses = s->losses;
    (void)pthread_mutex_unlock(lock);
    return losses;
}

/* Until more than so many are lost, or the deadline, or an interrupt. Under the
 * lock. */
static int await_loss(struct syncd *s, uint64_t losses, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / 1000000,
                                   .tv_nsec = until_us % 1000000 * 1000};
    int error = 0;
    while (s->losses <= losses && !s->interrupted && error == 0) {
        error = until_us == INT64_MAX
                    ? pthread_cond_wait(&s->lost, &s->lock)
                    : pthread_cond_timedwait(&s->lost, &s->lock, &until);
    }
    if (s->losses > losses) {
        return s->loss.status == SYNCD_E_LOST
                   ? fault_tell(&s->loss)
                   : fault_say(SYNCD_E_LOST, "the session is over");
    }
    return s->interrupted ? SYNCD_E_REPLY : SYNCD_TIMEOUT;
}

int syncd_wait_lost(struct syncd *s, uint64_t losses, double timeout)
{
    int status = call_check_timeout(timeout);
    if (status != SYNCD_OK) {
        return status;
    }
    int64_t until_us =
        timeout < 0 ? INT64_MAX : monotonic_us() + (int64_t)ceil(timeout * 1e6);
    (void)pthread_mutex_lock(&s->lock);
    status = await_loss(s, losses, until_us);
    (void)pthread_mutex_unlock(&s->lock);
    if (status == SYNCD_TIMEOUT) {
        return fault_say(status, "the session was not lost within %g s",
                         timeout);
    }
    if (status == SYNCD_E_REPLY) {
        struct fault fault = {0};
        set_interrupted(&fault);
        status = fault_tell(&fault);
        fault_fini(&fault);
    }
    return status;
}

/* May this call go on? Else it has its fault. Under the lock. */
static bool admit(struct syncd *s, struct call *call)
{
    if (s->state == STATE_DEAD || s->untold) {
        s->untold = false;
        fault_copy(&call->fault, &s->loss);
        return false;
    }
    if (s->interrupted && call->waits) {
        set_interrupted(&call->fault);
        return false;
    }
    call->id = s->next_id;
    call_write_tail(call, call->began_us);
    if (call->line.len - 1 > s->message_max) {
        fault_set(&call->fault, SYNCD_E_ARGUMENT,
                  "the request has %zu bytes, and the daemon takes at most "
                  "%zu (max_message): put fewer or smaller jobs at once",
                  call->line.len - 1, s->message_max);
        return false;
    }
    return true;
}

bool session_start(struct syncd *s, struct call *call)
{
    (void)pthread_mutex_lock(&s->lock);
    bool admitted = admit(s, call);
    if (admitted) {
        link_add(s, call);
        if (s->state == STATE_IDLE) {
            keeper_begin(s, s->connect_timeout);
        }
        link_send(s);
        if (s->state == STATE_UP && s->unsent != NULL) {
            keeper_wake(s);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return admitted;
}

bool session_has_ended(struct syncd *s, const struct call *call)
{
    (void)pthread_mutex_lock(&s->lock);
    bool ended = call->ended;
    (void)pthread_mutex_unlock(&s->lock);
    return ended;
}

void session_run(struct syncd *s, struct call *call)
{
    if (session_start(s, call)) {
        session_await(s, call);
    }
}

void session_cancel_calls(struct syncd *s)
{
    struct call *call = TAILQ_FIRST(&s->calls);
    while (call != NULL) {
        struct call *next = TAILQ_NEXT(call, link);
        if (call->waits && !call->cancelling) {
            bool untouched = call->sent == 0 && !call->sent_ever;
            if (untouched || call->parked) {
                link_end_cancelled(s, call);
            } else if (s->state == STATE_UP) {
                link_cancel(s, call);
            }
        }
        call = next;
    }
}

void syncd_interrupt(struct syncd *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->interrupted = true;
    (void)pthread_cond_broadcast(&s->lost);
    session_cancel_calls(s);
    link_send(s);
    if (s->unsent != NULL) {
        keeper_wake(s);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void syncd_uninterrupt(struct syncd *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->interrupted = false;
    (void)pthread_mutex_unlock(&s->lock);
}
