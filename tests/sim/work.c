#include "tests/sim/work.h"

/* The compiler's call has no argument, so there is no other place for it. */
static uint64_t blocks;

/* Weak, since libFuzzer has one of its own. */
__attribute__((weak)) void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    blocks++;
}

uint64_t work_done(void)
{
#ifdef __OPTIMIZE__
    return blocks;
#else
    return blocks / 2; /* what an optimising compiler leaves of them, or less */
#endif
}
