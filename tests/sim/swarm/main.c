/*
 * sim_swarm [--seeds N] [--first SEED] [--actions N] [--grid] [--whole]
 *
 * Tells so many stories, each made from a seed, to the engine and the reference
 * model, and to a second engine, whose trace must be the same. The first that
 * fails is made small, and printed as a scenario with what was expected; then
 * the status is 1. --whole prints it as it was; --grid also prints how often
 * each method had each outcome, so that a hole in the generator is seen.
 */
#include "tests/sim/swarm/swarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many more actions the end of a seed may take. */
#define DRAIN_MAX 3000

/* What the process that runs the seeds leaves behind: a CHECK that fails ends
 * it. */
struct shared {
    uint64_t seed;
    uint64_t passed;
    struct model_grid grid;
    char fault[3100];
    size_t count; /* of actions */
    size_t texts_len;
    struct action actions[M_ACTIONS + DRAIN_MAX];
    char texts[1 << 19];
};

struct options {
    uint64_t first;
    uint64_t seeds;
    int actions;
    bool grid;
    bool whole;
};

static bool read_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.first = 1, .seeds = 1000, .actions = 250};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--grid") == 0) {
            options->grid = true;
        } else if (strcmp(argv[i], "--whole") == 0) {
            options->whole = true;
        } else if (i + 1 == argc) {
            return false;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            options->seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0) {
            options->first = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--actions") == 0) {
            options->actions = atoi(argv[++i]);
        } else {
            return false;
        }
    }
    return options->seeds > 0 && options->actions > 0 &&
           options->actions < M_ACTIONS - 400;
}

/* --- running ------------------------------------------------------------ */

/* The story of the seed at hand, where it outlives this process. */
static struct story shared_story(struct shared *shared)
{
    return (struct story){
        .at = shared->actions,
        .count = shared->count,
        .texts = {shared->texts, shared->texts_len, sizeof(shared->texts)}};
}

static void on_action(void *arg, const struct story *story)
{
    struct shared *shared = arg;
    const struct action *last = &story->at[story->count - 1];
    CHECK(story->count <=
              sizeof(shared->actions) / sizeof(shared->actions[0]) &&
          story->texts.len <= sizeof(shared->texts));
    shared->actions[story->count - 1] = *last;
    if (last->len > 0) {
        memcpy(shared->texts + last->at, story->texts.at + last->at, last->len);
    }
    shared->count = story->count;
    shared->texts_len = story->texts.len;
}

static bool run_seed(struct shared *shared, int actions)
{
    struct story story;
    story_init(&story);
    story.on_action = on_action;
    story.arg = shared;
    bool right = swarm_seed(shared->seed, actions, &shared->grid, &story,
                            shared->fault, sizeof(shared->fault));
    story_fini(&story);
    return right;
}

static void run_seeds(struct shared *shared, const struct options *options)
{
    for (uint64_t i = 0; i < options->seeds; i++) {
        shared->seed = options->first + i;
        if (!run_seed(shared, options->actions)) {
            _exit(1);
        }
        shared->passed++;
    }
    exit(EXIT_SUCCESS); /* so that what it covered is counted */
}

/* --- telling ------------------------------------------------------------ */

/* Tells the story once more, aloud; it may end by a CHECK. */
static void print_story(uint64_t seed, const struct story *story)
{
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char fault[3100] = "it does not fail any more";
        swarm_story(seed, story, stdout, fault, sizeof(fault));
        printf("# %s\n", fault);
        (void)fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
}

static void print_failure(struct shared *shared, const struct options *options)
{
    struct story story = shared_story(shared);
    printf("seed %" PRIu64 " fails: %s\n", shared->seed,
           shared->fault[0] == '\0' ? "a CHECK of the engine" : shared->fault);
    if (!options->whole) {
        shrink(shared->seed, &story);
    }
    printf("\n# Seed %" PRIu64 ", %s\n", shared->seed,
           options->whole ? "all of it:" : "as small as it gets:");
    print_story(shared->seed, &story);
}

static void print_grid(const struct model_grid *grid)
{
    printf("%-20s %9s  errors\n", "method", "results");
    for (int i = 0; i < METHODS; i++) {
        printf("%-20s %9u ", method_row((enum method)i)->name,
               grid->at[i][ERROR_NONE]);
        for (int k = 0; k < ERRORS; k++) {
            if (k != ERROR_NONE && grid->at[i][k] > 0) {
                printf(" %s %u", error_row((enum error)k)->name,
                       grid->at[i][k]);
            }
        }
        printf("\n");
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!read_options(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: sim_swarm [--seeds N] [--first SEED] "
                              "[--actions N] [--grid] [--whole]\n");
        return 64;
    }
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    double began = seconds();
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run_seeds(shared, &options);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        print_failure(shared, &options);
    }
    if (options.grid) {
        print_grid(&shared->grid);
    }
    printf("%" PRIu64 " seeds passed, %.0f a second; %u of them not to their "
           "end, where it is not said what comes first\n",
           shared->passed, (double)shared->passed / (seconds() - began),
           shared->grid.unclear);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
