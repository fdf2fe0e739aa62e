/*
 * A client of the swarm that speaks through libsyncd, and records what it asks
 * and is answered (record.py tells the words).
 *
 *     crash_client SOCKET RECORD SEED ROLE [SESSIONS]
 *
 * Roles: `lib_produce` and `lib_work` on the queue `lib`, `lib_lock` on the
 * lock `l`, each in two threads on one session, until a TERM; `lib_wait`: so
 * many sessions, each of which waits for one job of the queue `wait`, takes it,
 * and is done.
 *
 * It knows nothing of the daemon's ends: the library goes on by itself. So
 * whatever is answered with an error that has no place here ends it, with 1.
 */
#include "client/libsyncd/syncd.h"
#include "proto/check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS     2
#define GRACE       5
#define STACK_BYTES ((size_t)128 << 10)

static int record_fd;
static const char *record_name; /* what its tags begin with */
static atomic_uint calls;
static atomic_uint tags;
static atomic_bool stopping; /* also a handler of a signal may write it */

static double seconds(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A line of the record: the time, and what is given. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char line[4096];
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    int len = snprintf(line, sizeof(line), "[%lld,",
                       (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    va_list args;
    va_start(args, format);
    len += vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    va_end(args);
    CHECK(len > 0 && (size_t)len < sizeof(line) - 2);
    line[len++] = ']';
    line[len++] = '\n';
    CHECK(write(record_fd, line, (size_t)len) == len);
}

/* An error that has a place here is recorded; any other is the end. While the
 * daemon is killed again and again the library may miss it for as long as the
 * grace: then it goes on with another session. */
static void note_error(unsigned call, int status, const char *expected)
{
    if (status == SYNCD_E_LOST) {
        note("\"lost\"");
        note("\"up\",0,1,false");
        return;
    }
    if (status == SYNCD_E_REPLY && strcmp(syncd_error_name(), expected) == 0) {
        note("\"error\",%u,\"%s\"", call, expected);
        return;
    }
    (void)fprintf(stderr, "%s #%u: %d %s\n", record_name, call, status,
                  syncd_error_text());
    exit(EXIT_FAILURE);
}

/* What is put for a tag: a text that a careless reader would change. */
static void write_body(char *body, size_t cap, const char *tag)
{
    (void)snprintf(body, cap, "[ \"%s\" , 0.10, 12345678901234567890]", tag);
}

static void put_one(struct syncd *s)
{
    char tag[64];
    char body[128];
    uint64_t id = 0;
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    (void)snprintf(tag, sizeof(tag), "%s-%u", record_name,
                   atomic_fetch_add(&tags, 1) + 1);
    write_body(body, sizeof(body), tag);
    note("\"call\",%u,\"queue.put\",{\"queue\":\"lib\",\"tags\":[\"%s\"]}",
         call, tag);
    int status = syncd_put(s, "lib", (struct syncd_text){body, strlen(body)},
                           NULL, 1, &id);
    if (status == SYNCD_OK) {
        note("\"back\",%u,{\"id\":%" PRIu64 "}", call, id);
    } else if (status == SYNCD_TIMEOUT) {
        note("\"error\",%u,\"queue_full\"", call);
    } else {
        note_error(call, status, "queue_full");
    }
}

static void work_one(struct syncd *s)
{
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    struct syncd_job *job = NULL;
    note("\"call\",%u,\"queue.get\",{\"queue\":\"lib\",\"max\":1}", call);
    int status = syncd_get(s, "lib", 1, &job);
    if (status == SYNCD_TIMEOUT) {
        note("\"back\",%u,{\"jobs\":[],\"finished\":null}", call);
        return;
    }
    if (status != SYNCD_OK) {
        note_error(call, status, "");
        return;
    }
    char tag[64] = "";
    char body[128];
    (void)sscanf(job->body, "[ \"%63[^\"]", tag);
    write_body(body, sizeof(body), tag);
    if (strcmp(body, job->body) != 0) {
        note("\"corrupt\",\"%s\"", tag);
    }
    note("\"back\",%u,{\"jobs\":[[%" PRIu64 ",%" PRIu64
         ",\"%s\",%u,0]],\"finished\":null}",
         call, job->id, job->token, tag, job->attempt);
    call = atomic_fetch_add(&calls, 1) + 1;
    note("\"call\",%u,\"queue.done\",{\"id\":%" PRIu64 ",\"token\":%" PRIu64
         "}",
         call, job->id, job->token);
    status = syncd_done(s, job, NULL);
    if (status == SYNCD_OK) {
        note("\"back\",%u,{}", call);
    } else {
        note_error(call, status, "stale_token");
    }
    syncd_job_free(job);
}

static void lock_one(struct syncd *s)
{
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    char *result = NULL;
    char params[64];
    note("\"call\",%u,\"lock.acquire\",{\"lock\":\"l\"}", call);
    int status =
        syncd_call_timeout(s, "lock.acquire", "{\"lock\":\"l\"}", 0.5, &result);
    if (status != SYNCD_OK) {
        note_error(call, status, "");
        return;
    }
    note("\"back\",%u,%s", call, result);
    const char *token = strstr(result, "\"token\":");
    if (token != NULL) {
        (void)snprintf(params, sizeof(params),
                       "{\"lock\":\"l\",\"token\":%llu}",
                       strtoull(token + 8, NULL, 10));
        call = atomic_fetch_add(&calls, 1) + 1;
        note("\"call\",%u,\"lock.release\",%s", call, params);
        status = syncd_call(s, "lock.release", params, NULL);
        if (status == SYNCD_OK) {
            note("\"back\",%u,{}", call);
        } else {
            note_error(call, status, "stale_token");
        }
    }
    free(result);
}

struct role {
    const char *name;
    void (*one)(struct syncd *s);
};

static const struct role roles[] = {
    {"lib_produce", put_one}, {"lib_work", work_one}, {"lib_lock", lock_one}};

struct worker {
    pthread_t thread;
    struct syncd *s;
    void (*one)(struct syncd *s);
};

static void *work_on(void *context)
{
    struct worker *worker = context;
    while (!stopping) {
        worker->one(worker->s);
    }
    return NULL;
}

static void on_term(int number)
{
    (void)number;
    stopping = true;
}

static struct syncd *open_session(const char *socket)
{
    struct syncd *s = NULL;
    struct syncd_options options = {
        .socket = socket, .grace = GRACE, .connect_timeout = 60};
    if (syncd_open(&options, &s) != SYNCD_OK) {
        (void)fprintf(stderr, "%s: %s\n", record_name, syncd_error_text());
        exit(EXIT_FAILURE);
    }
    return s;
}

static void run_role(const char *socket, void (*one)(struct syncd *s))
{
    struct syncd *s = open_session(socket);
    struct worker workers[THREADS];
    note("\"up\",0,%" PRIu64 ",false", syncd_session(s));
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.s = s, .one = one};
        CHECK(pthread_create(&workers[i].thread, NULL, work_on, &workers[i]) ==
              0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
    }
    syncd_close(s);
}

/* One job, however often the daemon ends meanwhile. */
static void *wait_for_one(void *context)
{
    struct syncd *s = context;
    struct syncd_job *job = NULL;
    if (syncd_get(s, "wait", SYNCD_FOREVER, &job) != SYNCD_OK ||
        syncd_done(s, job, NULL) != SYNCD_OK) {
        (void)fprintf(stderr, "%s: %s\n", record_name, syncd_error_text());
        exit(EXIT_FAILURE);
    }
    syncd_job_free(job);
    return NULL;
}

static void run_waiters(const char *socket, size_t count)
{
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0);
    CHECK(pthread_attr_setstacksize(&small, STACK_BYTES) == 0);
    struct worker *workers = calloc(count, sizeof(*workers));
    CHECK(workers != NULL);
    for (size_t i = 0; i < count; i++) {
        workers[i].s = open_session(socket);
        CHECK(pthread_create(&workers[i].thread, &small, wait_for_one,
                             workers[i].s) == 0);
    }
    for (size_t i = 0; i < count; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
        syncd_close(workers[i].s);
    }
    free(workers);
    CHECK(pthread_attr_destroy(&small) == 0);
}

/* The record's name without folder and ending. */
static void name_record(char *path)
{
    char *slash = strrchr(path, '/');
    record_name = slash == NULL ? path : slash + 1;
    char *end = strrchr(path, '.');
    CHECK(end != NULL);
    *end = '\0';
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        (void)fprintf(stderr, "usage: crash_client SOCKET RECORD SEED ROLE\n");
        return 2;
    }
    const char *role = argv[4];
    record_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CHECK(record_fd >= 0);
    name_record(argv[2]);
    struct sigaction action = {.sa_handler = on_term};
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
    note("\"begin\",\"%s\",%d,%.6f", role, (int)getpid(),
         seconds(CLOCK_REALTIME) - seconds(CLOCK_MONOTONIC));
    if (strcmp(role, "lib_wait") == 0) {
        run_waiters(argv[1], strtoul(argc > 5 ? argv[5] : "1", NULL, 10));
        return 0;
    }
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(role, roles[i].name) == 0) {
            run_role(argv[1], roles[i].one);
            return 0;
        }
    }
    (void)fprintf(stderr, "no role %s\n", role);
    return 2;
}
