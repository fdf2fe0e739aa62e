/*
 * libsyncd when the daemon is not there, goes, comes back, and forgets.
 */
#include "fake_peer.h"

#include "client/libsyncd/syncd.h"

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NOBODY 65534

static void assert_error(int status, int expected, const char *text)
{
    if (status != expected || strstr(syncd_error_text(), text) == NULL) {
        print_error("status %d: %s\n", status, syncd_error_text());
    }
    assert_int_equal(status, expected);
    assert_non_null(strstr(syncd_error_text(), text));
}

/* A call of its own thread. */
struct under_way {
    pthread_t thread;
    struct syncd *s;
    const char *method;
    double timeout;
    int status;
    char *result;
    char text[256];
};

static void *make_call(void *context)
{
    struct under_way *call = context;
    call->status = syncd_call_timeout(call->s, call->method, NULL,
                                      call->timeout, &call->result);
    (void)snprintf(call->text, sizeof(call->text), "%s", syncd_error_text());
    if (strlen(syncd_error_text()) >= sizeof(call->text)) {
        /* The end is what matters. */
        (void)snprintf(call->text, sizeof(call->text), "%s",
                       syncd_error_text() + strlen(syncd_error_text()) -
                           sizeof(call->text) + 1);
    }
    return NULL;
}

static void begin_call(struct under_way *call, struct syncd *s,
                       const char *method, double timeout)
{
    *call = (struct under_way){.s = s, .method = method, .timeout = timeout};
    assert_int_equal(pthread_create(&call->thread, NULL, make_call, call), 0);
}

static void end_call(struct under_way *call, int status, const char *result)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    if (call->status != status) {
        print_error("%s\n", call->text);
    }
    assert_int_equal(call->status, status);
    if (result != NULL) {
        assert_string_equal(call->result, result);
    }
    free(call->result);
}

/* The test and the script meet here. */
static pthread_barrier_t meet;

static void meeting(void)
{
    (void)pthread_barrier_wait(&meet);
}

/* --- resumed ----------------------------------------------------------------
 */

static void script_resumed(struct peer *peer)
{
    peer_hello(peer, false, false);
    json_t *first = peer_read(peer);
    meeting();
    json_t *second = peer_read(peer);
    meeting();
    json_t *third = peer_read(peer);
    /* The answer to the second comes; that to the third breaks off. */
    peer_result(peer, peer_id(second), "2");
    peer_send(peer, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"resu", peer_id(third));
    peer_hang_up(peer);

    peer_hello(peer, true, true);
    json_t *again = peer_read(peer);
    CHECK(peer_id(again) == peer_id(first));
    CHECK(json_equal(json_object_get(again, "method"),
                     json_object_get(first, "method")));
    /* What is left of the timeout, not all of it again. */
    double before = json_number_value(peer_param(first, "timeout"));
    double left = json_number_value(peer_param(again, "timeout"));
    CHECK(before == 1000 && left > 0 && left < before);
    json_decref(again);
    again = peer_read(peer);
    CHECK(peer_id(again) == peer_id(third));
    CHECK(peer_param(again, "timeout") == NULL);
    peer_result(peer, peer_id(third), "3");
    peer_result(peer, peer_id(first), "1");
    json_decref(again);
    json_decref(first);
    json_decref(second);
    /* Ids go on counting. */
    CHECK(peer_expect(peer, "server.stats") > peer_id(third));
    json_decref(third);
    peer_hang_up(peer);
    /* Also with nothing under way, and twice in a row. */
    peer_hello(peer, true, true);
    peer_hang_up(peer);
    peer_hello(peer, true, true);
    peer_result(peer, peer_expect(peer, "server.stats"), "4");
    peer_goodbye(peer);
}

static void test_resumed(void **state)
{
    (void)state;
    struct peer peer;
    struct under_way calls[3];
    struct syncd *s = peer_open(&peer, script_resumed, 60);
    begin_call(&calls[0], s, "queue.get", 1000);
    meeting();
    begin_call(&calls[1], s, "queue.put", SYNCD_FOREVER);
    meeting();
    begin_call(&calls[2], s, "queue.done", SYNCD_FOREVER);
    end_call(&calls[1], SYNCD_OK, "2");
    end_call(&calls[2], SYNCD_OK, "3");
    end_call(&calls[0], SYNCD_OK, "1");
    assert_int_equal(syncd_session(s), 101);
    char *result = NULL;
    assert_int_equal(syncd_call(s, "server.stats", NULL, &result), SYNCD_OK);
    assert_string_equal(result, "4");
    free(result);
    peer_close(&peer, s);
}

