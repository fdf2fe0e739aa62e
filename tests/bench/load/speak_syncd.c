/*
 * syncd: JSON-RPC, one message a line.
 *
 * Answers come in any order; the id of a request says what it was: a serial
 * number times 8, and the op.
 */
#include "load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct conn *conn, enum op op, const char *method)
{
    unsigned long long id = ++conn->requests * 8 + op;
    conn_text(conn,
              "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\","
              "\"params\":{",
              id, method);
}

static void queue_name(struct conn *conn, long queue)
{
    conn_text(conn, "\"queue\":\"bench%ld\"", queue);
}

static void put(struct conn *conn, long queue, long jobs)
{
    begin(conn, OP_PUT, "queue.put");
    queue_name(conn, queue);
    if (jobs == 1) {
        conn_text(conn, ",\"body\":");
        conn_body(conn, true);
        conn_text(conn, "}}\n");
        return;
    }
    conn_text(conn, ",\"bodies\":[");
    for (long i = 0; i < jobs; i++) {
        if (i > 0) {
            conn_text(conn, ",");
        }
        conn_body(conn, true);
    }
    conn_text(conn, "]}}\n");
}

static void get_params(struct conn *conn, long queue, long most)
{
    queue_name(conn, queue);
    if (most > 1) {
        conn_text(conn, ",\"max\":%ld", most);
    }
}

static void get(struct conn *conn, long queue, long most)
{
    begin(conn, OP_GET, "queue.get");
    get_params(conn, queue, most);
    conn_text(conn, "}}\n");
}

/* All of one answer bear one token. */
static void done_params(struct conn *conn)
{
    const struct held *held = conn->held;
    conn_text(conn, "\"token\":%llu,", (unsigned long long)held->more);
    if (conn->held_count == 1) {
        conn_text(conn, "\"id\":%llu", (unsigned long long)held->id);
    } else {
        char *at = conn_room(conn, conn->held_count * 24 + 16);
        char *from = at;
        at += sprintf(at, "\"ids\":[");
        for (size_t i = 0; i < conn->held_count; i++) {
            at += sprintf(at, "%s%llu", i > 0 ? "," : "",
                          (unsigned long long)held[i].id);
        }
        *at++ = ']';
        conn_wrote(conn, (size_t)(at - from));
    }
    conn->held_count = 0;
}

static void done(struct conn *conn)
{
    begin(conn, OP_DONE, "queue.done");
    done_params(conn);
    conn_text(conn, "}}\n");
}

static void done_get(struct conn *conn, long queue, long most)
{
    begin(conn, OP_GET, "queue.get");
    get_params(conn, queue, most);
    conn_text(conn, ",\"done\":{");
    done_params(conn);
    conn_text(conn, "}}}\n");
}

/* One permit of a semaphore, or the lock. */
static void acquire(struct conn *conn)
{
    long value = conn->load->plan->value;
    if (value > 1) {
        begin(conn, OP_ACQUIRE, "semaphore.acquire");
        conn_text(conn, "\"semaphore\":\"bench\",\"value\":%ld}}\n", value);
    } else {
        begin(conn, OP_ACQUIRE, "lock.acquire");
        conn_text(conn, "\"lock\":\"bench\"}}\n");
    }
}

static void release(struct conn *conn)
{
    bool many = conn->load->plan->value > 1;
    begin(conn, OP_RELEASE, many ? "semaphore.release" : "lock.release");
    conn_text(conn, "\"%s\":\"bench\",\"token\":%llu}}\n",
              many ? "semaphore" : "lock",
              (unsigned long long)conn->held[0].more);
    conn->held_count = 0;
}

static void meet(struct conn *conn)
{
    begin(conn, OP_MEET, "barrier.wait");
    conn_text(conn, "\"barrier\":\"bench\",\"parties\":%ld}}\n",
              conn->load->plan->parties);
}

static uint64_t number_behind(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    must(at != NULL, "no %s in %.200s", key, line);
    return strtoull(at + strlen(key), NULL, 10);
}

/* Each job: its id and token, and over its body to the next. */
static long hold_jobs(struct conn *conn, const char *line)
{
    long jobs = 0;
    const char *at = line;
    size_t skip = conn_body_len(conn) - 2;
    while ((at = strstr(at, "{\"id\":")) != NULL) {
        char *end;
        uint64_t id = strtoull(at + 6, &end, 10);
        conn_hold(conn, id, number_behind(end, "\"token\":"));
        const char *body = strstr(end, "\"body\":\"");
        must(body != NULL, "a job without a body: %.200s", at);
        body += 8;
        conn_seen(conn, body);
        at = body + skip;
        jobs++;
    }
    return jobs;
}

static long jobs_of(struct conn *conn, enum op op, const char *line)
{
    switch (op) {
    case OP_PUT: {
        const char *ids = strstr(line, "\"ids\":[");
        long jobs = 1;
        while (ids != NULL && (ids = strchr(ids, ',')) != NULL) {
            ids++;
            jobs++;
        }
        return jobs;
    }
    case OP_GET:
        return hold_jobs(conn, line);
    case OP_DONE:
        if (strstr(line, "\"result\":{}") != NULL) {
            return 1;
        }
        must(strstr(line, "\"stale\":[]") != NULL, "stale: %.300s", line);
        return (long)number_behind(line, "\"done\":");
    case OP_ACQUIRE:
        conn_hold(conn, 0, number_behind(line, "\"token\":"));
        break;
    case OP_HELLO:
    case OP_RELEASE:
    case OP_ARRIVE:
    case OP_MEET:
        break;
    }
    return 0;
}

static bool read_answer(struct conn *conn, struct answer *answer)
{
    struct buffer *in = &conn->in;
    char *line = in->at == NULL ? NULL : in->at + in->begin;
    char *end = line == NULL ? NULL : memchr(line, '\n', in->end - in->begin);
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    in->begin = (size_t)(end - in->at) + 1;
    char *behind;
    uint64_t id = strtoull(strstr(line, "\"id\":") + 5, &behind, 10);
    must(strncmp(behind, ",\"error\"", 8) != 0, "an error: %.300s", line);
    answer->op = (enum op)(id % 8);
    answer->jobs = jobs_of(conn, answer->op, behind);
    return true;
}

const struct speaker speak_syncd = {
    .name = "syncd",
    .put = put,
    .get = get,
    .done = done,
    .done_get = done_get,
    .acquire = acquire,
    .release = release,
    .meet = meet,
    .read = read_answer,
};
