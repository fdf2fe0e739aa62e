/*
 * libsyncd against a peer that plays a daemon, good and bad: what goes over the
 * wire, which answer reaches whom, and what an answer that makes no sense does.
 */
#include "fake_peer.h"

#include "client/libsyncd/syncd.h"

static void assert_error(int status, int expected, const char *text)
{
    if (status != expected || strstr(syncd_error_text(), text) == NULL) {
        print_error("status %d: %s\n", status, syncd_error_text());
    }
    assert_int_equal(status, expected);
    assert_non_null(strstr(syncd_error_text(), text));
}

static struct syncd_text text_of(const char *text)
{
    return (struct syncd_text){text, strlen(text)};
}

/* The next line must be exactly this, but for its id, which is returned. */
static long long expect_line(struct peer *peer, const char *start)
{
    char *line = peer_read_line(peer);
    CHECK(line != NULL);
    size_t len = strlen(start);
    if (strncmp(line, start, len) != 0 ||
        strncmp(line + len, ",\"id\":", 6) != 0) {
        (void)fprintf(stderr, "got  %s\nnot  %s\n", line, start);
        CHECK(!"the line that was expected");
    }
    return strtoll(line + len + 6, NULL, 10);
}

#define LINE(method, params) \
    "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params

/* --- what goes over the wire ------------------------------------------- */

static void script_open(struct peer *peer)
{
    peer_accept(peer);
    json_t *request = peer_read(peer);
    CHECK(strcmp(json_string_value(peer_param(request, "client")), "tester") ==
          0);
    CHECK(json_number_value(peer_param(request, "grace")) == 12.5);
    CHECK(peer_param(request, "resume") == NULL);
    long long id = peer_id(request);
    json_decref(request);
    /* What does not have to wait may be answered first. */
    peer_answer_info(peer, PEER_INFO);
    peer_result(peer, id,
                "{\"session\":77,\"secret\":\"\\u0078\",\"resumed\":false}");
    peer_goodbye(peer);
}

static void test_open(void **state)
{
    (void)state;
    struct peer peer;
    peer_start(&peer, script_open);
    struct syncd_options options = {
        .socket = peer.path, .client = "tester", .grace = 12.5};
    struct syncd *s = NULL;
    assert_int_equal(syncd_open(&options, &s), SYNCD_OK);
    assert_int_equal(syncd_session(s), 77);
    assert_string_equal(syncd_socket(s), peer.path);
    peer_close(&peer, s);
    syncd_close(NULL);
    syncd_abandon(NULL);
}

static void script_lines(struct peer *peer)
{
    peer_hello(peer, false, false);
    peer_result(peer,
                expect_line(peer, LINE("queue.put",
                                       "{\"queue\":\"m\",\"body\":{\"a\": 0.10"
                                       " , \"b\":\"\\u0000\"},\"timeout\":2.5"
                                       "}")),
                "{\"id\":5}");
    peer_result(
        peer,
        expect_line(peer, LINE("queue.put",
                               "{\"queue\":\"q\\\"\",\"key\":\"k\",\"priority\""
                               ":-1.5,\"delay\":3,\"lease\":0,\"keep_done\":9,"
                               "\"max_attempts\":0,\"body\":null}")),
        "{\"duplicate\":true,\"id\":6}");
    peer_result(peer,
                expect_line(peer, LINE("queue.put",
                                       "{\"queue\":\"m\",\"bodies\":[1,\"two\","
                                       "[]],\"timeout\":0}")),
                "{\"ids\":[7,8,9]}");
    peer_result(
        peer,
        expect_line(peer, LINE("queue.get", "{\"queue\":\"m\",\"max\":10}")),
        "{\"jobs\":[{\"id\":7,\"token\":41,\"queue\":\"m\",\"body\":{\"x\":[ 1."
        "0,2 ]},\"priority\":-2,\"attempt\":3,\"put_at\":1.5,\"lease\":60,"
        "\"until\":61.5,\"key\":\"k\\n\",\"new\":{}},{\"id\":8,\"token\":41,"
        "\"queue\":\"m\",\"body\":null,\"attempt\":1}]}");
    peer_result(peer,
                expect_line(peer, LINE("queue.done",
                                       "{\"id\":7,\"token\":41,\"result\":[1]"
                                       "}")),
                "{}");
    peer_result(peer,
                expect_line(peer, LINE("queue.done",
                                       "{\"jobs\":[{\"id\":7,\"token\":41},{"
                                       "\"id\":8,\"token\":41}]}")),
                "{\"done\":1,\"stale\":[7]}");
    peer_result(
        peer,
        expect_line(peer,
                    LINE("queue.extend",
                         "{\"id\":8,\"token\":41,\"progress\":\"half\"}")),
        "{\"until\":99.5}");
    peer_result(peer,
                expect_line(peer, LINE("queue.fail", "{\"id\":8,\"token\":41,"
                                                     "\"error\":\"no\"}")),
                "{\"state\":\"delayed\"}");
    peer_result(peer,
                expect_line(peer, LINE("queue.fail",
                                       "{\"delay\":1.5,\"dead\":true,\"free\":"
                                       "true,\"id\":8,\"token\":41}")),
                "{\"state\":\"dead\"}");
    peer_result(peer,
                expect_line(peer, LINE("queue.join",
                                       "{\"queue\":\"m\",\"timeout\":1}")),
                "{\"joined\":true,\"dead\":2}");
    peer_goodbye(peer);
}

