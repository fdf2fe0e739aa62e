/* What the files of the model share. */
#ifndef SYNCD_TESTS_SIM_MODEL_INSIDE_H
#define SYNCD_TESTS_SIM_MODEL_INSIDE_H

#include "tests/sim/model/model.h"

#include <stdio.h>

/* --- names: name.c ------------------------------------------------------ */

/* The index in "q3", "l0", ...; -1: absent, or none of ours. */
int m_index(struct slice name);
int m_event_index(struct slice name);
int m_stage_index(struct slice name);
void m_copy(char *to, size_t size, struct slice text);
void m_event_name(int event, char *text, size_t size);
#define M_NAME_SIZE 32
/* Of a queue (q), a semaphore (s), a barrier (r). */
struct slice m_name(char kind, int i, char text[M_NAME_SIZE]);

/* --- replies: reply.c --------------------------------------------------- */

struct out *m_begin(struct model *m, const struct m_to *to);
void m_end(struct model *m, unsigned needs);
void m_error(struct model *m, const struct m_to *to, enum error error,
             const char *data, unsigned needs);
/* An empty result. */
void m_empty(struct model *m, const struct m_to *to, unsigned needs);
/* A get that leased jobs: they are told again by its token. */
void m_keep_token(struct model *m, const struct m_to *to,
                  struct slice finished);

/* A get that waits keeps what became of its `done`, which is not done twice. */
void m_keep_finished(struct model *m, const struct m_waiter *get);
bool m_finished_before(const struct model *m, const struct m_to *to,
                       struct m_waiter *get);

/* Is there an answer to this, from before the restart? Then it is given. */
bool m_again(struct model *m, const struct m_to *to);

void m_write_job_name(struct out *out, const struct m_job *job);
/* The action is granted its token now. */
void m_granted(struct model *m, int action);
void m_write_token(struct out *out, int action);
void m_write_time(const struct model *m, struct out *out, struct slice key,
                  int64_t us);
bool m_pending(const struct model *m, uint64_t conn, int64_t id);

/* The batch that what changes now will be in. */
unsigned m_next(const struct model *m);
unsigned m_most(unsigned a, unsigned b);
/* As of the last batch that was cut. What is not there, and is gone by now, is
 * not written at all. */
const struct m_state *m_last(const struct model *m);

/* Until nothing moves: puts enter, jobs are handed out, ... */
void m_settle(struct model *m);

/* --- waiters: model.c --------------------------------------------------- */

struct m_waiter *m_wait(struct model *m, const struct m_to *to,
                        enum m_wait kind, int object, int64_t timeout_us);
/* The next waiter of that kind behind `serial`, for that object (-1: any). */
struct m_waiter *m_waiter_after(struct model *m, enum m_wait kind, int object,
                                int serial);
int m_waiters(const struct model *m, enum m_wait kind, int object);
/* A waiter leaves without an answer of its own. */
void m_leave(struct model *m, struct m_waiter *waiter, const char *why);
void m_write_waiter(const struct model *m, struct out *out,
                    const struct m_waiter *waiter);
void m_write_waiting(struct model *m, struct out *out, enum m_wait kind,
                     int object);
void m_write_session_name(struct out *out, const struct m_session *session);
void m_write_session(struct out *out, const struct m_session *session);

/* --- jobs: job.c -------------------------------------------------------- */

struct m_job *m_job_of(struct model *m, uint64_t id);
/* Alive for everyone, whatever its state. */
bool m_job_there(const struct m_job *job);
bool m_unfinished(const struct m_job *job);
void m_job_gone(const struct model *m, struct m_job *job);
void m_job_changed(struct model *m, struct m_job *job);
/* Those of the events that are not set. */
unsigned m_unset(const struct model *m, unsigned events);
void m_job_enter(struct model *m, struct m_job *job);
void m_job_unheld(struct model *m, struct m_job *job);
void m_job_run(struct model *m, struct m_job *job, const struct m_waiter *get);
void m_job_finish(struct model *m, struct m_job *job, struct slice result);
void m_job_die(struct model *m, struct m_job *job);
void m_job_remove(struct model *m, struct m_job *job);
void m_job_crashed(struct model *m, struct m_job *job);
void m_job_revive(struct model *m, struct m_job *job);
/* The job that this client may finish under this token; NULL: none. */
struct m_job *m_leased(struct model *m, const struct m_to *to, uint64_t id,
                       uint64_t token);
