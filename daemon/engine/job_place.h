/*
 * Putting jobs where they belong: shared by job.c, which moves them, job_set.c,
 * where they stand, job_new.c, which makes them, and job_row.c, which loads
 * them. Nobody else includes this.
 */
#ifndef SYNCD_ENGINE_JOB_PLACE_H
#define SYNCD_ENGINE_JOB_PLACE_H

#include "daemon/engine/job.h"

/* Order of priorities as order of integers. */
int64_t job_rank(double priority);

bool job_state_is_unfinished(enum job_state state);

/* Into a set, with that rank. It is in none. */
void job_link(struct engine *engine, struct job *job, struct job_set *set,
              int64_t rank);

/* Out of its set, which may be gone then, if it was one apart. */
void job_unlink(struct job *job);

/* Replaces an owned text of a job; it is copied. */
void job_set_text(struct engine *engine, const struct job *job,
                  struct slice *text, struct slice value);

/* Its memory; it stands nowhere any more. */
void job_free(struct engine *engine, struct job *take_job);

/* Out of everything, and freed. */
void job_vanish(struct engine *engine, struct job *job);

/* Into the set it belongs in by what holds it. It is in none. */
void job_place(struct engine *engine, struct job *job, struct queue *queue,
               int64_t delay_us);

/* Its key stands for it from now on; it may have none, or have it already. */
void job_key(struct queue *queue, struct job *job);

/* Its row is to be written, if it has one. */
void job_changed(struct engine *engine, struct job *job);

void job_set_result(struct engine *engine, struct job *job,
                    struct slice result);

#endif
