/*
 * Leases: whose a running job is, and whether that outlives a restart.
 */
#include "daemon/engine/core.h"

static struct lease_list *lease_list_of(struct engine *engine,
                                        const struct lease *lease)
{
    return lease->session == NULL ? &engine->detached : &lease->session->leases;
}

bool lease_keep(const struct engine *engine, struct lease *lease)
{
    if (lease->kept || engine->full ||
        (!lease->detached && !lease->session->kept)) {
        return false;
    }
    lease->kept = true;
    return true;
}

void lease_link(struct engine *engine, struct lease *lease)
{
    struct lease_list *list = lease_list_of(engine, lease);
    TAILQ_INSERT_TAIL(list, lease, of_session);
}

void lease_end(struct engine *engine, struct job *job)
{
    struct lease *lease = job->lease;
    if (lease == NULL) {
        return;
    }
    for (size_t i = 0; job->extra != NULL && i < job->extra->limits_count;
         i++) {
        semaphore_job_ended(engine, job->extra->limits[i]);
    }
    TAILQ_REMOVE(lease_list_of(engine, lease), lease, of_session);
    spares_give(&engine->spares, lease);
    job->lease = NULL;
}
