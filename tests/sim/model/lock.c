/* Locks and conditions. */
#include "tests/sim/model/inside.h"

/* --- what is held ------------------------------------------------------- */

struct m_hold *m_hold_new(struct model *m, enum m_kind kind, int object,
                          const struct m_to *to, int64_t count)
{
    struct m_hold *hold = m->now.holds;
    while (hold->used) {
        hold++;
        CHECK(hold < m->now.holds + M_HOLDS);
    }
    *hold = (struct m_hold){.used = true,
                            .kind = kind,
                            .object = object,
                            .session = to->session,
                            .token = to->action,
                            .count = count,
                            .serial = ++m->now.serial,
                            .since_us = m->now_us};
    if (m->now.sessions[to->session].kept) {
        hold->born = m_next(m);
        hold->changed = m_next(m);
    }
    return hold;
}

static bool is_kept(const struct model *m, int session)
{
    return m->now.sessions[session].kept;
}

/* The batch that a change to what this session holds is in; 0: in none. */
static unsigned hold_needs(struct model *m, int session)
{
    return is_kept(m, session) ? m_next(m) : 0;
}

unsigned m_holds_needs(const struct model *m, enum m_kind kind, int object,
                       unsigned own)
{
    for (int i = 0; i < M_HOLDS; i++) {
        const struct m_hold *hold = &m->now.holds[i];
        if (hold->used && hold->kind == kind && hold->object == object) {
            own = m_most(own, hold->changed);
        }
    }
    return own;
}

unsigned m_hold_changed(struct model *m, struct m_hold *hold)
{
    hold->changed = hold_needs(m, hold->session);
    if (hold->count > 0) {
        return hold->changed;
    }
    m_hold_lost(m, hold);
    return hold->born == m_next(m) ? 0 : hold->changed;
}

void m_hold_lost(struct model *m, struct m_hold *hold)
{
    unsigned needs = hold_needs(m, hold->session);
    hold->used = false;
    if (hold->born == m_next(m)) {
        return; /* never written */
    }
    if (hold->kind == M_LOCK) {
        m->now.locks[hold->object].changed =
            m_most(m->now.locks[hold->object].changed, needs);
    } else {
        m->now.semaphores[hold->object].changed =
            m_most(m->now.semaphores[hold->object].changed, needs);
    }
}

/* --- locks -------------------------------------------------------------- */

void m_owner(const struct model *m, struct slice given, int session,
             char *owner, size_t size)
{
    if (given.at != NULL) {
        m_copy(owner, size, given);
    } else {
        (void)snprintf(owner, size, "#%d", m->now.sessions[session].serial);
    }
}

static int64_t levels(const struct model *m, int lock)
{
    int64_t count = 0;
    for (int i = 0; i < M_HOLDS; i++) {
        const struct m_hold *hold = &m->now.holds[i];
        if (hold->used && hold->kind == M_LOCK && hold->object == lock) {
            count += hold->count;
        }
    }
    return count;
}

/* "a/b" is inside "a", and so is "a" itself. */
static bool is_inside(const char *owner, const char *outer)
{
    size_t len = strlen(outer);
    return strncmp(owner, outer, len) == 0 &&
           (owner[len] == '\0' || owner[len] == '/');
}

static struct m_hold *hold_of(struct model *m, int lock, int session)
{
    struct m_hold *first = NULL;
    for (int i = 0; i < M_HOLDS; i++) {
        struct m_hold *hold = &m->now.holds[i];
        if (hold->used && hold->kind == M_LOCK && hold->object == lock &&
            (session < 0 || hold->session == session) &&
            (first == NULL || hold->serial < first->serial)) {
            first = hold;
        }
    }
    return first;
}

static struct m_hold *last_hold(struct model *m, int lock)
{
    struct m_hold *last = NULL;
    for (int i = 0; i < M_HOLDS; i++) {
        struct m_hold *hold = &m->now.holds[i];
        if (hold->used && hold->kind == M_LOCK && hold->object == lock &&
            (last == NULL || hold->serial > last->serial)) {
            last = hold;
        }
    }
    return last;
}

static void take(struct model *m, int lock, const struct m_to *to,
                 const char *owner, int64_t count)
{
    struct m_lock *l = &m->now.locks[lock];
    if (levels(m, lock) == 0) {
        m_copy(l->owner, sizeof(l->owner), slice_of(owner));
        l->token = to->action;
        m_granted(m, l->token);
    }
    struct m_hold *hold = hold_of(m, lock, to->session);
    if (hold == NULL) {
        hold = m_hold_new(m, M_LOCK, lock, to, 0);
        hold->token = l->token;
    }
    hold->count += count;
    hold->changed = hold_needs(m, to->session);
}

