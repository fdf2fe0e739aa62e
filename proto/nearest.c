#include "proto/nearest.h"

/* Longer words are near to nothing. */
#define WORD_MAX 40

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * How many bytes must be inserted, removed, replaced or swapped with their
 * neighbour to make one of the other (optimal string alignment).
 */
static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];
    for (size_t j = 0; j <= b.len; j++) {
        before[j] = last[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.at[i - 1] == b.at[j - 1];
            size_t best = last[j - 1] + (same ? 0 : 1);
            best = least(best, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] &&
                a.at[i - 2] == b.at[j - 1]) {
                best = least(best, before[j - 2] + 1);
            }
            now[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

struct nearest nearest_to(struct slice word)
{
    return (struct nearest){.word = word};
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    struct slice word = nearest->word;
    struct slice candidate = slice_of(name);
    if (word.len > WORD_MAX || candidate.len > WORD_MAX) {
        return;
    }
    size_t d = distance(word, candidate);
    /* One byte may be wrong, and one more of every four. */
    if (d <= 1 + candidate.len / 4 && d < candidate.len &&
        (nearest->name == NULL || d < nearest->distance)) {
        nearest->name = name;
        nearest->distance = d;
    }
}
