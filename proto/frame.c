#include "proto/frame.h"

#include "proto/check.h"
#include "proto/memory.h"

/* An empty buffer larger than this is given back. */
#define KEEP_BYTES ((size_t)256 << 10)

void frame_init(struct frame *frame, size_t line_max)
{
    *frame = (struct frame){.line_max = line_max};
}

void frame_fini(struct frame *frame)
{
    mem_free(frame->bytes);
    frame_init(frame, frame->line_max);
}

void frame_trim(struct frame *frame)
{
    if (frame->begin == frame->end) {
        frame_fini(frame);
    }
}

/* What is there to the front of the buffer. */
static void move_down(struct frame *frame)
{
    size_t len = frame->end - frame->begin;
    if (frame->begin > 0 && len > 0) {
        memmove(frame->bytes, frame->bytes + frame->begin, len);
    }
    frame->scanned -= frame->begin;
    frame->begin = 0;
    frame->end = len;
}

char *frame_room(struct frame *frame, size_t want, size_t *room)
{
    if (frame->begin == frame->end && frame->cap > KEEP_BYTES &&
        frame->cap > want) {
        frame_fini(frame);
    }
    if (frame->begin == frame->end || frame->cap - frame->end < want) {
        move_down(frame);
    }
    if (frame->cap - frame->end < want) {
        size_t cap = frame->cap * 2;
        if (cap < frame->end + want) {
            cap = frame->end + want;
        }
        frame->bytes = mem_realloc(frame->bytes, cap);
        frame->cap = cap;
    }
    *room = frame->cap - frame->end;
    return frame->bytes + frame->end;
}

void frame_filled(struct frame *frame, size_t len)
{
    CHECK(len <= frame->cap - frame->end);
    frame->end += len;
}

/* Without the CR of its end. */
static struct slice line_of(const char *at, size_t len)
{
    return (struct slice){at, len > 0 && at[len - 1] == '\r' ? len - 1 : len};
}

enum frame_result frame_next(struct frame *frame, struct slice *line)
{
    while (frame->begin < frame->end) {
        const char *begin = frame->bytes + frame->begin;
        const char *from = frame->bytes + frame->scanned;
        size_t left = frame->end - frame->scanned;
        const char *lf = left > 0 ? memchr(from, '\n', left) : NULL;
        const char *behind = lf == NULL ? frame->bytes + frame->end : lf;
        struct slice found = line_of(begin, (size_t)(behind - begin));
        if (found.len > frame->line_max) {
            return FRAME_LONG; /* and again: nothing is handed out */
        }
        if (lf == NULL) {
            frame->scanned = frame->end;
            return FRAME_MORE;
        }
        frame->begin = (size_t)(lf - frame->bytes) + 1;
        frame->scanned = frame->begin;
        if (found.len > 0) {
            *line = found;
            return FRAME_LINE;
        }
    }
    return FRAME_MORE;
}

enum frame_result frame_last(struct frame *frame, struct slice *line)
{
    enum frame_result result = frame_next(frame, line);
    if (result == FRAME_MORE && frame->begin < frame->end) {
        *line = line_of(frame->bytes + frame->begin, frame->end - frame->begin);
        frame->begin = frame->end;
        result = line->len > 0 ? FRAME_LINE : FRAME_MORE;
    }
    return result;
}
