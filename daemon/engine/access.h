/*
 * Who may do what: a pure function of what a client's user was granted, of the
 * method, and of the names in the request.
 *
 * What a user may do is a set of rules, each of which opens roles for kinds of
 * objects and patterns of names. The shell finds the rules that apply to a
 * client, by its user and groups as the kernel tells them, and hands them in
 * with each request as a `struct access`. Rules only open: what none of them
 * opens is closed.
 *
 * The name that a request is about needs the role of its method (methods.def);
 * any other name in it (an event in `after`, say) the role producer or worker.
 * Whether a thing of that name exists plays no part, so that nobody learns it
 * by trying: a name that is closed is `forbidden`, a job in a queue that is
 * closed is as good as not there, and lists leave out what is closed.
 *
 * Names private/UID/... are for that user, whatever the rules say: whoever may
 * produce or work with some names of a kind may do there what an operator may,
 * and nobody else anything, but those who may do everything.
 */
#ifndef SYNCD_ENGINE_ACCESS_H
#define SYNCD_ENGINE_ACCESS_H

#include "proto/request.h"

struct engine;

/* Whatever has a name. A job goes by the name of its queue. */
enum kind {
    KIND_queue,
    KIND_lock,
    KIND_semaphore,
    KIND_event,
    KIND_barrier,
    KIND_condition,
    KIND_batch,
    KINDS
};

extern const char *const kind_names[KINDS];

/* The kind that a method is about, from its name; for none that is about the
 * daemon or the session. */
enum kind kind_of_method(enum method method);

struct access_rule {
    unsigned roles;         /* of enum role */
    unsigned kinds;         /* 1 << enum kind */
    struct slices patterns; /* glob.h; none: every name */
};

/* What one client may do. */
struct access {
    bool everything; /* of every name: the fast way */
    const struct access_rule *const *rules;
    size_t rules_count;
    unsigned some[KINDS];  /* roles for some name of the kind at least */
    unsigned every[KINDS]; /* roles for every name of the kind */
};

/* The daemon's own user, root, and admins. */
extern const struct access access_everything;

/* Those whom no rule knows. */
extern const struct access access_nothing;

/* Makes one of rules, which are borrowed for its life. */
void access_init(struct access *access, const struct access_rule *const *rules,
                 size_t rules_count);

/* `role` and all that goes with it: an operator may do what producers and
 * workers may, an admin all that. */
unsigned access_roles_of(enum role role);

/* Who asks: what the rules open to it, and whose names private/UID/... are its
 * own. */
struct asker {
    const struct access *access;
    uint32_t uid;
};

/* May it do what needs one of `roles` with that name? */
bool access_opens(const struct asker *asker, enum kind kind, struct slice name,
                  unsigned roles);

/* Where a list should go on behind a name that is closed: no open name lies
 * before it. `name` itself if nothing can be skipped, absent: there is none.
 * `own` is what the asker's own names begin with. */
struct slice access_skip(const struct asker *asker, struct slice own,
                         enum kind kind, struct slice name, unsigned roles);

/* What is missing. */
struct denial {
    enum method method;
    unsigned roles;    /* one of these is needed, */
    enum kind kind;    /* for this kind */
    struct slice name; /* and this name (borrowed); absent: any of the kind */
};

/* May it be carried out? If not, `denial` tells. */
bool access_permits(const struct asker *asker, const struct request *request,
                    struct denial *denial);

/* "producer", "producer or worker"; "" for those of everybody. */
const char *roles_text(unsigned roles);

/* For the request at hand, in the engine. */

struct asker asker_at_hand(const struct engine *engine);

/* The configuration has changed: what waits and is closed now is refused. */
void access_changed(struct engine *engine, uint64_t conn,
                    const struct access *access);

/* Refuses with `forbidden` what is not permitted. */
bool access_refused(struct engine *engine);
/* A name that does not stand in the request. */
bool access_refused_name(struct engine *engine, enum kind kind,
                         struct slice name);
/* Is that name open to the method at hand? */
bool access_sees(const struct engine *engine, enum kind kind,
                 struct slice name);

#endif
