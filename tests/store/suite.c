/*
 * What every store must do: keep batches, and give them back after a restart,
 * or nothing at all if it keeps nothing.
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A store to be tested. */
struct subject {
    const char *name;
    bool keeps; /* over a restart */
    struct store *(*open)(const struct test_dir *dir,
                          const struct executor *executor);
};

static struct store *open_memory(const struct test_dir *dir,
                                 const struct executor *executor)
{
    (void)dir;
    return store_memory_open(executor);
}

static struct store *open_disk(const struct test_dir *dir,
                               const struct executor *executor)
{
    struct store_error error = {""};
    struct store *store = store_sqlite_open(dir->path, executor, &error);
    if (store == NULL) {
        fail_msg("%s", error.text);
    }
    return store;
}

static struct subject subjects[] = {{"memory", false, open_memory},
                                    {"sqlite", true, open_disk}};

/* The subject, with a directory and a model of what it was given. */
struct run {
    const struct subject *subject;
    struct test_dir dir;
    struct store *store;
    struct model model;
    uint64_t number;
};

static void run_open(struct run *run, const struct executor *executor)
{
    run->store = run->subject->open(&run->dir, executor);
    run->number = 0;
}

static void run_begin(struct run *run, void **state)
{
    *run = (struct run){.subject = *state};
    test_dir_make(&run->dir);
    model_init(&run->model);
    run_open(run, &executor_inline);
    assert_string_equal(run->store->ops->name, run->subject->name);
}

static void run_load(struct run *run)
{
    struct model loaded;
    struct store_error error = {""};
    model_init(&loaded);
    assert_int_equal(store_load(run->store, model_load, &loaded, &error), 0);
    if (!run->subject->keeps) {
        model_fini(&run->model);
        model_init(&run->model);
    }
    assert_true(model_equal(&loaded, &run->model));
    model_fini(&loaded);
}

static void run_restart(struct run *run)
{
    store_close(run->store);
    run_open(run, &executor_inline);
    run_load(run);
}

static void run_submit(struct run *run, const struct batch *batch)
{
    assert_int_equal(submit_wait(run->store, batch).status, STORE_DONE);
    model_apply(&run->model, batch);
}

static void run_random(struct run *run, struct random *random,
                       const struct model_terms *terms)
{
    struct batch *batch = model_batch(random, terms, ++run->number);
    run_submit(run, batch);
    model_batch_free(batch);
}

static void run_rows(struct run *run, enum row_kind kind, const void *rows,
                     size_t count)
{
    struct batch batch = batch_of(++run->number, kind, rows, count);
    run_submit(run, &batch);
}

static void run_end(struct run *run)
{
    run_restart(run);
    store_close(run->store);
    model_fini(&run->model);
    test_dir_remove(&run->dir);
}

static struct row_job job_absent(uint64_t id)
{
    struct row_job job;
    memcpy(&job, kind_row(ROW_job)->absent, sizeof(job));
    job.id = id;
    return job;
}

/* ---- Cases ---- */

static void test_nothing(void **state)
{
    struct run run;
    run_begin(&run, state);
    run_load(&run);
    struct batch batch = {.number = 1};
    run_submit(&run, &batch);
    assert_int_equal(probe_wait(run.store).status, STORE_DONE);
    run_end(&run);
}

static void test_random_batches(void **state)
{
    static const struct model_terms all_terms[] = {
        {8, 4, 50}, {60, 20, 5000}, {3000, 60, 300}, {40, 12, 60000}};
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct run run;
        struct random random = {seed};
        run_begin(&run, state);
        for (int restart = 0; restart < 4; restart++) {
            for (int i = 0; i < 15; i++) {
                run_random(&run, &random, &all_terms[seed % 4]);
            }
            run_restart(&run);
        }
        run_end(&run);
    }
}

