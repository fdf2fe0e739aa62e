/*
 * A world: the real engine, a simulated disk, clients, and virtual time.
 *
 * It does what the daemon's I/O shell does (decode, step, cut, submit, send),
 * but at moments that the test chooses: batches can be kept in flight, a crash
 * loses exactly what was not durable, time stands still until it is moved. The
 * scenario runner, the swarm and the fuzzer of the engine are built on it.
 *
 * After every step it checks on its own, whatever the test is about:
 *   - every invariant of the engine (engine_check);
 *   - that each request gets at most one reply, with its own id and tag, and
 *     that notifications get none;
 *   - that an error reply is as errors.def says;
 *   - that batches are numbered without gaps, obey row.h, and stay as they are
 *     while they are in flight;
 *   - that the engine's deadlines end (time cannot get stuck).
 * What it finds is its fault(): the first one stays, and the test fails.
 *
 * The trace is everything that went in and came out, as text; of two worlds
 * that were told the same, the traces are equal (invariant 16).
 */
#ifndef SYNCD_TESTS_SIM_WORLD_H
#define SYNCD_TESTS_SIM_WORLD_H

#include "daemon/engine/engine.h"
#include "proto/arena.h"
#include "proto/errors.h"

/* 2001-09-09 01:46:40 UTC: when every world begins. */
#define WORLD_START_US ((int64_t)1000000000 * 1000000)

/* What was answered, by method; the owner may add up many worlds. */
struct world_tally {
    size_t results;
    size_t errors;
};

/* A reply that was sent: a line without its LF, valid during the call. */
typedef void world_reply(void *arg, uint64_t conn, struct slice line);

/* Whoever wants to see what the engine is told, and when. */
struct world_watch {
    /* After a step, and before anything that came of it. */
    void (*event)(void *arg, const struct event *event);
    /* A line that was no request; never told to the engine. */
    void (*refused)(void *arg, uint64_t conn, struct slice id,
                    enum method method, enum error error);
    void (*cut)(void *arg);     /* a batch begins its way to the disk */
    void (*written)(void *arg); /* it is there */
    /* An engine was loaded, the clock shows `clock_us`, and the greatest time
     * on its disk is `disk_us`. */
    void (*born)(void *arg, int64_t clock_us, int64_t disk_us);
};

struct world_options {
    struct engine_options engine;    /* `discover` is filled in if absent */
    world_reply *on_reply;           /* maybe NULL */
    const struct world_watch *watch; /* maybe NULL; else all of it */
    void *arg;
    size_t sweep_rows;         /* of every event */
    struct world_tally *tally; /* METHODS of them, or NULL */
    bool trace;                /* keep the trace */
    bool unchecked;            /* no engine_check: for a second run */
};

struct world;

struct world *world_new(const struct world_options *options);
void world_free(struct world *world);

/* The first thing that was wrong, or NULL. */
const char *world_fault(const struct world *world);

struct slice world_trace(const struct world *world);
void world_note(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int64_t world_now_us(const struct world *world);

struct engine *world_engine(const struct world *world);

/* When a delayed job is due, in engine time; -1: it is not delayed. The random
 * part of a backoff is the engine's to choose, and a reply may tell it late. */
int64_t world_job_due_us(const struct world *world, uint64_t id);

/* What all steps have cost (work.h). */
uint64_t world_work(const struct world *world);

/* A new connection; its number is never used again. Without an `access` its
 * client may do everything. */
uint64_t world_connect(struct world *world, struct peer peer);
void world_disconnect(struct world *world, uint64_t conn);

/* The daemon's configuration has changed what that client may do; NULL:
 * everything. The one before is not looked at again. */
void world_allow(struct world *world, uint64_t conn,
                 const struct access *access);

/* A line from a client; of a batch array, each request by itself. */
void world_send(struct world *world, uint64_t conn, struct slice line);

/* Requests of that connection that have no reply yet. */
size_t world_pending(const struct world *world, uint64_t conn);

/* Time goes on; timers that are due on the way fire at their own times. */
void world_advance(struct world *world, int64_t until_us);

/* --- the disk ----------------------------------------------------------- */

/* Held: a batch that is cut stays in flight. Let go: all are written. */
void world_hold_store(struct world *world, bool held);

/* While held: the batch in flight is durable, and the engine is told; the next
 * one takes its place. False: none was in flight. */
bool world_persist(struct world *world);

/* While held: the batch in flight is durable, but nobody is told: what a crash
 * between the write and its answer leaves. False: none was in flight. */
bool world_write(struct world *world);

/* Is a batch in flight? Or work to be done besides? */
bool world_in_flight(const struct world *world);
bool world_busy(const struct world *world);

/* How many rows of that kind are durable. */
size_t world_rows(const struct world *world, enum row_kind kind);

/* The disk has no room, or has again. */
void world_full(struct world *world, bool full);

/* --- long work ---------------------------------------------------------- */

/* Held: what the engine wants to do at once, slice by slice, waits. */
void world_hold_slices(struct world *world, bool held);

/* While held: one slice. False: there was none. */
bool world_slice(struct world *world);

/* --- the end of the daemon ---------------------------------------------- */

/* SIGTERM: whoever waits is told. */
void world_shutdown(struct world *world);

/*
 * The daemon dies, and another one starts from what is on the disk; every
 * connection is gone, and nothing is held any more. The clock shows `back_us`
 * less.
 */
void world_crash(struct world *world, int64_t back_us);

/* world_shutdown, the last batches, and a new daemon. */
void world_restart(struct world *world);

/*
 * If nothing is on its way to the disk: would an engine loaded from the disk at
 * this one's time have the state that this one has? A fault if not. False: not
 * a quiet moment.
 */
bool world_check_reload(struct world *world);

#endif
