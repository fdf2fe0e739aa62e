/*
 * What one client may take of what all have in common: the loop, and the disk.
 *
 * A client that asks for one small thing at a time, of one job, and for nothing
 * else, is quiet; one that asks for more at once is heavy for a while. What
 * follows is in force as long as somebody quiet is there, who waits for
 * whatever the others do; who is alone, or among others that are heavy, is held
 * up by none of it.
 *
 * Batches. Heavy clients together put no more than BATCH_HEAVY_BYTES into one,
 * or one message; and what is done in slices takes no more than
 * BATCH_SWEEP_ROWS of it. So a batch is written in a millisecond.
 *
 * Pauses. What the loop does for heavy clients is a fifth of its time, and so
 * is what the disk does. Whoever the loop has worked for pauses PACE_FACTOR
 * times as long as that took, and pauses follow each other, so a hundred of
 * them take no more than one. When a batch with something of theirs has been
 * written, nothing of theirs enters the next ones for PACE_FACTOR times as long
 * as that took. A flood and a loop without a pause would take two processors,
 * and the disk's answer would wait for one of them; a scheduler that is fair
 * lets a loop wait that has worked for long; and a disk that is never done with
 * the others has each of somebody's puts behind one of theirs. Whoever sends a
 * line in drips, a few bytes at a time, pauses likewise, among its own kind.
 * The listener pauses between a few who connect.
 *
 * Rests. A message that takes a millisecond or more, since it has thousands of
 * jobs or a megabyte, is paid for: its user's next one of that size waits until
 * it has been written, and then REST_FACTOR times as long as that took, from
 * REST_US_MIN to REST_US_MAX. Who asks for one thing at a time meets such a
 * message once or twice, and until the next one asks for hundreds.
 */
#ifndef SYNCD_IO_SHARE_H
#define SYNCD_IO_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/io/users.h"

struct connection;
struct request;
struct server;

/* So long somebody counts as quiet, or as heavy, after the last request. */
#define SHARE_US INT64_C(100000)

/* At most so much at once is quiet, bytes; and who has so many requests that
 * are not answered is not. */
#define QUIET_BYTES   ((size_t)1 << 10)
#define QUIET_PENDING 3

/* It is quiet from the so-manieth such request on, one soon after the other:
 * who asks for something now and then, as everybody does who begins, is not. */
#define QUIET_TIMES 4

#define BATCH_HEAVY_BYTES ((size_t)8 << 10)
#define BATCH_SWEEP_ROWS  256

/* What a job of a message takes of the disk, and a KiB of it. */
#define REST_JOB_NS INT64_C(1000)
#define REST_KIB_NS INT64_C(8000)

/* A pause is so many times as long as the work it is for, up to REST_US_MAX;
 * one that would be over sooner than in PACE_FROM_US is put off. */
#define PACE_FACTOR  4
#define PACE_FROM_US INT64_C(500)

/* More of a batch is not paused for: whoever made it so large rests. */
#define PACE_BATCH_US INT64_C(5000)

/* So many reads of one line, each of fewer bytes, are what anybody may need;
 * then it drips. Each more is so much work, for being woken. */
#define DRIPS_MAX  16
#define DRIP_BYTES ((size_t)256)
#define DRIP_US    INT64_C(60)

/* Less is not paid for. */
#define REST_FROM_US INT64_C(1000)
#define REST_FACTOR  10
#define REST_US_MIN  INT64_C(50000)
#define REST_US_MAX  INT64_C(1000000)

/* A line is taken for such a message from so many bytes on: how many jobs it
 * has is known only once it is decoded. */
#define REST_LINE ((size_t)16 << 10)

struct share {
    int64_t quiet_us;       /* somebody quiet has asked for something */
    size_t heavy;           /* bytes of heavy clients in the open batch, */
    size_t heavy_out;       /* and in the one that is being written */
    int64_t disk_us;        /* until then no more of them enters a batch */
    int64_t paced_us;       /* when the last pause of one who is heavy ends, */
    int64_t drips_us;       /* and of one who drips */
    struct user_list owing; /* whose large message is in the open batch, */
    struct user_list owing_out; /* or in the one that is being written */
};

void share_init(struct share *share);

/* A share of the turn begins for this connection, a request is about to be
 * carried out, or a line of it was. */
void share_begin(struct connection *connection);
void share_request(struct connection *connection, const struct request *request,
                   size_t size);
void share_served(struct connection *connection, size_t bytes);

/* The open batch is given to the disk; false: there is nothing in it. */
void share_cut(struct server *server, bool any);

/* It has been written, in so many us. */
void share_written(struct server *server, int64_t took_us);

/* Is somebody quiet there? */
bool share_is_watched(const struct server *server);

/* Is there as much of heavy clients in the open batch as may be beside somebody
 * quiet? */
bool share_is_used(const struct server *server);

/* Does the connection wait for the end of a batch before it is served again? */
bool share_stalls(const struct connection *connection);

/* Does it rest, since a pause of its own is not over, the disk has done its share
 * for such as it, or its user still pays for a message; and until when? */
bool share_rests(const struct connection *connection, int64_t *until_us);

/* The loop has worked for it: does it pause, and until when? */
bool share_pauses(struct connection *connection, int64_t worked_us,
                  int64_t *until_us);

/* What it has read is the next small part of a line that has no end yet: does
 * it pause before more is read, and until when? */
bool share_drips(struct connection *connection, int64_t *until_us);

/* Rows that the engine's slices may add to a batch now; 0: no bound. */
size_t share_sweep_rows(const struct server *server);

#endif
