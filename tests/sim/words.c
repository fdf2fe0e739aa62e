#include "tests/sim/words.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void words_skip(struct words *words)
{
    while (words->at < words->end && isspace((unsigned char)*words->at) != 0) {
        words->at++;
    }
}

struct slice words_next(struct words *words)
{
    words_skip(words);
    const char *begin = words->at;
    while (words->at < words->end && isspace((unsigned char)*words->at) == 0) {
        words->at++;
    }
    return (struct slice){begin, (size_t)(words->at - begin)};
}

bool words_take(struct words *words, const char *word)
{
    struct words before = *words;
    if (slice_equal(words_next(words), slice_of(word))) {
        return true;
    }
    *words = before;
    return false;
}

struct slice words_rest(struct words *words)
{
    words_skip(words);
    const char *end = words->end;
    while (end > words->at && isspace((unsigned char)end[-1]) != 0) {
        end--;
    }
    return (struct slice){words->at, (size_t)(end - words->at)};
}

bool words_number(struct slice word, int64_t *number)
{
    char text[32];
    char *end;
    snprintf(text, sizeof text, "%.*s", (int)word.len, word.at);
    *number = strtoll(text, &end, 10);
    return word.len > 0 && *end == '\0';
}

/* "1.5s" */
bool words_time(struct slice word, int64_t *us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1},   {"ms", 1e3},   {"s", 1e6},
                 {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}};
    char text[32];
    char *unit;
    snprintf(text, sizeof text, "%.*s", (int)word.len, word.at);
    double number = strtod(text, &unit);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (unit != text && strcmp(unit, units[i].name) == 0) {
            *us = (int64_t)llround(number * units[i].us);
            return true;
        }
    }
    return false;
}

struct slice words_id(struct words *words, char *buffer, size_t size)
{
    words_skip(words);
    if (words->at == words->end || *words->at != '#') {
        return (struct slice){NULL, 0};
    }
    struct slice word = words_next(words);
    word = (struct slice){word.at + 1, word.len - 1};
    int64_t number;
    const char *quote =
        words_number(word, &number) || *word.at == '"' ? "" : "\"";
    snprintf(buffer, size, "%s%.*s%s", quote, (int)word.len, word.at, quote);
    return slice_of(buffer);
}

const char *words_outcome(struct slice text)
{
    const char *found = text.at + text.len;
    for (size_t i = 0; i + 4 <= text.len; i++) {
        if (memcmp(text.at + i, " => ", 4) == 0) {
            found = text.at + i;
        }
    }
    return found;
}
