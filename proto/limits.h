/*
 * Every bound of the protocol and the daemon, with its unit and its reason.
 * Those that an operator may change are the defaults of a configuration key.
 */
#ifndef SYNCD_PROTO_LIMITS_H
#define SYNCD_PROTO_LIMITS_H

/* A name (queue, lock, ...), bytes. Fits a row, a log line and a table cell. */
#define NAME_BYTES_MAX 200

/* A request's string id, bytes. Kept while the request is pending. */
#define RPC_ID_BYTES_MAX 200

/* Integers on the wire: what a double, and so JavaScript, holds exactly. */
#define WIRE_INTEGER_MAX ((int64_t)1 << 53)

/* Nesting of JSON. Our scanner does not recurse; clients' parsers may. */
#define JSON_DEPTH_MAX 64

/* A line, bytes (configuration: max_message). */
#define MESSAGE_BYTES_DEFAULT ((size_t)4 << 20)

/* Durations, seconds: some 317 years, far from overflow as microseconds. */
#define SECONDS_MAX 1e10

/* Requests of one connection that wait at the same time. */
#define PENDING_REQUESTS_DEFAULT 4096

/* Bytes of requests of one connection that wait at the same time. */
#define PENDING_BYTES_DEFAULT ((size_t)64 << 20)

/* Unsent bytes of replies beyond which a connection is not read any more. */
#define UNSENT_BYTES_MAX ((size_t)1 << 20)

/* Bodies and terms of all jobs together, bytes (configuration: max_memory). */
#define MEMORY_BYTES_DEFAULT ((size_t)4 << 30)

/* Connections at once (configuration: max_connections). */
#define CONNECTIONS_DEFAULT 16384

/* What a single user may have (configuration: max_user_...), so that none can
 * use up what is there for all. Connections, a quarter of them: */
#define USER_CONNECTIONS_DEFAULT 4096

/* Requests that wait, over all of its connections: some 20 MB of waiters. */
#define USER_PENDING_DEFAULT 65536

/* Jobs that it has put, bytes: a quarter of the memory. A quarter of this again
 * its requests may take up that wait. */
#define USER_MEMORY_DEFAULT ((size_t)1 << 30)

/* Objects with a name that it made: a tenth of each kind's limit. */
#define USER_OBJECTS_DEFAULT 100000

/* Queues, locks that are held or waited for, and as many of each other kind of
 * object, at the same time. A queue costs about 1 KiB, a lock 200 bytes. */
#define OBJECTS_MAX 1000000

/* Waiters and holders told by a show; the count tells of the others. */
#define WAITERS_SHOWN_MAX 100

/* Stages of a batch. */
#define STAGES_MAX 64

/* Names in one list: `queues`, `limits`, `after`. */
#define NAME_LIST_MAX 64

/* Entries of a page of a list: default and most. */
#define PAGE_DEFAULT 100
#define PAGE_MAX     1000

/* Bytes from which on a page of a list ends (it may be longer by an entry):
 * what is written before it is another client's turn. Ordinary pages are
 * shorter. */
#define PAGE_BYTES_MAX ((size_t)256 << 10)

/* Jobs looked at for one page, so that a filter cannot hold up the loop. */
#define PAGE_SCAN_MAX 20000

/* Stored outcomes of durable requests a session with grace keeps. */
#define OUTCOMES_MAX 1024

/* The longest grace of a session, seconds. */
#define GRACE_SECONDS_MAX 86400

/* Jobs in one answer of a get, whatever its `max`. */
#define GET_JOBS_MAX 1000

/* What a program calls a scope of private names, bytes: leaves room for names
 * in it. */
#define SCOPE_BYTES_MAX 64

/* How long a scope stays that no session keeps, seconds: programs that survived
 * a restart of the daemon come back within their grace. */
#define SCOPE_SECONDS 86400

/* Bytes that may be kept of outcomes and of what consumers leave with jobs
 * while the disk is full. */
#define FULL_BYTES_MAX ((int64_t)1 << 20)

/* Jobs that are dealt with in one go where there may be very many: purged,
 * retried, released, given back, due. Some milliseconds. */
#define SLICE_JOBS 4096

#endif
