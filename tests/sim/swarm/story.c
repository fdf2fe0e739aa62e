#include "tests/sim/swarm/story.h"

#include "proto/memory.h"

void story_init(struct story *story)
{
    *story = (struct story){0};
    out_init(&story->texts);
}

void story_fini(struct story *story)
{
    mem_free(story->at);
    out_fini(&story->texts);
}

struct action *story_add(struct story *story, struct action action,
                         struct slice params)
{
    if (story->count == story->cap) {
        story->cap = 2 * story->cap + 512;
        story->at = mem_realloc(story->at, story->cap * sizeof(story->at[0]));
    }
    action.number = ++story->numbers;
    action.at = story->texts.len;
    action.len = params.len;
    out_bytes(&story->texts, params);
    story->at[story->count++] = action;
    if (story->on_action != NULL) {
        story->on_action(story->arg, story);
    }
    return &story->at[story->count - 1];
}

struct slice story_params(const struct story *story,
                          const struct action *action)
{
    return (struct slice){story->texts.at + action->at, action->len};
}