/* The daemon leaves while shaking hands, says that it shuts down, has no socket
 * for a while: the session tries again. */
static void script_stubborn(struct peer *peer)
{
    peer_hello(peer, false, false);
    long long id = peer_expect(peer, "queue.get");
    peer_hang_up(peer);
    peer_accept(peer);
    peer_hang_up(peer);
    peer_accept(peer);
    peer_answer_open(peer, true, true);
    peer_hang_up(peer);
    peer_accept(peer);
    peer_error(peer, peer_expect(peer, "session.open"), -32009,
               "{\"name\":\"unavailable\"}");
    (void)peer_expect(peer, "server.info");
    peer_goodbye(peer);
    peer_unlisten(peer);
    peer_listen(peer);
    peer_hello(peer, true, true);
    CHECK(peer_expect(peer, "queue.get") == id);
    peer_result(peer, id, "7");
    peer_goodbye(peer);
}

static void test_stubborn(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_stubborn, 60);
    char *result = NULL;
    assert_int_equal(syncd_call(s, "queue.get", NULL, &result), SYNCD_OK);
    assert_string_equal(result, "7");
    free(result);
    peer_close(&peer, s);
}

/* A daemon that shuts down refuses what is under way and all that comes; the
 * next one does it. */
static void script_shutdown(struct peer *peer)
{
    peer_hello(peer, false, false);
    long long get = peer_expect(peer, "queue.get");
    peer_error(peer, get, -32009, "{\"name\":\"unavailable\"}");
    peer_error(peer, peer_expect(peer, "server.info"), -32009,
               "{\"name\":\"unavailable\"}");
    meeting();
    long long put = peer_expect(peer, "queue.put");
    peer_error(peer, put, -32009, "{\"name\":\"unavailable\"}");
    peer_hang_up(peer);
    peer_hello(peer, true, true);
    CHECK(peer_expect(peer, "queue.get") == get);
    CHECK(peer_expect(peer, "queue.put") == put);
    peer_result(peer, put, "2");
    peer_result(peer, get, "1");
    peer_goodbye(peer);
}

static void test_shutdown(void **state)
{
    (void)state;
    struct peer peer;
    struct under_way calls[2];
    struct syncd *s = peer_open(&peer, script_shutdown, 60);
    begin_call(&calls[0], s, "queue.get", SYNCD_FOREVER);
    meeting();
    begin_call(&calls[1], s, "queue.put", 0);
    end_call(&calls[0], SYNCD_OK, "1");
    end_call(&calls[1], SYNCD_OK, "2");
    peer_close(&peer, s);
}

/* One whose disk is full refuses some, and goes on; each learns it, also the
 * one that was refused while the daemon was asked. */
static void script_disk_full(struct peer *peer)
{
    peer_hello(peer, false, false);
    long long first = peer_expect(peer, "queue.put");
    meeting();
    long long second = peer_expect(peer, "queue.put");
    peer_error(peer, first, -32009, "{\"name\":\"unavailable\"}");
    long long probe = peer_expect(peer, "server.info");
    peer_error(peer, second, -32009, "{\"name\":\"unavailable\"}");
    peer_result(peer, probe, PEER_INFO);
    peer_answer_info(peer, PEER_INFO);
    peer_result(peer, peer_expect(peer, "queue.done"), "{}");
    peer_goodbye(peer);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct peer peer;
    struct under_way calls[2];
    struct syncd *s = peer_open(&peer, script_disk_full, 60);
    begin_call(&calls[0], s, "queue.put", SYNCD_FOREVER);
    meeting();
    begin_call(&calls[1], s, "queue.put", SYNCD_FOREVER);
    end_call(&calls[0], SYNCD_E_REPLY, NULL);
    end_call(&calls[1], SYNCD_E_REPLY, NULL);
    assert_int_equal(syncd_call(s, "queue.done", NULL, NULL), SYNCD_OK);
    peer_close(&peer, s);
}

/* --- lost -------------------------------------------------------------------
 */

