/* A story that fails, made small: parts of it are dropped while it fails. */
#include "tests/sim/swarm/swarm.h"

#include "proto/memory.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAULT_MAX 200

/* How a story ends; in memory shared with the processes that try. */
struct ending {
    char fault[FAULT_MAX]; /* empty: well, or by a CHECK */
    int status;
};

struct shrinking {
    uint64_t seed;
    struct story *story;
    struct ending first; /* what it is about */
    struct ending *last;
    bool *were; /* dropped before the last trial */
};

/* Numbers and names differ; the words in front tell what it is about. */
static bool same_words(const char *a, const char *b)
{
    for (int i = 0; i < 16 && *a != '\0' && *b != '\0'; i++) {
        a += strspn(a, "0123456789_$");
        b += strspn(b, "0123456789_$");
        if (*a++ != *b++) {
            return false;
        }
    }
    return true;
}

/* In a process of its own: it may end by a CHECK. */
static void try_it(struct shrinking *s)
{
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(freopen("/dev/null", "w", stderr) != NULL);
        bool right = swarm_story(s->seed, s->story, NULL, s->last->fault,
                                 sizeof(s->last->fault));
        _exit(right ? 0 : 1);
    }
    CHECK(waitpid(child, &s->last->status, 0) == child);
}

static bool fails(struct shrinking *s)
{
    s->last->fault[0] = '\0';
    try_it(s);
    return s->last->status == s->first.status && s->last->status != 0 &&
           same_words(s->last->fault, s->first.fault);
}

static void drop(struct shrinking *s, size_t from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        s->were[i] = s->story->at[from + i].dropped;
        s->story->at[from + i].dropped = true;
    }
}

static void undrop(struct shrinking *s, size_t from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        s->story->at[from + i].dropped = s->were[i];
    }
}

static bool all_dropped(const struct story *story, size_t from, size_t count)
{
    size_t i = 0;
    while (i < count && story->at[from + i].dropped) {
        i++;
    }
    return i == count;
}

/* Tries to do without each part of that size; did it without any? */
static bool drop_parts(struct shrinking *s, size_t size)
{
    bool dropped = false;
    for (size_t end = s->story->count; end > 0;) {
        size_t count = end < size ? end : size;
        size_t from = end - count;
        end = from;
        if (all_dropped(s->story, from, count)) {
            continue;
        }
        drop(s, from, count);
        if (fails(s)) {
            dropped = true;
        } else {
            undrop(s, from, count);
        }
    }
    return dropped;
}

void shrink(uint64_t seed, struct story *story)
{
    struct shrinking s = {.seed = seed, .story = story};
    s.were = mem_alloc(story->count * sizeof(s.were[0]));
    s.last = mmap(NULL, sizeof(*s.last), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s.last != MAP_FAILED);
    try_it(&s);
    s.first = *s.last;
    size_t size = (story->count + 1) / 2;
    while (size >= 1) {
        bool dropped = drop_parts(&s, size);
        if (size == 1 && !dropped) {
            break;
        }
        size = size > 1 ? size / 2 : 1;
    }
    munmap(s.last, sizeof(*s.last));
    mem_free(s.were);
}
