/* What is expected, and whether it came. */
#include "proto/memory.h"
#include "proto/message.h"
#include "tests/sim/digits.h"
#include "tests/sim/model/inside.h"
#include "tests/sim/pattern.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- what is written ---------------------------------------------------- */

static void write_name(struct out *out, const char *begin, int action)
{
    write_json(out, slice_of(begin));
    write_digits(out, (uint64_t)action);
}

void m_write_job_name(struct out *out, const struct m_job *job)
{
    write_name(out, "$j", job->action);
    out_byte(out, '_');
    out_byte(out, (char)('0' + job->item));
}

void m_write_token(struct out *out, int action)
{
    write_name(out, "$t", action);
}

void m_granted(struct model *m, int action)
{
    m->learnt.token_steps[action] = m->step;
}

void m_write_time(const struct model *m, struct out *out, struct slice key,
                  int64_t us)
{
    write_key(out, key);
    write_seconds(out, us - m->skew_us);
}

/* --- what is expected --------------------------------------------------- */

bool m_pending(const struct model *m, uint64_t conn, int64_t id)
{
    for (size_t i = 0; i < m->expected_count; i++) {
        if (m->expected[i].to.conn == conn && m->expected[i].to.id == id) {
            return true;
        }
    }
    for (int i = 0; i < M_WAITERS; i++) {
        const struct m_waiter *w = &m->waiters[i];
        if (w->used && w->to.conn == conn && w->to.id == id) {
            return true;
        }
    }
    return false;
}

static struct m_expected *expected_new(struct model *m, const struct m_to *to)
{
    if (m->expected_count == 0) {
        m->texts.len = 0;
    }
    if (m->expected_count == m->expected_cap) {
        m->expected_cap = 2 * m->expected_cap + 64;
        m->expected =
            mem_realloc(m->expected, m->expected_cap * sizeof(m->expected[0]));
    }
    struct m_expected *e = &m->expected[m->expected_count++];
    *e = (struct m_expected){.to = *to, .at = m->texts.len};
    return e;
}

struct out *m_begin(struct model *m, const struct m_to *to)
{
    expected_new(m, to);
    out_byte(&m->texts, ':'); /* no comma comes behind it */
    m->expected[m->expected_count - 1].at++;
    return &m->texts;
}

static void keep(struct model *m, const struct m_to *to, struct slice text,
                 int token)
{
    struct m_outcome *outcome = NULL;
    for (int i = 0; i < m->now.outcomes_count; i++) {
        struct m_outcome *o = &m->now.outcomes[i];
        bool same = o->used && o->session == to->session && o->id == to->id;
        if (same || (!o->used && outcome == NULL)) {
            outcome = o;
        }
        if (same) {
            break;
        }
    }
    if (outcome == NULL) {
        CHECK(m->now.outcomes_count < M_OUTCOMES);
        outcome = &m->now.outcomes[m->now.outcomes_count++];
    }
    *outcome = (struct m_outcome){.used = true,
                                  .session = to->session,
                                  .id = to->id,
                                  .token = token,
                                  .at = m->kept.len,
                                  .len = text.len};
    out_bytes(&m->kept, text);
    m->kept_last = outcome;
}

static void forget(struct model *m, const struct m_to *to)
{
    for (int i = 0; i < m->now.outcomes_count; i++) {
        struct m_outcome *o = &m->now.outcomes[i];
        o->used = o->used && !(o->session == to->session && o->id == to->id);
    }
}

static bool keeps(const struct model *m, const struct m_to *to)
{
    return to->id >= 0 && m->now.sessions[to->session].used &&
           m->now.sessions[to->session].kept;
}

void m_end(struct model *m, unsigned needs)
{
    struct m_expected *e = &m->expected[m->expected_count - 1];
    unsigned traits = method_row(e->to.method)->traits;
    e->len = m->texts.len - e->at;
    e->needs = needs;
    bool granted =
        (traits & TRAIT_GRANTS) != 0 || e->to.method == METHOD_event_wait;
    if ((granted || (traits & TRAIT_DURABLE) != 0) && keeps(m, &e->to) &&
        e->to.method != METHOD_session_open && !m->token_kept) {
        keep(m, &e->to, (struct slice){m->texts.at + e->at, e->len}, 0);
        m->kept_last->doubtful = granted && needs <= m->persisted;
    }
    m->token_kept = false;
    if (e->to.id < 0) {
        m->expected_count--;
    }
}

