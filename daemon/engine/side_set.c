#include "daemon/engine/side_set.h"

#include "daemon/engine/core.h"

static struct side_set *side_set_new(struct queue *queue, enum job_state state)
{
    struct side_set *side = mem_zalloc(sizeof(*side));
    job_set_init(&side->set, queue, state);
    return side;
}

struct job_set *side_set_held(struct queue *queue, struct stage *stage)
{
    struct side_set *side;
    TAILQ_FOREACH (side, &stage->held, of_other) {
        if (side->set.queue == queue) {
            return &side->set;
        }
    }
    side = side_set_new(queue, JOB_HELD);
    side->stage = stage;
    TAILQ_INSERT_TAIL(&stage->held, side, of_other);
    TAILQ_INSERT_TAIL(&queue->held_sets, side, of_queue);
    return &side->set;
}

struct job_set *side_set_parked(struct queue *queue,
                                struct semaphore *semaphore)
{
    struct side_set *side;
    TAILQ_FOREACH (side, &queue->parked_sets, of_queue) {
        if (side->semaphore == semaphore) {
            return &side->set;
        }
    }
    side = side_set_new(queue, JOB_READY);
    side->semaphore = semaphore;
    TAILQ_INSERT_TAIL(&semaphore->parked, side, of_other);
    TAILQ_INSERT_TAIL(&queue->parked_sets, side, of_queue);
    return &side->set;
}

void side_set_unlink(struct side_set *side)
{
    struct queue *queue = side->set.queue;
    if (side->stage != NULL) {
        TAILQ_REMOVE(&side->stage->held, side, of_other);
        TAILQ_REMOVE(&queue->held_sets, side, of_queue);
    } else {
        TAILQ_REMOVE(&side->semaphore->parked, side, of_other);
        TAILQ_REMOVE(&queue->parked_sets, side, of_queue);
    }
}

void side_set_drop_if_empty(struct side_set *side)
{
    if (side->set.count == 0) {
        side_set_unlink(side);
        mem_free(side);
    }
}