static void use_jobs(struct syncd *s)
{
    struct syncd_job **jobs = NULL;
    size_t count = 0;
    assert_int_equal(syncd_get_many(s, "m", 10, SYNCD_FOREVER, &jobs, &count),
                     SYNCD_OK);
    assert_int_equal(count, 2);
    assert_int_equal(jobs[0]->id, 7);
    assert_int_equal(jobs[0]->token, 41);
    assert_string_equal(jobs[0]->queue, "m");
    assert_string_equal(jobs[0]->body, "{\"x\":[ 1.0,2 ]}");
    assert_int_equal(jobs[0]->body_len, strlen(jobs[0]->body));
    assert_true(jobs[0]->priority == -2 && jobs[0]->attempt == 3);
    assert_true(jobs[0]->put_at == 1.5 && jobs[0]->lease == 60);
    assert_true(jobs[0]->until == 61.5);
    assert_string_equal(jobs[0]->key, "k\n");
    assert_null(jobs[1]->key);
    assert_string_equal(jobs[1]->body, "null");

    size_t stale = 0;
    assert_int_equal(syncd_done(s, jobs[0], "[1]"), SYNCD_OK);
    assert_int_equal(syncd_done_many(s, jobs, count, &stale), SYNCD_OK);
    assert_int_equal(stale, 1);
    assert_int_equal(syncd_extend(s, jobs[1], "\"half\""), SYNCD_OK);
    assert_int_equal(syncd_fail(s, jobs[1], "\"no\""), SYNCD_OK);
    struct syncd_failure failure = SYNCD_FAILURE;
    failure.delay = 1.5;
    failure.dead = failure.free = true;
    assert_int_equal(syncd_fail_as(s, jobs[1], &failure), SYNCD_OK);
    syncd_jobs_free(jobs, count);
}

static void test_lines(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_lines, -1);
    uint64_t id = 0;
    assert_int_equal(syncd_put(s, "m",
                               text_of("{\"a\": 0.10\n, \"b\":\"\\u0000\"}"),
                               NULL, 2.5, &id),
                     SYNCD_OK);
    assert_int_equal(id, 5);
    struct syncd_terms terms = SYNCD_TERMS;
    terms.key = "k";
    terms.priority = -1.5;
    terms.delay = 3;
    terms.lease = 0;
    terms.keep_done = 9;
    terms.max_attempts = 0;
    assert_int_equal(
        syncd_put(s, "q\"", text_of("null"), &terms, SYNCD_FOREVER, &id),
        SYNCD_OK);
    assert_int_equal(id, 6);
    struct syncd_text bodies[] = {text_of("1"), text_of("\"two\""),
                                  text_of("[]")};
    uint64_t ids[3] = {0};
    assert_int_equal(syncd_put_many(s, "m", bodies, 3, NULL, 0, ids), SYNCD_OK);
    assert_true(ids[0] == 7 && ids[1] == 8 && ids[2] == 9);
    use_jobs(s);
    uint64_t dead = 0;
    assert_int_equal(syncd_join(s, "m", 1, &dead), SYNCD_OK);
    assert_int_equal(dead, 2);
    peer_close(&peer, s);
}

