/*
 * The load generator: two producers and two consumers against one daemon.
 *
 *     load SOCKET PID JOBS PER_MESSAGE DEPTH BODY_BYTES PHASE
 *
 *   PHASE cycle  puts JOBS jobs while the consumers get and finish them
 *         fill   only puts them
 *
 * Each producer keeps DEPTH puts of PER_MESSAGE jobs under way; each consumer
 * as many gets, and finishes what a get brought in one message. Prints one line
 * of JSON: jobs, seconds, and the microseconds of CPU that the process PID took
 * a job, from /proc/PID/task/N/schedstat (nanoseconds). A job that is delivered
 * twice, or in another order than its producer put it, ends it with status 1:
 * bodies carry the producer's number and a serial number.
 *
 * It reads no more of an answer than it needs, so that it costs less than what
 * it measures. Lines are far below 4 GiB, so ids and serials fit a long.
 */
#include <err.h>
#include <glob.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SIDES      2 /* producers, and consumers */
#define READ_BYTES ((size_t)1 << 16)

struct plan {
    const char *socket;
    long jobs; /* of each producer */
    long per_message;
    long depth;
    long body_bytes;
    bool fill;
};

/* What the consumers share, under the lock. */
struct tally {
    pthread_mutex_t lock;
    pthread_cond_t all_done;
    long done;
    long last[SIDES]; /* serial of each producer seen last, one consumer */
    bool ordered;     /* there is one consumer alone: check the order */
};

struct side {
    const struct plan *plan;
    struct tally *tally;
    int number;
    int fd;
    char *in; /* owned */
    size_t in_len, in_cap, in_at;
    long id;
};

static void connect_side(struct side *side)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(side->plan->socket) >= sizeof(address.sun_path)) {
        errx(2, "the socket's path is too long");
    }
    memcpy(address.sun_path, side->plan->socket, strlen(side->plan->socket));
    side->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (side->fd < 0 ||
        connect(side->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        err(1, "%s", side->plan->socket);
    }
}

static void send_all(struct side *side, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(side->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            err(1, "send");
        }
        bytes += sent;
        len -= (size_t)sent;
    }
}

/* Makes room and reads what is there. */
static void read_more(struct side *side)
{
    if (side->in_at < side->in_len) {
        memmove(side->in, side->in + side->in_at, side->in_len - side->in_at);
    }
    side->in_len -= side->in_at;
    side->in_at = 0;
    if (side->in_cap - side->in_len < READ_BYTES) {
        side->in_cap = 2 * side->in_cap + 2 * READ_BYTES;
        side->in = realloc(side->in, side->in_cap);
        if (side->in == NULL) {
            err(1, "realloc");
        }
    }
    ssize_t got = recv(side->fd, side->in + side->in_len,
                       side->in_cap - side->in_len - 1, 0);
    if (got <= 0) {
        errx(1, "the daemon ended the connection");
    }
    side->in_len += (size_t)got;
}

/* The next answer, NUL-terminated, valid until the next call. */
static char *next_line(struct side *side)
{
    for (;;) {
        char *from = side->in == NULL ? NULL : side->in + side->in_at;
        char *end = from == NULL
                        ? NULL
                        : memchr(from, '\n', side->in_len - side->in_at);
        if (end != NULL) {
            *end = '\0';
            side->in_at = (size_t)(end - side->in) + 1;
            if (strstr(from, "\"error\":{") != NULL) {
                errx(1, "an error: %.300s", from);
            }
            return from;
        }
        read_more(side);
    }
}

/* One body: its producer and serial number, filled up to its length. */
static size_t write_body(char *at, const struct side *side, long serial)
{
    int len = sprintf(at, "\"%d %ld ", side->number, serial);
    long fill = side->plan->body_bytes - len - 1;
    if (fill > 0) {
        memset(at + len, 'x', (size_t)fill);
        len += (int)fill;
    }
    at[len++] = '"';
    return (size_t)len;
}

static size_t write_put(char *at, struct side *side, long *serial)
{
    const struct plan *plan = side->plan;
    size_t len = (size_t)sprintf(
        at,
        "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"queue.put\","
        "\"params\":{\"queue\":\"bench\",\"bodies\":[",
        ++side->id);
    for (long i = 0; i < plan->per_message; i++) {
        if (i > 0) {
            at[len++] = ',';
        }
        len += write_body(at + len, side, (*serial)++);
    }
    return len + (size_t)sprintf(at + len, "]}}\n");
}

static void *produce(void *arg)
{
    struct side *side = arg;
    const struct plan *plan = side->plan;
    char *line = malloc(
        (size_t)plan->per_message * (size_t)(plan->body_bytes + 40) + 400);
    if (line == NULL) {
        err(1, "malloc");
    }
    long serial = 0;
    long answered = 0;
    long under_way = 0;
    while (answered < plan->jobs) {
        while (under_way < plan->depth && serial < plan->jobs) {
            send_all(side, line, write_put(line, side, &serial));
            under_way++;
        }
        (void)next_line(side);
        under_way--;
        answered += plan->per_message;
    }
    free(line);
    return NULL;
}

static void send_get(struct side *side)
{
    char line[200];
    int len = sprintf(line,
                      "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":"
                      "\"queue.get\",\"params\":{\"queue\":\"bench\","
                      "\"max\":%ld}}\n",
                      ++side->id, side->plan->per_message);
    send_all(side, line, (size_t)len);
}

