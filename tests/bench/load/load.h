/*
 * The load generator: one thread, many connections, three protocols.
 *
 * A conn is a connection with its buffers. What is written to it leaves in one
 * send (conn_flush); what has come is read by its speaker (speak_*.c), which
 * knows one protocol and turns what it reads into answers. A work (flow.c,
 * turns.c, parties.c) says who asks for what, and what an answer leads to.
 *
 * It reads no more of an answer than it needs, so that it costs less than what
 * it measures. It ends the process at the first thing that is not as it should
 * be: a figure of work that was not done would be worse than none.
 */
#ifndef SYNCD_BENCH_LOAD_H
#define SYNCD_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to do, from the command line (main.c). */
struct plan {
    const char *path; /* a Unix socket, or a folder (disk) */
    const char *pid;  /* of the server, whose CPU time is read */
    long jobs;
    long message;   /* jobs in one message */
    long depth;     /* messages of one connection under way */
    long body;      /* bytes */
    long producers; /* connections */
    long consumers;
    long queues;
    long waiters;
    long parties;
    long value; /* of a semaphore */
    long order; /* 1: each producer's order is checked */
};

enum op {
    OP_HELLO,
    OP_PUT,
    OP_GET,
    OP_DONE,
    OP_ACQUIRE,
    OP_RELEASE,
    OP_ARRIVE,
    OP_MEET
};

/* An answer to one request. */
struct answer {
    enum op op;
    long jobs; /* put, brought or finished; OP_ARRIVE: who has arrived */
};

struct buffer {
    char *at; /* owned */
    size_t begin;
    size_t end;
    size_t cap;
};

/* A request of a protocol that answers in the order of asking. */
struct asked {
    enum op op;
    long parts; /* replies to come */
    long jobs;
};

/* A job handed out: what finishing it takes. */
struct held {
    uint64_t id;
    uint64_t more; /* the lock's or job's token, or an id's second half */
};

struct load;

struct conn {
    struct load *load;
    int number; /* of its role */
    int fd;
    bool blocked; /* output waits for the socket */
    struct buffer in;
    struct buffer out;
    uint64_t requests; /* sent so far */
    long serial;       /* of the next body */
    long answered;     /* jobs put and answered */
    long turn;         /* messages sent: which queue is next */
    long wanted;       /* jobs that the next get asks for */
    int64_t since_ns;
    struct asked *asked; /* owned: a ring */
    size_t asked_first, asked_count, asked_cap;
    struct held *held; /* owned: jobs handed out, not finished */
    size_t held_count, held_cap;
    void (*on_answer)(struct conn *conn, const struct answer *answer);
};

/* A protocol. Each function appends to conn->out; `read` takes one answer. */
struct speaker {
    const char *name;
    bool in_order; /* a get that waits holds up what is asked behind it */
    void (*hello)(struct conn *conn); /* NULL: nothing to say */
    void (*put)(struct conn *conn, long queue, long jobs);
    void (*get)(struct conn *conn, long queue, long most);
    void (*done)(struct conn *conn); /* all that is held */
    /* The same with the next get, in one message if it can; NULL: cannot. */
    void (*done_get)(struct conn *conn, long queue, long most);
    void (*acquire)(struct conn *conn);
    void (*release)(struct conn *conn);
    void (*meet)(struct conn *conn); /* at a barrier */
    /* The second step, if meeting takes two: the count-th since the start. */
    void (*arrived)(struct conn *conn, long count);
    bool (*read)(struct conn *conn, struct answer *answer);
};

extern const struct speaker speak_syncd;
extern const struct speaker speak_lists;   /* Redis */
extern const struct speaker speak_steps;   /* Redis lists, without a script */
extern const struct speaker speak_streams; /* Redis */
extern const struct speaker speak_beanstalkd;

struct load {
    const struct plan *plan;
    const struct speaker *speaker;
    int poll;
    bool over;
    long done;     /* jobs finished */
    long *last;    /* serial seen last of each producer; NULL: not checked */
    double *times; /* latencies, seconds */
    size_t times_count, times_cap;
    struct conn **conns; /* owned */
    size_t conns_count;
};

/* conn.c */
struct conn *conn_open(struct load *load, int number);
char *conn_room(struct conn *conn, size_t len);
void conn_wrote(struct conn *conn, size_t len);
void conn_text(struct conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void conn_body(struct conn *conn, bool quoted);
size_t conn_body_len(const struct conn *conn); /* quotes included */
void conn_flush(struct conn *conn);
void conn_hold(struct conn *conn, uint64_t id, uint64_t more);
void conn_asked(struct conn *conn, enum op op, long parts);
struct asked *conn_first_asked(struct conn *conn);
bool conn_part(struct conn *conn, long jobs, struct answer *answer);
void conn_seen(struct conn *conn, const char *body);
void conn_wait(struct conn *conn, enum op op, struct answer *answer);
void load_run(struct load *load); /* until load->over */
void load_time(struct load *load, double seconds);
void load_fini(struct load *load);

/* The works. */
void flow_run(struct load *load);
void turns_lockstep(struct load *load);
void turns_wake(struct load *load);
void turns_line(struct load *load);
void parties_hand_over(struct load *load);
void parties_meet(struct load *load);
void disk_run(struct load *load, bool append);

int64_t now_ns(void);

/* main.c: the clocks of server and work start. */
void measure_begin(const struct load *load);

/* Ends the process with a line that says what went wrong. */
#define must(condition, ...)      \
    do {                          \
        if (!(condition)) {       \
            errx(1, __VA_ARGS__); \
        }                         \
    } while (0)

#endif
