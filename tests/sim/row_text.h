/*
 * Rows of a store from text, as disk_describe writes them:
 *
 *     job id=5 queue=1 body="7"
 *
 * Columns that are not named are absent; of one that is named twice the last
 * value counts. What makes no sense is left out.
 */
#ifndef SYNCD_TESTS_SIM_ROW_TEXT_H
#define SYNCD_TESTS_SIM_ROW_TEXT_H

#include "daemon/store/row.h"
#include "proto/arena.h"

/* The row, in `arena`, and its kind. NULL: there is no such kind. */
void *row_read(struct slice line, struct arena *arena, enum row_kind *kind);

#endif
