/* Durations as people write them: 5, 5s, 100ms, 2m, 1h, 1d, 0.5. */
#ifndef SYNCCTL_DURATION_H
#define SYNCCTL_DURATION_H

#include <stdbool.h>
#include <stddef.h>

/* Seconds. False: it is none, or longer than the protocol allows. */
bool duration_parse(const char *text, double *seconds);

/* Short, for people: "250 ms", "5 s", "2 min 5 s", "3 h 20 min", "4 d". */
#define DURATION_BYTES 64
const char *duration_text(double seconds, char text[DURATION_BYTES]);

#endif
