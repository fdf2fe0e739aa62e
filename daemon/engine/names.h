/*
 * Names: the objects of one kind, found by name and listed in its order.
 *
 * Locks, semaphores, events, barriers, conditions and batches are each in one
 * of these. An object embeds a `struct named`; its name is owned by that.
 */
#ifndef SYNCD_ENGINE_NAMES_H
#define SYNCD_ENGINE_NAMES_H

#include "daemon/engine/containers.h"
#include "proto/request.h"

struct complaint;
struct engine;
struct out;

struct named {
    struct slice name; /* owned */
    uint32_t owner;    /* the account it counts for */
    uint32_t weight;   /* as so many objects */
    UT_hash_handle by_name;
    RB_ENTRY(named) entry;
};

RB_HEAD(named_tree, named);

struct names {
    struct named *by_name;
    struct named_tree tree;
    size_t count;
};

void names_init(struct names *names);

/* NULL: there is none of that name. */
struct named *names_find(const struct names *names, struct slice name);

/* Adds an object under a name that is not taken: a copy of it. It counts as one
 * for that account: of whoever is the cause of it, at hand or not. */
void names_add(struct engine *engine, struct names *names, struct named *named,
               struct slice name, uint32_t owner);

/* It was loaded: it counts for that user. */
void names_own(struct engine *engine, struct named *named, uint64_t uid);

/* It counts as so many from now on. */
void names_weigh(struct engine *engine, struct named *named, size_t weight);

/* It counts for that account from now on. */
void names_charge(struct engine *engine, struct named *named, uint32_t account);

/* Takes it out; it keeps its name. */
void names_unlink(struct engine *engine, struct names *names,
                  struct named *named);

/* Takes it out; the name goes through change_free. */
void names_remove(struct engine *engine, struct names *names,
                  struct named *named);

/* The first at `name` or (`behind`) after it; NULL at the end. */
struct named *names_from(const struct names *names, struct slice name,
                         bool behind);
struct named *names_next(struct named *named);

/* Is it worth a line in a list? */
typedef bool names_listed(const struct named *named);

/* Answers a list of the request at hand, {key: [...], next?}, with what is
 * open to the client. `listed` may be NULL: all are. */
typedef void names_write(const struct engine *engine, struct out *out,
                         const struct named *named);
void names_answer_list(struct engine *engine, const struct request *request,
                       const struct names *names, struct slice key,
                       names_write *write, names_listed *listed);

/* Names joined by LF, as rows keep lists of them; given, absent for none. */
struct slice names_joined(struct slices names);
/* The other way; at most `max`. */
size_t names_split(struct slice text, struct slice *names, size_t max);

/* Would so many more be too many, of their kind or for that account? Why. */
bool names_lack(const struct engine *engine, const struct names *names,
                uint32_t owner, size_t more, const char *plural,
                struct complaint *why);

/* Would one of that name be one too many, of its kind or for the user at hand?
 * Then refused with `limit`. */
bool names_full(struct engine *engine, const struct names *names,
                struct slice name, const char *plural);

/* The same of so many that are known not to be there. */
bool names_full_of(struct engine *engine, const struct names *names,
                   size_t more, const char *plural);

#endif
