/* put --lines, the reader: lines of standard input into chunks. */
#include "client/syncctl/push.h"

#include "client/syncctl/body.h"
#include "client/syncctl/say.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536

/* A longer line is refused before it eats the memory. */
#define LINE_BYTES_MAX ((size_t)64 << 20)

static bool is_full(const struct push *push)
{
    const struct chunk *chunk = push->filling;
    return chunk->count >= push->jobs_max || chunk->count >= PUSH_JOBS_MAX ||
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

/* Whoever writes into a pipe is often interrupted together with
 * this process, and the line at the end is half a line then. */
void push_read(struct push *push, struct signals *signals)
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
