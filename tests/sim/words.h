/* A line of a scenario, word by word. */
#ifndef SYNCD_TESTS_SIM_WORDS_H
#define SYNCD_TESTS_SIM_WORDS_H

#include "proto/slice.h"

/* What is left of a line. */
struct words {
    const char *at;
    const char *end;
};

static inline struct words words_of(struct slice text)
{
    return (struct words){text.at, text.at + text.len};
}

void words_skip(struct words *words); /* white space */
struct slice words_next(struct words *words);
bool words_take(struct words *words, const char *word);

/* All that is left, without white space around it. */
struct slice words_rest(struct words *words);

/* `#7` is the id 7, `#a` the id "a", as JSON in `buffer`; absent without a #.
 */
struct slice words_id(struct words *words, char *buffer, size_t size);

bool words_number(struct slice word, int64_t *number);

/* "1.5s", "10us" */
bool words_time(struct slice word, int64_t *us);

/* Where the last ` => ` is; the end of the text if there is none. */
const char *words_outcome(struct slice text);

#endif
