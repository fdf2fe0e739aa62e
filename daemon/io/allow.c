#include "daemon/io/allow.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/glob.h"
#include "proto/limits.h"
#include "proto/memory.h"
#include "proto/utf8.h"
#include "proto/write.h"

/* Whom the service is for; the client library and the units know the name. */
#define SERVICE_NAME "syncd"

const char *const allow_list_names[ALLOW_LISTS] = {
    [ALLOW_ROLES] = "roles", [ALLOW_USERS] = "users", [ALLOW_GROUPS] = "groups",
    [ALLOW_KINDS] = "kinds", [ALLOW_NAMES] = "names",
};

static const enum role grantable[] = {ROLE_PRODUCER, ROLE_WORKER, ROLE_OPERATOR,
                                      ROLE_ADMIN};

/* 0: there is no such role. */
static unsigned role_of(const char *word)
{
    for (size_t i = 0; i < sizeof(grantable) / sizeof(grantable[0]); i++) {
        if (strcmp(roles_text(grantable[i]), word) == 0) {
            return access_roles_of(grantable[i]);
        }
    }
    return 0;
}

/* KINDS: there is no such kind. */
static enum kind kind_of(const char *word)
{
    enum kind kind = 0;
    while (kind < KINDS && strcmp(kind_names[kind], word) != 0) {
        kind++;
    }
    return kind;
}

/* A number as it stands in the file; false: it is none. */
static bool id_of(const char *word, uint32_t *id)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(word, &end, 10);
    *id = (uint32_t)value;
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0 &&
           value < UINT32_MAX;
}

/* Names go before numbers. */
static bool user_of(const char *word, uint32_t *id)
{
    const struct passwd *user = getpwnam(word);
    if (user != NULL) {
        *id = user->pw_uid;
    }
    return user != NULL || id_of(word, id);
}

static bool group_of(const char *word, uint32_t *id)
{
    const struct group *group = getgrnam(word);
    if (group != NULL) {
        *id = group->gr_gid;
    }
    return group != NULL || id_of(word, id);
}

static const char *pattern_fault(const char *word)
{
    struct slice pattern = slice_of(word);
    return pattern.len > NAME_BYTES_MAX ? "it is longer than a name may be"
                                        : glob_fault(pattern);
}

bool allow_check_word(enum allow_list list, const char *word, char *why,
                      size_t why_size)
{
    uint32_t id;
    const char *fault;
    switch (list) {
    case ALLOW_ROLES:
        if (role_of(word) != 0) {
            return true;
        }
        (void)snprintf(why, why_size,
                       "roles are producer, worker, operator and admin; not "
                       "'%s'",
                       word);
        return false;
    case ALLOW_USERS:
        if (user_of(word, &id)) {
            return true;
        }
        (void)snprintf(why, why_size, "users: there is no user '%s'", word);
        return false;
    case ALLOW_GROUPS:
        if (group_of(word, &id)) {
            return true;
        }
        (void)snprintf(why, why_size, "groups: there is no group '%s'", word);
        return false;
    case ALLOW_KINDS:
        if (kind_of(word) < KINDS) {
            return true;
        }
        (void)snprintf(why, why_size,
                       "kinds are queue, lock, semaphore, event, barrier, "
                       "condition and batch; not '%s'",
                       word);
        return false;
    case ALLOW_NAMES:
        fault = pattern_fault(word);
        if (fault == NULL) {
            return true;
        }
        (void)snprintf(why, why_size,
                       "names: '%.80s' is no pattern: %s (* any run of "
                       "characters, ? one, [a-z] one of these, \\ before a "
                       "character that means itself)",
                       word, fault);
        return false;
    case ALLOW_LISTS:
        break;
    }
    CHECK(false);
    return false;
}

static bool has_role(const struct allow_words *words, enum role role)
{
    for (size_t i = 0; i < words->count[ALLOW_ROLES]; i++) {
        if ((role_of(words->at[ALLOW_ROLES][i]) & role) != 0) {
            return true;
        }
    }
    return false;
}

bool allow_check(const struct allow_words *words, char *why, size_t why_size)
{
    const char *fault = NULL;
    if (words->count[ALLOW_ROLES] == 0) {
        fault = "allow needs `roles`, such as {\"producer\", \"worker\"}";
    } else if (words->count[ALLOW_USERS] + words->count[ALLOW_GROUPS] == 0) {
        fault = "allow needs `users` or `groups`: to whom is it open?";
    } else if (has_role(words, ROLE_ADMIN) &&
               words->count[ALLOW_KINDS] + words->count[ALLOW_NAMES] > 0) {
        fault = "admin is a role for everything: without `kinds` and `names`; "
                "an operator can be had for some";
    }
    (void)snprintf(why, why_size, "%s", fault == NULL ? "" : fault);
    return fault == NULL;
}