static void script_method(struct peer *peer)
{
    peer_hello(peer, false, false);
    peer_result(peer, expect_line(peer, LINE("server.stats", "{}")), "[1.0 ]");
    peer_result(
        peer,
        expect_line(peer, LINE("queue.join",
                               "{\"a\":[ ],\"b\\n\":{},\"timeout\":1.5}")),
        "null");
    peer_result(peer,
                expect_line(peer, LINE("job.wait", "{\"id\":3,\"timeout\":7}")),
                "0");
    /* What is no duration is for the daemon to refuse. */
    peer_error(peer, expect_line(peer, LINE("job.wait", "{\"timeout\":\"x\"}")),
               -32602, "{\"name\":\"invalid_params\",\"param\":\"timeout\"}");
    peer_goodbye(peer);
}

static void test_method(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_method, -1);
    char *result = NULL;
    assert_int_equal(syncd_call(s, "server.stats", NULL, &result), SYNCD_OK);
    assert_string_equal(result, "[1.0 ]");
    free(result);
    assert_int_equal(syncd_call(s, "queue.join",
                                "{\"timeout\":1.5, \"a\":[\n],\"b\\n\":{}}",
                                NULL),
                     SYNCD_OK);
    assert_int_equal(
        syncd_call_timeout(s, "job.wait", "{\"id\":3}", 7, &result), SYNCD_OK);
    free(result);
    result = NULL;
    int status = syncd_call(s, "job.wait", "{\"timeout\":\"x\"}", &result);
    assert_error(status, SYNCD_E_REPLY, "so it is");
    assert_null(result);
    assert_int_equal(syncd_error_code(), -32602);
    assert_string_equal(syncd_error_name(), "invalid_params");
    assert_string_equal(syncd_error_data(),
                        "{\"name\":\"invalid_params\",\"param\":\"timeout\"}");
    peer_close(&peer, s);
}

/* --- arguments ----------------------------------------------------------- */

static void script_quiet(struct peer *peer)
{
    peer_accept(peer);
    peer_answer_open(peer, false, false);
    peer_answer_info(peer, "{\"protocol\":1,\"limits\":{\"max_message\":200}}");
    peer_goodbye(peer); /* nothing else may come */
}

