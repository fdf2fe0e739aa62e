/*
 * put --lines, --null, --jsonl: standard input, a job a line. How it goes is in
 * push.h; here are its begin, its progress, and what is told at its end.
 */
#include "client/syncctl/ask.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/progress.h"
#include "client/syncctl/push.h"
#include "client/syncctl/say.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* A put that takes longer than this waits for room, seconds. */
#define WAITING_SECONDS 0.5

static void chunk_init(struct chunk *chunk)
{
    memset(chunk, 0, sizeof(*chunk));
    chunk->begins = mem_alloc(PUSH_JOBS_MAX * sizeof(*chunk->begins));
    chunk->ends = mem_alloc(PUSH_JOBS_MAX * sizeof(*chunk->ends));
    chunk->lines = mem_alloc(PUSH_JOBS_MAX * sizeof(*chunk->lines));
    chunk->behind = mem_alloc(PUSH_JOBS_MAX * sizeof(*chunk->behind));
}

static void chunk_fini(struct chunk *chunk)
{
    out_fini(&chunk->json);
    mem_free(chunk->begins);
    mem_free(chunk->ends);
    mem_free(chunk->lines);
    mem_free(chunk->behind);
}

static void on_signal(void *arg, int signal, int nth)
{
    struct push *push = arg;
    if (nth > 1) {
        _exit(STATUS_SIGNAL + signal);
    }
    pthread_mutex_lock(&push->lock);
    push->stop = true;
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->lock);
    eventfd_write(push->wake_fd, 1);
    syncd_interrupt(push->s);
}

/* Of a file: how much is left of it from here on. */
static uint64_t measure_input(void)
{
    struct stat file;
    off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    return fstat(STDIN_FILENO, &file) == 0 && S_ISREG(file.st_mode) &&
                   at >= 0 && file.st_size > at
               ? (uint64_t)(file.st_size - at)
               : 0;
}

/* ", 40%" of the input; nothing if it is not known. */
static void write_share(const struct push *push, uint64_t bytes_put,
                        char text[16])
{
    text[0] = '\0';
    if (push->input_bytes > 0) {
        double share = (double)bytes_put / (double)push->input_bytes;
        (void)snprintf(text, 16, ", %d%%", (int)(100 * fmin(share, 1)));
    }
}

/* "put: 12000 jobs, 40%, 4000/s, waiting: the queue is full, nobody consumes"
 */
static void progress_line(void *arg, char text[PROGRESS_BYTES])
{
    struct push *push = arg;
    pthread_mutex_lock(&push->lock);
    uint64_t jobs_put = push->jobs_put;
    uint64_t bytes_put = push->bytes_put;
    double began_at = push->call_began_at;
    pthread_mutex_unlock(&push->lock);
    double now = look_now();
    double rate =
        (double)(jobs_put - push->shown) / (now - push->shown_at + 1e-9);
    push->rate = push->rate == 0 ? rate : 0.7 * push->rate + 0.3 * rate;
    push->shown = jobs_put;
    push->shown_at = now;
    bool waiting = began_at > 0 && now - began_at > WAITING_SECONDS;
    const char *nobody = "";
    if (waiting) {
        look_again(&push->look);
        nobody = look_nobody_consumes(&push->look) ? ", nobody consumes" : "";
    }
    char share[16];
    write_share(push, bytes_put, share);
    (void)snprintf(text, PROGRESS_BYTES, "put: %llu jobs%s, %.0f/s%s%s",
                   (unsigned long long)jobs_put, share, push->rate,
                   waiting ? ", waiting: the queue is full" : "", nobody);
}

/* What is put and what is not, and how to go on. */
static void tell_rest(const struct push *push, int signal)
{
    const struct invocation *invocation = push->invocation;
    bool nul = invocation->options[PUT_NULL].text != NULL;
    char mend[64] = "go on";
    if (push->line_bad != 0) {
        (void)snprintf(mend, sizeof(mend), "mend line %llu, then go on",
                       (unsigned long long)push->line_bad);
    }
    say(invocation->command,
        "%s%llu job%s put, up to line %llu; %s with: tail %s-n +%llu FILE | "
        "syncctl put %s %s",
        signal != 0 ? "interrupted: " : "", (unsigned long long)push->jobs_put,
        push->jobs_put == 1 ? " is" : "s are",
        (unsigned long long)push->line_put, mend, nul ? "-z " : "",
        (unsigned long long)push->line_put + 1, invocation->words[0],
        nul ? "--null"
            : (invocation->options[PUT_JSONL].text ? "--jsonl" : "--lines"));
}

static int tell_end(const struct push *push, int signal, bool shown,
                    double took)
{
    char text[DURATION_BYTES];
    if (push->status != STATUS_DONE || (push->stop && signal != 0)) {
        tell_rest(push, signal);
        return signal != 0 ? STATUS_SIGNAL + signal : push->status;
    }
    if (shown) {
        say(push->invocation->command, "%llu job%s put in %s",
            (unsigned long long)push->jobs_put, push->jobs_put == 1 ? "" : "s",
            duration_text(took, text));
    }
    return STATUS_DONE;
}

static int push_all(struct push *push)
{
    struct signals signals = {.hands_on = false};
    pthread_t thread;
    double begin = look_now();
    push->shown_at = begin;
    signals_watch(&signals, on_signal, push);
    struct progress *progress =
        progress_begin(push->invocation, progress_line, push);
    CHECK(pthread_create(&thread, NULL, push_send, push) == 0);
    push_read(push, &signals);
    pthread_join(thread, NULL);
    bool shown = progress != NULL;
    progress_end(progress);
    signals_end(&signals);
    return tell_end(push, push->stop ? signals.last : 0, shown,
                    look_now() - begin);
}

int put_lines(const struct invocation *invocation)
{
    struct push push = {.invocation = invocation};
    int status = ask_open(invocation, ASK_GRACE, &push.s);
    if (status != STATUS_DONE) {
        return status;
    }
    push.wake_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(push.wake_fd >= 0);
    CHECK(pthread_mutex_init(&push.lock, NULL) == 0);
    CHECK(pthread_cond_init(&push.changed, NULL) == 0);
    chunk_init(&push.chunks[0]);
    chunk_init(&push.chunks[1]);
    push.filling = &push.chunks[0];
    push.input_bytes = measure_input();
    push.look = (struct look){.s = push.s, .queue = invocation->words[0]};
    push_measure(&push);
    put_note_events(invocation, push.s);
    status = push_all(&push);
    chunk_fini(&push.chunks[0]);
    chunk_fini(&push.chunks[1]);
    out_fini(&push.input);
    close(push.wake_fd);
    syncd_close(push.s);
    pthread_cond_destroy(&push.changed);
    pthread_mutex_destroy(&push.lock);
    return status;
}
