#include "daemon/engine/names.h"

#include "daemon/engine/core.h"

#include <stdio.h>

static int named_compare(const struct named *a, const struct named *b)
{
    return slice_order(a->name, b->name);
}

TREE_GENERATE(named_tree, named, entry, named_compare)

int slice_order(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.at, b.at, len);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bool slice_begins(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.at, prefix.at, prefix.len) == 0);
}

void names_init(struct names *names)
{
    *names = (struct names){0};
    RB_INIT(&names->tree);
}

struct named *names_find(const struct names *names, struct slice name)
{
    struct named *named;
    if (name.at == NULL) {
        return NULL;
    }
    HASH_FIND(by_name, names->by_name, name.at, (unsigned)name.len, named);
    return named;
}

void names_weigh(struct engine *engine, struct named *named, size_t weight)
{
    struct account *account = engine->accounts.at[named->owner];
    account->objects += weight - named->weight;
    named->weight = (uint32_t)weight;
}

void names_charge(struct engine *engine, struct named *named, uint32_t account)
{
    engine->accounts.at[named->owner]->objects -= named->weight;
    named->owner = account;
    engine->accounts.at[named->owner]->objects += named->weight;
}

void names_own(struct engine *engine, struct named *named, uint64_t uid)
{
    names_charge(engine, named, account_of_uid(engine, (uint32_t)uid));
}

void names_add(struct engine *engine, struct names *names, struct named *named,
               struct slice name, uint32_t owner)
{
    named->name = slice_copy(name);
    HASH_ADD_KEYPTR(by_name, names->by_name, named->name.at,
                    (unsigned)named->name.len, named);
    CHECK(RB_INSERT(named_tree, &names->tree, named) == NULL);
    names->count++;
    named->owner = owner;
    named->weight = 0;
    names_weigh(engine, named, 1);
    scope_entered(engine, names, named->name);
}

void names_unlink(struct engine *engine, struct names *names,
                  struct named *named)
{
    HASH_DELETE(by_name, names->by_name, named);
    RB_REMOVE(named_tree, &names->tree, named);
    names->count--;
    names_weigh(engine, named, 0);
    scope_left(engine, names, named->name);
}

void names_remove(struct engine *engine, struct names *names,
                  struct named *named)
{
    names_unlink(engine, names, named);
    change_free(engine, (void *)named->name.at);
    named->name = (struct slice){0};
}

struct named *names_from(const struct names *names, struct slice name,
                         bool behind)
{
    struct named key = {.name = name};
    struct named_tree tree = names->tree; /* only read */
    struct named *named = RB_NFIND(named_tree, &tree, &key);
    if (behind && named != NULL && slice_equal(named->name, name)) {
        named = names_next(named);
    }
    return named;
}

struct named *names_next(struct named *named)
{
    return RB_NEXT(named_tree, unused, named);
}

/* What a list goes through: names that begin so and are open to the client. */
struct walk {
    const struct names *names;
    struct asker asker;
    struct slice own;
    enum kind kind;
    unsigned roles;
    struct slice prefix;
    names_listed *listed;
};

/* The first from `named` on that is to be told; NULL: there is none. */
static struct named *next_told(const struct walk *walk, struct named *named)
{
    while (named != NULL && slice_begins(named->name, walk->prefix)) {
        struct slice from = access_skip(&walk->asker, walk->own, walk->kind,
                                        named->name, walk->roles);
        if (from.at == NULL) {
            return NULL;
        }
        if (!slice_equal(from, named->name)) {
            named = names_from(walk->names, from, false);
        } else if (access_opens(&walk->asker, walk->kind, named->name,
                                walk->roles) &&
                   (walk->listed == NULL || walk->listed(named))) {
            return named;
        } else {
            named = names_next(named);
        }
    }
    return NULL;
}

void names_answer_list(struct engine *engine, const struct request *request,
                       const struct names *names, struct slice key,
                       names_write *write, names_listed *listed)
{
    size_t limit;
    if (!page_limit(engine, request, &limit)) {
        return;
    }
    struct slice prefix =
        request->prefix.at == NULL ? SLICE("") : request->prefix;
    bool behind =
        request->cursor.at != NULL && slice_order(request->cursor, prefix) >= 0;
    struct named *named =
        names_from(names, behind ? request->cursor : prefix, behind);
    char space[PRIVATE_OF_USER_SIZE];
    struct asker asker = asker_at_hand(engine);
    const struct walk walk = {.names = names,
                              .asker = asker,
                              .own = private_of_user(asker.uid, space),
                              .kind = kind_of_method(request->method),
                              .roles = method_row(request->method)->role,
                              .prefix = prefix,
                              .listed = listed};
    struct slice last = {0};
    struct out *out = answer_begin(engine);
    size_t start = out->len;
    size_t most = engine->options.message_max / 2;
    if (most > PAGE_BYTES_MAX) {
        most = PAGE_BYTES_MAX;
    }
    write_begin_object(out);
    write_key(out, key);
    write_begin_array(out);
    named = next_told(&walk, named);
    for (; named != NULL && limit > 0 && out->len - start < most;
         named = next_told(&walk, names_next(named)), limit--) {
        last = named->name;
        write(engine, out, named);
    }
    write_end_array(out);
    if (named != NULL && last.at != NULL) {
        WRITE(out, string, "next", last);
    }
    write_end_object(out);
    uint64_t sweep = names == &engine->queues   ? engine->swept_by
                     : names == &engine->events ? engine->set_by
                                                : 0;
    answer_end(engine, sweep_seen(engine, sweep));
}

bool names_lack(const struct engine *engine, const struct names *names,
                uint32_t owner, size_t more, const char *plural,
                struct complaint *why)
{
    if (more == 0) {
        return false; /* however much there is already */
    }
    if (names->count + more <= OBJECTS_MAX) {
        return account_lacks_objects(engine, owner, more, why);
    }
    complain(why, ERROR_limit,
             "there are %zu %s already, of %d: wait until some are free again",
             names->count, plural, OBJECTS_MAX);
    (void)snprintf(why->limit, sizeof(why->limit), "max_%s", plural);
    why->value = OBJECTS_MAX;
    return true;
}

bool names_full(struct engine *engine, const struct names *names,
                struct slice name, const char *plural)
{
    struct complaint why;
    if (!names_lack(engine, names, account_at_hand(engine), 1, plural, &why) ||
        names_find(names, name) != NULL) {
        return false;
    }
    reply_error(engine, &engine->current.to, &why);
    return true;
}

bool names_full_of(struct engine *engine, const struct names *names,
                   size_t more, const char *plural)
{
    struct complaint why;
    if (!names_lack(engine, names, account_at_hand(engine), more, plural,
                    &why)) {
        return false;
    }
    reply_error(engine, &engine->current.to, &why);
    return true;
}

struct slice names_joined(struct slices names)
{
    struct out out;
    out_init(&out);
    for (size_t i = 0; i < names.count; i++) {
        if (i > 0) {
            out_byte(&out, '\n');
        }
        out_bytes(&out, names.at[i]);
    }
    return (struct slice){out.at, out.len};
}

size_t names_split(struct slice text, struct slice *names, size_t max)
{
    size_t count = 0;
    while (text.at != NULL && count < max) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.at);
        names[count++] = (struct slice){text.at, len};
        text = end == NULL ? (struct slice){0}
                           : (struct slice){end + 1, text.len - len - 1};
    }
    return text.at == NULL ? count : max + 1;
}
