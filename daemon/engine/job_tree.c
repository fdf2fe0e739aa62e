#include "daemon/engine/job_tree.h"

#include "daemon/engine/job.h"
#include "proto/check.h"

static bool comes_before(const struct job *a, const struct job *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return (a->id < b->id) != a->set->lifo;
}

/* The greater stands above the smaller. No two ids have the same one. */
static uint64_t height(const struct job *job)
{
    uint64_t z = job->id * UINT64_C(0x9E3779B97F4A7C15);
    return (z ^ z >> 32) * UINT64_C(0xD6E8FEB86659FD93);
}

static struct job *first_below(struct job *job)
{
    while (job->link.before != NULL) {
        job = job->link.before;
    }
    return job;
}

/* Parts what stands at `below` in those before and those behind `job`, which
 * takes its place. */
static void put_above(struct job **place, struct job *job)
{
    struct job *below = *place;
    struct job **before = &job->link.before;
    struct job **behind = &job->link.behind;
    while (below != NULL) {
        if (comes_before(below, job)) {
            *before = below;
            before = &below->link.behind;
            below = below->link.behind;
        } else {
            *behind = below;
            behind = &below->link.before;
            below = below->link.before;
        }
    }
    *before = NULL;
    *behind = NULL;
    *place = job;
}

void job_tree_add(struct job_tree *tree, struct job *job)
{
    uint64_t own = height(job);
    struct job **place = &tree->root;
    bool first = true;
    while (*place != NULL && height(*place) > own) {
        if (comes_before(job, *place)) {
            place = &(*place)->link.before;
        } else {
            place = &(*place)->link.behind;
            first = false;
        }
    }
    put_above(place, job);
    if (first && job->link.before == NULL) {
        tree->first = job;
    }
}

/* Joins what stood below a job that has gone: all of `a` comes before `b`. */
static void join_below(struct job **place, struct job *a, struct job *b)
{
    while (a != NULL && b != NULL) {
        if (height(a) > height(b)) {
            *place = a;
            place = &a->link.behind;
            a = a->link.behind;
        } else {
            *place = b;
            place = &b->link.before;
            b = b->link.before;
        }
    }
    *place = a != NULL ? a : b;
}

/* Whoever takes the first is about to take the one behind it: of many, it has
 * been put long ago, and is not in the cache. */
static void expect(const struct job *first)
{
    if (first != NULL) {
        __builtin_prefetch((const char *)first + 64);
        __builtin_prefetch((const char *)first + 128);
        __builtin_prefetch(first->link.behind);
    }
}

void job_tree_remove(struct job_tree *tree, struct job *job)
{
    struct job **place = &tree->root;
    struct job *above = NULL;
    while (*place != job) {
        CHECK(*place != NULL);
        above = *place;
        place = comes_before(job, above) ? &above->link.before
                                         : &above->link.behind;
    }
    if (tree->first == job) {
        tree->first =
            job->link.behind != NULL ? first_below(job->link.behind) : above;
        expect(tree->first);
    }
    join_below(place, job->link.before, job->link.behind);
}

struct job *job_tree_next(const struct job_tree *tree, const struct job *job)
{
    if (job->link.behind != NULL) {
        return first_below(job->link.behind);
    }
    struct job *next = NULL;
    for (struct job *at = tree->root; at != job;) {
        CHECK(at != NULL);
        if (comes_before(job, at)) {
            next = at;
            at = at->link.before;
        } else {
            at = at->link.behind;
        }
    }
    return next;
}
