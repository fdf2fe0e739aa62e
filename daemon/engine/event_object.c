#include "daemon/engine/event_object.h"

#include "daemon/engine/core.h"

/* Names that begin so are set by the daemon alone: the stages of batches. */
#define RESERVED SLICE("batch/")

static struct event_object *event_find(const struct engine *engine,
                                       struct slice name)
{
    struct named *named = names_find(&engine->events, name);
    return named == NULL ? NULL
                         : CONTAINER_OF(named, struct event_object, named);
}

static struct event_object *event_new(struct engine *engine, uint64_t id,
                                      struct slice name, uint32_t owner)
{
    struct event_object *event = mem_zalloc(sizeof(*event));
    event->id = id;
    waiter_list_init(&event->waiters);
    TAILQ_INIT(&event->jobs);
    names_add(engine, &engine->events, &event->named, name, owner);
    return event;
}

struct event_object *event_use(struct engine *engine, struct slice name,
                               uint32_t owner)
{
    struct event_object *event = event_find(engine, name);
    return event != NULL
               ? event
               : event_new(engine, next_object_id(engine), name, owner);
}

size_t events_missing(const struct engine *engine, const struct slice *names,
                      size_t count)
{
    size_t missing = 0;
    for (size_t i = 0; i < count; i++) {
        missing += event_find(engine, names[i]) == NULL;
    }
    return missing;
}

static void event_free(struct engine *engine, struct event_object *event)
{
    change_gone(engine, ROW_event, event->id, &event->saved);
    names_remove(engine, &engine->events, &event->named);
    mem_free(event);
}

void event_left(struct engine *engine, struct event_object *event)
{
    if (!event->set && event->waiters.count == 0 && TAILQ_EMPTY(&event->jobs)) {
        event_free(engine, event);
    }
}

bool event_load(struct engine *engine, const struct row_event *row)
{
    if (row->id == 0 || row->id >= engine->object_ids.next ||
        row->name.at == NULL || event_find(engine, row->name) != NULL) {
        return false;
    }
    struct event_object *event =
        event_new(engine, row->id, row->name, ACCOUNT_EXEMPT);
    names_own(engine, &event->named, row->uid);
    event->set = true;
    event->saved.on_disk = true;
    return true;
}

struct row_event event_row(const struct engine *engine,
                           const struct event_object *event)
{
    return (struct row_event){.id = event->id,
                              .name = event->named.name,
                              .uid = account_uid(engine, event->named.owner)};
}

static void write_set(struct out *out, bool set)
{
    write_begin_object(out);
    WRITE(out, flag, "set", set);
    write_end_object(out);
}

/* What an answer waits for that tells of a set event: by then its jobs are
 * released. */
static uint64_t event_seen(const struct engine *engine,
                           const struct event_object *event)
{
    return event->sweep == NULL ? change_batch_seen(engine)
                                : sweep_seen(engine, event->sweep->serial);
}

void event_answer_wait(struct engine *engine, struct waiter *take_waiter,
                       bool set)
{
    const struct event_object *event = take_waiter->u.event;
    write_set(waiter_begin(engine, take_waiter), set);
    waiter_reply(engine, take_waiter, set ? event_seen(engine, event) : 0);
}

bool event_is_set(const struct engine *engine, struct slice name)
{
    const struct event_object *event = event_find(engine, name);
    return event != NULL && event->set;
}

/* Everyone who waits now, and nobody who comes later. */
static void release_all(struct engine *engine, struct event_object *event)
{
    for (size_t left = event->waiters.count; left > 0; left--) {
        event_answer_wait(engine, waiter_first(&event->waiters), true);
    }
}

static void event_set(struct engine *engine, struct event_object *event)
{
    event->set = true;
    if (!TAILQ_EMPTY(&event->jobs)) {
        sweep_after(engine, event);
    }
    release_all(engine, event);
}

void event_set_told(struct engine *engine, struct slice name, uint32_t owner)
{
    struct event_object *event = event_use(engine, name, owner);
    event->told = true;
    names_weigh(engine, &event->named, 0);
    if (!event->set) {
        event_set(engine, event);
    }
}

