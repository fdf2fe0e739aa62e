/*
 * Bytes of a stream <-> lines.
 *
 * One message a line, ended by LF; a CR before it is dropped, empty lines are
 * skipped. A buffer grows as a line needs it, up to the limit, and shrinks when
 * it is empty again.
 */
#ifndef SYNCD_PROTO_FRAME_H
#define SYNCD_PROTO_FRAME_H

#include "proto/slice.h"

struct frame {
    char *bytes; /* owned */
    size_t cap;
    size_t begin;    /* the first byte not yet handed out */
    size_t end;      /* behind the last byte received */
    size_t scanned;  /* no LF between begin and here */
    size_t line_max; /* of a line without its end */
};

enum frame_result {
    FRAME_LINE, /* a line, in *line: valid until the next frame_room */
    FRAME_MORE, /* more bytes are needed */
    FRAME_LONG  /* a line is longer than line_max: the stream is lost */
};

void frame_init(struct frame *frame, size_t line_max);
void frame_fini(struct frame *frame);

/* Gives the buffer back if nothing is in it: for a stream that has gone quiet.
 * Lines handed out before are invalid. */
void frame_trim(struct frame *frame);

/* Where the next bytes go: at least `want` of them fit. Moves what is there;
 * lines handed out before are invalid. */
char *frame_room(struct frame *frame, size_t want, size_t *room);

/* `len` bytes were written there. */
void frame_filled(struct frame *frame, size_t len);

enum frame_result frame_next(struct frame *frame, struct slice *line);

/* At the end of the stream: lines as of frame_next, and behind them what is
 * left without an LF is a line too. FRAME_MORE: that was all. */
enum frame_result frame_last(struct frame *frame, struct slice *line);

#endif
