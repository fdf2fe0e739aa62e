#include "daemon/engine/side_set.h"

#include "daemon/engine/core.h"

static int queue_compare(const struct side_set *a, const struct side_set *b)
{
    uint64_t one = a->set.queue->id;
    uint64_t other = b->set.queue->id;
    return one < other ? -1 : one > other;
}

TREE_GENERATE(side_set_tree, side_set, by_queue, queue_compare)

struct job_set *side_set_held(struct queue *queue, struct stage *stage)
{
    struct side_set key = {.set.queue = queue};
    struct side_set *side = RB_FIND(side_set_tree, &stage->held_by_queue, &key);
    if (side != NULL) {
        return &side->set;
    }
    side = mem_zalloc(sizeof(*side));
    job_set_init(&side->set, queue, JOB_HELD);
    side->set.apart = APART_STAGE;
    side->stage = stage;
    TAILQ_INSERT_TAIL(&stage->held, side, of_stage);
    TAILQ_INSERT_TAIL(&queue->held_sets, side, of_queue);
    RB_INSERT(side_set_tree, &stage->held_by_queue, side);
    return &side->set;
}

void side_set_unlink(struct side_set *side)
{
    TAILQ_REMOVE(&side->stage->held, side, of_stage);
    TAILQ_REMOVE(&side->set.queue->held_sets, side, of_queue);
    RB_REMOVE(side_set_tree, &side->stage->held_by_queue, side);
    side->set.apart = APART_NOT;
}

void side_set_left(struct job_set *set)
{
    if (set->count == 0) {
        struct side_set *side = CONTAINER_OF(set, struct side_set, set);
        side_set_unlink(side);
        mem_free(side);
    }
}
