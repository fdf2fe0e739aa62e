#include "tests/sim/swarm/swarm.h"

#include "tests/sim/swarm/generate.h"

static bool finish(struct run *run, char *fault, size_t size)
{
    if (run_fault(run) == NULL && !run_again(run)) {
        model_fault(run->model, "told the same again, its trace is another");
    }
    if (run_fault(run) == NULL && run->seed % 2 == 0) {
        run_sliced(run);
    }
    bool right = run_fault(run) == NULL;
    if (!right) {
        (void)snprintf(fault, size, "%s", run_fault(run));
    }
    return right;
}

bool swarm_seed(uint64_t seed, int actions, struct model_grid *grid,
                struct story *story, char *fault, size_t size)
{
    struct run run;
    struct generator generator;
    run_init(&run, seed, grid, NULL);
    generator_init(&generator, seed, &run, story);
    while (story->numbers < actions && run_fault(&run) == NULL &&
           !run.model->unclear) {
        generate(&generator);
    }
    if (run_fault(&run) == NULL && !run.model->unclear) {
        drain(&run, story);
    }
    bool right = finish(&run, fault, size);
    grid->unclear += run.model->unclear;
    generator_fini(&generator);
    run_fini(&run);
    return right;
}

bool swarm_story(uint64_t seed, const struct story *story, FILE *told,
                 char *fault, size_t size)
{
    struct run run;
    run_init(&run, seed, NULL, told);
    for (size_t i = 0; i < story->count && run_fault(&run) == NULL; i++) {
        if (!story->at[i].dropped) {
            run_action(&run, story, &story->at[i]);
        }
    }
    bool right = finish(&run, fault, size);
    run_fini(&run);
    return right;
}
