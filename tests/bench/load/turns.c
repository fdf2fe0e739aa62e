/*
 * One thing at a time: what a single program feels.
 *
 * lockstep  a put, its answer, a get, its answer, and the job is finished: with
 *           the next get where the protocol has it, else by a request of its
 * own wake      a consumer waits; from before the put is sent to the job's
 * arrival line      many gets wait in one line; each put goes to the first of
 * them
 */
#include "load.h"

#include <err.h>
#include <stdlib.h>

static void expect(struct conn *conn, enum op op, long jobs)
{
    struct answer answer;
    conn_wait(conn, op, &answer);
    must(answer.jobs == jobs, "%ld jobs instead of %ld", answer.jobs, jobs);
}

static void take_turn(struct conn *producer, struct conn *consumer)
{
    const struct speaker *speaker = producer->load->speaker;
    speaker->put(producer, 0, 1);
    expect(producer, OP_PUT, 1);
    if (speaker->done_get != NULL && consumer->held_count > 0) {
        speaker->done_get(consumer, 0, 1);
    } else {
        speaker->get(consumer, 0, 1);
    }
    expect(consumer, OP_GET, 1);
    if (speaker->done_get == NULL) {
        speaker->done(consumer);
        expect(consumer, OP_DONE, 1);
    }
}

void turns_lockstep(struct load *load)
{
    struct conn *producer = conn_open(load, 0);
    struct conn *consumer = conn_open(load, 0);
    take_turn(producer, consumer);
    measure_begin(load);
    for (long i = 0; i < load->plan->jobs; i++) {
        int64_t began = now_ns();
        take_turn(producer, consumer);
        load_time(load, (double)(now_ns() - began) / 1e9);
        load->done++;
    }
}

/* The server has read the get, and has gone back to sleep: 200 us are plenty.
 */
static void let_it_sleep(void)
{
    int64_t until = now_ns() + 200000;
    while (now_ns() < until) {
    }
}

void turns_wake(struct load *load)
{
    const struct speaker *speaker = load->speaker;
    struct conn *producer = conn_open(load, 0);
    struct conn *consumer = conn_open(load, 0);
    take_turn(producer, consumer);
    if (consumer->held_count > 0) {
        speaker->done(consumer);
        expect(consumer, OP_DONE, 1);
    }
    measure_begin(load);
    for (long i = 0; i < load->plan->jobs; i++) {
        speaker->get(consumer, 0, 1);
        conn_flush(consumer);
        let_it_sleep();
        int64_t began = now_ns();
        speaker->put(producer, 0, 1);
        conn_flush(producer);
        expect(consumer, OP_GET, 1);
        load_time(load, (double)(now_ns() - began) / 1e9);
        expect(producer, OP_PUT, 1);
        speaker->done(consumer);
        expect(consumer, OP_DONE, 1);
        load->done++;
    }
}

/* The first connection is the producer. */
static void line_next(struct load *load)
{
    load->speaker->put(load->conns[0], 0, 1);
    conn_flush(load->conns[0]);
}

/* The next put follows when both the put and the job are there. */
static void line_answer(struct conn *conn, const struct answer *answer)
{
    struct load *load = conn->load;
    if (answer->op == OP_GET) {
        load->speaker->done_get(conn, 0, 1);
    }
    load->done++;
    if (load->done % 2 == 0) {
        load->over = load->done >= 2 * load->plan->jobs;
        line_next(load);
    }
}

void turns_line(struct load *load)
{
    long conns = (load->plan->waiters + 99) / 100;
    must(load->speaker->done_get != NULL, "not for this protocol");
    conn_open(load, 0)->on_answer = line_answer;
    for (int i = 0; i < conns; i++) {
        struct conn *conn = conn_open(load, i);
        conn->on_answer = line_answer;
        for (long k = i; k < load->plan->waiters; k += conns) {
            load->speaker->get(conn, 0, 1);
        }
        conn_flush(conn);
    }
    measure_begin(load);
    line_next(load);
    load_run(load);
    load->done /= 2;
}
