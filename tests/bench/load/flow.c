/*
 * Many under way: producers that keep `depth` messages of `message` jobs each
 * unanswered, consumers that finish what they get and ask for more.
 *
 * Without consumers it fills a queue. With many producers, a depth of 1 and a
 * message of 1 it is so many programs that put and wait for the answer.
 */
#include "load.h"

#include <err.h>
#include <stdlib.h>

/* Of the n-th message of all producers, or consumers: over all queues, so that
 * each queue gets as many as are taken from it. */
static long queue_of(const struct conn *conn, long turn, long sides)
{
    return (turn * sides + conn->number) % conn->load->plan->queues;
}

static void put_more(struct conn *conn)
{
    const struct plan *plan = conn->load->plan;
    long share = plan->jobs / plan->producers;
    if (conn->serial < share) {
        conn->load->speaker->put(
            conn, queue_of(conn, conn->turn++, plan->producers), plan->message);
    }
}

static void produced(struct conn *conn, const struct answer *answer)
{
    struct load *load = conn->load;
    must(answer->op == OP_PUT, "not an answer to a put");
    conn->answered += answer->jobs;
    put_more(conn);
    if (load->plan->consumers == 0) {
        load->done += answer->jobs;
        load->over = load->done >= load->plan->jobs;
    }
}

static void get_more(struct conn *conn)
{
    const struct plan *plan = conn->load->plan;
    conn->load->speaker->get(
        conn, queue_of(conn, conn->turn++, plan->consumers), conn->wanted);
}

/* Where a get that waits holds up what is behind it, there is one at a time, of
 * many jobs: as many as came last time and some more, since each that does not
 * come costs the server something. */
static long wanted_next(const struct plan *plan, long brought)
{
    long most = plan->depth * plan->message;
    long next = brought + brought / 4 + 2;
    return next < most ? next : most;
}

static void consumed(struct conn *conn, const struct answer *answer)
{
    struct load *load = conn->load;
    if (answer->op == OP_DONE) {
        load->done += answer->jobs;
        load->over = load->done >= load->plan->jobs;
        return;
    }
    must(answer->op == OP_GET, "neither a get's answer nor a done's");
    if (conn->held_count > 0) {
        load->speaker->done(conn);
    }
    if (load->speaker->in_order) {
        conn->wanted = wanted_next(load->plan, answer->jobs);
    }
    get_more(conn);
}

static void start_consumer(struct conn *conn)
{
    const struct plan *plan = conn->load->plan;
    bool one = conn->load->speaker->in_order;
    conn->on_answer = consumed;
    conn->wanted = plan->message;
    for (long i = 0; i < (one ? 1 : plan->depth); i++) {
        get_more(conn);
    }
    conn_flush(conn);
}

void flow_run(struct load *load)
{
    const struct plan *plan = load->plan;
    struct conn **producers =
        calloc((size_t)plan->producers, sizeof(*producers));
    struct conn **consumers =
        calloc((size_t)plan->consumers + 1, sizeof(*consumers));
    must(producers != NULL && consumers != NULL, "out of memory");
    for (int i = 0; i < plan->producers; i++) {
        producers[i] = conn_open(load, i);
        producers[i]->on_answer = produced;
    }
    for (int i = 0; i < plan->consumers; i++) {
        consumers[i] = conn_open(load, i);
    }
    measure_begin(load);
    for (long i = 0; i < plan->consumers; i++) {
        start_consumer(consumers[i]);
    }
    for (long i = 0; i < plan->producers; i++) {
        for (long depth = 0; depth < plan->depth; depth++) {
            put_more(producers[i]);
        }
        conn_flush(producers[i]);
    }
    load_run(load);
    free(producers);
    free(consumers);
}
