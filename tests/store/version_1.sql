-- A database of schema version 1, without sums on its pages. It stays as it is
-- for ever: what comes later must still be able to read it.
PRAGMA application_id=1937337955;
PRAGMA user_version=1;
CREATE TABLE store(id INTEGER PRIMARY KEY,run INTEGER,batch INTEGER);
INSERT INTO store VALUES(1,4,812);
CREATE TABLE "counters"(id INTEGER PRIMARY KEY, "jobs_end" INTEGER,
    "tokens_end" INTEGER, "objects_end" INTEGER, "clock_us" INTEGER);
CREATE TABLE "queue"(id INTEGER PRIMARY KEY, "name" TEXT, "declared" INTEGER,
    "created_at_us" INTEGER, "capacity" INTEGER, "max_bytes" INTEGER,
    "lifo" INTEGER, "concurrency" INTEGER, "lease_us" INTEGER,
    "max_attempts" INTEGER, "backoff_base_us" INTEGER, "backoff_factor",
    "backoff_max_us" INTEGER, "backoff_jitter", "keep_done_us" INTEGER,
    "paused" INTEGER, "closed" INTEGER, "deleted" INTEGER,
    "uid" INTEGER);
CREATE TABLE "session"(id INTEGER PRIMARY KEY, "secret" TEXT, "uid" INTEGER,
    "grace_us" INTEGER, "client" TEXT);
CREATE TABLE "semaphore"(id INTEGER PRIMARY KEY, "name" TEXT, "value" INTEGER,
    "bounded" INTEGER, "uid" INTEGER);
CREATE TABLE "event"(id INTEGER PRIMARY KEY, "name" TEXT, "uid" INTEGER);
CREATE TABLE "batch"(id INTEGER PRIMARY KEY, "name" TEXT, "stages" TEXT,
    "done" TEXT, "goes_on" INTEGER, "sealed" INTEGER, "passed" INTEGER,
    "cancelled" INTEGER, "uid" INTEGER);
CREATE TABLE "job"(id INTEGER PRIMARY KEY, "queue" INTEGER,
    "put_at_us" INTEGER, "body" TEXT, "uid" INTEGER, "state" INTEGER, "rank_us" INTEGER,
    "attempts" INTEGER, "crashes" INTEGER, "priority", "key" TEXT,
    "lease_us" INTEGER, "max_attempts" INTEGER, "keep_done_us" INTEGER,
    "error" TEXT, "result" TEXT, "lease_session" INTEGER,
    "lease_token" INTEGER, "lease_uid" INTEGER, "lease_length_us" INTEGER,
    "progress" TEXT, "batch" INTEGER, "stage" INTEGER, "after" TEXT,
    "limits" TEXT);
CREATE TABLE "outcome"(id INTEGER PRIMARY KEY, "session" INTEGER,
    "request" TEXT, "reply" TEXT, "token" INTEGER);
CREATE TABLE "barrier"(id INTEGER PRIMARY KEY, "name" TEXT, "uid" INTEGER);
CREATE TABLE "hold"(id INTEGER PRIMARY KEY, "session" INTEGER, "kind" INTEGER,
    "object" TEXT, "token" INTEGER, "count" INTEGER, "owner" TEXT,
    "since_us" INTEGER);
INSERT INTO queue(id, name, capacity, backoff_factor)
    VALUES(3, 'mail', 10000, 2.0);
INSERT INTO job(id, queue, put_at_us, body, priority, key)
    VALUES(17, 3, 1700000000000000, '{"to":"ada@example.org"}', -1.5, '');
