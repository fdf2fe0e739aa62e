/*
 * Which of the `allow` sections apply to a client.
 *
 * Decided once, when it connects, by what the kernel says of the process that
 * connected: its user, its group, and its supplementary groups
 * (SO_PEERGROUPS: no look at the user database, and nothing that a client could
 * say). Clients to whom the same sections apply share one `struct access`.
 */
#ifndef SYNCD_IO_ROLES_H
#define SYNCD_IO_ROLES_H

#include "daemon/io/allow.h"

struct role_class;

struct roles {
    const struct allows *allows; /* borrowed */
    uint32_t self;               /* the daemon's own user: may do everything */
    struct role_class *classes;  /* by the sections that apply */
};

void roles_init(struct roles *roles, const struct allows *allows);

/* What the peer of that socket may do; give it back when it has gone. */
const struct access *roles_take(struct roles *roles, int fd, uint32_t uid,
                                uint32_t gid);
void roles_give(struct roles *roles, const struct access *access);

/* Everything was given back. */
void roles_fini(struct roles *roles);

#endif
