/*
 * A story: what clients, the disk and time do, one action after the other.
 *
 * An action names what it needs of earlier ones by the names of the model
 * ($j12_0, $t15), so that actions can be dropped from a story and the rest
 * still makes sense. Its number stays with it.
 */
#ifndef SYNCD_TESTS_SIM_SWARM_STORY_H
#define SYNCD_TESTS_SIM_SWARM_STORY_H

#include "proto/method.h"
#include "proto/write.h"

enum { CLIENTS = 6 };

enum act {
    ACT_SEND,
    ACT_CLOSE,
    ACT_ALLOW, /* a new configuration: what a client may do (grants.h) */
    ACT_TIME,  /* goes on by us */
    ACT_STORE_HOLD,
    ACT_STORE_STEP,
    ACT_STORE_WRITE,
    ACT_STORE_RELEASE,
    ACT_STORE_FULL,
    ACT_STORE_OK,
    ACT_CRASH, /* the clock shows us less */
    ACT_RESTART,
    ACT_CHECK,
};

struct action {
    enum act act;
    int number; /* from 1 on, in the order of the whole story */
    int client; /* SEND, CLOSE, ALLOW */
    int64_t id; /* SEND; 0: a notification */
    int again;  /* SEND: the same bytes as that action sent; 0: its own */
    int64_t us;
    enum method method;
    size_t at; /* its parameters, or the words, in story.texts */
    size_t len;
    bool dropped;
};

struct story;

struct story {
    struct action *at; /* owned */
    size_t count;
    size_t cap;
    struct out texts;
    int numbers; /* given out */
    /* Whoever wants to know of each action that is added; NULL: nobody. */
    void (*on_action)(void *arg, const struct story *story);
    void *arg;
};

void story_init(struct story *story);
void story_fini(struct story *story);

/* A copy of `action` with the next number; `params` may be absent. */
struct action *story_add(struct story *story, struct action action,
                         struct slice params);
struct slice story_params(const struct story *story,
                          const struct action *action);

#endif
