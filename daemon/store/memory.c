/*
 * The store that keeps nothing: `--store memory`.
 *
 * Batches are answered in order through the executor, as every store does it,
 * so that the daemon behaves the same but for what a restart brings back.
 */
#include "daemon/store/store.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <stdatomic.h>

struct memory_store {
    struct store store;
    struct executor executor;
    store_done *done; /* of what is under way */
    void *done_arg;
    uint64_t last;    /* number of the last batch submitted */
    atomic_bool busy; /* something is under way */
};

static struct memory_store *memory_of(struct store *store)
{
    return (struct memory_store *)store;
}

static int memory_load(struct store *store, store_each *each, void *arg,
                       struct store_error *error)
{
    (void)store;
    (void)each;
    (void)arg;
    (void)error;
    return 0;
}

static void answer(void *arg)
{
    struct memory_store *s = arg;
    store_done *done = s->done;
    void *done_arg = s->done_arg;
    atomic_store(&s->busy, false);
    done(done_arg, STORE_DONE, "");
}

static void begin(struct memory_store *s, store_done *done, void *arg)
{
    bool busy = atomic_exchange(&s->busy, true);
    CHECK(!busy);
    s->done = done;
    s->done_arg = arg;
    s->executor.run(s->executor.context, answer, s);
}

static void memory_submit(struct store *store, const struct batch *batch,
                          store_done *done, void *arg)
{
    struct memory_store *s = memory_of(store);
    CHECK(batch->number == s->last + 1);
    s->last = batch->number;
    begin(s, done, arg);
}

static void memory_probe(struct store *store, store_done *done, void *arg)
{
    begin(memory_of(store), done, arg);
}

static void memory_close(struct store *store)
{
    struct memory_store *s = memory_of(store);
    CHECK(!atomic_load(&s->busy));
    mem_free(s);
}

static const struct store_ops memory_ops = {
    "memory", memory_load, memory_submit, memory_probe, memory_close};

struct store *store_memory_open(const struct executor *executor)
{
    struct memory_store *s = mem_zalloc(sizeof(*s));
    s->store.ops = &memory_ops;
    s->executor = *executor;
    return &s->store;
}