static void refuse_bodies(struct syncd *s)
{
    static const struct {
        const char *body;
        const char *text;
    } cases[] = {
        {"", "it is empty"},
        {"hello", "syncd_quote"},
        {"{\"a\":1", "ends too early"},
        {"1,\"x\":2", "something follows"},
        {"\"a\nb\"", "control character"},
        {"\"\xff\"", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = syncd_put(s, "m", text_of(cases[i].body), NULL, 0, NULL);
        assert_error(status, SYNCD_E_ARGUMENT, cases[i].text);
    }
    char deep[2 * 63];
    memset(deep, '[', 63);
    memset(deep + 63, ']', 63);
    struct syncd_text body = {deep, sizeof(deep)};
    assert_error(syncd_put(s, "m", body, NULL, 0, NULL), SYNCD_E_ARGUMENT,
                 "deeper than 62");
}

static void refuse_terms(struct syncd *s)
{
    struct syncd_text body = text_of("1");
    struct syncd_terms terms = SYNCD_TERMS;
    terms.key = "";
    assert_error(syncd_put(s, "m", body, &terms, 0, NULL), SYNCD_E_ARGUMENT,
                 "a key has 1 to 200");
    assert_error(syncd_put_many(s, "m", &body, 1, &terms, 0, NULL),
                 SYNCD_E_ARGUMENT, "a key is of one job");
    terms = SYNCD_TERMS;
    terms.delay = 1e11;
    assert_error(syncd_put(s, "m", body, &terms, 0, NULL), SYNCD_E_ARGUMENT,
                 "delay");
    terms = SYNCD_TERMS;
    terms.priority = 1.0 / 0.0;
    assert_error(syncd_put(s, "m", body, &terms, 0, NULL), SYNCD_E_ARGUMENT,
                 "priority");
}

static void test_arguments(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_quiet, -1);
    struct syncd_text body = text_of("1");
    struct syncd_job *job = NULL;
    refuse_bodies(s);
    refuse_terms(s);
    assert_error(syncd_put(s, "", body, NULL, 0, NULL), SYNCD_E_ARGUMENT,
                 "queue's name");
    assert_error(syncd_get(s, "a\tb", 0, &job), SYNCD_E_ARGUMENT, "control");
    assert_error(syncd_get(s, "m", 2e10, &job), SYNCD_E_ARGUMENT, "timeout");
    assert_error(syncd_get(s, "m", 0.0 / 0.0, &job), SYNCD_E_ARGUMENT,
                 "timeout");
    assert_error(syncd_call(s, "job.show", "[1]", NULL), SYNCD_E_ARGUMENT,
                 "one JSON object");
    assert_error(syncd_call(s, "job.show", "{}}", NULL), SYNCD_E_ARGUMENT,
                 "one JSON object");
    char large[301];
    memset(large, '1', 300);
    large[300] = '\0';
    assert_error(syncd_put(s, "m", text_of(large), NULL, 0, NULL),
                 SYNCD_E_ARGUMENT, "max_message");
    assert_int_equal(syncd_put_many(s, "m", NULL, 0, NULL, 0, NULL), SYNCD_OK);
    peer_close(&peer, s);

    struct syncd_options options = {.grace = 1e6};
    assert_error(syncd_open(&options, &s), SYNCD_E_ARGUMENT, "grace");
    options = (struct syncd_options){.connect_timeout = -1};
    assert_error(syncd_open(&options, &s), SYNCD_E_ARGUMENT, "timeout");
    options = (struct syncd_options){.client = "\xff"};
    assert_error(syncd_open(&options, &s), SYNCD_E_ARGUMENT, "UTF-8");
}

static void test_text(void **state)
{
    (void)state;
    char *quoted = syncd_quote("a\"\n\xc3\xa4\0z", 7);
    assert_string_equal(quoted, "\"a\\\"\\n\xc3\xa4\\u0000z\"");
    size_t len = 0;
    char *text = syncd_text_of(quoted, strlen(quoted), &len);
    assert_int_equal(len, 7);
    assert_memory_equal(text, "a\"\n\xc3\xa4\0z", 8);
    free(text);
    free(quoted);
    quoted = syncd_quote("", 0);
    assert_string_equal(quoted, "\"\"");
    free(quoted);
    assert_null(syncd_quote("\xff", 1));
    assert_null(syncd_text_of("12", 2, NULL));
    assert_null(syncd_text_of("\"a", 2, NULL));
    assert_true(syncd_is_json(" [1] ", 5));
    assert_false(syncd_is_json("[1", 2));
    assert_false(syncd_is_json(NULL, 0));
}

/* --- who gets which answer ----------------------------------------------- */

/* Replies of any size byte by byte, and several in one write. */
static void script_split(struct peer *peer)
{
    peer_hello(peer, false, false);
    long long id = peer_expect(peer, "server.stats");
    char reply[160];
    int len = snprintf(reply, sizeof(reply),
                       "\r\n\n{\"id\":%lld,\"result\":\"\xc3\xa4 \\\\\","
                       "\"jsonrpc\":\"2.0\"}\r\n",
                       id);
    for (int i = 0; i < len; i++) {
        peer_send_bytes(peer, reply + i, 1);
    }
    peer_goodbye(peer);
}

static void test_split(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_split, -1);
    char *result = NULL;
    assert_int_equal(syncd_call(s, "server.stats", NULL, &result), SYNCD_OK);
    assert_string_equal(result, "\"\xc3\xa4 \\\\\"");
    free(result);
    peer_close(&peer, s);
}

#define CALLERS 8
#define ROUNDS  50

