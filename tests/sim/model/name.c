/* The names of things, which are fixed. */
#include "tests/sim/model/inside.h"

void m_copy(char *to, size_t size, struct slice text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;
    if (len > 0) {
        memcpy(to, text.at, len);
    }
    to[len] = '\0';
}

/* Without the scope. */
static struct slice bare(struct slice name)
{
    size_t len = strlen(M_SCOPE);
    return name.len > len && memcmp(name.at, M_SCOPE, len) == 0
               ? (struct slice){name.at + len, name.len - len}
               : name;
}

int m_index(struct slice name)
{
    name = bare(name);
    return name.len == 2 && name.at[1] >= '0' && name.at[1] <= '9'
               ? name.at[1] - '0'
               : -1;
}

int m_stage_index(struct slice name)
{
    return m_index(name);
}

/* "e1", or "batch/b0/s2" */
int m_event_index(struct slice name)
{
    if (bare(name).len == 2) {
        return m_index(name);
    }
    if (name.len != strlen("batch/b0/s0")) {
        return -1;
    }
    return M_PLAIN_EVENTS + (name.at[7] - '0') * M_STAGES + (name.at[10] - '0');
}

void m_event_name(int event, char *text, size_t size)
{
    if (event < M_PLAIN_EVENTS) {
        (void)snprintf(text, size, "%se%d",
                       event == M_SCOPE_EVENT ? M_SCOPE : "", event);
    } else {
        (void)snprintf(text, size, "batch/b%d/s%d",
                       (event - M_PLAIN_EVENTS) / M_STAGES,
                       (event - M_PLAIN_EVENTS) % M_STAGES);
    }
}

struct slice m_name(char kind, int i, char text[M_NAME_SIZE])
{
    (void)snprintf(text, M_NAME_SIZE, "%s%c%d", i == 0 ? M_SCOPE : "", kind, i);
    return slice_of(text);
}
