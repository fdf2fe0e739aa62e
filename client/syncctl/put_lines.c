/*
 * put --lines, --null, --jsonl: standard input, a job a line.
 *
 * Two threads and two chunks: one reads lines and fills a chunk, the other puts
 * the chunk filled before. The bigger the load, the fuller the chunks get by
 * themselves, and a line that comes alone goes at once. One message is under
 * way at a time, so the order of the lines is the order of the jobs. A chunk
 * never has more jobs than a quarter of what the queue may hold: it enters
 * whole or not at all, and one as large as the queue would wait until the queue
 * is empty.
 */
#include "client/syncctl/put.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/body.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/hints.h"
#include "client/syncctl/look.h"
#include "client/syncctl/progress.h"
#include "client/syncctl/say.h"
#include "client/syncctl/signals.h"
#include "proto/check.h"
#include "proto/memory.h"
#include "proto/scan.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Most jobs and bytes of a chunk. */
#define CHUNK_JOBS_MAX 10000
#define CHUNK_BYTES    ((size_t)256 << 10)
#define READ_BYTES     65536

/* A longer line is refused before it eats the memory. */
#define LINE_BYTES_MAX ((size_t)64 << 20)

/* A put that takes longer than this waits for room, seconds. */
#define WAITING_SECONDS 0.5

struct chunk {
    struct out json; /* the bodies, with commas */
    size_t *begins;  /* of body i in json; room for CHUNK_JOBS_MAX */
    size_t *ends;
    uint64_t *lines;  /* its number */
    uint64_t *behind; /* how far the input was read with it, bytes */
    size_t count;
};

struct push {
    const struct invocation *invocation;
    struct syncd *s;
    size_t jobs_max;  /* of a chunk, by the queue's capacity */
    size_t bytes_max; /* by its max_bytes */
    int wake_fd;      /* interrupted: for the reader's poll */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    struct chunk chunks[2];
    struct chunk *filling;
    bool ended; /* nothing more is read */
    bool stop;  /* interrupted, or the sender failed */
    uint64_t jobs_put;
    uint64_t line_put;    /* the last line that is put */
    uint64_t bytes_put;   /* of the input, up to its end */
    double call_began_at; /* monotonic seconds; 0: no call under way */
    int status;           /* of the sender */
    uint64_t line_bad;    /* can never be put as it is; 0: none */

    /* The reader's own. */
    uint64_t line; /* the last line that was read */
    uint64_t read; /* bytes of the input, up to its end */
    struct out input;

    uint64_t input_bytes; /* of a regular file; 0: nobody knows */

    /* The progress thread's own. */
    struct look look;
    double shown_at;
    uint64_t shown;
    double rate;
};

static void chunk_init(struct chunk *chunk)
{
    memset(chunk, 0, sizeof(*chunk));
    chunk->begins = mem_alloc(CHUNK_JOBS_MAX * sizeof(*chunk->begins));
    chunk->ends = mem_alloc(CHUNK_JOBS_MAX * sizeof(*chunk->ends));
    chunk->lines = mem_alloc(CHUNK_JOBS_MAX * sizeof(*chunk->lines));
    chunk->behind = mem_alloc(CHUNK_JOBS_MAX * sizeof(*chunk->behind));
}

static void chunk_fini(struct chunk *chunk)
{
    out_fini(&chunk->json);
    mem_free(chunk->begins);
    mem_free(chunk->ends);
    mem_free(chunk->lines);
    mem_free(chunk->behind);
}

/* What a chunk may have, by the queue as it is now; a queue that is not there
 * yet will have the default terms. */
static void measure_queue(struct push *push)
{
    struct look look = {.s = push->s, .queue = push->invocation->words[0]};
    bool known = look_at(&look);
    int64_t capacity = known ? look.capacity : 10000;
    int64_t max_bytes = known ? look.max_bytes : 0;
    push->jobs_max = CHUNK_JOBS_MAX;
    push->bytes_max = CHUNK_BYTES;
    if (capacity > 0 && capacity / 4 < CHUNK_JOBS_MAX) {
        push->jobs_max = capacity < 4 ? 1 : (size_t)capacity / 4;
    }
    if (max_bytes > 0 && (size_t)max_bytes / 4 < CHUNK_BYTES) {
        push->bytes_max = (size_t)max_bytes / 4;
    }
}

/* --- the sender --- */

/* One message: the bodies from `from` on, `count` of them. */
static int put_part(struct push *push, const struct chunk *chunk, size_t from,
                    size_t count, char **result)
{
    const struct option_value *timeout =
        &push->invocation->options[PUT_TIMEOUT];
    size_t begin = chunk->begins[from];
    size_t end = chunk->ends[from + count - 1];
    struct out params = {0};
    out_reserve(&params, end - begin + 512);
    put_begin_params(push->invocation, &params);
    if (timeout->text != NULL) {
        WRITE(&params, number, "timeout", timeout->number);
    }
    write_key(&params, SLICE("bodies"));
    write_begin_array(&params);
    out_bytes(&params, (struct slice){chunk->json.at + begin, end - begin});
    write_end_array(&params);
    write_end_object(&params);
    return ask_call(push->s, "queue.put", &params, result);
}

