#include "tests/sim/grants.h"

#include "proto/memory.h"

#define PATTERNS_MAX 16

struct grants *grants_new(void)
{
    struct grants *grants = mem_zalloc(sizeof *grants);
    access_init(&grants->access, grants->list, 0);
    return grants;
}

void grants_free(struct grants *grants)
{
    if (grants == NULL) {
        return;
    }
    for (size_t i = 0; i < grants->count; i++) {
        mem_free((void *)grants->rules[i].patterns.at);
        mem_free(grants->texts[i]);
    }
    mem_free(grants);
}

/* The next word up to `end` or one of `stops`, which is passed too. */
static struct slice next_word(const char **at, const char *stops)
{
    size_t len = strcspn(*at, stops);
    struct slice word = {*at, len};
    *at += len;
    return word;
}

static unsigned role_of(struct slice word)
{
    static const enum role roles[] = {ROLE_PRODUCER, ROLE_WORKER, ROLE_OPERATOR,
                                      ROLE_ADMIN};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (slice_equal(word, slice_of(roles_text(roles[i])))) {
            return access_roles_of(roles[i]);
        }
    }
    return 0;
}

static bool read_roles(struct access_rule *rule, const char **at)
{
    do {
        *at += **at == ',';
        unsigned role = role_of(next_word(at, ",:"));
        if (role == 0) {
            return false;
        }
        rule->roles |= role;
    } while (**at == ',');
    return true;
}

static bool read_kinds(struct access_rule *rule, const char **at)
{
    do {
        (*at)++;
        struct slice word = next_word(at, ",:");
        enum kind kind = 0;
        while (kind < KINDS && !slice_equal(word, slice_of(kind_names[kind]))) {
            kind++;
        }
        if (kind == KINDS && word.len > 0) {
            return false;
        }
        rule->kinds |= kind == KINDS ? (1U << KINDS) - 1 : 1U << kind;
    } while (**at == ',');
    return true;
}

static void read_patterns(struct access_rule *rule, const char **at)
{
    struct slice *patterns = mem_alloc(PATTERNS_MAX * sizeof *patterns);
    size_t count = 0;
    do {
        (*at)++;
        patterns[count++] = next_word(at, ",");
    } while (**at == ',' && count < PATTERNS_MAX);
    rule->patterns = (struct slices){patterns, count};
}

bool grants_add(struct grants *grants, struct slice text)
{
    if (slice_equal(text, SLICE("none"))) {
        return true;
    }
    if (grants->count == GRANTS_MAX) {
        return false;
    }
    struct access_rule *rule = &grants->rules[grants->count];
    const char *at = mem_strndup(text.at, text.len);
    grants->texts[grants->count] = (char *)(uintptr_t)at;
    grants->list[grants->count++] = rule;
    *rule = (struct access_rule){.kinds = 0};
    bool right = read_roles(rule, &at);
    right = right && (*at != ':' || read_kinds(rule, &at));
    if (right && *at == ':') {
        read_patterns(rule, &at);
    }
    if (rule->kinds == 0) {
        rule->kinds = (1U << KINDS) - 1;
    }
    access_init(&grants->access, grants->list, grants->count);
    return right && *at == '\0';
}
