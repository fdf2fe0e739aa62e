/*
 * A disk without room: what may still be written while it is full.
 *
 * Then nothing comes that would stay, so that what is there can be finished:
 * every request that would add a row is refused, but what a drain needs goes
 * on. It deletes rows, and where it would leave something it does without:
 *
 *   a session    that is opened with a grace has no row: it lasts as long as
 *                its connection, and longer from when it is used after there
 *                is room again. So what it holds and its outcomes need none
 *                either
 *   a lease      is not written, whosever it is; it is when it is extended
 *                after there is room again
 *   an outcome   of a session that has a row, a result, an error and a progress
 *                share FULL_BYTES_MAX, for which the store keeps a reserve.
 * When they are used up an outcome takes the place of older ones of its
 * session, or is not kept if it need not be, or the request is refused, and so
 * are the texts
 *
 * A row that takes the place of one of its own may be longer by some numbers;
 * what jobs that are finished leave free is more.
 */
#ifndef SYNCD_ENGINE_ROOM_H
#define SYNCD_ENGINE_ROOM_H

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct request;
struct session;

/* The disk is full, or has room again. Requests that wait for what would be
 * written are refused. */
void room_changed(struct engine *engine, bool full);

/* Would the request at hand add what there is no room for? Then it was refused.
 */
bool room_refused(struct engine *engine);

/* May so many bytes of texts of its not be kept? Then it was refused. */
bool room_refused_texts(struct engine *engine, size_t bytes);

/* So much more is kept, or no more. */
void room_spend(struct engine *engine, size_t bytes);
void room_give(struct engine *engine, size_t bytes);

/* Is what there is for a drain used up? */
bool room_is_spent(const struct engine *engine);

/* Would it add a row? Each in the file of its noun. */
typedef bool adds_row(const struct engine *engine, struct session *session,
                      const struct request *request);

adds_row queue_put_adds;
adds_row queue_declare_adds;
adds_row queue_flag_adds;
adds_row lock_acquire_adds;
adds_row semaphore_declare_adds;
adds_row semaphore_acquire_adds;
adds_row event_set_adds;
adds_row barrier_wait_adds;
adds_row barrier_abort_adds;
adds_row batch_create_adds;

#endif