static void answer_taken(struct model *m, const struct m_to *to, int lock)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, flag, "acquired", true);
    write_key(out, SLICE("token"));
    m_write_token(out, m->now.locks[lock].token);
    WRITE(out, integer, "count", levels(m, lock));
    write_end_object(out);
    m_end(m, hold_needs(m, to->session));
}

static void answer_back(struct model *m, const struct m_waiter *w)
{
    struct out *out = m_begin(m, &w->to);
    write_begin_object(out);
    WRITE(out, flag, "notified", w->notified);
    write_key(out, SLICE("token"));
    m_write_token(out, m->now.locks[w->object].token);
    write_end_object(out);
    m_end(m, hold_needs(m, w->to.session));
}

static void forget_given(struct model *m, const struct m_waiter *w)
{
    if (w->given > 0) {
        m->now.given[w->given - 1].used = false;
    }
}

static void grant(struct model *m, struct m_waiter *w)
{
    w->used = false;
    forget_given(m, w);
    take(m, w->object, &w->to, w->owner, w->levels);
    if (w->back) {
        answer_back(m, w);
    } else {
        answer_taken(m, &w->to, w->object);
    }
}

static bool is_of_user(const struct model *m, const struct m_hold *hold,
                       int session)
{
    return m->now.sessions[hold->session].uid == m->now.sessions[session].uid;
}

static bool may_take(struct model *m, int lock, const char *owner,
                     bool reentrant, int session)
{
    const struct m_hold *hold = hold_of(m, lock, -1);
    return hold == NULL ||
           (reentrant && is_inside(owner, m->now.locks[lock].owner) &&
            is_of_user(m, hold, session));
}

bool m_locks_granted(struct model *m)
{
    bool moved = false;
    for (int i = 0; i < M_LOCKS; i++) {
        struct m_waiter *w = m_waiter_after(m, M_WAIT_LOCK, i, 0);
        while (w != NULL) {
            if (may_take(m, i, w->owner, w->reentrant, w->to.session)) {
                grant(m, w);
                moved = true;
            }
            w = m_waiter_after(m, M_WAIT_LOCK, i, w->serial);
        }
    }
    return moved;
}

/* Would this owner, waiting for that lock, wait for itself? From the holder on,
 * along everyone inside it who waits for a lock. */
static bool closes_cycle(struct model *m, const char *owner, int lock)
{
    bool reached[M_LOCKS] = {false};
    reached[lock] = true;
    for (int round = 0; round < M_LOCKS; round++) {
        for (int i = 0; i < M_LOCKS; i++) {
            if (!reached[i] || levels(m, i) == 0) {
                continue;
            }
            const char *holder = m->now.locks[i].owner;
            if (is_inside(owner, holder)) {
                return true;
            }
            struct m_waiter *w = m_waiter_after(m, M_WAIT_LOCK, -1, 0);
            for (; w != NULL;
                 w = m_waiter_after(m, M_WAIT_LOCK, -1, w->serial)) {
                if (is_inside(w->owner, holder)) {
                    reached[w->object] = true;
                }
            }
        }
    }
    return false;
}

bool m_lock_adds(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    int i = m_index(request->lock);
    char owner[16];
    m_owner(m, request->owner, to->session, owner, sizeof(owner));
    return is_kept(m, to->session) &&
           (hold_of(m, i, to->session) == NULL ||
            !may_take(m, i, owner, request->reentrant == 1, to->session));
}

void m_lock_acquire(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int i = m_index(request->lock);
    char owner[16];
    bool reentrant = request->reentrant == 1;
    m_owner(m, request->owner, to->session, owner, sizeof(owner));
    bool first = m_waiter_after(m, M_WAIT_LOCK, i, 0) == NULL;
    if (may_take(m, i, owner, reentrant, to->session) &&
        (first || levels(m, i) > 0)) {
        take(m, i, to, owner, 1);
        answer_taken(m, to, i);
        return;
    }
    if (request->deadlock == DEADLOCK_REFUSE && request->timeout_us != 0 &&
        closes_cycle(m, owner, i)) {
        m_error(m, to, ERROR_deadlock, NULL, 0);
        return;
    }
    if (request->timeout_us == 0) {
        struct out *out = m_begin(m, to);
        write_begin_object(out);
        WRITE(out, flag, "acquired", false);
        write_end_object(out);
        m_end(m, 0);
        return;
    }
    struct m_waiter *w = m_wait(m, to, M_WAIT_LOCK, i, request->timeout_us);
    m_copy(w->owner, sizeof(w->owner), slice_of(owner));
    w->reentrant = reentrant;
    w->levels = 1;
}