static void script_forgotten(struct peer *peer)
{
    peer_hello(peer, false, false);
    (void)peer_expect(peer, "queue.get");
    meeting();
    (void)peer_expect(peer, "queue.done");
    peer_hang_up(peer);
    peer_hello(peer, true, false);
    /* Both were told: the next call uses the new session. */
    peer_result(peer, peer_expect(peer, "server.stats"), "1");
    peer_hang_up(peer);
    peer_accept(peer);
    peer_answer_open(peer, true, false);
    peer_answer_info(peer, PEER_INFO);
    meeting();
    peer_result(peer, peer_expect(peer, "server.stats"), "2");
    peer_goodbye(peer);
}

static void test_forgotten(void **state)
{
    (void)state;
    struct peer peer;
    struct under_way calls[2];
    struct syncd *s = peer_open(&peer, script_forgotten, 60);
    begin_call(&calls[0], s, "queue.get", SYNCD_FOREVER);
    meeting();
    begin_call(&calls[1], s, "queue.done", SYNCD_FOREVER);
    end_call(&calls[0], SYNCD_E_LOST, NULL);
    end_call(&calls[1], SYNCD_E_LOST, NULL);
    assert_non_null(strstr(calls[0].text, "may have been carried out"));
    assert_int_equal(syncd_session(s), 102);
    assert_int_equal(syncd_call(s, "server.stats", NULL, NULL), SYNCD_OK);
    /* With nothing under way the next call is told, once. */
    meeting();
    while (syncd_session(s) != 103) {
        (void)sched_yield();
    }
    int status = syncd_call(s, "server.stats", NULL, NULL);
    assert_error(status, SYNCD_E_LOST, "does not know it any more");
    assert_int_equal(syncd_call(s, "server.stats", NULL, NULL), SYNCD_OK);
    peer_close(&peer, s);
}

static void script_gone(struct peer *peer)
{
    peer_hello(peer, false, false);
    (void)peer_expect(peer, "queue.get");
    peer_unlisten(peer);
    peer_hang_up(peer);
    meeting(); /* it gave up */
    peer_listen(peer);
    meeting();
    peer_hello(peer, false, false);
    peer_result(peer, peer_expect(peer, "queue.get"), "2");
    peer_goodbye(peer);
}

static void test_gone(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_gone, 0.05);
    int status = syncd_call(s, "queue.get", NULL, NULL);
    assert_error(status, SYNCD_E_LOST, "within 0.05 s");
    assert_error(status, SYNCD_E_LOST, "may have been carried out");
    assert_int_equal(syncd_session(s), 0);
    /* Told; so the next call looks for a daemon, and there is none. */
    status = syncd_call(s, "queue.get", NULL, NULL);
    assert_error(status, SYNCD_E_CONNECT, "syncd &");
    meeting();
    meeting();
    assert_int_equal(syncd_call(s, "queue.get", NULL, NULL), SYNCD_OK);
    assert_int_equal(syncd_session(s), 102);
    peer_close(&peer, s);
}

static void script_no_grace(struct peer *peer)
{
    peer_accept(peer);
    json_t *request = peer_read(peer);
    CHECK(peer_param(request, "grace") == NULL);
    peer_result(peer, peer_id(request),
                "{\"session\":1,\"secret\":\"x\",\"resumed\":false}");
    json_decref(request);
    peer_answer_info(peer, PEER_INFO);
    /* Without a grace this is the caller's to know. */
    peer_error(peer, peer_expect(peer, "queue.get"), -32009,
               "{\"name\":\"unavailable\"}");
    (void)peer_expect(peer, "queue.get");
    peer_hang_up(peer);
}

static void test_no_grace(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_no_grace, -1);
    int status = syncd_call(s, "queue.get", NULL, NULL);
    assert_error(status, SYNCD_E_REPLY, "so it is");
    for (int i = 0; i < 3; i++) {
        status = syncd_call(s, "queue.get", NULL, NULL);
        assert_error(status, SYNCD_E_LOST, "closed the connection");
    }
    peer_close(&peer, s);
}

/* --- interrupted while nobody is there --------------------------------------
 */

static void script_interrupted(struct peer *peer)
{
    peer_hello(peer, false, false);
    long long get = peer_expect(peer, "queue.get");
    peer_unlisten(peer);
    peer_hang_up(peer);
    meeting(); /* interrupted */
    peer_listen(peer);
    peer_hello(peer, true, true);
    /* It may have been granted, so it is asked for again, and cancelled. */
    CHECK(peer_expect(peer, "queue.get") == get);
    json_t *cancel = peer_read(peer);
    CHECK(json_integer_value(peer_param(cancel, "request")) == get);
    peer_error(peer, get, -32010, "{\"name\":\"cancelled\"}");
    peer_result(peer, peer_id(cancel), "{\"cancelled\":true}");
    json_decref(cancel);
    peer_goodbye(peer);
}

