#include "daemon/engine/after.h"

#include "daemon/engine/core.h"

void after_begin(struct engine *engine, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    struct slice events[NAME_LIST_MAX];
    if (extra == NULL || extra->row_after.at == NULL) {
        return;
    }
    extra->after_count = names_split(extra->row_after, events, NAME_LIST_MAX);
    extra->after = mem_zalloc(extra->after_count * sizeof(*extra->after));
    memory_add(engine, job->owner, extra->after_count * sizeof(*extra->after));
    for (size_t i = 0; i < extra->after_count; i++) {
        struct after *after = &extra->after[i];
        after->job = job;
        struct event_object *event = event_use(engine, events[i], job->owner);
        if (!event->set) {
            after->event = event;
            TAILQ_INSERT_TAIL(&event->jobs, after, of_event);
            event->jobs_count++;
            extra->after_left++;
        }
    }
}

static void leave(struct engine *engine, struct after *after)
{
    struct event_object *event = after->event;
    if (event != NULL) {
        TAILQ_REMOVE(&event->jobs, after, of_event);
        event->jobs_count--;
        after->event = NULL;
        job_extra_of(after->job)->after_left--;
        event_left(engine, event);
    }
}

void after_end(struct engine *engine, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    if (extra == NULL || extra->after == NULL) {
        return;
    }
    for (size_t i = 0; i < extra->after_count; i++) {
        leave(engine, &extra->after[i]);
    }
    memory_sub(engine, job->owner, extra->after_count * sizeof(*extra->after));
    mem_free(extra->after);
    extra->after = NULL;
    extra->after_count = 0;
}

static void release(struct engine *engine, struct after *after)
{
    struct event_object *event = after->event;
    struct job *job = after->job;
    TAILQ_REMOVE(&event->jobs, after, of_event);
    event->jobs_count--;
    after->event = NULL;
    job_extra_of(job)->after_left--;
    job_unheld(engine, job);
}

bool after_release_one(struct engine *engine, struct event_object *event)
{
    struct after *after = TAILQ_FIRST(&event->jobs);
    if (after == NULL) {
        return false;
    }
    release(engine, after);
    return true;
}

void after_catch_up(struct engine *engine, struct job *job)
{
    struct job_extra *extra = job_extra_of(job);
    for (size_t i = 0; job_is_held_by_events(job) && i < extra->after_count;
         i++) {
        struct after *after = &extra->after[i];
        if (after->event != NULL && after->event->set) {
            release(engine, after);
        }
    }
}

bool job_is_held_by_events(const struct job *job)
{
    return job_extra_of(job) != NULL && job_extra_of(job)->after_left > 0;
}

struct slice after_text(const struct job *job)
{
    struct out out;
    out_init(&out);
    for (size_t i = 0; i < job_extra_of(job)->after_count; i++) {
        const struct event_object *event = job_extra_of(job)->after[i].event;
        if (event != NULL && !event->set) {
            if (out.len > 0) {
                out_byte(&out, '\n');
            }
            out_bytes(&out, event->named.name);
        }
    }
    return (struct slice){out.at, out.len};
}