/* Waits for a request of each thread, then answers the last first. */
static void script_reversed(struct peer *peer)
{
    peer_hello(peer, false, false);
    for (int round = 0; round < ROUNDS; round++) {
        long long ids[CALLERS];
        int jobs[CALLERS];
        for (int i = 0; i < CALLERS; i++) {
            json_t *request = peer_read(peer);
            ids[i] = peer_id(request);
            jobs[i] = (int)json_integer_value(peer_param(request, "id"));
            json_decref(request);
        }
        for (int i = CALLERS - 1; i >= 0; i--) {
            peer_send(peer, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"result\":%d}\n",
                      ids[i], jobs[i]);
        }
    }
    peer_goodbye(peer);
}

struct caller {
    pthread_t thread;
    struct syncd *s;
    int number;
    int wrong;
};

static void *call_over_and_over(void *context)
{
    struct caller *caller = context;
    for (int round = 0; round < ROUNDS; round++) {
        char params[64];
        char expected[16];
        int job = caller->number * 1000 + round;
        (void)snprintf(params, sizeof(params), "{\"id\":%d}", job);
        (void)snprintf(expected, sizeof(expected), "%d", job);
        char *result = NULL;
        if (syncd_call(caller->s, "job.wait", params, &result) != SYNCD_OK ||
            strcmp(result, expected) != 0) {
            caller->wrong++;
        }
        free(result);
    }
    return NULL;
}

static void test_reversed(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_reversed, 5);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.s = s, .number = i + 1};
        assert_int_equal(pthread_create(&callers[i].thread, NULL,
                                        call_over_and_over, &callers[i]),
                         0);
    }
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].wrong, 0);
    }
    peer_close(&peer, s);
}

/* A daemon that reads no more until its large replies are read. */
#define LARGE_BYTES ((size_t)1 << 20)

static void script_unread(struct peer *peer)
{
    peer_hello(peer, false, false);
    char *large = malloc(LARGE_BYTES + 1);
    CHECK(large != NULL);
    memset(large, '7', LARGE_BYTES);
    large[LARGE_BYTES] = '\0';
    for (int i = 0; i < CALLERS; i++) {
        peer_result(peer, peer_expect(peer, "job.wait"), large);
    }
    free(large);
    peer_goodbye(peer);
}

static void *call_large(void *context)
{
    struct caller *caller = context;
    char *params = malloc(LARGE_BYTES + 16);
    CHECK(params != NULL);
    int len = snprintf(params, 16, "{\"id\":\"");
    memset(params + len, 'x', LARGE_BYTES);
    memcpy(params + (size_t)len + LARGE_BYTES, "\"}", 3);
    char *result = NULL;
    caller->wrong = syncd_call(caller->s, "job.wait", params, &result);
    caller->wrong += result == NULL || strlen(result) != LARGE_BYTES;
    free(result);
    free(params);
    return NULL;
}

static void test_unread(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_unread, -1);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.s = s};
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, call_large, &callers[i]),
            0);
    }
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].wrong, 0);
    }
    peer_close(&peer, s);
}

/* --- error replies -------------------------------------------------------- */

static void script_errors(struct peer *peer)
{
    peer_hello(peer, false, false);
    peer_error(peer, peer_expect(peer, "queue.put"), -32001,
               "{\"name\":\"queue_full\",\"retryable\":true}");
    peer_error(peer, peer_expect(peer, "queue.put"), -32001,
               "{\"name\":\"queue_full\",\"retryable\":false,"
               "\"reason\":\"never\"}");
    peer_error(peer, peer_expect(peer, "queue.put"), -32002, "{}");
    peer_error(peer, peer_expect(peer, "queue.get"), -32002, "{}");
    peer_result(peer, peer_expect(peer, "queue.get"), "{\"jobs\":[]}");
    peer_result(peer, peer_expect(peer, "queue.join"),
                "{\"joined\":false,\"dead\":0}");
    peer_error(peer, peer_expect(peer, "queue.done"), -32005, "{}");
    /* The disk is full: the daemon goes on. */
    peer_error(peer, peer_expect(peer, "queue.put"), -32009,
               "{\"name\":\"unavailable\"}");
    peer_answer_info(peer, PEER_INFO);
    peer_error(peer, peer_expect(peer, "server.stats"), -1, "{}");
    peer_goodbye(peer);
}

