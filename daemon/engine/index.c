#include "daemon/engine/index.h"

#include "proto/check.h"
#include "proto/memory.h"

#define BITS 6
#define WAYS 64

struct index_node {
    void *ways[WAYS];
    unsigned used;
};

void index_init(struct index *index)
{
    *index = (struct index){0};
}

static void free_node(struct index_node *node, unsigned height)
{
    if (node == NULL) {
        return;
    }
    if (height > 1) {
        for (unsigned i = 0; i < WAYS; i++) {
            free_node(node->ways[i], height - 1);
        }
    }
    mem_free(node);
}

void index_fini(struct index *index)
{
    free_node(index->root, index->height);
    index_init(index);
}

/* The way that `id` goes in a node `height` levels above the items. */
static unsigned way_of(uint64_t id, unsigned height)
{
    return (unsigned)(id >> (BITS * (height - 1))) & (WAYS - 1);
}

static bool covers(const struct index *index, uint64_t id)
{
    unsigned bits = BITS * index->height;
    return bits >= 64 || id >> bits == 0;
}

static void grow(struct index *index)
{
    struct index_node *root = mem_zalloc(sizeof(*root));
    if (index->root != NULL) {
        root->ways[0] = index->root;
        root->used = 1;
    }
    index->root = root;
    index->height++;
}

void index_add(struct index *index, uint64_t id, void *item)
{
    CHECK(item != NULL);
    while (index->root == NULL || !covers(index, id)) {
        grow(index);
    }
    struct index_node *node = index->root;
    for (unsigned height = index->height; height > 1; height--) {
        void **way = &node->ways[way_of(id, height)];
        if (*way == NULL) {
            *way = mem_zalloc(sizeof(*node));
            node->used++;
        }
        node = *way;
    }
    void **way = &node->ways[way_of(id, 1)];
    CHECK(*way == NULL);
    *way = item;
    node->used++;
    index->count++;
}

/* Takes the id out below `node`; true: the node is empty now. */
static bool remove_below(struct index_node *node, unsigned height, uint64_t id)
{
    CHECK(node != NULL);
    void **way = &node->ways[way_of(id, height)];
    if (height > 1) {
        if (!remove_below(*way, height - 1, id)) {
            return false;
        }
        mem_free(*way);
    }
    CHECK(*way != NULL);
    *way = NULL;
    return --node->used == 0;
}

void index_remove(struct index *index, uint64_t id)
{
    CHECK(index->root != NULL && covers(index, id));
    if (remove_below(index->root, index->height, id)) {
        mem_free(index->root);
        index->root = NULL;
        index->height = 0;
    }
    index->count--;
}

void *index_find(const struct index *index, uint64_t id)
{
    const struct index_node *node = index->root;
    if (node == NULL || !covers(index, id)) {
        return NULL;
    }
    for (unsigned height = index->height; height > 1; height--) {
        node = node->ways[way_of(id, height)];
        if (node == NULL) {
            return NULL;
        }
    }
    return node->ways[way_of(id, 1)];
}

/* The first item at or behind `from`, where all above are known to match. */
static void *first_from(const struct index_node *node, unsigned height,
                        uint64_t from)
{
    for (unsigned i = way_of(from, height); i < WAYS; i++) {
        void *way = node->ways[i];
        if (way != NULL) {
            void *found = height == 1 ? way : first_from(way, height - 1, from);
            if (found != NULL) {
                return found;
            }
        }
        /* From the next way on, everything below it comes into question. */
        uint64_t below = ((uint64_t)1 << (BITS * (height - 1))) - 1;
        from = (from | below) + 1;
    }
    return NULL;
}

void *index_after(const struct index *index, uint64_t after)
{
    if (index->root == NULL || after == UINT64_MAX ||
        !covers(index, after + 1)) {
        return NULL;
    }
    return first_from(index->root, index->height, after + 1);
}