static void test_interrupted(void **state)
{
    (void)state;
    struct peer peer;
    struct under_way call;
    struct syncd *s = peer_open(&peer, script_interrupted, 60);
    begin_call(&call, s, "queue.get", SYNCD_FOREVER);
    while (access(peer.path, F_OK) == 0) {
        (void)sched_yield();
    }
    syncd_interrupt(s);
    meeting();
    end_call(&call, SYNCD_E_REPLY, NULL);
    peer_close(&peer, s);
}

/* Closing does not wait for a daemon that is not there. */
static void script_away(struct peer *peer)
{
    peer_hello(peer, false, false);
    peer_unlisten(peer);
    peer_hang_up(peer);
    peer_listen(peer);
}

static void test_close_away(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_away, 3600);
    assert_int_equal(pthread_join(peer.thread, NULL), 0);
    syncd_close(s);
    peer_fini(&peer);
}

/* --- forks -------------------------------------------------------------------
 */

static void script_fork(struct peer *peer)
{
    peer_hello(peer, false, false);
    peer_result(peer, peer_expect(peer, "server.stats"), "1");
    peer_goodbye(peer);
}

static void test_abandon(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_fork, 60);
    pid_t child = fork();
    if (child == 0) {
        syncd_abandon(s);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(syncd_call(s, "server.stats", NULL, NULL), SYNCD_OK);
    peer_close(&peer, s);
}