/* Whose level goes; NULL: it is not the caller's to give. */
static struct m_hold *released(struct model *m, const struct m_to *to,
                               const struct request *request, int lock)
{
    const struct m_lock *l = &m->now.locks[lock];
    struct m_hold *own = hold_of(m, lock, to->session);
    const struct m_hold *first = hold_of(m, lock, -1);
    if (first == NULL || !is_of_user(m, first, to->session)) {
        return NULL;
    }
    bool by_token =
        request->token != 0 && m->learnt.tokens[l->token] == request->token;
    char owner[16];
    m_copy(owner, sizeof(owner), request->owner);
    bool by_owner = request->owner.at != NULL && is_inside(owner, l->owner);
    if ((request->token != 0 && !by_token) ||
        (request->owner.at != NULL && !by_owner)) {
        return NULL;
    }
    return own != NULL || !(by_token || by_owner) ? own : last_hold(m, lock);
}

void m_lock_release(struct model *m, const struct m_to *to,
                    const struct request *request)
{
    int i = m_index(request->lock);
    struct m_hold *hold = released(m, to, request, i);
    if (hold == NULL) {
        m_error(m, to, ERROR_stale_token, NULL, 0);
        return;
    }
    hold->count--;
    unsigned needs = m_hold_changed(m, hold);
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, integer, "count", levels(m, i));
    write_end_object(out);
    m_end(m, needs);
}

static void write_hold(struct model *m, struct out *out,
                       const struct m_hold *hold)
{
    write_begin_object(out);
    m_write_session(out, &m->now.sessions[hold->session]);
    m_write_time(m, out, SLICE("since"), hold->since_us);
    write_key(out, SLICE("token"));
    m_write_token(out, hold->token);
    WRITE(out, integer, "count", hold->count);
    write_end_object(out);
}

void m_write_holders(struct model *m, struct out *out, enum m_kind kind,
                     int object)
{
    int serial = 0;
    int count = 0;
    for (int i = 0; i < M_HOLDS; i++) {
        const struct m_hold *hold = &m->now.holds[i];
        count += hold->used && hold->kind == kind && hold->object == object;
    }
    WRITE(out, integer, "holds", count);
    write_key(out, SLICE("holders"));
    write_begin_array(out);
    for (;;) {
        const struct m_hold *next = NULL;
        for (int i = 0; i < M_HOLDS; i++) {
            const struct m_hold *hold = &m->now.holds[i];
            if (hold->used && hold->kind == kind && hold->object == object &&
                hold->serial > serial &&
                (next == NULL || hold->serial < next->serial)) {
                next = hold;
            }
        }
        if (next == NULL) {
            break;
        }
        write_hold(m, out, next);
        serial = next->serial;
    }
    write_end_array(out);
}

static void write_lock(struct model *m, struct out *out, int i)
{
    char name[3] = {'l', (char)('0' + i), '\0'};
    const struct m_lock *lock = &m->now.locks[i];
    bool held = levels(m, i) > 0;
    write_begin_object(out);
    WRITE(out, string, "lock", slice_of(name));
    WRITE(out, flag, "held", held);
    WRITE(out, integer, "count", levels(m, i));
    if (held) {
        write_key(out, SLICE("owner"));
        if (lock->owner[0] == '#') {
            write_json(out, SLICE("_"));
        } else {
            write_string(out, slice_of(lock->owner));
        }
        write_key(out, SLICE("token"));
        m_write_token(out, lock->token);
        write_key(out, SLICE("holder"));
        write_hold(m, out, hold_of(m, i, -1));
        m_write_holders(m, out, M_LOCK, i);
    }
    m_write_waiting(m, out, M_WAIT_LOCK, i);
    write_end_object(out);
}

void m_lock_show(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    int i = m_index(request->lock);
    write_lock(m, m_begin(m, to), i);
    m_end(m, m_holds_needs(m, M_LOCK, i, m->now.locks[i].changed));
}

