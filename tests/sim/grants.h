/*
 * What a simulated client may do, from words:
 *
 *     allow=producer,worker  allow=operator:queue,lock:mail-*,x  allow=none
 *
 * Each is a rule: roles, then kinds and patterns of names if it is not for all.
 */
#ifndef SYNCD_TESTS_SIM_GRANTS_H
#define SYNCD_TESTS_SIM_GRANTS_H

#include "daemon/engine/access.h"

#define GRANTS_MAX 8

struct grants {
    struct access_rule rules[GRANTS_MAX];
    const struct access_rule *list[GRANTS_MAX];
    size_t count;
    char *texts[GRANTS_MAX]; /* owned: what patterns point into */
    struct access access;
};

struct grants *grants_new(void);
void grants_free(struct grants *grants); /* NULL is fine */

/* One more rule, from what stands behind `allow=`. False: it makes no sense. */
bool grants_add(struct grants *grants, struct slice text);

#endif