void event_clear(struct engine *engine, struct slice name)
{
    struct event_object *event = event_find(engine, name);
    if (event != NULL && event->set) {
        if (event->sweep != NULL) {
            /* On disk they are released by it alone, as long as it is set. */
            sweep_finish(engine, event->sweep);
        }
        event->set = false;
        event->told = false;
        change_gone(engine, ROW_event, event->id, &event->saved);
        event_left(engine, event);
    }
}

void event_end(struct engine *engine, struct named *named)
{
    event_clear(engine, named->name);
}

static bool refuse_reserved(struct engine *engine, struct slice name)
{
    if (!slice_begins(name, RESERVED)) {
        return false;
    }
    refuse(engine, ERROR_forbidden,
           "events named batch/... are set by their batch alone");
    return true;
}

static void answer_empty(struct engine *engine, uint64_t batch)
{
    struct out *out = answer_begin(engine);
    write_begin_object(out);
    write_end_object(out);
    answer_end(engine, batch);
}

bool event_set_adds(const struct engine *engine, struct session *session,
                    const struct request *request)
{
    (void)session;
    return !slice_begins(request->event, RESERVED) &&
           !event_is_set(engine, request->event);
}

void method_event_set(struct engine *engine, struct session *session,
                      const struct request *request)
{
    (void)session;
    if (refuse_reserved(engine, request->event) ||
        names_full(engine, &engine->events, request->event, "events")) {
        return;
    }
    struct event_object *event =
        event_use(engine, request->event, account_at_hand(engine));
    if (!event->set) {
        change_mark(engine, ROW_event, event, &event->saved);
        event_set(engine, event);
    }
    answer_empty(engine, event_seen(engine, event));
}

void method_event_clear(struct engine *engine, struct session *session,
                        const struct request *request)
{
    (void)session;
    if (refuse_reserved(engine, request->event)) {
        return;
    }
    event_clear(engine, request->event);
    answer_empty(engine, change_batch_seen(engine));
}

void method_event_wait(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    const struct event_object *there = event_find(engine, request->event);
    bool set = there != NULL && there->set;
    if (set || request->timeout_us == 0) {
        write_set(answer_begin(engine), set);
        answer_end(engine,
                   set ? event_seen(engine, there) : change_batch_seen(engine));
        return;
    }
    if (there == NULL &&
        names_full(engine, &engine->events, request->event, "events")) {
        return;
    }
    struct waiter *waiter =
        waiter_new(engine, WAITER_EVENT, 1, request->timeout_us);
    if (waiter != NULL) {
        struct event_object *event =
            event_use(engine, request->event, account_at_hand(engine));
        waiter->u.event = event;
        waiter_join_line(waiter, &event->waiters);
    }
}

static void write_object(const struct engine *engine, struct out *out,
                         const struct named *named)
{
    const struct event_object *event =
        CONTAINER_OF(named, const struct event_object, named);
    write_begin_object(out);
    WRITE(out, string, "event", named->name);
    WRITE(out, flag, "set", event->set);
    WRITE(out, integer, "jobs", event->set ? 0 : (int64_t)event->jobs_count);
    waiters_write(engine, out, &event->waiters);
    write_end_object(out);
}

void method_event_show(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    struct event_object none = {.named = {.name = request->event}};
    const struct event_object *event = event_find(engine, request->event);
    waiter_list_init(&none.waiters);
    write_object(engine, answer_begin(engine),
                 event == NULL ? &none.named : &event->named);
    answer_end(engine, event == NULL ? change_batch_seen(engine)
                                     : event_seen(engine, event));
}

void method_event_list(struct engine *engine, struct session *session,
                       const struct request *request)
{
    (void)session;
    names_answer_list(engine, request, &engine->events, SLICE("events"),
                      write_object, NULL);
}

void events_free_all(struct engine *engine)
{
    struct named *named;
    while ((named = names_from(&engine->events, SLICE(""), false)) != NULL) {
        event_free(engine, CONTAINER_OF(named, struct event_object, named));
    }
}
