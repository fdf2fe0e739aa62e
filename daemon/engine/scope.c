#include "daemon/engine/core.h"

#include <stdio.h>

static struct scope *scope_of(struct named *named)
{
    return named == NULL ? NULL : CONTAINER_OF(named, struct scope, named);
}

static size_t behind_slash(struct slice name, size_t from)
{
    const char *slash =
        from < name.len ? memchr(name.at + from, '/', name.len - from) : NULL;
    return slash == NULL ? name.len : (size_t)(slash - name.at) + 1;
}

/* The scope that a name lies in, as its own name; absent: in none. */
static struct slice scope_name(const struct engine *engine,
                               const struct names *names, struct slice name)
{
    if (!slice_begins(name, PRIVATE) || names == &engine->batches ||
        names == &engine->scopes) {
        return (struct slice){0};
    }
    size_t user = behind_slash(name, PRIVATE.len);
    size_t scope = behind_slash(name, user);
    return scope == name.len ? (struct slice){0}
                             : (struct slice){name.at, scope};
}

struct slice private_of_user(uint32_t uid, char space[PRIVATE_OF_USER_SIZE])
{
    int len = snprintf(space, PRIVATE_OF_USER_SIZE, "private/%u/", uid);
    CHECK(len > 0 && len < PRIVATE_OF_USER_SIZE);
    return (struct slice){space, (size_t)len};
}

static void set_adrift(struct engine *engine, struct scope *scope)
{
    timer_arm(&engine->timers, &scope->timer,
              later(engine->now_us, (int64_t)SCOPE_SECONDS * 1000000));
}

static struct scope *scope_use(struct engine *engine, struct slice name,
                               uint32_t owner)
{
    struct scope *scope = scope_of(names_find(&engine->scopes, name));
    if (scope == NULL) {
        scope = mem_zalloc(sizeof(*scope));
        scope->timer.kind = TIMER_SCOPE;
        names_add(engine, &engine->scopes, &scope->named, name, owner);
        set_adrift(engine, scope);
    }
    return scope;
}

static void scope_changed(struct engine *engine, struct scope *scope)
{
    if (scope->things == 0 && scope->keepers == 0) {
        timer_disarm(&engine->timers, &scope->timer);
        names_remove(engine, &engine->scopes, &scope->named);
        mem_free(scope);
    }
}

void scope_entered(struct engine *engine, const struct names *names,
                   struct slice name)
{
    struct slice of = scope_name(engine, names, name);
    if (of.at != NULL) {
        /* The thing counts already for whose it is. */
        scope_use(engine, of, ACCOUNT_EXEMPT)->things++;
    }
}

void scope_left(struct engine *engine, const struct names *names,
                struct slice name)
{
    struct slice of = scope_name(engine, names, name);
    if (of.at != NULL) {
        struct scope *scope = scope_of(names_find(&engine->scopes, of));
        CHECK(scope != NULL && scope->things > 0);
        scope->things--;
        scope_changed(engine, scope);
    }
}

bool scopes_refused(struct engine *engine, struct slices scopes)
{
    for (size_t i = 0; i < scopes.count; i++) {
        if (scopes.at[i].len > SCOPE_BYTES_MAX ||
            memchr(scopes.at[i].at, '/', scopes.at[i].len) != NULL) {
            refuse_param(engine, "private",
                         "a scope in `private` has at most %d bytes and no /",
                         SCOPE_BYTES_MAX);
            return true;
        }
    }
    return names_full_of(engine, &engine->scopes, scopes.count, "scopes");
}

static bool keeps(const struct session *session, const struct scope *scope)
{
    for (size_t i = 0; i < session->scopes_count; i++) {
        if (session->scopes[i] == scope) {
            return true;
        }
    }
    return false;
}

void scopes_keep(struct engine *engine, struct session *session,
                 struct slices scopes)
{
    char user[PRIVATE_OF_USER_SIZE];
    char name[PRIVATE_OF_USER_SIZE + SCOPE_BYTES_MAX + 2];
    (void)private_of_user(session->peer.uid, user);
    CHECK(session->scopes_count == 0);
    if (scopes.count > 0) {
        session->scopes = mem_alloc(scopes.count * sizeof(struct scope *));
    }
    for (size_t i = 0; i < scopes.count; i++) {
        (void)snprintf(name, sizeof(name), "%s%.*s/", user,
                       (int)scopes.at[i].len, scopes.at[i].at);
        struct scope *scope =
            scope_use(engine, slice_of(name), session_account(engine, session));
        if (!keeps(session, scope)) {
            session->scopes[session->scopes_count++] = scope;
            scope->keepers++;
            timer_disarm(&engine->timers, &scope->timer);
        }
    }
}

/* Each by each; one that stays is in use by what is not of this scope. */
static void end_things(struct engine *engine, struct names *names,
                       struct slice scope,
                       void (*end)(struct engine *engine, struct named *named))
{
    struct named *named = names_from(names, scope, false);
    while (named != NULL && slice_begins(named->name, scope)) {
        struct named *next = names_next(named);
        end(engine, named);
        named = next;
    }
}

static void scope_end(struct engine *engine, struct scope *scope)
{
    scope->keepers++; /* it stays until all are gone */
    end_things(engine, &engine->queues, scope->named.name, queue_end);
    end_things(engine, &engine->barriers, scope->named.name, barrier_end);
    end_things(engine, &engine->events, scope->named.name, event_end);
    end_things(engine, &engine->semaphores, scope->named.name, semaphore_end);
    scope->keepers--;
    set_adrift(engine, scope);
    scope_changed(engine, scope);
}

void scopes_unkeep(struct engine *engine, struct session *session)
{
    while (session->scopes_count > 0) {
        struct scope *scope = session->scopes[--session->scopes_count];
        if (--scope->keepers > 0) {
            continue;
        }
        if (engine->shutting_down) { /* it is we who go */
            set_adrift(engine, scope);
            scope_changed(engine, scope);
        } else {
            scope_end(engine, scope);
        }
    }
    mem_free(session->scopes);
    session->scopes = NULL;
}

void scope_due(struct engine *engine, struct scope *scope)
{
    scope_end(engine, scope);
}

void scopes_loaded(struct engine *engine)
{
    struct named *named = names_from(&engine->scopes, SLICE(""), false);
    for (; named != NULL; named = names_next(named)) {
        set_adrift(engine, scope_of(named));
    }
}
