#include "daemon/engine/timer.h"

static int timer_compare(const struct timer *a, const struct timer *b)
{
    if (a->due_us != b->due_us) {
        return a->due_us < b->due_us ? -1 : 1;
    }
    return a->armed < b->armed ? -1 : a->armed > b->armed;
}

TREE_GENERATE(timer_tree, timer, entry, timer_compare)

void timers_init(struct timers *timers)
{
    RB_INIT(&timers->tree);
    timers->serial = 0;
}

void timer_arm(struct timers *timers, struct timer *timer, int64_t due_us)
{
    timer_disarm(timers, timer);
    timer->due_us = due_us;
    timer->armed = ++timers->serial;
    RB_INSERT(timer_tree, &timers->tree, timer);
}

void timer_disarm(struct timers *timers, struct timer *timer)
{
    if (timer_armed(timer)) {
        RB_REMOVE(timer_tree, &timers->tree, timer);
        timer->armed = 0;
    }
}

struct timer *timers_first(const struct timers *timers)
{
    /* RB_MIN only reads, but is not declared so. */
    struct timer_tree tree = timers->tree;
    return RB_MIN(timer_tree, &tree);
}
