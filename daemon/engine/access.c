#include "daemon/engine/access.h"

#include <stdio.h>

#include "daemon/engine/core.h"
#include "proto/glob.h"

const char *const kind_names[KINDS] = {
    [KIND_queue] = "queue",         [KIND_lock] = "lock",
    [KIND_semaphore] = "semaphore", [KIND_event] = "event",
    [KIND_barrier] = "barrier",     [KIND_condition] = "condition",
    [KIND_batch] = "batch",
};

const struct access access_everything = {.everything = true};
const struct access access_nothing = {.everything = false};

enum kind kind_of_method(enum method method)
{
    const char *name = method_row(method)->name;
    const char *dot = strchr(name, '.');
    CHECK(dot != NULL);
    struct slice noun = {name, (size_t)(dot - name)};
    if (slice_equal(noun, SLICE("job"))) {
        return KIND_queue;
    }
    enum kind kind = 0;
    while (!slice_equal(noun, slice_of(kind_names[kind]))) {
        kind++;
        CHECK(kind < KINDS);
    }
    return kind;
}

unsigned access_roles_of(enum role role)
{
    switch (role) {
    case ROLE_ADMIN:
        return ROLE_ADMIN | ROLE_OPERATOR | ROLE_EITHER;
    case ROLE_OPERATOR:
        return ROLE_OPERATOR | ROLE_EITHER;
    case ROLE_ANY:
    case ROLE_PRODUCER:
    case ROLE_WORKER:
    case ROLE_EITHER:
        break;
    }
    return role;
}

void access_init(struct access *access, const struct access_rule *const *rules,
                 size_t rules_count)
{
    *access = (struct access){.rules = rules, .rules_count = rules_count};
    for (size_t i = 0; i < rules_count; i++) {
        const struct access_rule *rule = rules[i];
        access->everything |= (rule->roles & ROLE_ADMIN) != 0;
        for (enum kind kind = 0; kind < KINDS; kind++) {
            if ((rule->kinds & 1U << kind) != 0) {
                access->some[kind] |= rule->roles;
                access->every[kind] |=
                    rule->patterns.count == 0 ? rule->roles : 0;
            }
        }
    }
}

static bool names(const struct access_rule *rule, struct slice name)
{
    for (size_t i = 0; i < rule->patterns.count; i++) {
        if (glob_matches(rule->patterns.at[i], name)) {
            return true;
        }
    }
    return rule->patterns.count == 0;
}

/* Are private names of that kind for whom they tell? Batches belong to nobody.
 */
static bool has_private(enum kind kind)
{
    return kind != KIND_batch;
}

/* May it use some that are its own? Of a queue both ends. */
static bool has_own(const struct access *access, enum kind kind)
{
    unsigned roles = access->some[kind] & ROLE_EITHER;
    return has_private(kind) &&
           (kind == KIND_queue ? roles == ROLE_EITHER : roles != 0);
}

bool access_opens(const struct asker *asker, enum kind kind, struct slice name,
                  unsigned roles)
{
    const struct access *access = asker->access;
    if (access->everything) {
        return true;
    }
    if (has_private(kind) && slice_begins(name, PRIVATE)) {
        char space[PRIVATE_OF_USER_SIZE];
        return has_own(access, kind) &&
               slice_begins(name, private_of_user(asker->uid, space));
    }
    if ((access->every[kind] & roles) != 0) {
        return true;
    }
    if ((access->some[kind] & roles) == 0) {
        return false;
    }
    for (size_t i = 0; i < access->rules_count; i++) {
        const struct access_rule *rule = access->rules[i];
        if ((rule->roles & roles) != 0 && (rule->kinds & 1U << kind) != 0 &&
            names(rule, name)) {
            return true;
        }
    }
    return false;
}

/* The first name from `name` on that a pattern could stand for. */
static struct slice first_of(struct slice pattern, struct slice name)
{
    struct slice literal = {pattern.at, glob_literal(pattern)};
    if (slice_order(name, literal) <= 0) {
        return literal;
    }
    return slice_begins(name, literal) ? name : (struct slice){0};
}

/* By the rules alone. */
static struct slice skip_by_rules(const struct access *access, enum kind kind,
                                  struct slice name, unsigned roles)
{
    struct slice first = {0};
    if ((access->every[kind] & roles) != 0) {
        return name;
    }
    for (size_t i = 0; i < access->rules_count; i++) {
        const struct access_rule *rule = access->rules[i];
        if ((rule->roles & roles) == 0 || (rule->kinds & 1U << kind) == 0) {
            continue;
        }
        for (size_t j = 0; j < rule->patterns.count; j++) {
            struct slice from = first_of(rule->patterns.at[j], name);
            if (from.at != NULL &&
                (first.at == NULL || slice_order(from, first) < 0)) {
                first = from;
            }
        }
    }
    return first;
}