void m_keep_token(struct model *m, const struct m_to *to, struct slice finished)
{
    if (!keeps(m, to)) {
        return;
    }
    m->token_kept = true;
    if (!m->full) {
        keep(m, to, finished, to->action);
    } else if (finished.len > 0) {
        keep(m, to, finished, 0); /* its leases are not: it is done again */
        m->kept_last->later = true;
    } else {
        forget(m, to);
    }
}

void m_keep_finished(struct model *m, const struct m_waiter *get)
{
    if (keeps(m, &get->to)) {
        struct out finished;
        out_init(&finished);
        m_write_finished(m, &finished, get, "done");
        keep(m, &get->to, (struct slice){finished.at, finished.len}, 0);
        m->kept_last->later = true;
        out_fini(&finished);
    }
}

static const struct m_outcome *outcome_before(const struct model *m,
                                              const struct m_to *to)
{
    for (int i = 0; i < m->now.outcomes_count; i++) {
        const struct m_outcome *o = &m->now.outcomes[i];
        if (o->used && o->loaded && o->session == to->session &&
            o->id == to->id) {
            return o;
        }
    }
    return NULL;
}

bool m_finished_before(const struct model *m, const struct m_to *to,
                       struct m_waiter *get)
{
    const struct m_outcome *o = outcome_before(m, to);
    if (o == NULL || !o->later) {
        return false;
    }
    get->finished_at = o->at;
    get->finished_len = o->len;
    return true;
}

void m_error(struct model *m, const struct m_to *to, enum error error,
             const char *data, unsigned needs)
{
    if (to->id < 0) {
        return;
    }
    struct m_expected *e = expected_new(m, to);
    e->error = error;
    e->needs = needs;
    if (data != NULL) {
        out_bytes(&m->texts, slice_of(data));
        e->len = m->texts.len - e->at;
    }
}

void m_empty(struct model *m, const struct m_to *to, unsigned needs)
{
    struct out *out = m_begin(m, to);
    write_begin_object(out);
    write_end_object(out);
    m_end(m, needs);
}

bool m_again(struct model *m, const struct m_to *to)
{
    const struct m_outcome *o = outcome_before(m, to);
    if (o == NULL || o->later) {
        return false;
    }
    if (o->token != 0) {
        m_get_again(m, to, o);
        return true;
    }
    struct m_expected *e = expected_new(m, to);
    out_bytes(&m->texts, (struct slice){m->kept.at + o->at, o->len});
    e->len = o->len;
    return true;
}

bool model_doubtful(const struct model *m, uint64_t conn, int64_t id)
{
    for (int i = 0; i < m->now.outcomes_count; i++) {
        const struct m_outcome *o = &m->now.outcomes[i];
        if (o->used && o->loaded && o->doubtful && o->id == id &&
            m->now.sessions[o->session].conn == conn) {
            return true;
        }
    }
    return false;
}

/* --- names -------------------------------------------------------------- */

/* $j12_0: kind 'j', action 12, item 0 */
struct symbol {
    char kind;
    int action;
    int item;
};

static const char *read_symbol(const char *at, const char *end,
                               struct symbol *symbol)
{
    *symbol = (struct symbol){0};
    if (end - at < 2) {
        return NULL;
    }
    symbol->kind = at[0];
    for (at++; at < end && *at >= '0' && *at <= '9'; at++) {
        symbol->action = symbol->action * 10 + (*at - '0');
    }
    if (symbol->kind == 'j' && at < end && *at == '_') {
        for (at++; at < end && *at >= '0' && *at <= '9'; at++) {
            symbol->item = symbol->item * 10 + (*at - '0');
        }
    }
    return symbol->action < M_ACTIONS && symbol->item < M_ITEMS ? at : NULL;
}

static uint64_t *learnt_number(struct m_learnt *learnt, struct symbol symbol)
{
    switch (symbol.kind) {
    case 'j':
        return &learnt->jobs[symbol.action][symbol.item];
    case 't':
        return &learnt->tokens[symbol.action];
    case 's':
        return &learnt->sessions[symbol.action];
    default:
        return NULL;
    }
}

