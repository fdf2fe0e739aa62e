/*
 * The log of what was refused with `forbidden`: who, what, which role lacked.
 *
 * A client can make as many such requests as it likes, so lines are rationed:
 * each user has a few at once and one a second on, and so have all together;
 * what was left out is counted and told with the next line. What a client wrote
 * stands in quotes, escaped.
 */
#ifndef SYNCD_IO_DENIALS_H
#define SYNCD_IO_DENIALS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/engine.h"

struct log;

/* So many lines may come now. */
struct ration {
    uint32_t uid;
    bool used;
    unsigned left;
    int64_t since_us; /* when it was last filled up */
    uint64_t omitted;
};

#define DENIALS_USERS 64 /* of them; who comes later takes a place */

struct denials {
    const struct log *log; /* borrowed */
    struct ration all;
    struct ration users[DENIALS_USERS];
};

void denials_init(struct denials *denials, const struct log *log);

void denials_note(struct denials *denials, const struct peer *peer,
                  const struct effect_denial *denial, int64_t now_us);

#endif