/* Each column alone, at each of its extremes; NULLs before and behind it. */
static void test_extremes(void **state)
{
    static const uint64_t u64[] = {0, 1, INT64_MAX};
    static const int64_t i64[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    static const double f64[] = {0.0, -0.0, 5e-324, 1.7976931348623157e308};
    struct slice text[] = {
        {NULL, 0}, {"", 0}, SLICE("x"), SLICE("\xf4\x8f\xbf\xbf\x01'\";--")};
    struct run run;
    run_begin(&run, state);
    for (int k = 0; k < ROW_KINDS; k++) {
        const struct kind_row *kind = kind_row((enum row_kind)k);
        char *row = mem_alloc(kind->size);
        uint64_t id = 0;
        for (size_t c = 1; c < kind->columns_count; c++) {
            char *at = row + kind->columns[c].offset;
            for (size_t v = 0; v < 5; v++) {
                memcpy(row, kind->absent, kind->size);
                id++;
                memcpy(row, &id, sizeof(id));
                switch (kind->columns[c].type) {
                case COLUMN_U64:
                    memcpy(at, &u64[v % 3], sizeof(u64[0]));
                    break;
                case COLUMN_I64:
                    memcpy(at, &i64[v], sizeof(i64[0]));
                    break;
                case COLUMN_F64:
                    memcpy(at, &f64[v % 4], sizeof(f64[0]));
                    break;
                case COLUMN_TEXT:
                    memcpy(at, &text[v % 4], sizeof(text[0]));
                    break;
                }
                run_rows(&run, (enum row_kind)k, row, 1);
            }
        }
        mem_free(row);
    }
    run_end(&run);
}

static void test_long_texts(void **state)
{
    struct run run;
    run_begin(&run, state);
    size_t len = (size_t)4 << 20;
    char *text = mem_alloc(len);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)('!' + i * 7 % 90);
    }
    struct row_job jobs[3] = {job_absent(1), job_absent(2), job_absent(3)};
    jobs[0].body = (struct slice){text, len};
    jobs[1].body = (struct slice){text, 1};
    jobs[1].result = (struct slice){text + 1, len - 1};
    jobs[2].body = (struct slice){text, len / 2};
    run_rows(&run, ROW_job, jobs, 3);
    run_restart(&run);
    jobs[0].body.len = 3;
    run_rows(&run, ROW_job, jobs, 1);
    run_end(&run);
    mem_free(text);
}

/* Many rows in a batch: the same id again and again in batches, gone ids in
 * order, out of order and in pieces. */
static void test_many_rows(void **state)
{
    enum { ROWS = 10000 };
    struct run run;
    run_begin(&run, state);
    struct row_job *jobs = mem_alloc(ROWS * sizeof(*jobs));
    uint64_t *gone = mem_alloc(ROWS * sizeof(*gone));
    for (uint64_t i = 0; i < ROWS; i++) {
        jobs[i] = job_absent(i + 1);
        jobs[i].body = SLICE("\"body\"");
        jobs[i].queue = i % 7;
    }
    run_rows(&run, ROW_job, jobs, ROWS);
    for (uint64_t i = 0; i < ROWS; i += 3) {
        jobs[i].attempts = i;
    }
    run_rows(&run, ROW_job, jobs, ROWS);
    struct batch batch = {.number = ++run.number};
    batch.changes[ROW_job].gone = gone;
    for (uint64_t i = 0; i < ROWS; i++) { /* downwards, with gaps */
        if (i % 5 != 0) {
            gone[batch.changes[ROW_job].gone_count++] = ROWS - i;
        }
    }
    run_submit(&run, &batch);
    run_restart(&run);
    batch.number = ++run.number;
    batch.changes[ROW_job].gone_count = ROWS / 2;
    for (uint64_t i = 0; i < ROWS / 2; i++) { /* most are gone already */
        gone[i] = i + 1;
    }
    run_submit(&run, &batch);
    run_end(&run);
    mem_free(gone);
    mem_free(jobs);
}

/* ---- Threads ---- */

