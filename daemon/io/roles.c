#include "daemon/io/roles.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/io/gather.h" /* uthash, set up */
#include "proto/check.h"
#include "proto/memory.h"

/* Most processes have fewer; others cost an allocation. */
#define GROUPS_USUAL 64

/* NGROUPS_MAX of Linux. */
#define GROUPS_MAX 65536

struct role_class {
    size_t used; /* by clients */
    struct access access;
    const struct access_rule **rules; /* owned; also the key */
    UT_hash_handle hh;
};

/* The groups of a peer, its own one first, the others in their order. */
struct peer_groups {
    uint32_t usual[GROUPS_USUAL + 1];
    uint32_t *at; /* owned unless it is `usual` */
    size_t count;
};

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* The kernel's list; without one (an old kernel) the peer has its own alone. */
static void read_groups(struct peer_groups *groups, int fd, uint32_t gid)
{
    _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "a gid is 32 bits");
    socklen_t len = GROUPS_USUAL * sizeof(uint32_t);
    groups->at = groups->usual;
    groups->at[0] = gid;
    int rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups->at + 1, &len);
    if (rc < 0 && errno == ERANGE && len <= GROUPS_MAX * sizeof(uint32_t)) {
        groups->at = mem_alloc(len + sizeof(uint32_t));
        groups->at[0] = gid;
        rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups->at + 1, &len);
    }
    groups->count = rc < 0 ? 1 : 1 + len / sizeof(uint32_t);
    qsort(groups->at, groups->count, sizeof(uint32_t), compare_ids);
}

static void free_groups(struct peer_groups *groups)
{
    if (groups->at != groups->usual) {
        mem_free(groups->at);
    }
}

static bool is_member(const struct peer_groups *groups, uint32_t gid)
{
    return bsearch(&gid, groups->at, groups->count, sizeof(gid), compare_ids) !=
           NULL;
}

static bool applies(const struct allow *allow, uint32_t uid,
                    const struct peer_groups *groups)
{
    for (size_t i = 0; i < allow->users_count; i++) {
        if (allow->users[i] == uid) {
            return true;
        }
    }
    for (size_t i = 0; i < allow->groups_count; i++) {
        if (is_member(groups, allow->groups[i])) {
            return true;
        }
    }
    return false;
}

void roles_init(struct roles *roles, const struct allows *allows)
{
    *roles = (struct roles){.allows = allows, .self = geteuid()};
}

static struct role_class *class_new(struct roles *roles,
                                    const struct access_rule **take_rules,
                                    size_t count)
{
    struct role_class *found = mem_zalloc(sizeof(*found));
    found->rules = take_rules;
    access_init(&found->access, take_rules, count);
    HASH_ADD_KEYPTR(hh, roles->classes, (const void *)take_rules,
                    (unsigned)(count * sizeof(*take_rules)), found);
    return found;
}

/* The class of those to whom these apply. */
static struct role_class *class_of(struct roles *roles,
                                   const struct access_rule **take_rules,
                                   size_t count)
{
    struct role_class *found;
    HASH_FIND(hh, roles->classes, (const void *)take_rules,
              (unsigned)(count * sizeof(*take_rules)), found);
    if (found == NULL) {
        return class_new(roles, take_rules, count);
    }
    mem_free(take_rules);
    return found;
}

const struct access *roles_take(struct roles *roles, int fd, uint32_t uid,
                                uint32_t gid)
{
    if (uid == 0 || uid == roles->self) {
        return &access_everything;
    }
    const struct allows *allows = roles->allows;
    const struct access_rule **rules =
        mem_alloc((allows->count + 1) * sizeof(*rules));
    size_t count = 0;
    struct peer_groups groups;
    read_groups(&groups, fd, gid);
    for (size_t i = 0; i < allows->count; i++) {
        if (applies(&allows->at[i], uid, &groups)) {
            rules[count++] = &allows->at[i].rule;
        }
    }
    free_groups(&groups);
    if (count == 0) {
        mem_free(rules);
        return &access_nothing;
    }
    struct role_class *found = class_of(roles, rules, count);
    found->used++;
    return &found->access;
}

void roles_give(struct roles *roles, const struct access *access)
{
    if (access == &access_everything || access == &access_nothing) {
        return;
    }
    struct role_class *found =
        (struct role_class *)(void *)((char *)(uintptr_t)access -
                                      offsetof(struct role_class, access));
    CHECK(found->used > 0);
    if (--found->used == 0) {
        HASH_DEL(roles->classes, found);
        mem_free(found->rules);
        mem_free(found);
    }
}

void roles_fini(struct roles *roles)
{
    CHECK(roles->classes == NULL);
}
