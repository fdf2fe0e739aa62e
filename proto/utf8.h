/*
 * UTF-8, a sequence at a time, and the runs of plain bytes between.
 *
 * Inline, because reading and writing strings spend most of their time here.
 */
#ifndef SYNCD_PROTO_UTF8_H
#define SYNCD_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ASCII that stands in a JSON string as it is. */
static inline bool utf8_is_plain(char byte)
{
    unsigned char c = (unsigned char)byte;
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#ifdef __SSE2__

/* A bit for each of 16 bytes that is not plain. */
static inline unsigned utf8_odd(const char *at)
{
    __m128i x;
    memcpy(&x, at, sizeof(x));
    /* As signed bytes, controls and everything from 0x80 are below 0x20. */
    __m128i odd = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(odd);
}

/* The first byte from `at` on that is not plain, or `end`. */
static inline const char *utf8_plain(const char *at, const char *end)
{
    while (end - at >= 16) {
        unsigned odd = utf8_odd(at);
        if (odd != 0) {
            return at + __builtin_ctz(odd);
        }
        at += 16;
    }
    while (at < end && utf8_is_plain(*at)) {
        at++;
    }
    return at;
}

#else

#define UTF8_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Has a word a byte of 0? (Bits of others may be set too, above the first.) */
static inline uint64_t utf8_zeros(uint64_t word)
{
    return (word - UTF8_EACH(1)) & ~word & UTF8_EACH(0x80);
}

static inline const char *utf8_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t x;
        memcpy(&x, at, sizeof(x));
        uint64_t odd = x | (x - UTF8_EACH(0x20)) |
                       utf8_zeros(x ^ UTF8_EACH('"')) |
                       utf8_zeros(x ^ UTF8_EACH('\\'));
        if ((odd & UTF8_EACH(0x80)) != 0) {
            break;
        }
        at += 8;
    }
    while (at < end && utf8_is_plain(*at)) {
        at++;
    }
    return at;
}

#endif

static inline bool utf8_follows(const char *at, unsigned low, unsigned high)
{
    unsigned char c = (unsigned char)*at;
    return c >= low && c <= high;
}

/*
 * The length of the sequence at `at` (before `end`), 1 to 4 bytes; 0 if it is
 * not valid: overlong, a surrogate, beyond U+10FFFF, cut off, or out of place.
 */
static inline size_t utf8_length(const char *at, const char *end)
{
    unsigned char c = (unsigned char)*at;
    ptrdiff_t room = end - at;
    if (c < 0x80) {
        return 1;
    }
    if (c >= 0xC2 && c <= 0xDF) {
        return room >= 2 && utf8_follows(at + 1, 0x80, 0xBF) ? 2 : 0;
    }
    if ((c & 0xF0) == 0xE0) {
        unsigned low = c == 0xE0 ? 0xA0 : 0x80;
        unsigned high = c == 0xED ? 0x9F : 0xBF;
        return room >= 3 && utf8_follows(at + 1, low, high) &&
                       utf8_follows(at + 2, 0x80, 0xBF)
                   ? 3
                   : 0;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        unsigned low = c == 0xF0 ? 0x90 : 0x80;
        unsigned high = c == 0xF4 ? 0x8F : 0xBF;
        return room >= 4 && utf8_follows(at + 1, low, high) &&
                       utf8_follows(at + 2, 0x80, 0xBF) &&
                       utf8_follows(at + 3, 0x80, 0xBF)
                   ? 4
                   : 0;
    }
    return 0;
}

/* The longest start of `len` bytes, at most `max`, that cuts no sequence. */
static inline size_t utf8_clip(const char *at, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    len = max;
    while (len > 0 && ((unsigned char)at[len] & 0xC0) == 0x80) {
        len--;
    }
    return len;
}

#endif
