#include "daemon/engine/deadlock.h"

#include "daemon/engine/core.h"

/* Waits that one search looks at, so that it cannot hold up the loop. */
#define WAITS_MAX 10000

static int owner_compare(const struct waiter *a, const struct waiter *b)
{
    int order = slice_order(a->u.lock.owner, b->u.lock.owner);
    if (order != 0) {
        return order;
    }
    return a->serial < b->serial ? -1 : a->serial > b->serial;
}

TREE_GENERATE(owner_tree, waiter, u.lock.by_owner, owner_compare)

void deadlock_remember(struct engine *engine, struct waiter *waiter)
{
    RB_INSERT(owner_tree, &engine->lock_waits, waiter);
}

void deadlock_forget(struct engine *engine, struct waiter *waiter)
{
    RB_REMOVE(owner_tree, &engine->lock_waits, waiter);
}

/* A lock that was reached, and the wait that led there. */
struct step {
    struct lock *lock;
    const struct waiter *wait; /* NULL: the request at hand */
    size_t from;               /* the step before */
};

struct search {
    struct engine *engine;
    struct slice owner;
    struct step *steps; /* owned */
    size_t count;
    size_t cap;
    size_t waits; /* looked at so far */
};

static void add_step(struct search *search, struct step step)
{
    if (search->count == search->cap) {
        search->cap = search->cap == 0 ? 16 : 2 * search->cap;
        search->steps =
            mem_realloc(search->steps, search->cap * sizeof(*search->steps));
    }
    search->steps[search->count++] = step;
}

/*
 * Was this range of owners searched before? Its first wait remembers the widest
 * one that began with it; a range of one owner is narrower than any other.
 */
static bool was_searched(const struct search *search, struct waiter *first,
                         size_t width)
{
    struct wait_lock *want = &first->u.lock;
    if (want->searched == search->engine->lock_searches &&
        want->searched_from <= width) {
        return true;
    }
    want->searched = search->engine->lock_searches;
    want->searched_from = width;
    return false;
}

/* The waits of owners that begin so; of that owner alone if `whole`. */
static void follow_range(struct search *search, size_t from,
                         struct slice owners, bool whole)
{
    struct engine *engine = search->engine;
    struct waiter key = {.u.lock.owner = owners};
    struct waiter *wait = RB_NFIND(owner_tree, &engine->lock_waits, &key);
    bool first = true;
    for (; wait != NULL && search->waits < WAITS_MAX &&
           (whole ? slice_equal(wait->u.lock.owner, owners)
                  : slice_begins(wait->u.lock.owner, owners));
         wait = RB_NEXT(owner_tree, unused, wait)) {
        if (first && was_searched(search, wait, owners.len + whole)) {
            return;
        }
        first = false;
        search->waits++;
        struct lock *lock = wait->u.lock.lock;
        if (lock->levels > 0 && lock->searched != engine->lock_searches) {
            lock->searched = engine->lock_searches;
            add_step(search,
                     (struct step){.lock = lock, .wait = wait, .from = from});
        }
    }
}

/* Everything that the lock's holder, or somebody inside it, waits for. */
static void follow(struct search *search, size_t from)
{
    struct slice holder = search->steps[from].lock->owner;
    struct out inside;
    follow_range(search, from, holder, true);
    out_init(&inside);
    out_bytes(&inside, holder);
    out_byte(&inside, '/');
    follow_range(search, from, (struct slice){inside.at, inside.len}, false);
    out_fini(&inside);
}

/* One link of the cycle: who holds what, and what it waits for. */
static void write_link(struct out *out, const struct lock *holds,
                       const struct lock *waits_for)
{
    const struct session *session = TAILQ_FIRST(&holds->holds)->session;
    write_begin_object(out);
    WRITE(out, string, "owner", holds->owner);
    WRITE(out, integer, "pid", session->peer.pid);
    if (session->client.at != NULL) {
        WRITE(out, string, "client", session->client);
    }
    WRITE(out, string, "holds", holds->named.name);
    WRITE(out, string, "waits_for", waits_for->named.name);
    write_end_object(out);
}

/* From the step that closed it back to the request at hand. */
static void refuse_cycle(struct search *search, size_t last)
{
    struct out data;
    struct complaint why;
    size_t length = 1;
    const struct lock *waits_for = search->steps[0].lock;
    out_init(&data);
    out_bytes(&data, SLICE("\"cycle\":"));
    write_begin_array(&data);
    write_link(&data, search->steps[last].lock, waits_for);
    for (size_t i = last; i != 0; i = search->steps[i].from, length++) {
        write_link(&data, search->steps[search->steps[i].from].lock,
                   search->steps[i].lock);
    }
    write_end_array(&data);
    complain(&why, ERROR_deadlock,
             "waiting for the lock %.*s would never end: its holder waits for "
             "you, over %zu lock%s (data.cycle); release what you hold first, "
             "or take it with `reentrant`",
             (int)waits_for->named.name.len, waits_for->named.name.at, length,
             length == 1 ? "" : "s");
    why.data = (struct slice){data.at, data.len};
    reply_error(search->engine, &search->engine->current.to, &why);
    out_fini(&data);
}

bool deadlock_refuse(struct engine *engine, struct lock *lock,
                     struct slice owner)
{
    struct search search = {.engine = engine, .owner = owner};
    bool found = false;
    lock->searched = ++engine->lock_searches;
    add_step(&search, (struct step){.lock = lock});
    for (size_t i = 0; i < search.count && !found; i++) {
        found = owner_within(owner, search.steps[i].lock->owner);
        if (found) {
            refuse_cycle(&search, i);
        } else {
            follow(&search, i);
        }
    }
    mem_free(search.steps);
    return found;
}
