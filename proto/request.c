#include "proto/request.h"

/* One is made by a copy for every request: it had better be small. */
_Static_assert(sizeof(struct request) <= 1024, "struct request is too large");

const char *const job_state_names[JOB_STATES] = {
    [JOB_HELD] = "held",       [JOB_DELAYED] = "delayed", [JOB_READY] = "ready",
    [JOB_RUNNING] = "running", [JOB_DONE] = "done",       [JOB_DEAD] = "dead",
};

#define PUT_ITEM_ABSENT                                                        \
    {                                                                          \
        .delay_us = -1, .lease_us = -1, .max_attempts = -1, .keep_done_us = -1 \
    }

const struct put_item put_item_absent = PUT_ITEM_ABSENT;

const struct done_item done_item_absent = {0};

const struct request request_absent = {
    .method = METHODS,
    .put = PUT_ITEM_ABSENT,
    .max = -1,
    .lease_us = -1,
    .take = -1,
    .detached = -1,
    .delay_us = -1,
    .dead = -1,
    .free = -1,
    .capacity = -1,
    .max_bytes = -1,
    .order = -1,
    .concurrency = -1,
    .max_attempts = -1,
    .backoff = {.base_us = -1, .factor = -1, .max_us = -1, .jitter = -1},
    .keep_done_us = -1,
    .durable = -1,
    .state = -1,
    .force = -1,
    .limit = -1,
    .grace_us = -1,
    .on_failure = -1,
    .reentrant = -1,
    .deadlock = -1,
    .value = -1,
    .bounded = -1,
    .keep = -1,
    .hold = -1,
    .permits = -1,
    .parties = -1,
    .generation = -1,
    .action = -1,
    .count = -1,
    .all = -1,
    .timeout_us = -1,
};