bool model_name(const struct model *m, struct slice name, struct out *out)
{
    struct symbol symbol;
    struct m_learnt *learnt = (struct m_learnt *)(uintptr_t)&m->learnt;
    if (read_symbol(name.at, name.at + name.len, &symbol) == NULL) {
        return false;
    }
    if (symbol.kind == 'x') {
        const char *secret = learnt->secrets[symbol.action];
        write_string(out, secret[0] == '\0' ? SLICE("none") : slice_of(secret));
        return secret[0] != '\0';
    }
    const uint64_t *number = learnt_number(learnt, symbol);
    bool known = number != NULL && *number != 0;
    write_integer(out, known ? (int64_t)*number : 987654321);
    return known;
}

/* A token is greater than all that were granted in earlier steps. */
static void check_token(struct model *m, int action, uint64_t token)
{
    struct m_learnt *l = &m->learnt;
    int step = l->token_steps[action];
    for (int i = 0; i < M_ACTIONS; i++) {
        if (i == action || l->tokens[i] == 0) {
            continue;
        }
        if ((l->token_steps[i] < step && l->tokens[i] >= token) ||
            (l->token_steps[i] > step && l->tokens[i] <= token) ||
            l->tokens[i] == token) {
            model_fault(m,
                        "token %" PRIu64 " ($t%d) does not fit to %" PRIu64
                        " ($t%d)",
                        token, action, l->tokens[i], i);
        }
    }
}

static bool learn(struct model *m, struct symbol symbol, struct slice value)
{
    if (symbol.kind == 'x') {
        char *secret = m->learnt.secrets[symbol.action];
        struct slice text = {value.at + 1, value.len - 2};
        if (secret[0] == '\0') {
            m_copy(secret, sizeof(m->learnt.secrets[0]), text);
        }
        return slice_equal(slice_of(secret), text);
    }
    int64_t number;
    uint64_t *learnt = learnt_number(&m->learnt, symbol);
    if (learnt == NULL || !scan_integer(value, &number) || number <= 0) {
        return false;
    }
    if (*learnt != 0) {
        return *learnt == (uint64_t)number;
    }
    if (symbol.kind == 't') {
        check_token(m, symbol.action, (uint64_t)number);
    }
    for (int i = 0; symbol.kind == 'j' && i < M_ACTIONS; i++) {
        for (int k = 0; k < M_ITEMS; k++) {
            if (m->learnt.jobs[i][k] == (uint64_t)number) {
                model_fault(m, "job %" PRId64 " is two jobs", number);
            }
        }
    }
    *learnt = (uint64_t)number;
    return true;
}

/* --- comparing ---------------------------------------------------------- */

/* Behind the JSON value at `at`. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    for (; at < end; at++) {
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++) {
                at += *at == '\\';
            }
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth-- == 0) {
                return at;
            }
        } else if (*at == ',' && depth == 0) {
            return at;
        }
    }
    return end;
}

/* Member by member in the same order, none more: what is mostly so. */
static bool same_text(struct model *m, struct slice pattern, struct slice json)
{
    const char *p = pattern.at;
    const char *p_end = p + pattern.len;
    const char *a = json.at;
    const char *a_end = a + json.len;
    bool inside = false;
    while (p < p_end && a < a_end) {
        if (!inside && (*p == '$' || *p == '_')) {
            const char *behind = skip_value(a, a_end);
            struct symbol symbol;
            if (*p == '_') {
                p++;
            } else {
                p = read_symbol(p + 1, p_end, &symbol);
                struct slice value = {a, (size_t)(behind - a)};
                if (p == NULL || !learn(m, symbol, value)) {
                    return false;
                }
            }
            a = behind;
            continue;
        }
        if (*p != *a) {
            return false;
        }
        inside = *p == '"' ? !inside : inside;
        p++;
        a++;
    }
    return p == p_end && a == a_end;
}