/* Ids, one a line, unless a person would have to read them. */
static void print_ids(const struct invocation *invocation, struct slice reply)
{
    if (invocation->quiet || isatty(STDOUT_FILENO) == 1) {
        return;
    }
    struct scan_members ids = scan_members(fields_get(reply, "ids"), 1);
    while (scan_next(&ids)) {
        printf(invocation->json ? "{\"id\":%.*s}\n" : "%.*s\n",
               (int)ids.value.len, ids.value.at);
    }
    (void)fflush(stdout);
}

static void note_call(struct push *push, bool begins)
{
    pthread_mutex_lock(&push->lock);
    push->call_began_at = begins ? look_now() : 0;
    pthread_mutex_unlock(&push->lock);
}

static void note_put(struct push *push, const struct chunk *chunk, size_t from,
                     size_t count)
{
    pthread_mutex_lock(&push->lock);
    push->jobs_put += count;
    push->line_put = chunk->lines[from + count - 1];
    push->bytes_put = chunk->behind[from + count - 1];
    pthread_mutex_unlock(&push->lock);
}

/* Why a chunk was not put; under no lock. */
static void chunk_failed(struct push *push, const struct chunk *chunk,
                         size_t from, size_t count, int answer)
{
    bool interrupted =
        answer == SYNCD_E_REPLY && strcmp(syncd_error_name(), "cancelled") == 0;
    int status = put_status(push->invocation, answer);
    if (!interrupted && count == 1) {
        char text[HINT_BYTES];
        say(push->invocation->command, "line %llu: %s",
            (unsigned long long)chunk->lines[from],
            hints_text(push->invocation, answer, text));
    } else if (!interrupted) {
        ask_failed(push->invocation, answer);
    }
    if (answer == SYNCD_E_LOST || answer == SYNCD_E_PROTOCOL) {
        say(push->invocation->command,
            "lines %llu to %llu may have been put or not",
            (unsigned long long)chunk->lines[from],
            (unsigned long long)chunk->lines[from + count - 1]);
    }
    bool never =
        answer == SYNCD_E_ARGUMENT ||
        (answer == SYNCD_E_REPLY && strcmp(syncd_error_reason(), "never") == 0);
    pthread_mutex_lock(&push->lock);
    push->status = push->status == STATUS_DONE ? status : push->status;
    push->line_bad = never && count == 1 ? chunk->lines[from] : 0;
    push->stop = true;
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->lock);
    eventfd_write(push->wake_fd, 1);
}

/* The queue was made smaller than the chunk: *count becomes what fits. */
static bool shrink(struct push *push, int answer, size_t *count)
{
    if (answer != SYNCD_E_REPLY || *count == 1 ||
        strcmp(syncd_error_name(), "queue_full") != 0) {
        return false;
    }
    pthread_mutex_lock(&push->lock);
    measure_queue(push);
    size_t most = push->jobs_max;
    pthread_mutex_unlock(&push->lock);
    bool smaller = most < *count;
    *count = smaller ? most : *count;
    return smaller;
}

static bool put_chunk(struct push *push, const struct chunk *chunk)
{
    size_t part = chunk->count;
    for (size_t from = 0; from < chunk->count;) {
        size_t count = chunk->count - from < part ? chunk->count - from : part;
        char *result = NULL;
        note_call(push, true);
        int answer = put_part(push, chunk, from, count, &result);
        note_call(push, false);
        if (answer != SYNCD_OK) {
            size_t smaller = count;
            if (shrink(push, answer, &smaller)) {
                part = smaller;
                continue;
            }
            chunk_failed(push, chunk, from, count, answer);
            return false;
        }
        note_put(push, chunk, from, count);
        print_ids(push->invocation, slice_of(result));
        free(result);
        from += count;
    }
    return true;
}

static void *sender(void *arg)
{
    struct push *push = arg;
    for (;;) {
        pthread_mutex_lock(&push->lock);
        while (push->filling->count == 0 && !push->ended && !push->stop) {
            pthread_cond_wait(&push->changed, &push->lock);
        }
        struct chunk *full = push->filling;
        bool end = push->stop || full->count == 0;
        push->filling =
            full == &push->chunks[0] ? &push->chunks[1] : &push->chunks[0];
        push->filling->count = 0;
        push->filling->json.len = 0;
        pthread_cond_broadcast(&push->changed);
        pthread_mutex_unlock(&push->lock);
        if (end || !put_chunk(push, full)) {
            return NULL;
        }
    }
}

/* --- the reader --- */

static bool is_full(const struct push *push)
{
    const struct chunk *chunk = push->filling;
    return chunk->count >= push->jobs_max || chunk->count >= CHUNK_JOBS_MAX ||
           (chunk->count > 0 && chunk->json.len >= push->bytes_max);
}