struct slice access_skip(const struct asker *asker, struct slice own,
                         enum kind kind, struct slice name, unsigned roles)
{
    const struct access *access = asker->access;
    if (access->everything) {
        return name;
    }
    bool owns = has_own(access, kind);
    if (owns && slice_begins(name, own)) {
        return name;
    }
    bool ahead = owns && slice_order(name, own) < 0;
    if (has_private(kind) && slice_begins(name, PRIVATE)) {
        if (ahead) {
            return own;
        }
        name = PRIVATE_END;
    }
    struct slice first = skip_by_rules(access, kind, name, roles);
    return ahead && (first.at == NULL || slice_order(own, first) < 0) ? own
                                                                      : first;
}

/* One question after the other; the first that is answered with no stays. */
struct inquiry {
    const struct asker *asker;
    struct denial *denial;
    bool permitted;
    bool named;      /* what it is about */
    enum kind about; /* the kind of the method */
    unsigned roles;  /* that the method needs */
};

static void ask(struct inquiry *inquiry, enum kind kind, struct slice name)
{
    unsigned roles = kind == inquiry->about ? inquiry->roles : ROLE_EITHER;
    if (name.at == NULL || !inquiry->permitted) {
        return;
    }
    if (access_opens(inquiry->asker, kind, name, roles)) {
        inquiry->named |= kind == inquiry->about;
        return;
    }
    inquiry->permitted = false;
    inquiry->denial->roles = roles;
    inquiry->denial->kind = kind;
    inquiry->denial->name = name;
}

static void ask_all(struct inquiry *inquiry, enum kind kind,
                    struct slices names_asked)
{
    for (size_t i = 0; i < names_asked.count; i++) {
        ask(inquiry, kind, names_asked.at[i]);
    }
}

/* Of a request without such a name (a list, a job's id): is any open? */
static void ask_any(struct inquiry *inquiry)
{
    const struct access *access = inquiry->asker->access;
    if ((access->some[inquiry->about] & inquiry->roles) == 0) {
        inquiry->permitted = false;
        inquiry->denial->roles = inquiry->roles;
        inquiry->denial->kind = inquiry->about;
        inquiry->denial->name = (struct slice){0};
    }
}

/* Every parameter of fields.def that names a thing; a test sees to it that
 * none is forgotten. */
static void ask_names(struct inquiry *inquiry, const struct request *request)
{
    ask(inquiry, KIND_queue, request->queue);
    ask_all(inquiry, KIND_queue, request->queues);
    ask(inquiry, KIND_lock, request->lock);
    ask(inquiry, KIND_semaphore, request->semaphore);
    ask(inquiry, KIND_event, request->event);
    ask(inquiry, KIND_barrier, request->barrier);
    ask(inquiry, KIND_condition, request->condition);
    ask(inquiry, KIND_batch, request->batch);
    ask_all(inquiry, KIND_semaphore, request->put.limits);
    ask_all(inquiry, KIND_event, request->put.after);
    for (size_t i = 0; i < request->puts.count; i++) {
        ask_all(inquiry, KIND_semaphore, request->puts.at[i].limits);
        ask_all(inquiry, KIND_event, request->puts.at[i].after);
    }
}

bool access_permits(const struct asker *asker, const struct request *request,
                    struct denial *denial)
{
    unsigned roles = method_row(request->method)->role;
    if (asker->access->everything || roles == ROLE_ANY) {
        return true;
    }
    struct inquiry inquiry = {.asker = asker,
                              .denial = denial,
                              .permitted = true,
                              .about = kind_of_method(request->method),
                              .roles = roles};
    denial->method = request->method;
    ask_names(&inquiry, request);
    if (inquiry.permitted && !inquiry.named) {
        ask_any(&inquiry);
    }
    return inquiry.permitted;
}

const char *roles_text(unsigned roles)
{
    static const char *const texts[] = {
        [ROLE_ANY] = "",
        [ROLE_PRODUCER] = "producer",
        [ROLE_WORKER] = "worker",
        [ROLE_EITHER] = "producer or worker",
        [ROLE_OPERATOR] = "operator",
        [ROLE_ADMIN] = "admin",
    };
    CHECK(roles < sizeof(texts) / sizeof(texts[0]) && texts[roles] != NULL);
    return texts[roles];
}

static struct asker asker_of(const struct session *session)
{
    CHECK(session->peer.access != NULL); /* as long as there is a connection */
    return (struct asker){session->peer.access, session->peer.uid};
}

struct asker asker_at_hand(const struct engine *engine)
{
    return asker_of(engine->current.session);
}

/* Tells the shell. */
static void report(struct effects *effects, const struct denial *denial)
{
    struct effect_denial *to = &effects->denial;
    effects->denied = true;
    to->method = denial->method;
    to->roles = denial->roles;
    to->kind = denial->kind;
    size_t len =
        denial->name.len < NAME_BYTES_MAX ? denial->name.len : NAME_BYTES_MAX;
    memcpy(to->name, denial->name.at == NULL ? "" : denial->name.at, len);
    to->name[len] = '\0';
}

