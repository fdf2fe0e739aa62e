/* Who may do what: by names alone. */
#include "tests/sim/model/inside.h"

/* `*` and `?` are all that the generator uses. */
static bool matches(struct slice pattern, struct slice name)
{
    if (pattern.len == 0) {
        return name.len == 0;
    }
    struct slice rest = {pattern.at + 1, pattern.len - 1};
    struct slice behind = {name.at + 1, name.len - 1};
    if (*pattern.at == '*') {
        return matches(rest, name) ||
               (name.len > 0 && matches(pattern, behind));
    }
    return name.len > 0 && (*pattern.at == '?' || *pattern.at == *name.at) &&
           matches(rest, behind);
}

static bool names(const struct access_rule *rule, struct slice name)
{
    bool any = rule->patterns.count == 0;
    for (size_t i = 0; i < rule->patterns.count; i++) {
        any = any || matches(rule->patterns.at[i], name);
    }
    return any;
}

static bool begins(struct slice name, struct slice with)
{
    return name.len >= with.len && memcmp(name.at, with.at, with.len) == 0;
}

/* Whoever is admin of anything is so of every name. */
static bool is_admin(const struct access *access)
{
    bool admin = access->rules == NULL && access->everything;
    for (size_t i = 0; i < access->rules_count; i++) {
        admin = admin || (access->rules[i]->roles & ROLE_ADMIN) != 0;
    }
    return admin;
}

/* Private names are their user's, who has any role for that kind; of queues
 * both. */
static bool opens_private(const struct m_session *session, enum kind kind,
                          struct slice name)
{
    unsigned roles = 0;
    for (size_t i = 0; i < session->access->rules_count; i++) {
        const struct access_rule *rule = session->access->rules[i];
        roles |= ((rule->kinds >> kind) & 1) != 0 ? rule->roles : 0;
    }
    roles &= ROLE_EITHER;
    char own[24];
    (void)snprintf(own, sizeof(own), "private/%u/", session->uid);
    return begins(name, slice_of(own)) &&
           (kind == KIND_queue ? roles == ROLE_EITHER : roles != 0);
}

/* An absent name stands for any. */
static bool opens(const struct model *m, const struct m_to *to, enum kind kind,
                  struct slice name, unsigned roles)
{
    const struct m_session *session = &m->now.sessions[to->session];
    const struct access *access = session->access;
    if (is_admin(access)) {
        return true;
    }
    if (kind != KIND_batch && name.at != NULL &&
        begins(name, SLICE("private/"))) {
        return opens_private(session, kind, name);
    }
    bool open = false;
    for (size_t i = 0; i < access->rules_count; i++) {
        const struct access_rule *rule = access->rules[i];
        open = open || ((rule->roles & roles) != 0 &&
                        ((rule->kinds >> kind) & 1) != 0 &&
                        (name.at == NULL || names(rule, name)));
    }
    return open;
}

/* The name of the i-th of a kind. */
static void name_of(enum kind kind, int i, char *name, size_t size)
{
    bool scoped = i == 0 && (kind == KIND_queue || kind == KIND_semaphore ||
                             kind == KIND_barrier);
    static const char letters[KINDS] = {
        [KIND_queue] = 'q',   [KIND_lock] = 'l',      [KIND_semaphore] = 's',
        [KIND_barrier] = 'r', [KIND_condition] = 'c', [KIND_batch] = 'b',
    };
    if (kind == KIND_event) {
        m_event_name(i, name, size);
    } else {
        (void)snprintf(name, size, "%s%c%d", scoped ? M_SCOPE : "",
                       letters[kind], i);
    }
}

static bool is_open(const struct model *m, const struct m_to *to,
                    enum kind kind, int i, unsigned roles)
{
    char name[40];
    name_of(kind, i, name, sizeof(name));
    return opens(m, to, kind, slice_of(name), roles);
}

bool m_sees(const struct model *m, const struct m_to *to, enum kind kind, int i)
{
    return is_open(m, to, kind, i, method_row(to->method)->role);
}

bool m_sees_leased(const struct model *m, const struct m_to *to, int queue)
{
    /* A put may be from inside of a job, which it names besides its queue. */
    unsigned roles = to->method == METHOD_queue_put
                         ? ROLE_EITHER
                         : method_row(to->method)->role;
    return is_open(m, to, KIND_queue, queue, roles);
}

/* --- requests ----------------------------------------------------------- */

/* What lacks of what a request needs. */
struct lacks {
    const struct model *m;
    const struct m_to *to;
    enum kind about;
    unsigned roles; /* of the method */
    bool named;     /* something of that kind */
    int count;
    char data[120]; /* of the last one */
};

static const char *role_name(unsigned roles)
{
    return roles == ROLE_PRODUCER ? "producer"
           : roles == ROLE_WORKER ? "worker"
           : roles == ROLE_EITHER ? "producer or worker"
                                  : "operator";
}