static void test_errors(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_errors, 5);
    struct syncd_text body = text_of("1");
    struct syncd_job *job = NULL;
    uint64_t id = 12;
    assert_int_equal(syncd_put(s, "m", body, NULL, 1, &id), SYNCD_TIMEOUT);
    assert_string_equal(syncd_error_name(), "queue_full");
    assert_int_equal(syncd_put(s, "m", body, NULL, 1, &id), SYNCD_E_REPLY);
    assert_int_equal(syncd_error_code(), -32001);
    assert_int_equal(syncd_put(s, "m", body, NULL, 1, &id), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "queue_closed");
    assert_int_equal(id, 12);
    assert_int_equal(syncd_get(s, "m", 1, &job), SYNCD_CLOSED);
    assert_error(syncd_get(s, "m", 1, &job), SYNCD_TIMEOUT, "no job");
    assert_int_equal(syncd_error_code(), 0);
    assert_null(job);
    assert_int_equal(syncd_join(s, "m", 1, &id), SYNCD_TIMEOUT);
    struct syncd_job ours = {.id = 1, .token = 1};
    assert_int_equal(syncd_done(s, &ours, NULL), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "stale_token");
    assert_int_equal(syncd_put(s, "m", body, NULL, 1, &id), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "unavailable");
    assert_int_equal(syncd_call(s, "server.stats", NULL, NULL), SYNCD_E_REPLY);
    assert_string_equal(syncd_error_name(), "internal");
    peer_close(&peer, s);
}

/* --- what is no syncd ----------------------------------------------------- */

/* Bytes that end the session, in place of the answer to request %lld. */
static const char *const nonsense[] = {
    "garbage\n",
    "{\"jsonrpc\":\"2.0\",\"id\":%lld}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":\"%lld\",\"result\":1}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":%lld.0,\"result\":1}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":%lld1,\"result\":1}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":1,\"a\":%lld}\n",
    ("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
     "{\"code\":%lld,\"message\":\"\"}}\n"),
    "{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"result\":%lld}\n",
    "{\"jsonrpc\":\"1.0\",\"id\":%lld,\"result\":1}\n",
    "[{\"jsonrpc\":\"2.0\",\"id\":%lld,\"result\":1}]\n",
    "\"\xff %lld\"\n",
};

#define NONSENSE (sizeof(nonsense) / sizeof(nonsense[0]))

static void script_nonsense(struct peer *peer)
{
    for (size_t i = 0; i < NONSENSE; i++) {
        peer_hello(peer, false, false);
        char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int len = snprintf(text, sizeof(text), nonsense[i],
                           peer_expect(peer, "server.stats"));
#pragma GCC diagnostic pop
        peer_send_bytes(peer, text, (size_t)len);
        peer_goodbye(peer);
    }
    peer_hello(peer, false, false);
    peer_result(peer, peer_expect(peer, "server.stats"), "1");
    peer_goodbye(peer);
}

/* Each time the call learns it, and the next call has a new session. */
static void test_nonsense(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_nonsense, 5);
    for (size_t i = 0; i < NONSENSE; i++) {
        int status = syncd_call(s, "server.stats", NULL, NULL);
        assert_error(status, SYNCD_E_PROTOCOL, "does not speak as syncd");
    }
    assert_int_equal(syncd_call(s, "server.stats", NULL, NULL), SYNCD_OK);
    assert_int_equal(syncd_session(s), 100 + NONSENSE + 1);
    peer_close(&peer, s);
}

/* A result that is not what the method returns fails that call alone. */
static const char *const no_jobs[] = {
    "1",
    "{}",
    "{\"jobs\":1}",
    "{\"jobs\":[1]}",
    "{\"jobs\":[{\"id\":1,\"token\":1,\"queue\":\"m\",\"body\":1},{\"id\":1}]}",
    "{\"jobs\":[{\"id\":-1,\"token\":1,\"queue\":\"m\",\"body\":1}]}",
    "{\"jobs\":[{\"id\":1,\"token\":1,\"queue\":7,\"body\":1}]}",
    /* One was asked for. */
    ("{\"jobs\":[{\"id\":1,\"token\":1,\"queue\":\"m\",\"body\":1},"
     "{\"id\":2,\"token\":1,\"queue\":\"m\",\"body\":1}]}"),
};