/* The session ends with syncd_close although a child has the descriptor. */
static void test_close_shared(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_fork, 60);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        (void)close(ends[1]);
        (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
    assert_int_equal(syncd_call(s, "server.stats", NULL, NULL), SYNCD_OK);
    peer_close(&peer, s); /* which waits for the end of the script */
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* --- where to connect
 * --------------------------------------------------------- */

/* Opens with these; gives the error. */
static int open_at(const char *socket, const char *variable,
                   const char *runtime)
{
    struct syncd_options options = {.socket = socket};
    struct syncd *s = NULL;
    if (variable == NULL) {
        (void)unsetenv("SYNCD_SOCKET");
    } else {
        (void)setenv("SYNCD_SOCKET", variable, 1);
    }
    if (runtime == NULL) {
        (void)unsetenv("XDG_RUNTIME_DIR");
    } else {
        (void)setenv("XDG_RUNTIME_DIR", runtime, 1);
    }
    int status = syncd_open(&options, &s);
    assert_null(s);
    return status;
}

static void test_places(void **state)
{
    (void)state;
    int status = open_at("/nonexistent/a", "/nonexistent/b", "/nonexistent/c");
    assert_error(status, SYNCD_E_CONNECT,
                 "tried /nonexistent/a (No such file or directory); start");
    status = open_at(NULL, "/nonexistent/b", "/nonexistent/c");
    assert_error(status, SYNCD_E_CONNECT,
                 "tried /nonexistent/b (No such file or directory); start");
    status = open_at("/dev/null", NULL, NULL);
    assert_error(status, SYNCD_E_CONNECT, "Connection refused");
    char path[128];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[108] = '\0';
    assert_error(open_at(path, NULL, NULL), SYNCD_E_CONNECT,
                 "108 bytes, and at most 107");
    if (access("/run/syncd/syncd.sock", F_OK) == 0) {
        skip(); /* the service runs here */
    }
    status = open_at(NULL, "", "/nonexistent/c");
    assert_error(status, SYNCD_E_CONNECT,
                 "tried /nonexistent/c/syncd/syncd.sock (No such file or "
                 "directory) and /run/syncd/syncd.sock (");
    assert_error(status, SYNCD_E_CONNECT, "systemctl start syncd.socket");
}

/* Runs a test's body as somebody else; its exit status. */
static int as_nobody(int (*body)(const char *path), const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0) {
            _exit(98);
        }
        _exit(body(path));
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int is_denied_saying(const char *path, const char *says)
{
    struct syncd_options options = {.socket = path};
    struct syncd *s = NULL;
    bool right = syncd_open(&options, &s) == SYNCD_E_PERMISSION &&
                 strstr(syncd_error_text(), says) != NULL &&
                 strstr(syncd_error_text(), path) != NULL;
    return right ? 0 : 1;
}

static int is_for_a_group(const char *path)
{
    return is_denied_saying(path, "usermod -aG ");
}

static int is_for_its_owner(const char *path)
{
    return is_denied_saying(path, " alone; start a daemon of your own");
}

static void test_denied(void **state)
{
    (void)state;
    struct peer peer;
    peer_init(&peer);
    assert_int_equal(chmod(peer.path, 0060), 0);
    assert_int_equal(chmod(peer.dir, 0755), 0);
    bool root = geteuid() == 0;
    assert_int_equal(root ? as_nobody(is_for_a_group, peer.path)
                          : is_for_a_group(peer.path),
                     0);
    assert_int_equal(chmod(peer.path, 0), 0);
    assert_int_equal(root ? as_nobody(is_for_its_owner, peer.path)
                          : is_for_its_owner(peer.path),
                     0);
    if (root) { /* the directory hides it */
        assert_int_equal(chmod(peer.dir, 0700), 0);
        assert_int_equal(as_nobody(is_for_its_owner, peer.path), 0);
        assert_int_equal(chmod(peer.dir, 0710), 0);
        assert_int_equal(as_nobody(is_for_a_group, peer.path), 0);
    }
    peer_fini(&peer);
}

/* Somebody else listens where a daemon of ours should. */
static int listen_there(const char *path)
{
    struct peer peer = {0};
    (void)snprintf(peer.path, sizeof(peer.path), "%s", path);
    peer_listen(&peer);
    return kill(getpid(), SIGSTOP); /* until the test has tried */
}

static void test_stranger(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); /* cannot be two users */
    }
    char dir[] = "/tmp/libsyncd-test-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0777), 0);
    (void)snprintf(path, sizeof(path), "%s/socket", dir);
    pid_t child = fork();
    if (child == 0) {
        _exit(setuid(NOBODY) < 0 ? 98 : listen_there(path));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    status = open_at(path, NULL, NULL);
    assert_error(status, SYNCD_E_PERMISSION, "neither you, root nor syncd");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* A daemon whose backlog is full is waited for; one that comes late, too. */
static void script_late(struct peer *peer)
{
    meeting();
    peer_accept(peer);
    peer_hang_up(peer);
    peer_hello(peer, false, false);
    peer_goodbye(peer);
}

static void test_busy(void **state)
{
    (void)state;
    struct peer peer;
    peer_start(&peer, script_late);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, peer.path, strlen(peer.path) + 1);
    assert_int_equal(listen(peer.listener, 0), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    meeting();
    struct syncd_options options = {.socket = peer.path};
    struct syncd *s = NULL;
    assert_int_equal(syncd_open(&options, &s), SYNCD_OK);
    assert_int_equal(close(fd), 0);
    peer_close(&peer, s);
}

struct opening {
    pthread_t thread;
    struct syncd_options options;
    struct syncd *s;
    int status;
};

static void *open_it(void *context)
{
    struct opening *opening = context;
    opening->status = syncd_open(&opening->options, &opening->s);
    return NULL;
}

static void script_one(struct peer *peer)
{
    peer_hello(peer, false, false);
    peer_goodbye(peer);
}

/* Nobody is there at the first try; how many it takes is not told. */
static void test_patient(void **state)
{
    (void)state;
    struct peer peer;
    struct opening opening = {
        .options = {.socket = "/nonexistent/x", .connect_timeout = 0.02}};
    (void)open_it(&opening);
    assert_int_equal(opening.status, SYNCD_E_CONNECT);

    peer_init(&peer);
    peer_unlisten(&peer);
    opening.options =
        (struct syncd_options){.socket = peer.path, .connect_timeout = 60};
    assert_int_equal(pthread_create(&opening.thread, NULL, open_it, &opening),
                     0);
    peer_listen(&peer);
    peer_run(&peer, script_one);
    assert_int_equal(pthread_join(opening.thread, NULL), 0);
    assert_int_equal(opening.status, SYNCD_OK);
    peer_close(&peer, opening.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumed),      cmocka_unit_test(test_stubborn),
        cmocka_unit_test(test_shutdown),     cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_forgotten),    cmocka_unit_test(test_gone),
        cmocka_unit_test(test_no_grace),     cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_close_away),   cmocka_unit_test(test_abandon),
        cmocka_unit_test(test_close_shared), cmocka_unit_test(test_places),
        cmocka_unit_test(test_denied),       cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_busy),         cmocka_unit_test(test_patient),
    };
    if (pthread_barrier_init(&meet, NULL, 2) != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
