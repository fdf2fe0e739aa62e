/* What a command writes, on its way to our outputs. */
#include "client/syncctl/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void output_init(struct output *output, int fd, enum output_mode mode,
                 pthread_mutex_t *gate)
{
    memset(output, 0, sizeof(*output));
    output->fd = fd;
    output->mode = mode;
    output->gate = gate;
}

void output_fini(struct output *output)
{
    out_fini(&output->held);
    out_fini(&output->head);
    out_fini(&output->tail);
    if (output->spool != NULL) {
        (void)fclose(output->spool);
    }
}

bool output_write(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.at, bytes.len);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        if (wrote > 0) {
            bytes.at += wrote;
            bytes.len -= (size_t)wrote;
        }
    }
    return true;
}

static void write_now(struct output *output, struct slice bytes)
{
    if (bytes.len > 0 && !output->broken) {
        output->broken = !output_write(output->fd, bytes);
    }
}

static void write_gated(struct output *output, struct slice bytes)
{
    pthread_mutex_lock(output->gate);
    write_now(output, bytes);
    pthread_mutex_unlock(output->gate);
}

/* Keeps the beginning and the end. */
static void keep(struct output *output, struct slice bytes)
{
    if (output->head.len < output->head_max) {
        size_t room = output->head_max - output->head.len;
        out_bytes(
            &output->head,
            (struct slice){bytes.at, bytes.len < room ? bytes.len : room});
    }
    if (output->tail_max == 0) {
        return;
    }
    out_bytes(&output->tail, bytes);
    if (output->tail.len > 2 * output->tail_max) {
        size_t old = output->tail.len - output->tail_max;
        memmove(output->tail.at, output->tail.at + old, output->tail_max);
        output->tail.len = output->tail_max;
    }
}

/* Whole lines go out; the rest is held for its end, if it is not too long. */
static void take_lines(struct output *output, struct slice bytes)
{
    out_bytes(&output->held, bytes);
    struct out *held = &output->held;
    const char *last = memrchr(held->at, '\n', held->len);
    size_t len = last == NULL ? 0 : (size_t)(last - held->at) + 1;
    if (len == 0 && held->len > OUTPUT_HELD_MAX) {
        len = held->len;
    }
    if (len > 0) {
        write_gated(output, (struct slice){held->at, len});
        memmove(held->at, held->at + len, held->len - len);
        held->len -= len;
    }
}

static void take_group(struct output *output, struct slice bytes)
{
    out_bytes(&output->held, bytes);
    if (output->held.len <= OUTPUT_HELD_MAX) {
        return;
    }
    if (output->spool == NULL) {
        output->spool = tmpfile();
    }
    if (output->spool == NULL || fwrite(output->held.at, 1, output->held.len,
                                        output->spool) != output->held.len) {
        /* No room on the disk: rather mixed than lost. */
        write_gated(output, (struct slice){output->held.at, output->held.len});
    }
    output->held.len = 0;
}

void output_take(struct output *output, struct slice bytes)
{
    keep(output, bytes);
    switch (output->mode) {
    case OUTPUT_PASS:
        write_gated(output, bytes);
        break;
    case OUTPUT_LINES:
        take_lines(output, bytes);
        break;
    case OUTPUT_GROUP:
        take_group(output, bytes);
        break;
    }
}

/* With the gate. */
static void flush(struct output *output)
{
    char bytes[16384];
    size_t len = 0;
    if (output == NULL) {
        return;
    }
    if (output->spool != NULL) {
        rewind(output->spool);
        while ((len = fread(bytes, 1, sizeof(bytes), output->spool)) > 0) {
            write_now(output, (struct slice){bytes, len});
        }
    }
    write_now(output, (struct slice){output->held.at, output->held.len});
    output->held.len = 0;
}

void output_end(struct output *out, struct output *err)
{
    pthread_mutex_t *gate = out != NULL ? out->gate : err->gate;
    pthread_mutex_lock(gate);
    flush(out);
    flush(err);
    pthread_mutex_unlock(gate);
}

struct slice output_tail(const struct output *output)
{
    size_t len = output->tail.len;
    size_t max = output->tail_max;
    if (len == 0) {
        return SLICE("");
    }
    return (struct slice){output->tail.at + (len > max ? len - max : 0),
                          len > max ? max : len};
}