/* Checks the body behind `job` against the one before of its producer. */
static void check_order(struct tally *tally, const char *job)
{
    const char *body = strstr(job, "\"body\":\"");
    char *end;
    if (body == NULL) {
        errx(1, "a job without a body: %.200s", job);
    }
    long producer = strtol(body + strlen("\"body\":\""), &end, 10);
    long serial = strtol(end, NULL, 10);
    if (producer < 0 || producer >= SIDES ||
        serial != tally->last[producer] + 1) {
        errx(1, "out of order: producer %ld, %ld after %ld", producer, serial,
             tally->last[producer]);
    }
    tally->last[producer] = serial;
}

/* Finishes the jobs of a get's answer, and asks for more. */
static void finish(struct side *side, char *answer)
{
    size_t cap = (size_t)side->plan->per_message * 24 + 400;
    char *line = malloc(cap);
    size_t len = 0;
    char *at = answer;
    if (line == NULL) {
        err(1, "malloc");
    }
    while ((at = strstr(at, "{\"id\":")) != NULL) {
        long id = strtol(at + strlen("{\"id\":"), &at, 10);
        if (len == 0) {
            const char *token = strstr(at, "\"token\":");
            len = (size_t)sprintf(
                line,
                "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"queue.done\","
                "\"params\":{\"token\":%ld,\"ids\":[%ld",
                ++side->id, strtol(token + strlen("\"token\":"), NULL, 10), id);
        } else {
            len += (size_t)sprintf(line + len, ",%ld", id);
        }
        if (side->tally->ordered) {
            check_order(side->tally, at);
        }
    }
    if (len > 0) {
        len += (size_t)sprintf(line + len, "]}}\n");
        send_all(side, line, len);
    }
    free(line);
    send_get(side);
}

/* So many were finished by one message. */
static void count_done(struct tally *tally, const char *answer, long jobs)
{
    const char *stale = strstr(answer, "\"stale\":[]");
    if (stale == NULL) {
        errx(1, "a job was stale: %.300s", answer);
    }
    pthread_mutex_lock(&tally->lock);
    tally->done +=
        strtol(strstr(answer, "\"done\":") + strlen("\"done\":"), NULL, 10);
    if (tally->done >= jobs) {
        pthread_cond_signal(&tally->all_done);
    }
    pthread_mutex_unlock(&tally->lock);
}

/* Runs until the process ends. */
static void *consume(void *arg)
{
    struct side *side = arg;
    for (long i = 0; i < side->plan->depth; i++) {
        send_get(side);
    }
    for (;;) {
        char *answer = next_line(side);
        if (strstr(answer, "\"jobs\":[") != NULL) {
            finish(side, answer);
        } else {
            count_done(side->tally, answer, SIDES * side->plan->jobs);
        }
    }
    return NULL;
}

/* CPU time of a process and all its threads, microseconds. */
static double cpu_us(const char *pid)
{
    char pattern[100];
    glob_t found;
    double sum = 0;
    (void)snprintf(pattern, sizeof(pattern), "/proc/%s/task/*/schedstat", pid);
    if (glob(pattern, 0, NULL, &found) != 0) {
        errx(1, "no process %s", pid);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "re");
        double ns = 0;
        if (file != NULL) {
            if (fscanf(file, "%lf", &ns) == 1) {
                sum += ns / 1000;
            }
            (void)fclose(file);
        }
    }
    globfree(&found);
    return sum;
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void start(pthread_t *thread, void *(*run)(void *), struct side *side)
{
    connect_side(side);
    if (pthread_create(thread, NULL, run, side) != 0) {
        errx(1, "cannot start a thread");
    }
}

static void run(const struct plan *plan, struct tally *tally, int consumers)
{
    struct side producers[SIDES];
    struct side takers[SIDES];
    pthread_t threads[SIDES];
    pthread_t ignored;
    for (int i = 0; i < SIDES; i++) {
        tally->last[i] = -1;
        producers[i] = (struct side){.plan = plan, .tally = tally, .number = i};
        takers[i] = producers[i];
        start(&threads[i], produce, &producers[i]);
    }
    for (int i = 0; i < consumers && !plan->fill; i++) {
        start(&ignored, consume, &takers[i]);
    }
    for (int i = 0; i < SIDES; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_mutex_lock(&tally->lock);
    while (!plan->fill && tally->done < SIDES * plan->jobs) {
        pthread_cond_wait(&tally->all_done, &tally->lock);
    }
    pthread_mutex_unlock(&tally->lock);
}

int main(int argc, char **argv)
{
    struct tally tally = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .all_done = PTHREAD_COND_INITIALIZER};
    if (argc != 8) {
        errx(2, "usage: load SOCKET PID JOBS PER_MESSAGE DEPTH BODY_BYTES "
                "cycle|order|fill");
    }
    struct plan plan = {.socket = argv[1],
                        .per_message = strtol(argv[4], NULL, 10),
                        .depth = strtol(argv[5], NULL, 10),
                        .body_bytes = strtol(argv[6], NULL, 10),
                        .fill = strcmp(argv[7], "fill") == 0};
    tally.ordered = strcmp(argv[7], "order") == 0;
    if (plan.per_message < 1 || plan.depth < 1) {
        errx(2, "PER_MESSAGE and DEPTH are at least 1");
    }
    long messages = strtol(argv[3], NULL, 10) / SIDES / plan.per_message;
    plan.jobs = messages * plan.per_message;
    double cpu = cpu_us(argv[2]);
    double began = now_s();
    run(&plan, &tally, tally.ordered ? 1 : SIDES);
    double jobs = (double)(SIDES * plan.jobs);
    printf("{\"jobs\":%.0f,\"seconds\":%.3f,\"cpu_us_per_job\":%.3f}\n", jobs,
           now_s() - began, (cpu_us(argv[2]) - cpu) / jobs);
    (void)fflush(stdout);
    _exit(0); /* the consumers wait for more */
}
