/* put --lines, the sender: puts what the reader has filled. */
#include "client/syncctl/push.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/hints.h"
#include "client/syncctl/say.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void push_measure(struct push *push)
{
    struct look look = {.s = push->s, .queue = push->invocation->words[0]};
    bool known = look_at(&look);
    int64_t capacity = known ? look.capacity : 10000;
    int64_t max_bytes = known ? look.max_bytes : 0;
    push->jobs_max = PUSH_JOBS_MAX;
    push->bytes_max = PUSH_BYTES;
    if (capacity > 0 && capacity / 4 < PUSH_JOBS_MAX) {
        push->jobs_max = capacity < 4 ? 1 : (size_t)capacity / 4;
    }
    if (max_bytes > 0 && (size_t)max_bytes / 4 < PUSH_BYTES) {
        push->bytes_max = (size_t)max_bytes / 4;
    }
}

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
    push_measure(push);
    size_t most = push->jobs_max;
    pthread_mutex_unlock(&push->lock);
    bool smaller = most < *count;
    *count = smaller ? most : *count;
    return smaller;
}

static bool is_large(const struct chunk *chunk, size_t from, size_t count)
{
    size_t bytes = chunk->ends[from + count - 1] - chunk->begins[from];
    return count > GENTLE_JOBS || bytes > GENTLE_BYTES;
}

/* How many of the chunk go in the next message, from `from` on. */
static size_t next_part(struct push *push, const struct chunk *chunk,
                        size_t from, size_t part)
{
    size_t count = chunk->count - from < part ? chunk->count - from : part;
    if (push->gentle > 0) {
        push->gentle--;
        while (count > 1 && is_large(chunk, from, count)) {
            count = count > GENTLE_JOBS ? GENTLE_JOBS : (count + 1) / 2;
        }
    }
    return count;
}

/* It took so long. */
static void note_pace(struct push *push, bool large, size_t count,
                      double seconds)
{
    if (large && seconds > SLOW_SECONDS + (double)count * PUSH_JOB_SECONDS) {
        push->gentle = GENTLE_TIMES;
    }
}

static bool put_chunk(struct push *push, const struct chunk *chunk)
{
    size_t part = chunk->count;
    for (size_t from = 0; from < chunk->count;) {
        size_t count = next_part(push, chunk, from, part);
        char *result = NULL;
        double began_at = look_now();
        note_call(push, true);
        int answer = put_part(push, chunk, from, count, &result);
        note_call(push, false);
        note_pace(push, is_large(chunk, from, count), count,
                  look_now() - began_at);
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

void *push_send(void *arg)
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
