/*
 * CHECK: what must hold here, in every build.
 *
 * For our own mistakes only: a client's mistake is a reply, the world's failure
 * is a return value. A failed CHECK prints the place and aborts; the store
 * makes a restart safe, running on with broken state does not.
 */
#ifndef SYNCD_PROTO_CHECK_H
#define SYNCD_PROTO_CHECK_H

#define CHECK(cond) \
    ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))

_Noreturn void check_failed(const char *cond, const char *file, int line,
                            const char *function);

#endif