#define NO_JOBS (sizeof(no_jobs) / sizeof(no_jobs[0]))

static void script_no_jobs(struct peer *peer)
{
    peer_hello(peer, false, false);
    for (size_t i = 0; i < NO_JOBS; i++) {
        peer_result(peer, peer_expect(peer, "queue.get"), no_jobs[i]);
    }
    peer_result(peer, peer_expect(peer, "queue.put"), "{\"ids\":[1]}");
    peer_result(peer, peer_expect(peer, "queue.put"), "{\"ids\":[1,2,3]}");
    peer_result(peer, peer_expect(peer, "queue.put"), "{\"id\":\"1\"}");
    peer_goodbye(peer);
}

static void test_no_jobs(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_no_jobs, 5);
    struct syncd_job *job = NULL;
    for (size_t i = 0; i < NO_JOBS; i++) {
        int status = syncd_get(s, "m", SYNCD_FOREVER, &job);
        assert_error(status, SYNCD_E_PROTOCOL, "does not understand");
        assert_null(job);
    }
    struct syncd_text bodies[] = {text_of("1"), text_of("2")};
    uint64_t ids[2] = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(syncd_put_many(s, "m", bodies, 2, NULL, 0, ids),
                         SYNCD_E_PROTOCOL);
    }
    assert_int_equal(syncd_put(s, "m", bodies[0], NULL, 0, ids),
                     SYNCD_E_PROTOCOL);
    peer_close(&peer, s);
}

static void script_endless(struct peer *peer)
{
    peer_hello(peer, false, false);
    (void)peer_expect(peer, "server.stats");
    char *block = malloc(LARGE_BYTES);
    CHECK(block != NULL);
    memset(block, ' ', LARGE_BYTES);
    for (int i = 0; i < 65; i++) {
        peer_send_bytes(peer, block, LARGE_BYTES);
    }
    free(block);
    peer_goodbye(peer);
}

static void test_endless(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd *s = peer_open(&peer, script_endless, -1);
    assert_error(syncd_call(s, "server.stats", NULL, NULL), SYNCD_E_PROTOCOL,
                 "endless");
    assert_error(syncd_call(s, "server.stats", NULL, NULL), SYNCD_E_PROTOCOL,
                 "endless");
    peer_close(&peer, s);
}

/* What shaking hands may meet: answers to session.open and server.info. */
static const struct {
    const char *open; /* NULL: hangs up; the first byte '-': an error */
    const char *info;
    int status;
    const char *text;
} hellos[] = {
    {NULL, NULL, SYNCD_E_CONNECT, "closed the connection"},
    {"HTTP/1.1 400 Bad Request\n", NULL, SYNCD_E_PROTOCOL, "HTTP/1.1 400"},
    {"{}", PEER_INFO, SYNCD_E_PROTOCOL, "does not speak"},
    {"{\"session\":1,\"secret\":\"x\",\"resumed\":false}", "{\"protocol\":2}",
     SYNCD_E_PROTOCOL, "of the same version"},
    {"{\"session\":1,\"secret\":\"x\",\"resumed\":false}", "{}",
     SYNCD_E_PROTOCOL, "of the same version"},
    {"-32009", NULL, SYNCD_E_REPLY, "so it is"},
    {"-32008", NULL, SYNCD_E_REPLY, "so it is"},
    {"-32601", NULL, SYNCD_E_PROTOCOL, "so it is"},
};

#define HELLOS (sizeof(hellos) / sizeof(hellos[0]))

static void script_hellos(struct peer *peer)
{
    for (size_t i = 0; i < HELLOS; i++) {
        peer_accept(peer);
        long long id = peer_expect(peer, "session.open");
        const char *open = hellos[i].open;
        if (open == NULL) {
            peer_hang_up(peer);
            continue;
        }
        if (open[0] == '-') {
            peer_error(peer, id, (int)strtol(open, NULL, 10), "{}");
        } else if (open[0] == '{') {
            peer_result(peer, id, open);
        } else {
            peer_send(peer, "%s", open);
        }
        if (hellos[i].info != NULL) {
            peer_answer_info(peer, hellos[i].info);
        } else {
            (void)peer_expect(peer, "server.info");
        }
        peer_goodbye(peer);
    }
}

