/* frame.h: however a stream is chopped, the lines are the same. */
#include "proto/frame.h"

#include "proto/memory.h"
#include "proto/write.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static const char *const names[] = {
    [FRAME_LINE] = "", [FRAME_MORE] = "", [FRAME_LONG] = "(too long)"};

/* Feeds the stream `chunk` bytes at a time, and writes every line in <>. */
static void feed(struct out *out, struct slice stream, size_t chunk,
                 size_t line_max)
{
    struct frame frame;
    struct slice line;
    enum frame_result result = FRAME_MORE;
    frame_init(&frame, line_max);
    for (size_t at = 0; at < stream.len && result != FRAME_LONG; at += chunk) {
        size_t len = stream.len - at < chunk ? stream.len - at : chunk;
        size_t room = 0;
        char *into = frame_room(&frame, len, &room);
        assert_true(room >= len);
        memcpy(into, stream.at + at, len);
        frame_filled(&frame, len);
        while ((result = frame_next(&frame, &line)) == FRAME_LINE) {
            out_byte(out, '<');
            out_bytes(out, line);
            out_byte(out, '>');
        }
        assert_int_equal(frame_next(&frame, &line), result);
    }
    while (result != FRAME_LONG &&
           (result = frame_last(&frame, &line)) == FRAME_LINE) {
        out_byte(out, '<');
        out_bytes(out, line);
        out_byte(out, '>');
    }
    out_bytes(out, slice_of(names[result]));
    frame_fini(&frame);
}

static void test_lines(void **state)
{
    static const struct {
        const char *stream;
        const char *lines; /* at most 8 bytes each */
    } rows[] = {
        {"", ""},
        {"\n", ""},
        {"\r\n\n\r\n", ""},
        {"a\n", "<a>"},
        {"a\r\n", "<a>"},
        {"a\r\r\n", "<a\r>"},
        {"\ra\n", "<\ra>"},
        {"a\nbc\n\nd", "<a><bc><d>"},
        {"a\nb\r", "<a><b>"},
        {"\r", ""},
        {"12345678\n", "<12345678>"},
        {"12345678\r\n1\n", "<12345678><1>"},
        {"12345678", "<12345678>"},
        {"12345678\r", "<12345678>"},
        {"123456789\n", "(too long)"},
        {"123456789", "(too long)"},
        {"12345678\r\r\n", "(too long)"},
        {"12345678\r9\n", "(too long)"},
        {"1\n2\n123456789\n3\n", "<1><2>(too long)"},
        {"1\n12345678901234567890", "<1>(too long)"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t chunk = 1; chunk < 25; chunk++) {
            struct out out;
            out_init(&out);
            feed(&out, slice_of(rows[i].stream), chunk, 8);
            if (!slice_equal((struct slice){out.at, out.len},
                             slice_of(rows[i].lines))) {
                fail_msg("row %zu by %zu: %.*s", i, chunk, (int)out.len,
                         out.at);
            }
            out_fini(&out);
        }
    }
}

/* Lines of all lengths, in chunks of all lengths, through one buffer. */
static void test_long_stream(void **state)
{
    struct out stream;
    struct out expected;
    (void)state;
    out_init(&stream);
    out_init(&expected);
    for (size_t len = 0; len < 700; len++) {
        out_byte(&expected, '<');
        for (size_t i = 0; i < len; i++) {
            out_byte(&stream, (char)('a' + i % 26));
            out_byte(&expected, (char)('a' + i % 26));
        }
        out_byte(&stream, '\n');
        out_byte(&expected, '>');
        expected.len -= len == 0 ? 2 : 0;
    }
    for (size_t chunk = 1; chunk < 100000; chunk = chunk * 3 + 1) {
        struct out out;
        out_init(&out);
        feed(&out, (struct slice){stream.at, stream.len}, chunk, 700);
        assert_int_equal(out.len, expected.len);
        assert_memory_equal(out.at, expected.at, out.len);
        out_fini(&out);
    }
    out_fini(&stream);
    out_fini(&expected);
}

/* A partial line stays bounded; what one big line took is given back. */
static void test_memory(void **state)
{
    enum { MAX = 4 << 20, CHUNK = 64 << 10 };
    struct frame frame;
    struct slice line;
    size_t room = 0;
    (void)state;
    frame_init(&frame, MAX);
    for (int i = 0; i < MAX / CHUNK; i++) {
        memset(frame_room(&frame, CHUNK, &room), 'x', CHUNK);
        frame_filled(&frame, CHUNK);
        assert_int_equal(frame_next(&frame, &line), FRAME_MORE);
    }
    assert_true(frame.cap <= (size_t)2 * MAX + CHUNK);
    *frame_room(&frame, 1, &room) = '\n';
    frame_filled(&frame, 1);
    assert_int_equal(frame_next(&frame, &line), FRAME_LINE);
    assert_int_equal(line.len, MAX);
    assert_int_equal(line.at[MAX - 1], 'x');
    assert_int_equal(frame_next(&frame, &line), FRAME_MORE);
    assert_non_null(frame_room(&frame, CHUNK, &room));
    assert_true(room >= CHUNK && frame.cap < (size_t)2 * CHUNK);
    frame_trim(&frame);
    assert_int_equal(frame.cap, 0);
    *frame_room(&frame, 1, &room) = 'a';
    frame_filled(&frame, 1);
    frame_trim(&frame); /* a part of a line stays */
    assert_int_equal(frame_last(&frame, &line), FRAME_LINE);
    assert_true(slice_equal(line, SLICE("a")));
    frame_fini(&frame);
}

/* What is long stays long: nothing behind it is ever handed out. */
static void test_long_is_the_end(void **state)
{
    struct frame frame;
    struct slice line;
    size_t room = 0;
    (void)state;
    frame_init(&frame, 3);
    memcpy(frame_room(&frame, 5, &room), "abcd\n", 5);
    frame_filled(&frame, 5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(frame_next(&frame, &line), FRAME_LONG);
        assert_int_equal(frame_last(&frame, &line), FRAME_LONG);
        memcpy(frame_room(&frame, 2, &room), "x\n", 2);
        frame_filled(&frame, 2);
    }
    frame_fini(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_stream),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_long_is_the_end),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