static void need(struct lacks *lacks, enum kind kind, struct slice name)
{
    static const char *const kinds[] = {
        "queue", "lock", "semaphore", "event", "barrier", "condition", "batch"};
    unsigned roles = kind == lacks->about ? lacks->roles : ROLE_EITHER;
    lacks->named = lacks->named || (name.at != NULL && kind == lacks->about);
    if (name.at == NULL || opens(lacks->m, lacks->to, kind, name, roles)) {
        return;
    }
    lacks->count++;
    (void)snprintf(lacks->data, sizeof(lacks->data),
                   "{\"role\":\"%s\",\"kind\":\"%s\",\"object\":\"%.*s\"}",
                   role_name(roles), kinds[kind], (int)name.len, name.at);
}

static void need_all(struct lacks *lacks, enum kind kind, struct slices all)
{
    for (size_t i = 0; i < all.count; i++) {
        need(lacks, kind, all.at[i]);
    }
}

static enum kind about_of(enum method method)
{
    static const char *const nouns[] = {"queue.", "lock.",    "semaphore.",
                                        "event.", "barrier.", "condition.",
                                        "batch."};
    enum kind kind = KIND_queue; /* of a job, too */
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
        if (strncmp(method_row(method)->name, nouns[i], strlen(nouns[i])) ==
            0) {
            kind = (enum kind)i;
        }
    }
    return kind;
}

static void need_names(struct lacks *lacks, const struct request *request)
{
    need(lacks, KIND_queue, request->queue);
    need_all(lacks, KIND_queue, request->queues);
    need(lacks, KIND_lock, request->lock);
    need(lacks, KIND_semaphore, request->semaphore);
    need(lacks, KIND_event, request->event);
    need(lacks, KIND_barrier, request->barrier);
    need(lacks, KIND_condition, request->condition);
    need(lacks, KIND_batch, request->batch);
    need_all(lacks, KIND_semaphore, request->put.limits);
    need_all(lacks, KIND_event, request->put.after);
    for (size_t i = 0; i < request->puts.count; i++) {
        need_all(lacks, KIND_semaphore, request->puts.at[i].limits);
        need_all(lacks, KIND_event, request->puts.at[i].after);
    }
}

/* Without a name: if anything of the kind is open, or the job is in a queue of
 * its own. */
static bool may_any(const struct lacks *lacks, struct model *m, uint64_t id)
{
    const struct m_job *job = id == 0 ? NULL : m_job_of(m, id);
    return opens(m, lacks->to, lacks->about, (struct slice){NULL, 0},
                 lacks->roles) ||
           (job != NULL && m_job_there(job) &&
            m_sees(m, lacks->to, KIND_queue, job->queue));
}

bool m_forbidden(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    struct lacks lacks = {.m = m,
                          .to = to,
                          .about = about_of(request->method),
                          .roles = method_row(request->method)->role};
    if (lacks.roles == ROLE_ANY) {
        return false;
    }
    need_names(&lacks, request);
    if (lacks.count == 0 && (lacks.named || may_any(&lacks, m, request->job))) {
        return false;
    }
    if (lacks.count == 0) {
        (void)snprintf(lacks.data, sizeof(lacks.data),
                       "{\"role\":\"%s\",\"object\":absent}",
                       role_name(lacks.roles));
    }
    /* Of several it is not said which is told. */
    m_error(m, to, ERROR_forbidden, lacks.count <= 1 ? lacks.data : NULL, 0);
    return true;
}

/* --- a new configuration ------------------------------------------------ */

static bool may_wait(const struct model *m, const struct m_waiter *w)
{
    switch (w->kind) {
    case M_WAIT_GET:
        for (int i = 0; i < M_QUEUES; i++) {
            if (((w->queues >> i) & 1) != 0 &&
                !m_sees(m, &w->to, KIND_queue, i)) {
                return false;
            }
        }
        return true;
    case M_WAIT_JOB:
        return m_sees(m, &w->to, KIND_queue, m->now.jobs[w->object].queue);
    case M_WAIT_PUT:
    case M_WAIT_JOIN:
        return m_sees(m, &w->to, KIND_queue, w->object);
    case M_WAIT_LOCK:
        return m_sees(m, &w->to, KIND_lock, w->object);
    case M_WAIT_SEMAPHORE:
        return m_sees(m, &w->to, KIND_semaphore, w->object);
    case M_WAIT_EVENT:
        return m_sees(m, &w->to, KIND_event, w->object);
    case M_WAIT_BARRIER:
        return m_sees(m, &w->to, KIND_barrier, w->object);
    case M_WAIT_CONDITION:
        return m_sees(m, &w->to, KIND_condition, w->object);
    case M_WAIT_BATCH:
        return m_sees(m, &w->to, KIND_batch, w->object);
    }
    return false;
}

/* The last of a session that may not wait any more; NULL: none. */
static struct m_waiter *last_closed(struct model *m, int session)
{
    struct m_waiter *last = NULL;
    for (struct m_waiter *w = m->waiters; w < m->waiters + M_WAITERS; w++) {
        if (w->used && w->to.session == session && !may_wait(m, w) &&
            (last == NULL || w->serial > last->serial)) {
            last = w;
        }
    }
    return last;
}

/* The last first, so that none lets another one of the session in. Of several
 * parties of a barrier that one is forbidden it, and breaks it for the rest. */
void m_access_changed(struct model *m, int session, const struct access *access)
{
    struct m_waiter *w;
    m->now.sessions[session].access = access;
    while ((w = last_closed(m, session)) != NULL) {
        m_end_wait(m, w, ERROR_forbidden, "forbidden");
    }
}