static void test_hellos(void **state)
{
    (void)state;
    struct peer peer;
    peer_start(&peer, script_hellos);
    struct syncd_options options = {.socket = peer.path};
    for (size_t i = 0; i < HELLOS; i++) {
        struct syncd *s = NULL;
        int status = syncd_open(&options, &s);
        assert_error(status, hellos[i].status, hellos[i].text);
        assert_null(s);
    }
    peer_end(&peer);
}

/* --- interrupting ----------------------------------------------------------
 */

static pthread_barrier_t sent; /* the call under way has reached the peer */

static void script_interrupt(struct peer *peer)
{
    peer_hello(peer, false, false);
    /* Cancelled. */
    long long get = peer_expect(peer, "queue.get");
    (void)pthread_barrier_wait(&sent);
    json_t *cancel = peer_read(peer);
    CHECK(json_integer_value(peer_param(cancel, "request")) == get);
    peer_error(peer, get, -32010, "{\"name\":\"cancelled\"}");
    peer_result(peer, peer_id(cancel), "{\"cancelled\":true}");
    json_decref(cancel);
    /* While interrupted: what could wait is not even sent. */
    peer_result(peer, peer_expect(peer, "queue.done"), "{}");
    peer_result(peer, peer_expect(peer, "queue.get"), "{\"jobs\":[]}");
    /* Granted before the cancel came. */
    get = peer_expect(peer, "queue.get");
    (void)pthread_barrier_wait(&sent);
    cancel = peer_read(peer);
    peer_result(peer, get,
                "{\"jobs\":[{\"id\":1,\"token\":2,\"queue\":\"m\","
                "\"body\":3}]}");
    json_decref(cancel); /* not answered before the session is closed */
    peer_goodbye(peer);
}

static void *get_one(void *context)
{
    struct syncd_job *job = NULL;
    long status = syncd_get(context, "m", SYNCD_FOREVER, &job);
    if (status == SYNCD_E_REPLY && syncd_error_code() != -32010) {
        status = 99;
    }
    syncd_job_free(job);
    return (void *)status; /* NOLINT: a small number, not an address */
}

static long join_status(pthread_t thread)
{
    void *status = NULL;
    assert_int_equal(pthread_join(thread, &status), 0);
    return (long)status;
}

static void test_interrupt(void **state)
{
    (void)state;
    struct peer peer;
    struct syncd_job *job = NULL;
    struct syncd_job ours = {.id = 1, .token = 1};
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&sent, NULL, 2), 0);
    struct syncd *s = peer_open(&peer, script_interrupt, 5);
    assert_int_equal(pthread_create(&thread, NULL, get_one, s), 0);
    (void)pthread_barrier_wait(&sent);
    syncd_interrupt(s);
    assert_int_equal(join_status(thread), SYNCD_E_REPLY);
    assert_error(syncd_get(s, "m", SYNCD_FOREVER, &job), SYNCD_E_REPLY,
                 "interrupted");
    assert_string_equal(syncd_error_name(), "cancelled");
    assert_int_equal(syncd_done(s, &ours, NULL), SYNCD_OK);
    assert_int_equal(syncd_get(s, "m", 0, &job), SYNCD_TIMEOUT);

    syncd_uninterrupt(s);
    assert_int_equal(pthread_create(&thread, NULL, get_one, s), 0);
    (void)pthread_barrier_wait(&sent);
    syncd_interrupt(s);
    assert_int_equal(join_status(thread), SYNCD_OK);
    peer_close(&peer, s);
    assert_int_equal(pthread_barrier_destroy(&sent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),     cmocka_unit_test(test_lines),
        cmocka_unit_test(test_method),   cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_text),     cmocka_unit_test(test_split),
        cmocka_unit_test(test_reversed), cmocka_unit_test(test_unread),
        cmocka_unit_test(test_errors),   cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_no_jobs),  cmocka_unit_test(test_endless),
        cmocka_unit_test(test_hellos),   cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
