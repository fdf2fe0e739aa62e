/* The end of each seed: no more faults, and everything must come to its end. */
#include "tests/sim/swarm/swarm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define ROUNDS_MAX 40

/* The client that cleans up, and the one that works. */
enum { ADMIN = 0, WORKER = 1 };

struct drain {
    struct run *run;
    struct story *story;
};

static void act(struct drain *d, struct action action, const char *params)
{
    run_action(d->run, d->story, story_add(d->story, action, slice_of(params)));
}

static void simply(struct drain *d, enum act what)
{
    act(d, (struct action){.act = what}, "");
}

static void send(struct drain *d, int client, enum method method,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void send(struct drain *d, int client, enum method method,
                 const char *format, ...)
{
    char params[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(params, sizeof(params), format, args);
    va_end(args);
    act(d,
        (struct action){.act = ACT_SEND,
                        .client = client,
                        .id = d->story->numbers + 1,
                        .method = method},
        params);
}

static void calm(struct drain *d)
{
    simply(d, ACT_STORE_OK);
    simply(d, ACT_STORE_RELEASE);
    for (int i = 0; i < CLIENTS; i++) {
        act(d, (struct action){.act = ACT_CLOSE, .client = i}, "");
    }
}

/* Nothing is in the way of any job any more. */
static void open_ways(struct drain *d)
{
    const struct m_state *now = &d->run->model->now;
    for (int i = 0; i < M_QUEUES; i++) {
        if (now->queues[i].exists) {
            send(d, ADMIN, METHOD_queue_open, "{\"queue\":\"q%d\"}", i);
            send(d, ADMIN, METHOD_queue_resume, "{\"queue\":\"q%d\"}", i);
            send(d, ADMIN, METHOD_queue_declare,
                 "{\"queue\":\"q%d\",\"concurrency\":0,\"keep_done\":0}", i);
        }
    }
    for (int i = 0; i < M_SEMAPHORES; i++) {
        if (now->semaphores[i].exists) {
            send(d, ADMIN, METHOD_semaphore_declare,
                 "{\"semaphore\":\"s%d\",\"value\":9}", i);
        }
    }
    for (int i = 0; i < M_PLAIN_EVENTS; i++) {
        send(d, ADMIN, METHOD_event_set, "{\"event\":\"e%d\"}", i);
    }
    for (int i = 0; i < M_BARRIERS; i++) {
        send(d, ADMIN, METHOD_barrier_reset, "{\"barrier\":\"r%d\"}", i);
    }
}

/* Batches come to their end: mended, or given up. */
static void end_batches(struct drain *d, bool give_up)
{
    const struct m_state *now = &d->run->model->now;
    for (int i = 0; i < M_BATCHES; i++) {
        if (!now->batches[i].exists) {
            /* Jobs may wait for a stage of it. */
            send(d, ADMIN, METHOD_batch_create,
                 "{\"batch\":\"b%d\",\"stages\":[\"s0\"]}", i);
        }
        send(d, ADMIN, METHOD_batch_seal, "{\"batch\":\"b%d\"}", i);
        send(d, ADMIN, give_up ? METHOD_batch_cancel : METHOD_batch_retry,
             "{\"batch\":\"b%d\"}", i);
        if (give_up) {
            send(d, ADMIN, METHOD_batch_delete, "{\"batch\":\"b%d\"}", i);
        }
    }
}

static const struct m_job *running(const struct drain *d)
{
    const struct m_state *now = &d->run->model->now;
    for (int i = 0; i < now->jobs_count; i++) {
        const struct m_job *job = &now->jobs[i];
        if (job->entered && !job->gone && job->state == JOB_RUNNING &&
            !job->detached && job->session >= 0 &&
            now->sessions[job->session].conn == d->run->clients[WORKER].conn) {
            return job;
        }
    }
    return NULL;
}

static void work(struct drain *d)
{
    const struct m_job *job;
    for (int i = 0; i < M_QUEUES; i++) {
        send(d, WORKER, METHOD_queue_get,
             "{\"queue\":\"q%d\",\"max\":20,\"lease\":1000,\"timeout\":0}", i);
        while ((job = running(d)) != NULL && run_fault(d->run) == NULL) {
            send(d, WORKER, METHOD_queue_done,
                 "{\"id\":$j%d_%d,\"token\":$t%d}", job->action, job->item,
                 job->token);
        }
    }
}

static int unfinished(const struct drain *d)
{
    const struct m_state *now = &d->run->model->now;
    int count = 0;
    for (int i = 0; i < now->jobs_count; i++) {
        const struct m_job *job = &now->jobs[i];
        count += job->entered && !job->gone && job->state != JOB_DONE &&
                 job->state != JOB_DEAD;
    }
    return count;
}

/* All of it is as if nothing had ever been: the model has predicted it, and so
 * this holds the engine to it. */
static void look(struct drain *d)
{
    const struct model *model = d->run->model;
    for (int i = 0; i < M_HOLDS; i++) {
        if (model->now.holds[i].used) {
            model_fault(d->run->model, "something is held after all");
        }
    }
    send(d, ADMIN, METHOD_queue_list, "{}");
    send(d, ADMIN, METHOD_lock_list, "{}");
    send(d, ADMIN, METHOD_semaphore_list, "{}");
    send(d, ADMIN, METHOD_event_list, "{}");
    send(d, ADMIN, METHOD_barrier_list, "{}");
    send(d, ADMIN, METHOD_batch_list, "{}");
    send(d, ADMIN, METHOD_job_list, "{}");
    simply(d, ACT_CHECK);
    act(d, (struct action){.act = ACT_CRASH}, "");
    send(d, ADMIN, METHOD_queue_list, "{}");
    send(d, ADMIN, METHOD_job_list, "{}");
    send(d, ADMIN, METHOD_batch_list, "{}");
    simply(d, ACT_CHECK);
}

void drain(struct run *run, struct story *story)
{
    struct drain d = {run, story};
    calm(&d);
    /* Sessions that do not come back end, and so do leases. */
    act(&d, (struct action){.act = ACT_TIME, .us = 100 * (int64_t)1000000}, "");
    open_ways(&d);
    for (int i = 0;
         unfinished(&d) > 0 && run_fault(run) == NULL && !run->model->unclear;
         i++) {
        if (i == ROUNDS_MAX) {
            model_fault(run->model, "%d jobs do not come to an end",
                        unfinished(&d));
            return;
        }
        work(&d);
        end_batches(&d, i > 5);
        if (i > 3) {
            act(&d,
                (struct action){.act = ACT_TIME, .us = 60 * (int64_t)1000000},
                "");
        }
    }
    if (run_fault(run) == NULL && !run->model->unclear) {
        look(&d);
    }
}
