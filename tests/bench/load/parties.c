/*
 * Parties that synchronize: contenders for a lock or a semaphore, and those
 * that meet at a barrier. Each holds what it was given for no time at all.
 */
#include "load.h"

#include <err.h>
#include <stdlib.h>

/* When the last one gave up what it held. */
static int64_t given_up_ns;

/* Time runs from before the release is written until the next one has it. */
static void contend(struct conn *conn, const struct answer *answer)
{
    struct load *load = conn->load;
    if (answer->op == OP_RELEASE) {
        return;
    }
    must(answer->op == OP_ACQUIRE, "not an answer to an acquire");
    int64_t now = now_ns();
    if (given_up_ns > 0) {
        load_time(load, (double)(now - given_up_ns) / 1e9);
    }
    load->over = ++load->done >= load->plan->jobs;
    given_up_ns = now;
    load->speaker->release(conn);
    load->speaker->acquire(conn);
}

void parties_hand_over(struct load *load)
{
    struct conn **conns =
        calloc((size_t)load->plan->parties, sizeof(struct conn *));
    must(conns != NULL, "out of memory");
    for (int i = 0; i < load->plan->parties; i++) {
        conns[i] = conn_open(load, i);
        conns[i]->on_answer = contend;
    }
    measure_begin(load);
    for (long i = 0; i < load->plan->parties; i++) {
        load->speaker->acquire(conns[i]);
        conn_flush(conns[i]);
    }
    load_run(load);
    free(conns);
}

static void met(struct conn *conn, const struct answer *answer)
{
    struct load *load = conn->load;
    if (answer->op == OP_ARRIVE) {
        load->speaker->arrived(conn, answer->jobs);
        return;
    }
    must(answer->op == OP_MEET, "not an answer of a barrier");
    load->done++;
    if (load->done >= load->plan->jobs * load->plan->parties) {
        load->over = true;
    }
    if (load->done % load->plan->parties == 0) {
        int64_t now = now_ns();
        load_time(load, (double)(now - given_up_ns) / 1e9);
        given_up_ns = now;
    }
    load->speaker->meet(conn);
}

void parties_meet(struct load *load)
{
    must(load->speaker->meet != NULL, "not for this protocol");
    for (int i = 0; i < load->plan->parties; i++) {
        conn_open(load, i)->on_answer = met;
    }
    measure_begin(load);
    given_up_ns = now_ns();
    for (size_t i = 0; i < load->conns_count; i++) {
        load->speaker->meet(load->conns[i]);
        conn_flush(load->conns[i]);
    }
    load_run(load);
    load->done /= load->plan->parties;
}
