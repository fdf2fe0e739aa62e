/*
 * kill -9 of a process that commits in a loop: after each round every batch
 * that it saw acknowledged is there, the one under way as a whole or not at
 * all, and nothing else.
 */
#include "tests/store/fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20

/* Large enough that the log is brought into the database now and then. */
static const struct model_terms terms = {200, 30, 60000};

/* The child: batches of this seed, and the number of each that is done. */
_Noreturn static void commit_for_ever(const struct test_dir *dir, uint64_t seed,
                                      int acknowledged)
{
    struct store_error error = {""};
    struct store *store =
        store_sqlite_open(dir->path, &executor_inline, &error);
    if (store == NULL) {
        _exit(1);
    }
    struct random random = {seed};
    for (uint64_t number = 1;; number++) {
        struct batch *batch = model_batch(&random, &terms, number);
        if (submit_wait(store, batch).status != STORE_DONE ||
            write(acknowledged, &number, sizeof(number)) != sizeof(number)) {
            _exit(2);
        }
        model_batch_free(batch);
    }
}

/* The last number that comes; 0: none came any more. */
static uint64_t read_number(int acknowledged)
{
    uint64_t number = 0;
    ssize_t len;
    do {
        len = read(acknowledged, &number, sizeof(number));
    } while (len < 0 && errno == EINTR);
    return len == sizeof(number) ? number : 0;
}

/* Kills it once `wanted` batches were acknowledged; the last that was. */
static uint64_t run_child(const struct test_dir *dir, uint64_t seed,
                          uint64_t wanted)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(pipes[0]);
        commit_for_ever(dir, seed, pipes[1]);
    }
    (void)close(pipes[1]);
    uint64_t last = 0;
    while (last < wanted) {
        uint64_t number = read_number(pipes[0]);
        assert_int_equal(number, last + 1);
        last = number;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    for (uint64_t more; (more = read_number(pipes[0])) != 0;) {
        last = more;
    }
    (void)close(pipes[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

/* `model` as it was before the round becomes what is there. */
static void check_round(const struct test_dir *dir, struct model *model,
                        uint64_t seed, uint64_t acknowledged)
{
    struct model loaded;
    struct store_error error;
    struct random random = {seed};
    if (!try_load(dir, &loaded, &error)) {
        fail_msg("%s", error.text);
    }
    for (uint64_t number = 1; number <= acknowledged + 1; number++) {
        if (number == acknowledged + 1 && model_equal(&loaded, model)) {
            break;
        }
        struct batch *batch = model_batch(&random, &terms, number);
        model_apply(model, batch);
        model_batch_free(batch);
    }
    assert_true(model_equal(&loaded, model));
    model_fini(&loaded);
}

static void test_kill(void **state)
{
    (void)state;
    struct test_dir dir;
    struct model model;
    struct random random = {2024};
    test_dir_make(&dir);
    model_init(&model);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t wanted = 1 + random_below(&random, 40);
        uint64_t last = run_child(&dir, round, wanted);
        check_round(&dir, &model, round, last);
    }
    model_fini(&model);
    test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