/* The reader ends with this; what was read before is still put. Under the
 * lock. */
static void fail_reader(struct push *push, uint64_t line_bad)
{
    push->line_bad = line_bad;
    push->status = push->status == STATUS_DONE ? STATUS_FAILED : push->status;
}

/* Appends a line's body to the chunk; under the lock. What is wrong with it, or
 * NULL. */
static const char *write_body(struct chunk *chunk, struct slice line,
                              bool jsonl)
{
    size_t begin = chunk->json.len;
    const char *wrong = jsonl ? body_write_line(line, &chunk->json)
                        : body_write(line, true, &chunk->json) ? NULL
                                                               : "is not UTF-8";
    if (wrong == NULL) {
        chunk->begins[chunk->count] =
            begin + (chunk->json.at[begin] == ',' ? 1 : 0);
        chunk->ends[chunk->count] = chunk->json.len;
    }
    return wrong;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (strchr(" \t\r", line.at[i]) == NULL || line.at[i] == '\0') {
            return false;
        }
    }
    return true;
}

/* Takes one line, waiting while the chunk is full; under the lock. False: it
 * is time to stop. */
static bool take_line(struct push *push, struct slice line)
{
    bool jsonl = push->invocation->options[PUT_JSONL].text != NULL;
    push->line++;
    if (jsonl && is_blank(line)) {
        return true;
    }
    while (is_full(push) && !push->stop) {
        pthread_cond_broadcast(&push->changed);
        pthread_cond_wait(&push->changed, &push->lock);
    }
    if (push->stop) {
        return false;
    }
    struct chunk *chunk = push->filling;
    const char *wrong = write_body(chunk, line, jsonl);
    if (wrong != NULL) {
        say(push->invocation->command,
            "line %llu %s; nothing from it on is put",
            (unsigned long long)push->line, wrong);
        fail_reader(push, push->line);
        return false;
    }
    chunk->behind[chunk->count] = push->read;
    chunk->lines[chunk->count++] = push->line;
    return true;
}

/* Takes the whole lines of the input, or at its end what is left too. */
static bool take_lines(struct push *push, bool at_end)
{
    char delimiter =
        push->invocation->options[PUT_NULL].text != NULL ? '\0' : '\n';
    const char *at = push->input.at;
    const char *end = at + push->input.len;
    bool more = true;
    pthread_mutex_lock(&push->lock);
    while (more && at < end) {
        const char *stop = memchr(at, delimiter, (size_t)(end - at));
        if (stop == NULL && !at_end) {
            break;
        }
        size_t len = (size_t)((stop == NULL ? end : stop) - at);
        push->read += len + (stop == NULL ? 0 : 1);
        more = take_line(push, (struct slice){at, len});
        at += len + (stop == NULL ? 0 : 1);
    }
    if (more && (size_t)(end - at) > LINE_BYTES_MAX) {
        say(push->invocation->command,
            "line %llu is longer than %zu bytes; nothing from it on is put",
            (unsigned long long)push->line + 1, LINE_BYTES_MAX);
        fail_reader(push, push->line + 1);
        more = false;
    }
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->lock);
    push->input.len = (size_t)(end - at);
    if (push->input.len > 0) {
        memmove(push->input.at, at, push->input.len);
    }
    return more;
}

/* Bytes of standard input; 0 at the end, -1 when interrupted or broken. */
static ssize_t read_more(struct push *push)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = push->wake_fd, .events = POLLIN}};
    out_reserve(&push->input, READ_BYTES);
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[1].revents != 0) {
            return -1;
        }
        if (fds[0].revents == 0) {
            continue;
        }
        ssize_t got =
            read(STDIN_FILENO, push->input.at + push->input.len, READ_BYTES);
        if (got >= 0) {
            return got;
        }
        if (errno != EINTR && errno != EAGAIN) {
            break;
        }
    }
    say(push->invocation->command, "cannot read standard input: %s",
        strerror(errno));
    pthread_mutex_lock(&push->lock);
    fail_reader(push, 0);
    pthread_mutex_unlock(&push->lock);
    return -1;
}

/* To its end. Whoever writes into a pipe is often interrupted together with
 * this process, and the line at the end is half a line then. */
static void read_lines(struct push *push, struct signals *signals)
{
    ssize_t got = 0;
    bool more = true;
    while (more && (got = read_more(push)) > 0) {
        push->input.len += (size_t)got;
        more = take_lines(push, false);
    }
    if (more && got == 0) {
        signals_settle(signals);
        if (signals->last == 0) {
            take_lines(push, true);
        }
    }
    pthread_mutex_lock(&push->lock);
    push->ended = true;
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->lock);
}

/* --- around them --- */

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
    CHECK(pthread_create(&thread, NULL, sender, push) == 0);
    read_lines(push, &signals);
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
    measure_queue(&push);
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