/* An executor with one thread. */
struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    void (*work)(void *arg); /* under the mutex, as what follows */
    void *arg;
    bool stop;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    (void)pthread_mutex_lock(&w->mutex);
    while (!w->stop || w->work != NULL) {
        if (w->work == NULL) {
            (void)pthread_cond_wait(&w->changed, &w->mutex);
            continue;
        }
        void (*work)(void *) = w->work;
        void *work_arg = w->arg;
        w->work = NULL;
        (void)pthread_mutex_unlock(&w->mutex);
        work(work_arg);
        (void)pthread_mutex_lock(&w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static void worker_run(void *context, void (*work)(void *arg), void *arg)
{
    struct worker *w = context;
    (void)pthread_mutex_lock(&w->mutex);
    assert_null(w->work);
    w->work = work;
    w->arg = arg;
    (void)pthread_cond_signal(&w->changed);
    (void)pthread_mutex_unlock(&w->mutex);
}

static void test_threads(void **state)
{
    static const struct model_terms terms = {100, 10, 2000};
    struct worker worker = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    const struct executor executor = {worker_run, &worker};
    struct random random = {77};
    struct run run;
    run_begin(&run, state);
    store_close(run.store);
    assert_int_equal(pthread_create(&worker.thread, NULL, worker_main, &worker),
                     0);
    run_open(&run, &executor);
    for (int i = 0; i < 200; i++) {
        run_random(&run, &random, &terms);
    }
    assert_int_equal(probe_wait(run.store).status, STORE_DONE);
    (void)pthread_mutex_lock(&worker.mutex);
    worker.stop = true;
    (void)pthread_cond_signal(&worker.changed);
    (void)pthread_mutex_unlock(&worker.mutex);
    (void)pthread_join(worker.thread, NULL);
    run_end(&run);
}

/* An answer may submit the next batch at once. */
struct chain {
    struct store *store;
    struct batch batch;
    int left;
};

static void chain_on(void *arg, enum store_status status, const char *why)
{
    struct chain *chain = arg;
    assert_int_equal(status, STORE_DONE);
    assert_string_equal(why, "");
    if (--chain->left > 0) {
        chain->batch.number++;
        store_submit(chain->store, &chain->batch, chain_on, chain);
    }
}

static void test_submit_in_answer(void **state)
{
    struct run run;
    run_begin(&run, state);
    struct chain chain = {run.store, {.number = 1}, 20};
    store_submit(run.store, &chain.batch, chain_on, &chain);
    assert_int_equal(chain.left, 0);
    run_end(&run);
}

/* ---- Our own mistakes ---- */

static void never_run(void *context, void (*work)(void *arg), void *arg)
{
    (void)context;
    (void)work;
    (void)arg;
}

static void ignore(void *arg, enum store_status status, const char *why)
{
    (void)arg;
    (void)status;
    (void)why;
}

/* Submits two batches in a child, which must abort. */
static void expect_abort(struct run *run, const struct executor *executor,
                         uint64_t first, uint64_t second)
{
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(1);
        }
        (void)signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        struct store *store = run->subject->open(&run->dir, executor);
        struct batch batch = {.number = first};
        store_submit(store, &batch, ignore, NULL);
        batch.number = second;
        store_submit(store, &batch, ignore, NULL);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_mistakes(void **state)
{
    static const struct executor never = {never_run, NULL};
    struct run run;
    run_begin(&run, state);
    store_close(run.store);
    expect_abort(&run, &never, 1, 2);           /* two under way */
    expect_abort(&run, &executor_inline, 2, 3); /* the first is missing */
    expect_abort(&run, &executor_inline, 1, 1); /* twice the same */
    expect_abort(&run, &executor_inline, 1, 3); /* a gap */
    run_open(&run, &executor_inline);
    run_end(&run);
}

#define BOTH(test)                                       \
    {#test "(memory)", test, NULL, NULL, &subjects[0]},  \
    {                                                    \
#test "(sqlite)", test, NULL, NULL, &subjects[1] \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_nothing),          BOTH(test_random_batches),
        BOTH(test_extremes),         BOTH(test_long_texts),
        BOTH(test_many_rows),        BOTH(test_threads),
        BOTH(test_submit_in_answer), BOTH(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
