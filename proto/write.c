#include "proto/write.h"

#include "proto/check.h"
#include "proto/memory.h"
#include "proto/scan.h"
#include "proto/utf8.h"

#include <math.h>
#include <stdio.h>

#define CAP_MIN ((size_t)256)

/* The longest of an integer or number, with a comma before it. */
#define NUMBER_BYTES 32

void out_init(struct out *out)
{
    *out = (struct out){0};
}

void out_fini(struct out *out)
{
    mem_free(out->at);
    out_init(out);
}

__attribute__((noinline)) static void grow(struct out *out, size_t more)
{
    CHECK(more <= SIZE_MAX / 4 && out->len <= SIZE_MAX / 4);
    size_t cap = out->cap * 2 > CAP_MIN ? out->cap * 2 : CAP_MIN;
    if (cap < out->len + more) {
        cap = out->len + more;
    }
    out->at = mem_realloc(out->at, cap);
    out->cap = cap;
}

static inline void reserve(struct out *out, size_t more)
{
    if (out->cap - out->len < more) {
        grow(out, more);
    }
}

void out_reserve(struct out *out, size_t more)
{
    reserve(out, more);
}

/* There is room for them. */
static inline void append(struct out *out, const char *at, size_t len)
{
    if (len > 0) {
        memcpy(out->at + out->len, at, len);
        out->len += len;
    }
}

void out_bytes(struct out *out, struct slice bytes)
{
    reserve(out, bytes.len);
    append(out, bytes.at, bytes.len);
}

void out_byte(struct out *out, char byte)
{
    reserve(out, 1);
    out->at[out->len++] = byte;
}

/*
 * Room for `more` bytes and a comma; the comma, if the last byte is the end of
 * a value. No value ends with one of the bytes below, and at the start of a
 * value or line the last byte is always one of them.
 */
static inline void separate(struct out *out, size_t more)
{
    reserve(out, more + 1);
    if (out->len == 0) {
        return;
    }
    char last = out->at[out->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != ',' &&
        last != '\n') {
        out->at[out->len++] = ',';
    }
}

void write_begin_object(struct out *out)
{
    separate(out, 1);
    out->at[out->len++] = '{';
}

void write_end_object(struct out *out)
{
    out_byte(out, '}');
}

void write_begin_array(struct out *out)
{
    separate(out, 1);
    out->at[out->len++] = '[';
}

void write_end_array(struct out *out)
{
    out_byte(out, ']');
}

void write_key(struct out *out, struct slice key)
{
    separate(out, key.len + 3);
    out->at[out->len++] = '"';
    append(out, key.at, key.len);
    out->at[out->len++] = '"';
    out->at[out->len++] = ':';
}

void write_json(struct out *out, struct slice json)
{
    CHECK(json.len > 0);
    separate(out, json.len);
    append(out, json.at, json.len);
}

void write_flag(struct out *out, bool flag)
{
    write_json(out, flag ? SLICE("true") : SLICE("false"));
}

/* One byte that may not stand as it is. */
static void append_escape(struct out *out, unsigned char c)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    static const char hex[] = "0123456789abcdef";
    reserve(out, 6);
    for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
        if (c == (unsigned char)shorts[i]) {
            append(out, (const char[]){'\\', shorts[i + 1]}, 2);
            return;
        }
    }
    append(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]},
           6);
}

/*
 * A sequence from 0x80 up, of `len` bytes (0: not valid). What is no UTF-8
 * becomes U+FFFD; the line separators U+2028 and U+2029, which some readers
 * of lines take for an end, are escaped.
 */
static void append_sequence(struct out *out, const char *at, size_t len)
{
    reserve(out, 6);
    if (len == 0) {
        append(out, "\xEF\xBF\xBD", 3);
    } else if (len == 3 && memcmp(at, "\xE2\x80\xA8", 3) == 0) {
        append(out, "\\u2028", 6);
    } else if (len == 3 && memcmp(at, "\xE2\x80\xA9", 3) == 0) {
        append(out, "\\u2029", 6);
    } else {
        append(out, at, len);
    }
}

void write_string(struct out *out, struct slice text)
{
    const char *at = text.at;
    const char *end = at + text.len;
    separate(out, text.len + 2);
    out->at[out->len++] = '"';
    while (at < end) {
        const char *odd = utf8_plain(at, end);
        reserve(out, (size_t)(end - at) + 1);
        append(out, at, (size_t)(odd - at));
        at = odd;
        if (at == end) {
            break;
        }
        if ((unsigned char)*at < 0x80) {
            append_escape(out, (unsigned char)*at);
            at++;
        } else {
            size_t len = utf8_length(at, end);
            append_sequence(out, at, len);
            at += len > 0 ? len : 1;
        }
    }
    out_byte(out, '"');
}

