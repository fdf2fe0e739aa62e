#include "daemon/io/denials.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/io/log.h"

#define SECOND_US  1000000
#define USER_BURST 5
#define ALL_BURST  30
#define ALL_EVERY  10 /* lines of all users a second */

void denials_init(struct denials *denials, const struct log *log)
{
    *denials = (struct denials){.log = log, .all = {.left = ALL_BURST}};
}

/* Takes one line if there is one. */
static bool take(struct ration *ration, unsigned burst, unsigned a_second,
                 int64_t now_us)
{
    int64_t lines = (now_us - ration->since_us) / SECOND_US * a_second;
    if (lines > 0) {
        ration->since_us = now_us;
        ration->left = lines >= burst || ration->left + (unsigned)lines > burst
                           ? burst
                           : ration->left + (unsigned)lines;
    }
    if (ration->left == 0) {
        return false;
    }
    ration->left--;
    return true;
}

static struct ration *ration_of(struct denials *denials, uint32_t uid,
                                int64_t now_us)
{
    struct ration *ration = &denials->users[uid % DENIALS_USERS];
    if (!ration->used || ration->uid != uid) {
        uint64_t omitted = ration->omitted;
        *ration = (struct ration){
            .uid = uid, .used = true, .left = USER_BURST, .since_us = now_us};
        denials->all.omitted += omitted; /* of whom had the place before */
    }
    return ration;
}

/* The name in quotes, or "any". */
static void quote(struct out *out, const char *name)
{
    out_init(out);
    if (name[0] == '\0') {
        out_bytes(out, SLICE("any"));
    } else {
        write_string(out, slice_of(name));
    }
    out_byte(out, '\0');
}

void denials_note(struct denials *denials, const struct peer *peer,
                  const struct effect_denial *denial, int64_t now_us)
{
    struct ration *user = ration_of(denials, peer->uid, now_us);
    if (!take(user, USER_BURST, 1, now_us) ||
        !take(&denials->all, ALL_BURST, ALL_EVERY, now_us)) {
        user->omitted++;
        return;
    }
    struct out name;
    char more[64] = "";
    uint64_t omitted = user->omitted + denials->all.omitted;
    if (omitted > 0) {
        (void)snprintf(more, sizeof(more),
                       " (and %" PRIu64 " more were not logged)", omitted);
    }
    quote(&name, denial->name);
    log_line(denials->log, LOG_WARNING,
             "denied: user %u (pid %u) lacks the role %s for %s %s: %s%s",
             peer->uid, peer->pid, roles_text(denial->roles),
             kind_names[denial->kind], name.at,
             method_row(denial->method)->name, more);
    out_fini(&name);
    user->omitted = 0;
    denials->all.omitted = 0;
}