/* Says it in words, in the data for programs, and to the shell for its log. */
static void refuse_denied(struct engine *engine, const struct denial *denial)
{
    struct complaint why;
    struct out data;
    struct slice name = denial->name.at == NULL ? SLICE("any") : denial->name;
    complain(&why, ERROR_forbidden,
             "user %u lacks the role %s (roles are given by `allow` sections "
             "of the daemon's configuration) for the %s: %.*s",
             engine->current.session->peer.uid, roles_text(denial->roles),
             kind_names[denial->kind], (int)name.len, name.at);
    out_init(&data);
    WRITE(&data, string, "role", slice_of(roles_text(denial->roles)));
    WRITE(&data, string, "kind", slice_of(kind_names[denial->kind]));
    if (denial->name.at != NULL) {
        WRITE(&data, string, "object", denial->name);
    }
    why.data = (struct slice){data.at, data.len};
    report(engine->effects, denial);
    reply_error(engine, &engine->current.to, &why);
    out_fini(&data);
}

/* A request without a name that it goes by: is its job in a queue of its own?
 */
static bool is_about_own(const struct engine *engine,
                         const struct denial *denial)
{
    const struct request *request = engine->current.request;
    const struct job *job = index_find(&engine->jobs, request->job);
    return denial->name.at == NULL && job != NULL &&
           access_sees(engine, KIND_queue, job_queue(job)->named.name);
}

bool access_refused(struct engine *engine)
{
    struct denial denial;
    struct asker asker = asker_at_hand(engine);
    if (access_permits(&asker, engine->current.request, &denial) ||
        is_about_own(engine, &denial)) {
        return false;
    }
    refuse_denied(engine, &denial);
    return true;
}

bool access_refused_name(struct engine *engine, enum kind kind,
                         struct slice name)
{
    if (access_sees(engine, kind, name)) {
        return false;
    }
    struct denial denial = {
        .method = engine->current.request->method,
        .roles = method_row(engine->current.request->method)->role,
        .kind = kind,
        .name = name};
    refuse_denied(engine, &denial);
    return true;
}

bool access_sees(const struct engine *engine, enum kind kind, struct slice name)
{
    struct asker asker = asker_at_hand(engine);
    return access_opens(&asker, kind, name,
                        method_row(engine->current.request->method)->role);
}

/* What a waiter waits at; of a get of several queues the i-th. NULL: nothing
 * that has a name, or no more. */
static const struct named *waits_at(const struct waiter *waiter, size_t i)
{
    if (waiter->kind == WAITER_GET) {
        return i < waiter->links_count ? &get_queue(waiter, i)->named : NULL;
    }
    if (i > 0) {
        return NULL;
    }
    switch (waiter->kind) {
    case WAITER_PUT:
        return &waiter->u.put.queue->named;
    case WAITER_JOIN:
        return &waiter->u.join->named;
    case WAITER_JOB:
        return &job_queue(waiter->u.job)->named;
    case WAITER_LOCK:
        return &waiter->u.lock.lock->named;
    case WAITER_SEMAPHORE:
        return &waiter->u.semaphore.semaphore->named;
    case WAITER_EVENT:
        return &waiter->u.event->named;
    case WAITER_BARRIER:
        CHECK(waiter->u.barrier.round != NULL); /* else it is refused by now */
        return &waiter->u.barrier.round->barrier->named;
    case WAITER_CONDITION:
        return &waiter->u.condition.condition->named;
    case WAITER_BATCH:
        return &waiter->u.batch.batch->named;
    case WAITER_GET:
    case WAITER_SWEEP: /* has begun, and is carried out */
    case WAITER_KINDS:
        break;
    }
    return NULL;
}

static bool is_open(const struct asker *asker, const struct waiter *waiter)
{
    unsigned roles = method_row(waiter->to.method)->role;
    enum kind kind = kind_of_method(waiter->to.method);
    if (waiter->kind == WAITER_LOCK) {
        kind = KIND_lock; /* a condition.wait on its way back */
    }
    const struct named *named;
    for (size_t i = 0; (named = waits_at(waiter, i)) != NULL; i++) {
        if (!access_opens(asker, kind, named->name, roles)) {
            return false;
        }
    }
    return true;
}

void access_changed(struct engine *engine, uint64_t conn,
                    const struct access *access)
{
    struct session *session = session_of_conn(engine, conn);
    if (session == NULL) {
        return;
    }
    CHECK(access != NULL);
    session->peer.access = access;
    session_charge(engine, session);
    struct asker asker = asker_of(session);
    /* The last one first: one that leaves a line may let the next one in, which
     * may be of this session too. Refusing one may end others, as a barrier
     * breaks: so from the end again. */
    for (struct waiter *waiter = TAILQ_LAST(&session->waiters, waiters);
         waiter != NULL;) {
        if (is_open(&asker, waiter)) {
            waiter = TAILQ_PREV(waiter, waiters, of_session);
        } else {
            waiter_refuse(engine, waiter, ERROR_forbidden,
                          "the daemon's configuration has changed: user %u "
                          "may not wait for this any more",
                          session->peer.uid);
            waiter = TAILQ_LAST(&session->waiters, waiters);
        }
    }
}