bool m_key_taken(const struct model *m, const struct m_job *job);
unsigned m_finish_part(struct model *m, const struct m_to *to,
                       const struct done_part *part, struct m_waiter *get);
void m_write_finished(struct model *m, struct out *out,
                      const struct m_waiter *get, const char *what);
void m_write_counts(struct out *out, const int counts[JOB_STATES]);

/* --- queues: queue.c, put.c, get.c -------------------------------------- */

struct m_queue *m_queue_use(struct model *m, int queue);
int m_count(const struct model *m, int queue, enum job_state state);
/* The batch with the last change to it, or to its jobs. */
unsigned m_queue_needs(const struct model *m, int queue);
int m_count_unfinished(const struct model *m, int queue);
void m_write_queue(struct model *m, struct out *out, int queue);
/* Until now: before anything else happens. */
void m_queues_used(struct model *m);
/* When it vanishes as things are. */
int64_t m_queue_ends(const struct model *m, int queue);
void m_queue_vanishes(struct model *m, int queue);
bool m_puts_enter(struct model *m);
bool m_gets_served(struct model *m);
bool m_joins_return(struct model *m);
void m_get_answer(struct model *m, struct m_waiter *get);
void m_get_nothing(struct model *m, struct m_waiter *get);
void m_get_again(struct model *m, const struct m_to *to,
                 const struct m_outcome *outcome);

/* --- batches ------------------------------------------------------------ */

bool m_batches_pass(struct model *m);
bool m_batch_broken(const struct model *m, int batch, int *job);

/* --- locks, semaphores, events, barriers, conditions -------------------- */

struct m_hold *m_hold_new(struct model *m, enum m_kind kind, int object,
                          const struct m_to *to, int64_t count);
bool m_locks_granted(struct model *m);
bool m_semaphores_granted(struct model *m);
void m_write_holders(struct model *m, struct out *out, enum m_kind kind,
                     int object);
int64_t m_free(const struct model *m, int semaphore);
void m_hold_lost(struct model *m, struct m_hold *hold);
/* Its count is another; the batch that this is in, 0: in none. */
unsigned m_hold_changed(struct model *m, struct m_hold *hold);
/* The last of `own` and of the changes to what is held of it. */
unsigned m_holds_needs(const struct model *m, enum m_kind kind, int object,
                       unsigned own);
void m_event_is_set(struct model *m, int event);
/* Notes which are in use. */
void m_barriers_cut(struct model *m);
void m_barrier_break(struct model *m, int barrier, const char *reason,
                     const struct m_waiter *but);
void m_condition_left(struct model *m, const struct m_waiter *waiter);
void m_condition_back(struct model *m, struct m_waiter *waiter, bool notified);
void m_owner(const struct model *m, struct slice given, int session,
             char *owner, size_t size);

/* --- a full disk: room.c ------------------------------------------------ */

/* Would it add what there is no room for? Then it was refused. */
bool m_no_room(struct model *m, const struct m_to *to,
               const struct request *request);
/* The disk is full, or has room again. */
void m_room_changed(struct model *m, bool full);
/* A session that was opened while it was full is kept from now on. */
void m_use_room(struct model *m, int session);
bool m_lock_adds(struct model *m, const struct m_to *to,
                 const struct request *request);
bool m_barrier_has_row(const struct model *m, int barrier);

/* --- access ------------------------------------------------------------- */

/* Is that name open to the method at hand? */
bool m_sees(const struct model *m, const struct m_to *to, enum kind kind,
            int i);
/* The same for a job that it has leased. */
bool m_sees_leased(const struct model *m, const struct m_to *to, int queue);
/* True: answered. */
bool m_forbidden(struct model *m, const struct m_to *to,
                 const struct request *request);
void m_access_changed(struct model *m, int session,
                      const struct access *access);

/* --- sessions ----------------------------------------------------------- */

/* A wait ends by this error. */
void m_end_wait(struct model *m, struct m_waiter *w, enum error error,
                const char *why);

void m_session_end(struct model *m, int session);
/* What is in the scope is gone, if that can be. */
void m_queue_waiters_end(struct model *m, int queue);
void m_queue_end(struct model *m, int queue);
void m_semaphore_end(struct model *m, int semaphore);
void m_event_end(struct model *m, int event);
void m_barrier_end(struct model *m, int barrier);

/* Each method; false: this model does not know it. */
#define METHOD(id, name, role, traits, summary)         \
    void m_##id(struct model *m, const struct m_to *to, \
                const struct request *request);
#define PARAM(method, field, need)
#define RESULT(method, name, type, need, doc)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT

#endif