/* The digits of a number to in front of `end`; where they begin. */
static char *digits_before(char *end, uint64_t number)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334"
        "3"
        "5363738394041424344454647484950515253545556575859606162636465666768697"
        "0"
        "71727374757677787980818283848586878889909192939495969798"
        "99";
    while (number >= 100) {
        end -= 2;
        memcpy(end, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, pairs + number * 2, 2);
    } else {
        *--end = (char)('0' + number);
    }
    return end;
}

static uint64_t magnitude_of(int64_t number)
{
    return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

void write_integer(struct out *out, int64_t number)
{
    char text[NUMBER_BYTES];
    char *end = text + sizeof(text);
    char *at = digits_before(end, magnitude_of(number));
    if (number < 0) {
        *--at = '-';
    }
    separate(out, NUMBER_BYTES);
    append(out, at, (size_t)(end - at));
}

void write_seconds(struct out *out, int64_t us)
{
    char text[NUMBER_BYTES];
    char *end = text + sizeof(text);
    uint64_t magnitude = magnitude_of(us);
    uint64_t fraction = magnitude % 1000000;
    if (fraction > 0) {
        /* The 1 in front keeps the zeros; the point goes where it stood. */
        char *point = digits_before(end, 1000000 + fraction);
        *point = '.';
        char *behind = end;
        while (behind[-1] == '0') {
            behind--;
        }
        char *at = digits_before(point, magnitude / 1000000);
        if (us < 0) {
            *--at = '-';
        }
        separate(out, NUMBER_BYTES);
        append(out, at, (size_t)(behind - at));
        return;
    }
    write_integer(out, us / 1000000);
}

/*
 * Digits d.ddd of a finite number, the fewest of 15 to 17 that read back as
 * the same, and the power of ten of the first one. Taken from printf digit by
 * digit, because its decimal point is the locale's.
 */
static size_t shortest_digits(double number, char digits[17], int *power)
{
    size_t count = 0;
    for (int precision = 14; precision < 17; precision++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%.*e", precision, number);
        char *e = strchr(text, 'e');
        CHECK(e != NULL);
        count = 0;
        for (char *at = text; at < e; at++) {
            if (*at >= '0' && *at <= '9') {
                digits[count++] = *at;
            }
        }
        CHECK(count == (size_t)precision + 1);
        bool negative = e[1] == '-';
        *power = 0;
        for (char *at = e + 2; *at != '\0'; at++) {
            *power = *power * 10 + (*at - '0');
        }
        *power = negative ? -*power : *power;
        char plain[64];
        int len = snprintf(plain, sizeof(plain), "%.*se%d", (int)count, digits,
                           *power - precision);
        if (scan_number((struct slice){plain, (size_t)len}) == number) {
            break;
        }
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    return count;
}

static void append_zeros(struct out *out, int count)
{
    for (int i = 0; i < count; i++) {
        out->at[out->len++] = '0';
    }
}

/* Laid out as JavaScript does. */
void write_number(struct out *out, double number)
{
    CHECK(isfinite(number));
    if (number == floor(number) && fabs(number) < 0x1p53 &&
        (number != 0 || !signbit(number))) {
        write_integer(out, (int64_t)number);
        return;
    }
    /* Most others have a few decimals. The quotient is rounded once, so it is
     * the double that this text reads back as. */
    double us = rint(number * 1e6);
    if (us / 1e6 == number && number != 0 && fabs(number) < 1e9) {
        write_seconds(out, (int64_t)us);
        return;
    }
    char digits[17];
    int power;
    int count = (int)shortest_digits(fabs(number), digits, &power);
    separate(out, NUMBER_BYTES);
    if (signbit(number)) {
        out->at[out->len++] = '-';
    }
    if (power < -6 || power > 20) {
        char e[8];
        append(out, digits, 1);
        if (count > 1) {
            out->at[out->len++] = '.';
            append(out, digits + 1, (size_t)count - 1);
        }
        int len = snprintf(e, sizeof(e), "e%d", power);
        append(out, e, (size_t)len);
    } else if (power < 0) {
        append(out, "0.", 2);
        append_zeros(out, -power - 1);
        append(out, digits, (size_t)count);
    } else if (count <= power + 1) {
        append(out, digits, (size_t)count);
        append_zeros(out, power + 1 - count);
    } else {
        append(out, digits, (size_t)power + 1);
        out->at[out->len++] = '.';
        append(out, digits + power + 1, (size_t)(count - power - 1));
    }
}