static void print_list(FILE *to, enum allow_list list,
                       const struct allow_words *words)
{
    if (words->count[list] == 0) {
        return;
    }
    (void)fprintf(to, " %s = {", allow_list_names[list]);
    for (size_t i = 0; i < words->count[list]; i++) {
        (void)fputs(i > 0 ? ", \"" : "\"", to);
        for (const char *c = words->at[list][i]; *c != '\0'; c++) {
            (void)fprintf(to, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        }
        (void)fputc('"', to);
    }
    (void)fputc('}', to);
}

static char *text_of(const struct allow_words *words)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    CHECK(to != NULL);
    (void)fputs("allow {", to);
    for (enum allow_list list = 0; list < ALLOW_LISTS; list++) {
        print_list(to, list, words);
    }
    (void)fputs(" }", to);
    (void)fclose(to);
    char *copy = mem_strndup(text, len);
    free(text);
    return copy;
}

static uint32_t *ids_of(const struct allow_words *words, enum allow_list list,
                        bool (*id_of_word)(const char *, uint32_t *),
                        size_t *count)
{
    *count = words->count[list];
    uint32_t *ids = mem_alloc((*count + 1) * sizeof(*ids));
    size_t found = 0;
    for (size_t i = 0; i < *count; i++) {
        /* One that has gone since it was checked: nobody's. */
        found += id_of_word(words->at[list][i], &ids[found]);
    }
    *count = found;
    return ids;
}

static struct slices patterns_of(const struct allow_words *words)
{
    size_t count = words->count[ALLOW_NAMES];
    if (count == 0) {
        return (struct slices){0};
    }
    struct slice *patterns = mem_alloc(count * sizeof(*patterns));
    for (size_t i = 0; i < count; i++) {
        const char *word = words->at[ALLOW_NAMES][i];
        patterns[i] =
            (struct slice){mem_strndup(word, strlen(word)), strlen(word)};
    }
    return (struct slices){patterns, count};
}

void allows_init(struct allows *allows)
{
    *allows = (struct allows){0};
}

void allows_add(struct allows *allows, const struct allow_words *words)
{
    struct allow allow = {.rule = {.patterns = patterns_of(words)},
                          .text = text_of(words)};
    for (size_t i = 0; i < words->count[ALLOW_ROLES]; i++) {
        allow.rule.roles |= role_of(words->at[ALLOW_ROLES][i]);
    }
    for (size_t i = 0; i < words->count[ALLOW_KINDS]; i++) {
        allow.rule.kinds |= 1U << kind_of(words->at[ALLOW_KINDS][i]);
    }
    if (words->count[ALLOW_KINDS] == 0) {
        allow.rule.kinds = (1U << KINDS) - 1;
    }
    allow.users = ids_of(words, ALLOW_USERS, user_of, &allow.users_count);
    allow.groups = ids_of(words, ALLOW_GROUPS, group_of, &allow.groups_count);
    allows->at =
        mem_realloc(allows->at, (allows->count + 1) * sizeof(*allows->at));
    allows->at[allows->count++] = allow;
}

/* Is this the service of the machine? */
static bool is_service(void)
{
    uid_t self = geteuid();
    const struct passwd *service = getpwnam(SERVICE_NAME);
    return self == 0 || (service != NULL && service->pw_uid == self);
}

void allows_default(struct allows *allows)
{
    static const char *roles[] = {"producer", "worker"};
    static const char *groups[] = {SERVICE_NAME};
    uint32_t id;
    allows_init(allows);
    if (is_service() && group_of(SERVICE_NAME, &id)) {
        struct allow_words words = {0};
        words.at[ALLOW_ROLES] = roles;
        words.count[ALLOW_ROLES] = 2;
        words.at[ALLOW_GROUPS] = groups;
        words.count[ALLOW_GROUPS] = 1;
        allows_add(allows, &words);
    }
}

void allows_fini(struct allows *allows)
{
    for (size_t i = 0; i < allows->count; i++) {
        struct allow *allow = &allows->at[i];
        for (size_t j = 0; j < allow->rule.patterns.count; j++) {
            mem_free((void *)allow->rule.patterns.at[j].at);
        }
        mem_free((void *)allow->rule.patterns.at);
        mem_free(allow->users);
        mem_free(allow->groups);
        mem_free(allow->text);
    }
    mem_free(allows->at);
    allows_init(allows);
}

void allows_print(const struct allows *allows, FILE *to)
{
    for (size_t i = 0; i < allows->count; i++) {
        (void)fprintf(to, "%s # %s\n", allows->at[i].text,
                      allows->given ? "file" : "default");
    }
}
