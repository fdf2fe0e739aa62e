#include "daemon/engine/limited.h"

#include "daemon/engine/core.h"

/* More freed semaphores than a job has limits are not looked at one by one. */
#define FREED_FEW NAME_LIST_MAX

static int semaphore_compare(const struct semaphore *a,
                             const struct semaphore *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

static int limits_compare(const struct limited_set *a,
                          const struct limited_set *b)
{
    if (a->limits_count != b->limits_count) {
        return a->limits_count < b->limits_count ? -1 : 1;
    }
    for (size_t i = 0; i < a->limits_count; i++) {
        int order = semaphore_compare(a->limits[i], b->limits[i]);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

TREE_GENERATE(limited_sets, limited_set, by_limits, limits_compare)

/* Both of one queue. */
static int first_compare(const struct limited_set *a,
                         const struct limited_set *b)
{
    if (a->first_rank != b->first_rank) {
        return a->first_rank < b->first_rank ? -1 : 1;
    }
    if (a->first_id == b->first_id) {
        return 0;
    }
    return (a->first_id < b->first_id) != a->set.lifo ? -1 : 1;
}

TREE_GENERATE(lane_sets, limited_set, by_first, first_compare)

static int lane_compare(const struct lane *a, const struct lane *b)
{
    return semaphore_compare(a->semaphore, b->semaphore);
}

TREE_GENERATE(lanes, lane, by_semaphore, lane_compare)

static int open_compare(const struct lane *a, const struct lane *b)
{
    return first_compare(a->first, b->first);
}

TREE_GENERATE(open_lanes, lane, by_first, open_compare)

/* Lanes. What is in one changes between lane_take and lane_put: an open one is
 * put where its first job belongs, an empty one is freed. */

static struct lane *lane_find(struct queue *queue, struct semaphore *semaphore)
{
    struct lane key = {.semaphore = semaphore};
    return RB_FIND(lanes, &queue->lanes, &key);
}

static void lane_take(struct lane *lane)
{
    if (lane->open && lane->first != NULL) {
        RB_REMOVE(open_lanes, &lane->queue->open_lanes, lane);
    }
}

static void lane_put(struct lane *lane)
{
    lane->first = RB_MIN(lane_sets, &lane->sets);
    if (lane->first != NULL) {
        if (lane->open) {
            RB_INSERT(open_lanes, &lane->queue->open_lanes, lane);
        }
        return;
    }
    if (!lane->open) {
        TAILQ_REMOVE(&lane->semaphore->lanes, lane, of_semaphore);
    }
    RB_REMOVE(lanes, &lane->queue->lanes, lane);
    mem_free(lane);
}

static void lane_open(struct lane *lane)
{
    TAILQ_REMOVE(&lane->semaphore->lanes, lane, of_semaphore);
    lane->open = true;
    lane_put(lane);
}

static void lane_close(struct lane *lane)
{
    lane_take(lane);
    lane->open = false;
    TAILQ_INSERT_TAIL(&lane->semaphore->lanes, lane, of_semaphore);
}

/* A new one is open: whoever looks will see. */
static struct lane *lane_use(struct queue *queue, struct semaphore *semaphore)
{
    struct lane *lane = lane_find(queue, semaphore);
    if (lane == NULL) {
        lane = mem_zalloc(sizeof(*lane));
        lane->queue = queue;
        lane->semaphore = semaphore;
        lane->open = true;
        RB_INIT(&lane->sets);
        RB_INSERT(lanes, &queue->lanes, lane);
    }
    return lane;
}

static void enter_lane(struct limited_set *limited, struct lane *lane)
{
    const struct job *first = job_set_first(&limited->set);
    limited->first_rank = first->rank;
    limited->first_id = first->id;
    limited->lane = lane;
    lane_take(lane);
    RB_INSERT(lane_sets, &lane->sets, limited);
    lane_put(lane);
}

static void leave_lane(struct limited_set *limited)
{
    struct lane *lane = limited->lane;
    if (lane != NULL) {
        limited->lane = NULL;
        lane_take(lane);
        RB_REMOVE(lane_sets, &lane->sets, limited);
        lane_put(lane);
    }
}

/* Sets. */

struct job_set *limited_set_of(struct queue *queue, const struct job *job,
                               enum job_state state)
{
    if (state != JOB_READY || job_extra_of(job) == NULL ||
        job_extra_of(job)->limits_count == 0) {
        return queue->sets[state];
    }
    struct limited_set key = {.limits = job_extra_of(job)->limits,
                              .limits_count = job_extra_of(job)->limits_count};
    struct limited_set *limited = RB_FIND(limited_sets, &queue->limited, &key);
    if (limited == NULL) {
        size_t size = key.limits_count * sizeof(struct semaphore *);
        limited = mem_zalloc(sizeof(*limited));
        job_set_init(&limited->set, queue, JOB_READY);
        limited->set.apart = APART_LIMITS;
        limited->limits = mem_alloc(size);
        memcpy(limited->limits, key.limits, size);
        limited->limits_count = key.limits_count;
        RB_INSERT(limited_sets, &queue->limited, limited);
    }
    return &limited->set;
}

struct limited_set *limited_first(const struct queue *queue)
{
    /* RB_MIN only reads, but is not declared so. */
    struct limited_sets sets = queue->limited;
    return RB_MIN(limited_sets, &sets);
}

struct limited_set *limited_next(struct limited_set *limited)
{
    return RB_NEXT(limited_sets, unused, limited);
}

size_t limited_in_lanes(const struct queue *queue)
{
    struct lanes lanes = queue->lanes;
    size_t count = 0;
    struct lane *lane;
    RB_FOREACH (lane, lanes, &lanes) {
        struct limited_set *limited;
        CHECK(lane->queue == queue);
        CHECK(lane->first == RB_MIN(lane_sets, &lane->sets));
        RB_FOREACH (limited, lane_sets, &lane->sets) {
            CHECK(limited->lane == lane);
            count++;
        }
    }
    return count;
}

void limited_unlink(struct limited_set *limited)
{
    leave_lane(limited);
    RB_REMOVE(limited_sets, &limited->set.queue->limited, limited);
    mem_free(limited->limits);
    limited->set.apart = APART_NOT;
}

void limited_changed(struct job_set *set)
{
    struct limited_set *limited = CONTAINER_OF(set, struct limited_set, set);
    const struct job *first = job_set_first(set);
    if (first == NULL) {
        limited_unlink(limited);
        mem_free(limited);
    } else if (limited->lane == NULL) {
        enter_lane(limited, lane_use(set->queue, limited->limits[0]));
    } else if (limited->first_id != first->id) {
        struct lane *lane = limited->lane;
        lane_take(lane);
        RB_REMOVE(lane_sets, &lane->sets, limited);
        limited->first_rank = first->rank;
        limited->first_id = first->id;
        RB_INSERT(lane_sets, &lane->sets, limited);
        lane_put(lane);
    }
}

/* Looking for a job. */

/* A semaphore that keeps it from running; NULL: none does. */
static struct semaphore *blocked_by(const struct limited_set *limited)
{
    for (size_t i = 0; i < limited->limits_count; i++) {
        if (!semaphore_has_permit(limited->limits[i])) {
            return limited->limits[i];
        }
    }
    return NULL;
}

static bool is_before(const struct limited_set *limited, const struct job *job)
{
    if (job == NULL || limited->first_rank != job->rank) {
        return job == NULL || limited->first_rank < job->rank;
    }
    return (limited->first_id < job->id) != limited->set.lifo;
}

static struct lane *first_open(const struct queue *queue)
{
    struct open_lanes open = queue->open_lanes;
    return RB_MIN(open_lanes, &open);
}

struct job *limited_first_ready(struct queue *queue)
{
    struct job *first = job_set_first(queue->sets[JOB_READY]);
    struct lane *lane;
    while ((lane = first_open(queue)) != NULL &&
           is_before(lane->first, first)) {
        struct limited_set *limited = lane->first;
        struct semaphore *lacking = blocked_by(limited);
        if (lacking == NULL) {
            return job_set_first(&limited->set);
        }
        if (!semaphore_has_permit(lane->semaphore)) {
            lane_close(lane);
        } else {
            leave_lane(limited);
            enter_lane(limited, lane_use(queue, lacking));
        }
    }
    return first;
}

const struct job *limited_first_look(const struct queue *queue)
{
    const struct job *first = job_set_first(queue->sets[JOB_READY]);
    const struct lane *lane = first_open(queue);
    return lane != NULL && is_before(lane->first, first)
               ? job_set_first(&lane->first->set)
               : first;
}

/* Permits that free. */

void limited_freed(struct engine *engine, struct semaphore *semaphore)
{
    if (!semaphore->freed && !TAILQ_EMPTY(&semaphore->lanes)) {
        semaphore->freed = true;
        engine->freed_count++;
        TAILQ_INSERT_TAIL(&engine->freed, semaphore, of_freed);
    }
}

void limited_forget(struct engine *engine, struct semaphore *semaphore)
{
    if (semaphore->freed) {
        semaphore->freed = false;
        engine->freed_count--;
        TAILQ_REMOVE(&engine->freed, semaphore, of_freed);
    }
}

static bool wake_lane(struct lane *lane)
{
    if (lane == NULL || lane->open || !semaphore_has_permit(lane->semaphore)) {
        return false;
    }
    lane_open(lane);
    return true;
}

bool limited_wake_queue(struct engine *engine, struct queue *queue)
{
    bool any = false;
    if (engine->freed_count <= FREED_FEW) {
        struct semaphore *semaphore;
        TAILQ_FOREACH (semaphore, &engine->freed, of_freed) {
            any = wake_lane(lane_find(queue, semaphore)) || any;
        }
    } else {
        struct lane *lane;
        RB_FOREACH (lane, lanes, &queue->lanes) {
            any = wake_lane(lane) || any;
        }
    }
    return any;
}

struct queue *limited_wake_one(struct engine *engine)
{
    struct semaphore *semaphore;
    while ((semaphore = TAILQ_FIRST(&engine->freed)) != NULL) {
        const struct lane *lane = TAILQ_FIRST(&semaphore->lanes);
        if (lane != NULL && semaphore_has_permit(semaphore)) {
            struct queue *queue = lane->queue;
            (void)limited_wake_queue(engine, queue);
            return queue;
        }
        limited_forget(engine, semaphore);
    }
    return NULL;
}
