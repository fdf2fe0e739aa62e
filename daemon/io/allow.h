/*
 * The `allow` sections of the configuration: who gets which roles for what.
 *
 *     allow {
 *         roles = {"producer", "worker"}
 *         users = {"www-data", "1001"}
 *         groups = {"web"}
 *         kinds = {"queue", "event"}
 *         names = {"mail-*"}
 *     }
 *
 * Each opens its roles to its users and to the members of its groups, for names
 * of those kinds that match one of the patterns; without `kinds` or `names` for
 * all of them. Sections add up, and nothing closes what one opens. Without any,
 * the service (a daemon that runs as root or as the user syncd) lets the
 * members of the group syncd be producers and workers.
 */
#ifndef SYNCD_IO_ALLOW_H
#define SYNCD_IO_ALLOW_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/engine/access.h"

#define ALLOWS_MAX 1000

/* One of them. The rule's patterns are owned, as all the rest. */
struct allow {
    struct access_rule rule;
    uint32_t *users; /* ids */
    size_t users_count;
    uint32_t *groups;
    size_t groups_count;
    char *text; /* as it would be written, on one line */
};

struct allows {
    struct allow *at;
    size_t count;
    bool given; /* by the file */
};

/* An empty one, or the one that holds if the file has none. */
void allows_init(struct allows *allows);
void allows_default(struct allows *allows);
void allows_fini(struct allows *allows);

/* A list of words of a section. */
enum allow_list {
    ALLOW_ROLES,
    ALLOW_USERS,
    ALLOW_GROUPS,
    ALLOW_KINDS,
    ALLOW_NAMES,
    ALLOW_LISTS
};

extern const char *const allow_list_names[ALLOW_LISTS];

/* Is the word right there? Else `why` is filled with what is wrong. */
bool allow_check_word(enum allow_list list, const char *word, char *why,
                      size_t why_size);

/* A section, words by list; each was checked. */
struct allow_words {
    const char **at[ALLOW_LISTS]; /* borrowed */
    size_t count[ALLOW_LISTS];
};

/* Do they make sense together? */
bool allow_check(const struct allow_words *words, char *why, size_t why_size);
void allows_add(struct allows *allows, const struct allow_words *words);

void allows_print(const struct allows *allows, FILE *to);

#endif
