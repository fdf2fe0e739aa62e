/* What a progress line knows of a queue. */
#include "client/syncctl/look.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"

#include <stdlib.h>
#include <time.h>

double look_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool look_at(struct look *look)
{
    char *result = NULL;
    struct out params = {0};
    look->asked_at = look_now();
    write_begin_object(&params);
    WRITE(&params, string, "queue", slice_of(look->queue));
    write_end_object(&params);
    if (ask_call(look->s, "queue.show", &params, &result) != SYNCD_OK) {
        return false;
    }
    struct slice queue = slice_of(result);
    look->capacity = fields_integer(queue, "capacity");
    look->max_bytes = fields_integer(queue, "max_bytes");
    look->unfinished = fields_integer(queue, "unfinished");
    look->running = fields_integer(queue, "counts.running");
    look->dead = fields_integer(queue, "counts.dead");
    look->ready = fields_integer(queue, "counts.ready");
    look->delayed = fields_integer(queue, "counts.delayed");
    look->getters = fields_integer(queue, "waiting.get");
    look->known = true;
    free(result);
    return true;
}

void look_again(struct look *look)
{
    if (look_now() - look->asked_at >= 1) {
        look_at(look);
    }
}

bool look_nobody_consumes(const struct look *look)
{
    return look->known && look->ready > 0 && look->running == 0 &&
           look->getters == 0;
}
