/*
 * Looking for what comes soon, before a thread sleeps.
 *
 * To wake a thread, and the processor that slept with it, takes 10 to 50 us;
 * and what it would sleep for often comes sooner than that: who has just been
 * answered asks again. So whoever has done something looks for a moment, and
 * lets everybody else have the processor meanwhile.
 *
 *     look_begin --true--> look_on --true--> look_on ... --false--> it sleeps
 *                              `--it came--> look_end
 *
 * That is bounded. When nothing comes in time, so many occasions pass without
 * a look, twice as many each time, up to LOOK_SKIP_MAX; when something does,
 * half as many. Where the processor is wanted, it is not given back for a time
 * slice, which is far longer: LOOK_SKIP_LATE at once, so that fewer than one in
 * a hundred answers come late by that. Who sleeps makes no calls.
 */
#ifndef SYNCD_IO_LOOK_H
#define SYNCD_IO_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#define LOOK_NS UINT64_C(50000) /* for what somebody else may ask */
#define LOOK_DISK_NS                                         \
    UINT64_C(300000) /* for an fsync, which takes 100 to 200 \
                      */
#define LOOK_SKIP_MAX  63
#define LOOK_LATE_NS   UINT64_C(200000)
#define LOOK_SKIP_LATE 255

/* Zeroed is ready for use. */
struct look {
    bool on;
    uint64_t until_ns;
    unsigned skip;  /* occasions that pass without a look: still, */
    unsigned skips; /* and when nothing had come last */
};

/* An occasion, to look for so long. False: none is due. `now_ns` is that of
 * uv_hrtime, here and below. */
bool look_begin(struct look *look, uint64_t now_ns, uint64_t for_ns);

/* Gives the processor away once, and says whether to look again; if not, no
 * look is on any more. */
bool look_on(struct look *look, uint64_t now_ns);

/* It has come. Nothing, if no look is on. */
void look_end(struct look *look, uint64_t now_ns);

#endif
