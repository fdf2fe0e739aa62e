#include "proto/hash.h"

#include <string.h>

static struct hash_key process_key;

void hash_set_key(struct hash_key key)
{
    process_key = key;
}

uint64_t hash_multiplier(void)
{
    return process_key.a << 1 ^ UINT64_C(0x9E3779B97F4A7C15);
}

struct state {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct state *s)
{
    uint64_t *v = s->v;
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* One round a word of the message, three at the end. */
static void add_word(struct state *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_round(s);
    s->v[0] ^= word;
}

/* The first `len` bytes, at most 8, as a little-endian number. */
static uint64_t load_word(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

uint64_t hash_bytes(struct hash_key key, const void *at, size_t len)
{
    const unsigned char *bytes = at;
    struct state s = {{UINT64_C(0x736f6d6570736575) ^ key.a,
                       UINT64_C(0x646f72616e646f6d) ^ key.b,
                       UINT64_C(0x6c7967656e657261) ^ key.a,
                       UINT64_C(0x7465646279746573) ^ key.b}};
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        add_word(&s, load_word(bytes + i, 8));
    }
    add_word(&s, (uint64_t)len << 56 | load_word(bytes + i, len - i));
    s.v[2] ^= 0xff;
    for (int round = 0; round < 3; round++) {
        sip_round(&s);
    }
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

unsigned hash_of(const void *at, size_t len)
{
    return (unsigned)hash_bytes(process_key, at, len);
}
