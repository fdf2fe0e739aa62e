/*
 * beanstalkd: one tube a queue; commands of one connection are answered in
 * their order. A lock is a tube with one job in it, a semaphore one with
 * several: reserved by the holder, released to the next.
 */
#include "load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hello(struct conn *conn)
{
    conn_text(conn, "use bench\r\nwatch bench\r\nignore default\r\n");
    conn_asked(conn, OP_HELLO, 3);
}

static void put(struct conn *conn, long queue, long jobs)
{
    must(queue == 0, "one queue only");
    for (long i = 0; i < jobs; i++) {
        conn_text(conn, "put 0 0 60 %zu\r\n", conn_body_len(conn));
        conn_body(conn, false);
        conn_text(conn, "\r\n");
    }
    conn_asked(conn, OP_PUT, jobs);
}

static void get(struct conn *conn, long queue, long most)
{
    (void)queue;
    conn_text(conn, "reserve\r\n");
    for (long i = 1; i < most; i++) {
        conn_text(conn, "reserve-with-timeout 0\r\n");
    }
    conn_asked(conn, OP_GET, most);
}

static void done(struct conn *conn)
{
    for (size_t i = 0; i < conn->held_count; i++) {
        conn_text(conn, "delete %llu\r\n",
                  (unsigned long long)conn->held[i].id);
    }
    conn_asked(conn, OP_DONE, (long)conn->held_count);
    conn->held_count = 0;
}

static void acquire(struct conn *conn)
{
    if (conn->requests++ == 0 && conn->number < conn->load->plan->value) {
        conn_text(conn, "put 0 0 3600 1\r\nx\r\n");
        conn_asked(conn, OP_RELEASE, 1);
    }
    conn_text(conn, "reserve\r\n");
    conn_asked(conn, OP_ACQUIRE, 1);
}

static void release(struct conn *conn)
{
    conn_text(conn, "release %llu 0 0\r\n",
              (unsigned long long)conn->held[0].id);
    conn_asked(conn, OP_RELEASE, 1);
    conn->held_count = 0;
}

/* The body behind the line is there too; false: not yet. */
static bool reserved(struct conn *conn, char *line, char *end)
{
    struct buffer *in = &conn->in;
    char *at;
    uint64_t id = strtoull(line + strlen("RESERVED "), &at, 10);
    size_t body = strtoul(at, NULL, 10);
    size_t behind = (size_t)(end - in->at) + 1 + body + 2;
    if (behind > in->end) {
        return false;
    }
    conn_seen(conn, end + 1);
    conn_hold(conn, id, 0);
    in->begin = behind;
    return true;
}

static bool read_answer(struct conn *conn, struct answer *answer)
{
    struct buffer *in = &conn->in;
    while (in->begin < in->end) {
        char *line = in->at + in->begin;
        char *end = memchr(line, '\n', in->end - in->begin);
        if (end == NULL) {
            return false;
        }
        long jobs = 1;
        if (strncmp(line, "RESERVED ", 9) == 0) {
            if (!reserved(conn, line, end)) {
                return false;
            }
        } else {
            bool nothing = strncmp(line, "TIMED_OUT", 9) == 0;
            must(nothing || strncmp(line, "INSERTED", 8) == 0 ||
                     strncmp(line, "DELETED", 7) == 0 ||
                     strncmp(line, "RELEASED", 8) == 0 ||
                     strncmp(line, "USING", 5) == 0 ||
                     strncmp(line, "WATCHING", 8) == 0,
                 "beanstalkd says: %.*s", (int)(end - line), line);
            jobs = nothing ? 0 : 1;
            in->begin = (size_t)(end - in->at) + 1;
        }
        if (conn_part(conn, jobs, answer)) {
            return true;
        }
    }
    return false;
}

const struct speaker speak_beanstalkd = {
    .name = "beanstalkd",
    .in_order = true,
    .hello = hello,
    .put = put,
    .get = get,
    .done = done,
    .acquire = acquire,
    .release = release,
    .read = read_answer,
};
