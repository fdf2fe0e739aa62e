#include "daemon/io/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "daemon/io/look.h"
#include "proto/check.h"
#include "proto/memory.h"

struct piece {
    pool_work *work;
    void *arg;
};

struct pool {
    pthread_mutex_t lock;  /* of everything below */
    pthread_cond_t wanted; /* there is work, or it is over */
    bool over;
    struct piece *ring; /* owned; `cap` places */
    size_t cap;
    size_t first;
    atomic_size_t waiting; /* looked at without the lock, too */
    bool looking;          /* a thread is, before it sleeps: */
    struct look look;      /* that thread's, without the lock */
    pthread_t *threads;    /* owned; set before any of them looks */
    size_t threads_count;
};

/* Under the lock, which it lets go meanwhile. */
static void look(struct pool *pool)
{
    if (pool->looking || !look_begin(&pool->look, uv_hrtime(), LOOK_NS)) {
        return;
    }
    pool->looking = true;
    pthread_mutex_unlock(&pool->lock);
    while (atomic_load(&pool->waiting) == 0 &&
           look_on(&pool->look, uv_hrtime())) {
    }
    pthread_mutex_lock(&pool->lock);
    look_end(&pool->look, uv_hrtime());
    pool->looking = false;
}

/* The next piece; false: the pool ends and nothing is left to do. */
static bool take(struct pool *pool, struct piece *piece, bool worked)
{
    pthread_mutex_lock(&pool->lock);
    if (worked && pool->waiting == 0 && !pool->over) {
        look(pool);
    }
    while (pool->waiting == 0 && !pool->over) {
        pthread_cond_wait(&pool->wanted, &pool->lock);
    }
    bool taken = pool->waiting > 0;
    if (taken) {
        *piece = pool->ring[pool->first];
        pool->first = (pool->first + 1) % pool->cap;
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void *thread_main(void *arg)
{
    struct pool *pool = arg;
    struct piece piece;
    bool worked = false;
    while (take(pool, &piece, worked)) {
        piece.work(piece.arg);
        worked = true;
    }
    return NULL;
}

/* Queues a piece unless fewer than `keep` places would be left. */
static bool add(struct pool *pool, struct piece piece, size_t keep)
{
    pthread_mutex_lock(&pool->lock);
    bool room = pool->waiting + keep < pool->cap;
    if (room) {
        pool->ring[(pool->first + pool->waiting) % pool->cap] = piece;
        pool->waiting++;
    }
    bool seen = pool->looking && pool->waiting == 1;
    pthread_mutex_unlock(&pool->lock);
    if (room && !seen) { /* not under the lock, which who wakes takes */
        pthread_cond_signal(&pool->wanted);
    }
    return room;
}

struct pool *pool_new(size_t threads, size_t waiting_max)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    pool->cap = waiting_max + 1;
    pool->ring = mem_alloc(pool->cap * sizeof(*pool->ring));
    pool->threads = mem_alloc(threads * sizeof(*pool->threads));
    while (pool->threads_count < threads) {
        if (pthread_create(&pool->threads[pool->threads_count], NULL,
                           thread_main, pool) != 0) {
            pool_free(pool);
            return NULL;
        }
        pool->threads_count++;
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->over = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->threads_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool->threads);
    mem_free(pool->ring);
    mem_free(pool);
}

bool pool_try(struct pool *pool, pool_work *work, void *arg)
{
    return add(pool, (struct piece){work, arg}, 1);
}

/* One batch or probe is under way at a time, and one place is kept for it. */
static void run_for_store(void *context, void (*work)(void *arg), void *arg)
{
    bool added = add(context, (struct piece){work, arg}, 0);
    CHECK(added);
}

struct executor pool_executor(struct pool *pool)
{
    return (struct executor){run_for_store, pool};
}
