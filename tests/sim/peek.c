/* What a reply does not tell in time: a look into the engine. */
#include "daemon/engine/core.h"
#include "tests/sim/world.h"

int64_t world_job_due_us(const struct world *world, uint64_t id)
{
    const struct job *job = job_find(world_engine(world), id);
    return job == NULL || job_state(job) != JOB_DELAYED ? -1 : job->rank;
}
