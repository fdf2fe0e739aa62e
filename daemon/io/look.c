#include "daemon/io/look.h"

#include <sched.h>

bool look_begin(struct look *look, uint64_t now_ns, uint64_t for_ns)
{
    if (look->skip > 0) {
        look->skip--;
        return false;
    }
    look->on = true;
    look->until_ns = now_ns + for_ns;
    return true;
}

static void miss(struct look *look, uint64_t now_ns)
{
    if (now_ns - look->until_ns >= LOOK_LATE_NS) {
        look->skips = LOOK_SKIP_LATE;
    } else if (look->skips < LOOK_SKIP_MAX) {
        look->skips = 2 * look->skips + 1;
    }
    look->on = false;
    look->skip = look->skips;
}

bool look_on(struct look *look, uint64_t now_ns)
{
    if (!look->on) {
        return false;
    }
    if (now_ns >= look->until_ns) {
        miss(look, now_ns);
        return false;
    }
    sched_yield();
    return true;
}

/* If others had the processor for so long that it came too late, a thread that
 * sleeps would have been woken sooner than it was our turn again. */
void look_end(struct look *look, uint64_t now_ns)
{
    if (!look->on) {
        return;
    }
    if (now_ns >= look->until_ns) {
        miss(look, now_ns);
        return;
    }
    look->on = false;
    look->skips /= 2;
    look->skip = look->skips;
}