/* In any order, as pattern.h says. */
static bool same_json(struct model *m, struct slice pattern, struct slice json,
                      struct mismatch *why)
{
    struct bindings bindings;
    struct out text;
    out_init(&text);
    bindings_init(&bindings);
    for (const char *p = pattern.at; p < pattern.at + pattern.len; p++) {
        struct symbol symbol;
        struct out value;
        const char *behind = NULL;
        if (*p == '$') {
            behind = read_symbol(p + 1, pattern.at + pattern.len, &symbol);
        }
        if (behind == NULL) {
            out_byte(&text, *p);
            continue;
        }
        struct slice name = {p + 1, (size_t)(behind - p - 1)};
        out_init(&value);
        if (model_name(m, name, &value)) {
            out_bytes(&text, (struct slice){value.at, value.len});
        } else {
            out_byte(&text, '$');
            out_bytes(&text, name);
        }
        out_fini(&value);
        p = behind - 1;
    }
    bool same = pattern_match((struct slice){text.at, text.len}, json, false,
                              &bindings, why);
    for (size_t i = 0; i < bindings.count && same; i++) {
        struct symbol symbol;
        const char *name = bindings.at[i].name;
        same = read_symbol(name, name + strlen(name), &symbol) != NULL &&
               learn(m, symbol, slice_of(bindings.at[i].json));
    }
    bindings_fini(&bindings);
    out_fini(&text);
    return same;
}

static bool same(struct model *m, struct slice pattern, struct slice json,
                 struct mismatch *why)
{
    return same_text(m, pattern, json) || same_json(m, pattern, json, why);
}

static void check_expected(struct model *m, const struct m_expected *e,
                           const struct reply *reply, struct slice line)
{
    struct slice pattern = {m->texts.at + e->at, e->len};
    struct mismatch why = {""};
    const char *expected = e->error == ERROR_NONE ? "" : "! ";
    const char *name = e->error == ERROR_NONE ? "" : error_row(e->error)->name;
    bool right = e->error == reply->error;
    if (right && e->error == ERROR_NONE) {
        right = same(m, pattern, reply->result, &why);
    } else if (right && e->len > 0) {
        right = same_json(m, pattern, reply->data, &why);
    }
    if (!right) {
        model_fault(m, "%s\n  expected %s%s %.*s\n  got %.*s", why.text,
                    expected, name, (int)pattern.len, pattern.at, (int)line.len,
                    line.at);
    }
    if (e->needs > m->persisted) {
        model_fault(m, "answered before batch %u was on disk: %.*s", e->needs,
                    (int)line.len, line.at);
    }
}

static void count_outcome(struct model *m, const struct m_expected *e)
{
    if (m->grid != NULL) {
        m->grid->at[e->to.method][e->error]++;
    }
}

static void tell(const struct model *m, const struct m_expected *e,
                 struct out *told)
{
    char text[80];
    bool error = e->error != ERROR_NONE;
    (void)snprintf(text, sizeof(text), "#%" PRId64 " %s%s ", e->to.id,
                   error ? "! " : "<", error ? error_row(e->error)->name : "");
    out_bytes(told, slice_of(text));
    out_bytes(told, (struct slice){m->texts.at + e->at, e->len});
}

void model_reply(struct model *m, uint64_t conn, struct slice line,
                 struct out *told)
{
    struct reply reply;
    int64_t id = 0;
    if (m->fault[0] != '\0' || m->unclear) {
        return;
    }
    if (!message_read_reply(line, &m->arena, &reply)) {
        model_fault(m, "not a reply: %.*s", (int)line.len, line.at);
        return;
    }
    if (reply.id.at == NULL || *reply.id.at == 'n' ||
        !scan_integer(reply.id, &id)) {
        id = 0; /* null */
    }
    for (size_t i = 0; i < m->expected_count; i++) {
        struct m_expected *e = &m->expected[i];
        if (e->to.conn == conn && e->to.id == id) {
            if (told != NULL) {
                tell(m, e, told);
            }
            check_expected(m, e, &reply, line);
            count_outcome(m, e);
            memmove(e, e + 1, (m->expected_count - i - 1) * sizeof(*e));
            m->expected_count--;
            arena_reset(&m->arena);
            return;
        }
    }
    model_fault(m, "nothing was to be answered yet, got %.*s", (int)line.len,
                line.at);
}

void model_quiet(struct model *m)
{
    if (m->expected_count > 0 && !m->unclear) {
        const struct m_expected *e = &m->expected[0];
        model_fault(m, "request %" PRId64 " was not answered with %s%.*s",
                    e->to.id,
                    e->error == ERROR_NONE ? "" : error_row(e->error)->name,
                    (int)e->len, m->texts.at + e->at);
    }
}