void m_lock_list(struct model *m, const struct m_to *to,
                 const struct request *request)
{
    (void)request;
    unsigned needs = 0;
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_key(out, SLICE("locks"));
    write_begin_array(out);
    for (int i = 0; i < M_LOCKS; i++) {
        needs = m_most(needs, m->now.locks[i].changed);
        bool listed = levels(m, i) > 0 || m_waiters(m, M_WAIT_LOCK, i) > 0;
        if (listed && m_sees(m, to, KIND_lock, i)) {
            write_lock(m, out, i);
        }
    }
    write_end_array(out);
    write_end_object(out);
    m_end(m, needs);
}

/* --- conditions --------------------------------------------------------- */

/* It wants its lock back, at the end of the line. */
void m_condition_back(struct model *m, struct m_waiter *w, bool notified)
{
    w->kind = M_WAIT_LOCK;
    w->object = w->lock;
    w->deadline_us = DEADLINE_NEVER;
    w->serial = ++m->now.serial;
    w->back = true;
    w->notified = notified;
}

void m_condition_left(struct model *m, const struct m_waiter *w)
{
    forget_given(m, w);
}

/* What the same wait gave up before the restart; 0: nothing. */
static int given_before(const struct model *m, const struct m_to *to,
                        const struct request *request)
{
    for (int i = 0; i < M_GIVEN; i++) {
        const struct m_given *given = &m->now.given[i];
        if (given->used && !given->waited && given->session == to->session &&
            given->lock == m_index(request->lock) &&
            m->learnt.tokens[given->token] == request->token) {
            return i + 1;
        }
    }
    return 0;
}

/* Sent again after a restart, it is woken, and wants its lock. */
static void wait_again(struct model *m, const struct m_to *to, int number)
{
    struct m_given *given = &m->now.given[number - 1];
    struct m_waiter *w = m_wait(m, to, M_WAIT_LOCK, given->lock, -1);
    given->waited = true;
    w->given = number;
    w->levels = given->levels;
    m_copy(w->owner, sizeof(w->owner), slice_of(given->owner));
    w->back = true;
    w->notified = true;
}

static int give(struct model *m, const struct m_waiter *w)
{
    int i = 0;
    if (m->now.sessions[w->to.session].grace_us == 0) {
        return 0;
    }
    while (m->now.given[i].used) {
        CHECK(++i < M_GIVEN);
    }
    struct m_given *given = &m->now.given[i];
    *given = (struct m_given){.used = true,
                              .waited = true,
                              .lock = w->lock,
                              .session = w->to.session,
                              .token = m->now.locks[w->lock].token,
                              .levels = w->levels};
    m_copy(given->owner, sizeof(given->owner), slice_of(w->owner));
    return i + 1;
}

void m_condition_wait(struct model *m, const struct m_to *to,
                      const struct request *request)
{
    int lock = m_index(request->lock);
    struct m_hold *hold = hold_of(m, lock, to->session);
    int before = given_before(m, to, request);
    if (before > 0) {
        wait_again(m, to, before);
        return;
    }
    if (hold == NULL || hold->count != levels(m, lock) ||
        m->learnt.tokens[m->now.locks[lock].token] != request->token) {
        m_error(m, to, ERROR_stale_token, NULL, 0);
        return;
    }
    struct m_waiter *w =
        m_wait(m, to, M_WAIT_CONDITION, m_index(request->condition),
               request->timeout_us);
    w->lock = lock;
    w->levels = hold->count;
    m_copy(w->owner, sizeof(w->owner), slice_of(m->now.locks[lock].owner));
    w->given = give(m, w);
    m_hold_lost(m, hold);
    if (hold->loaded || request->timeout_us == 0) {
        m_condition_back(m, w, hold->loaded);
    }
}

void m_condition_notify(struct model *m, const struct m_to *to,
                        const struct request *request)
{
    int i = m_index(request->condition);
    if (request->all == 1 && request->count >= 0) {
        m_error(m, to, ERROR_invalid_params, NULL, 0);
        return;
    }
    int64_t most = request->all == 1     ? M_WAITERS
                   : request->count >= 0 ? request->count
                                         : 1;
    int64_t woken = 0;
    struct m_waiter *w;
    while (woken < most &&
           (w = m_waiter_after(m, M_WAIT_CONDITION, i, 0)) != NULL) {
        m_condition_back(m, w, true);
        woken++;
    }
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    WRITE(out, integer, "woken", woken);
    write_end_object(out);
    m_end(m, 0);
}
