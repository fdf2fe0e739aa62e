/*
 * The parameters of a request, read by the tables of method.h.
 *
 * They are checked and stored in one pass: a body is looked at once, on its
 * way into the request.
 */
#ifndef SYNCD_PROTO_PARAMS_H
#define SYNCD_PROTO_PARAMS_H

#include "proto/message.h"

/*
 * Reads the members of `params` into the request, which is absent so far.
 * False: they are not JSON (params->bad, and nothing else is told), or *why
 * says what is wrong.
 */
bool params_read(struct scan_members *params, enum method method,
                 struct arena *arena, struct request *request,
                 struct complaint *why);

/* An id of a request: an integer up to 2^53, plainly written, or a string of
 * at most RPC_ID_BYTES_MAX bytes. `value` is checked JSON. */
bool params_is_rpc_id(struct slice value, struct arena *arena);

#endif
