/*
 * Scopes: what programs have for themselves, and what ends with them.
 *
 * A name private/UID/SCOPE/REST lies in a scope, whatever kind of thing it
 * names (but batches, which belong to nobody). Sessions of that user keep the
 * scope: they say so in session.open (`private`). When the last of them ends,
 * what is in it is removed. So nothing of a program stays that was killed, and
 * no thing needs a mark or a row of its own for that: the name tells.
 *
 *   (first thing, restart) ADRIFT --- a session keeps it ------> KEPT
 *                             |                                   |
 *                a day passed |          the last session ended   |
 *                             +---------------+-------------------+
 *                                             v
 *                                           ended
 *
 * A restart leaves it adrift, since it was not the programs that ended: they
 * come back. What cannot be removed at its end (a semaphore by which jobs of
 * another queue are limited, a lock that somebody holds) leaves it adrift
 * again.
 *
 *   1 A scope is there while something is in it or a session keeps it.
 *   2 Its timer is armed if and only if no session keeps it.
 */
#ifndef SYNCD_ENGINE_SCOPE_H
#define SYNCD_ENGINE_SCOPE_H

#include "daemon/engine/names.h"
#include "daemon/engine/timer.h"

/* Names that begin so are those of a user's own. */
#define PRIVATE SLICE("private/")

/* The first name that could lie behind all of them. */
#define PRIVATE_END SLICE("private0")

/* "private/UID/" and its NUL. */
#define PRIVATE_OF_USER_SIZE 20

struct session;

struct scope {
    struct named named; /* private/UID/SCOPE/ */
    size_t things;
    size_t keepers; /* sessions */
    struct timer timer;
};

/* What names of that user's own begin with. */
struct slice private_of_user(uint32_t uid, char space[PRIVATE_OF_USER_SIZE]);

/* A thing of that name has come, or is about to go. */
void scope_entered(struct engine *engine, const struct names *names,
                   struct slice name);
void scope_left(struct engine *engine, const struct names *names,
                struct slice name);

/* Is one of these no name of a scope, or are they too many? Then refused. */
bool scopes_refused(struct engine *engine, struct slices scopes);

/* The session keeps these of its user's from now on; and no more. */
void scopes_keep(struct engine *engine, struct session *session,
                 struct slices scopes);
void scopes_unkeep(struct engine *engine, struct session *session);

/* Its day has passed. */
void scope_due(struct engine *engine, struct scope *scope);

/* After a restart: the day begins. */
void scopes_loaded(struct engine *engine);

#endif
