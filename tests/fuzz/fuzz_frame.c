/*
 * However a stream is chopped, its lines are the same: those that a plain
 * search for LF finds. The first byte is the longest line, the second picks
 * how the rest is chopped.
 */
#include "proto/check.h"
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"

/* The stream as it should be read. */
struct model {
    struct slice rest;
    size_t line_max;
};

/* The next line, whether its LF has come or the stream has ended. */
static enum frame_result model_next(struct model *model, struct slice *line)
{
    while (model->rest.len > 0) {
        const char *lf = memchr(model->rest.at, '\n', model->rest.len);
        size_t len =
            lf == NULL ? model->rest.len : (size_t)(lf - model->rest.at);
        size_t skip = lf == NULL ? len : len + 1;
        *line = (struct slice){model->rest.at, len};
        if (len > 0 && line->at[len - 1] == '\r') {
            line->len--;
        }
        if (line->len > model->line_max) {
            return FRAME_LONG;
        }
        model->rest.at += skip;
        model->rest.len -= skip;
        if (line->len > 0) {
            return FRAME_LINE;
        }
    }
    return FRAME_MORE;
}

/* Takes the lines that are there; false: the stream is lost. */
static bool take_lines(struct frame *frame, struct model *model, bool last)
{
    for (;;) {
        struct slice line;
        struct slice expected = {NULL, 0};
        enum frame_result result =
            last ? frame_last(frame, &line) : frame_next(frame, &line);
        if (result == FRAME_MORE && !last) {
            return true;
        }
        CHECK(result == model_next(model, &expected));
        if (result != FRAME_LINE) {
            return result == FRAME_MORE;
        }
        CHECK(slice_equal(line, expected));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;
    if (size < 2) {
        return 0;
    }
    struct model model = {{(const char *)data + 2, size - 2}, data[0]};
    struct slice stream = model.rest;
    uint32_t chop = data[1];
    bool going = true;
    frame_init(&frame, data[0]);
    while (stream.len > 0 && going) {
        size_t room = 0;
        chop = chop * 1103515245 + 12345;
        size_t want = 1 + (chop >> 16) % (1 + data[1]);
        char *at = frame_room(&frame, want, &room);
        size_t len = want < stream.len ? want : stream.len;
        CHECK(room >= want);
        memcpy(at, stream.at, len);
        frame_filled(&frame, len);
        stream.at += len;
        stream.len -= len;
        /* Sometimes more comes before anything is taken. */
        going = (chop & 0x100000) != 0 || take_lines(&frame, &model, false);
        if ((chop & 0x200000) != 0) {
            frame_trim(&frame);
        }
    }
    (void)(going && take_lines(&frame, &model, true));
    frame_fini(&frame);
    return 0;
}
