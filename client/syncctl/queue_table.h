/* Queues as a table, a line each: for `queue list` and `top`. */
#ifndef SYNCCTL_QUEUE_TABLE_H
#define SYNCCTL_QUEUE_TABLE_H

#include "client/syncctl/table.h"

struct table *queue_table_new(void);

/* Adds the line of a queue, as queue.show and queue.list give it. */
void queue_table_line(struct table *table, struct slice queue);

/* "open", "paused", "closed", or "paused, closed". */
const char *queue_condition(struct slice queue);

#endif
