/*
 * Redis, by the two recipes its documentation has for a queue that loses no job
 * when a consumer dies.
 *
 * lists    RPUSH; LMOVE to a list of the consumer's own, BLMOVE where it waits;
 *          finished by taking it off that list. Many are pushed and finished by
 *          one command each, and moved by one command a job.
 * streams  XADD; XREADGROUP; XACK and XDEL.
 *
 * A lock is a list with one element, a semaphore one with several: BLPOP takes
 * it, RPUSH hands it to the one that waits longest. A barrier is a counter, and
 * a list that the last to arrive pushes an element on for each: by a script, so
 * that it is one step, with the BLPOP behind it in the same message; or (steps)
 * by plain commands: whoever has counted itself is told whether it is the last,
 * which pushes, and then waits at the list of this round.
 */
#include "load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char meeting[] =
    "if redis.call('INCR',KEYS[1])==tonumber(ARGV[1]) then "
    "redis.call('DEL',KEYS[1]) "
    "for i=1,ARGV[1] do redis.call('RPUSH',KEYS[2],'1') end end";

/* ---- Commands ---- */

static void count(struct conn *conn, long words)
{
    conn_text(conn, "*%ld\r\n", words);
}

static void word(struct conn *conn, const char *text)
{
    conn_text(conn, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void word_number(struct conn *conn, const char *prefix, long number)
{
    char text[100];
    (void)snprintf(text, sizeof(text), "%s%ld", prefix, number);
    word(conn, text);
}

static void word_body(struct conn *conn)
{
    conn_text(conn, "$%zu\r\n", conn_body_len(conn));
    conn_body(conn, false);
    conn_text(conn, "\r\n");
}

static void hello(struct conn *conn)
{
    count(conn, 1);
    word(conn, "PING");
    conn_asked(conn, OP_HELLO, 1);
}

/* ---- Lists ---- */

static void list_put(struct conn *conn, long queue, long jobs)
{
    count(conn, 2 + jobs);
    word(conn, "RPUSH");
    word_number(conn, "bench", queue);
    for (long i = 0; i < jobs; i++) {
        word_body(conn);
    }
    conn_asked(conn, OP_PUT, 1);
    conn->asked[(conn->asked_first + conn->asked_count - 1) % conn->asked_cap]
        .jobs = jobs - 1;
}

static void list_get(struct conn *conn, long queue, long most)
{
    for (long i = 0; i < most; i++) {
        count(conn, i == 0 ? 6 : 5);
        word(conn, i == 0 ? "BLMOVE" : "LMOVE");
        word_number(conn, "bench", queue);
        word_number(conn, "taken", conn->number);
        word(conn, "LEFT");
        word(conn, "RIGHT");
        if (i == 0) {
            word(conn, "0");
        }
    }
    conn_asked(conn, OP_GET, most);
}

/* One message a job: one command a job. */
static void list_done(struct conn *conn)
{
    long jobs = (long)conn->held_count;
    bool each = conn->load->plan->message == 1;
    for (long i = 0; i < (each ? jobs : 1); i++) {
        count(conn, each ? 2 : 3);
        word(conn, "LPOP");
        word_number(conn, "taken", conn->number);
        if (!each) {
            word_number(conn, "", jobs);
        }
    }
    conn_asked(conn, OP_DONE, each ? jobs : 1);
    conn->asked[(conn->asked_first + conn->asked_count - 1) % conn->asked_cap]
        .jobs = each ? 0 : jobs - 1;
    conn->held_count = 0;
}

/* ---- Streams ---- */

static void stream_put(struct conn *conn, long queue, long jobs)
{
    for (long i = 0; i < jobs; i++) {
        count(conn, 5);
        word(conn, "XADD");
        word_number(conn, "bench", queue);
        word(conn, "*");
        word(conn, "b");
        word_body(conn);
    }
    conn_asked(conn, OP_PUT, jobs);
}

static void stream_get(struct conn *conn, long queue, long most)
{
    count(conn, 11);
    word(conn, "XREADGROUP");
    word(conn, "GROUP");
    word(conn, "g");
    word_number(conn, "c", conn->number);
    word(conn, "COUNT");
    word_number(conn, "", most);
    word(conn, "BLOCK");
    word(conn, "0");
    word(conn, "STREAMS");
    word_number(conn, "bench", queue);
    word(conn, ">");
    conn_asked(conn, OP_GET, 1);
}

static void stream_ids(struct conn *conn, const char *command, bool group,
                       size_t from, size_t to)
{
    count(conn, (group ? 3 : 2) + (long)(to - from));
    word(conn, command);
    word(conn, "bench0");
    if (group) {
        word(conn, "g");
    }
    for (size_t i = from; i < to; i++) {
        char id[60];
        (void)snprintf(id, sizeof(id), "%llu-%llu",
                       (unsigned long long)conn->held[i].id,
                       (unsigned long long)conn->held[i].more);
        word(conn, id);
    }
}

static void stream_done(struct conn *conn)
{
    size_t jobs = conn->held_count;
    must(jobs > 0, "nothing to be done");
    size_t step = conn->load->plan->message == 1 ? 1 : jobs;
    for (size_t i = 0; i < jobs; i += step) {
        stream_ids(conn, "XACK", true, i, i + step);
        stream_ids(conn, "XDEL", false, i, i + step);
    }
    conn_asked(conn, OP_DONE, 2 * (long)(jobs / step));
    conn->asked[(conn->asked_first + conn->asked_count - 1) % conn->asked_cap]
        .jobs = (long)jobs;
    conn->held_count = 0;
}

/* ---- Parties ---- */

static void list_acquire(struct conn *conn)
{
    if (conn->requests++ == 0 && conn->number < conn->load->plan->value) {
        conn_text(conn, "*3\r\n$5\r\nRPUSH\r\n$4\r\nlock\r\n$1\r\n1\r\n");
        conn_asked(conn, OP_RELEASE, 1);
    }
    conn_text(conn, "*3\r\n$5\r\nBLPOP\r\n$4\r\nlock\r\n$1\r\n0\r\n");
    conn_asked(conn, OP_ACQUIRE, 1);
}

static void list_release(struct conn *conn)
{
    conn_text(conn, "*3\r\n$5\r\nRPUSH\r\n$4\r\nlock\r\n$1\r\n1\r\n");
    conn_asked(conn, OP_RELEASE, 1);
    conn->held_count = 0;
}

static void list_meet(struct conn *conn)
{
    count(conn, 6);
    word(conn, "EVAL");
    word(conn, meeting);
    word(conn, "2");
    word(conn, "arrived");
    word(conn, "released");
    word_number(conn, "", conn->load->plan->parties);
    conn_text(conn, "*3\r\n$5\r\nBLPOP\r\n$8\r\nreleased\r\n$1\r\n0\r\n");
    conn_asked(conn, OP_MEET, 2);
}

static void step_arrive(struct conn *conn)
{
    conn_text(conn, "*2\r\n$4\r\nINCR\r\n$7\r\narrived\r\n");
    conn_asked(conn, OP_ARRIVE, 1);
}

static void step_arrived(struct conn *conn, long arrived)
{
    long parties = conn->load->plan->parties;
    bool last = arrived % parties == 0;
    long round = (arrived - 1) / parties;
    if (last) {
        count(conn, 2 + parties);
        word(conn, "RPUSH");
        word_number(conn, "released", round);
        for (long i = 0; i < parties; i++) {
            word(conn, "1");
        }
    }
    count(conn, 3);
    word(conn, "BLPOP");
    word_number(conn, "released", round);
    word(conn, "0");
    conn_asked(conn, OP_MEET, last ? 2 : 1);
}

/* ---- Replies ---- */

/* What a reply says, as far as it matters. */
struct reply {
    struct conn *conn;
    const char *at; /* behind what was read */
    const char *end;
    long values; /* bulk strings in it */
    long number; /* the last in it */
    bool streams;
};

static bool read_line(struct reply *reply, char *type, long *number)
{
    const char *lf = memchr(reply->at, '\n', (size_t)(reply->end - reply->at));
    if (lf == NULL) {
        return false;
    }
    *type = *reply->at;
    must(*type != '-', "Redis says: %.*s", (int)(lf - reply->at), reply->at);
    *number = strtol(reply->at + 1, NULL, 10);
    reply->at = lf + 1;
    return true;
}

/* In a stream's answer: ids at the fourth level, bodies at the fifth. */
static void value(struct reply *reply, const char *text, int level)
{
    reply->values++;
    if (reply->streams && level == 4) {
        char *behind;
        uint64_t id = strtoull(text, &behind, 10);
        conn_hold(reply->conn, id, strtoull(behind + 1, NULL, 10));
    } else if (!reply->streams) {
        conn_seen(reply->conn, text);
    }
}

/* One whole reply; false: not all of it is there. */
static bool read_reply(struct reply *reply) /* without recursion */
{
    long left[8] = {1};
    int level = 0;
    while (level >= 0) {
        char type;
        long number;
        if (left[level] == 0) {
            level--;
            continue;
        }
        left[level]--;
        if (!read_line(reply, &type, &number)) {
            return false;
        }
        reply->number = number;
        if (type == '*' && number > 0) {
            must(level < 7, "a reply is nested too deeply");
            left[++level] = number;
        } else if (type == '$' && number >= 0) {
            if (reply->end - reply->at < number + 2) {
                return false;
            }
            value(reply, reply->at, level);
            reply->at += number + 2;
        }
    }
    return true;
}

/* How many jobs a reply stands for, or how many have arrived. */
static long jobs_of(struct conn *conn, const struct reply *reply,
                    size_t held_before)
{
    switch (conn_first_asked(conn)->op) {
    case OP_GET:
        if (!reply->streams && reply->values > 0) {
            conn_hold(conn, 0, 0);
        }
        return (long)(conn->held_count - held_before);
    case OP_PUT:
        return 1;
    case OP_DONE:
        return reply->streams ? 0 : 1;
    case OP_ARRIVE:
        return reply->number;
    case OP_ACQUIRE:
    case OP_HELLO:
    case OP_RELEASE:
    case OP_MEET:
        break;
    }
    return 0;
}

static bool read_answer(struct conn *conn, struct answer *answer)
{
    struct buffer *in = &conn->in;
    while (in->begin < in->end) {
        size_t held = conn->held_count;
        enum op op = conn_first_asked(conn)->op;
        bool streams = conn->load->speaker == &speak_streams;
        struct reply reply = {.conn = conn,
                              .at = in->at + in->begin,
                              .end = in->at + in->end,
                              .streams = streams || op != OP_GET};
        if (!read_reply(&reply)) {
            conn->held_count = held;
            return false;
        }
        in->begin = (size_t)(reply.at - in->at);
        reply.streams = streams;
        if (conn_part(conn, jobs_of(conn, &reply, held), answer)) {
            return true;
        }
    }
    return false;
}

const struct speaker speak_lists = {
    .name = "lists",
    .in_order = true,
    .hello = hello,
    .put = list_put,
    .get = list_get,
    .done = list_done,
    .acquire = list_acquire,
    .release = list_release,
    .meet = list_meet,
    .read = read_answer,
};

const struct speaker speak_steps = {
    .name = "steps",
    .in_order = true,
    .hello = hello,
    .meet = step_arrive,
    .arrived = step_arrived,
    .read = read_answer,
};

const struct speaker speak_streams = {
    .name = "streams",
    .in_order = true,
    .hello = hello,
    .put = stream_put,
    .get = stream_get,
    .done = stream_done,
    .read = read_answer,
};
