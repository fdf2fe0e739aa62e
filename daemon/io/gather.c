#include "daemon/io/gather.h"

#include "proto/check.h"

struct gather *gather_new(uint64_t number)
{
    struct gather *gather = mem_zalloc(sizeof(*gather));
    gather->number = number;
    out_init(&gather->out);
    return gather;
}

void gather_free(struct gather *gather)
{
    if (gather != NULL) {
        out_fini(&gather->out);
        mem_free(gather);
    }
}

void gather_add(struct gather *gather, struct slice line)
{
    CHECK(line.len > 0 && line.at[line.len - 1] == '\n');
    out_byte(&gather->out, gather->out.len == 0 ? '[' : ',');
    out_bytes(&gather->out, (struct slice){line.at, line.len - 1});
}

bool gather_whole(const struct gather *gather)
{
    return gather->carried_out && gather->missing == 0;
}

struct slice gather_line(struct gather *gather)
{
    if (gather->out.len == 0) {
        return (struct slice){"", 0};
    }
    out_bytes(&gather->out, SLICE("]\n"));
    return (struct slice){gather->out.at, gather->out.len};
}
