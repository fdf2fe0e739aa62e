/*
 * Memory runs out at the n-th allocation of a store's life, for every n: of our
 * own code and of SQLite, which are served by one heap (memory.h). The process
 * ends with a status of its own; what was acknowledged before is there.
 *
 *     store_starve [STRIDE]      from one n to the next; 1: every one
 */
#include "tests/starve.h"

#include "tests/store/fixture.h"

#include "proto/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCHES 8

static const struct model_terms terms = {12, 3, 3000};

static size_t stride = 97;

static struct batch *batches[BATCHES + 1];
static struct model after[BATCHES + 1];

/* In memory that the child shares: the last batch it was told is durable. */
static volatile int *acknowledged;

/* The child: opens, writes and closes, twice. */
_Noreturn static void live(const struct test_dir *dir, size_t n)
{
    struct store_error error;
    (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    starve_at(n);
    for (int i = 1; i <= BATCHES;) {
        struct store *store =
            store_sqlite_open(dir->path, &executor_inline, &error);
        if (store == NULL) {
            _exit(1);
        }
        for (int k = 1; k <= BATCHES / 2; k++, i++) {
            batches[i]->number = (uint64_t)k;
            if (submit_wait(store, batches[i]).status != STORE_DONE) {
                _exit(2);
            }
            *acknowledged = i;
        }
        store_close(store);
    }
    _exit(0);
}

static void check(const struct test_dir *dir, size_t n)
{
    struct model loaded;
    struct store_error error;
    if (!try_load(dir, &loaded, &error)) {
        fail_msg("allocation %zu: %s", n, error.text);
    }
    int last = *acknowledged;
    if (!model_equal(&loaded, &after[last]) &&
        (last == BATCHES || !model_equal(&loaded, &after[last + 1]))) {
        fail_msg("allocation %zu: not as after batch %d", n, last);
    }
    model_fini(&loaded);
}

/* True: it came to the failure. */
static bool starve_once(size_t n)
{
    struct test_dir dir;
    int status = 0;
    test_dir_make(&dir);
    *acknowledged = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        live(&dir, n);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    bool starved = WEXITSTATUS(status) == MEMORY_EXIT_STATUS;
    if (!starved) {
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(*acknowledged, BATCHES);
    }
    check(&dir, n);
    test_dir_remove(&dir);
    return starved;
}

static void test_every_allocation(void **state)
{
    (void)state;
    size_t points = 0;
    size_t n = 1;
    for (; starve_once(n); n += stride) {
        points++;
    }
    print_message("%zu of about %zu allocations failed\n", points, n);
    assert_true(points > 20);
}

static void make_batches(void)
{
    struct random random = {77};
    model_init(&after[0]);
    for (int i = 1; i <= BATCHES; i++) {
        batches[i] = model_batch(&random, &terms, (uint64_t)i);
        model_copy(&after[i], &after[i - 1]);
        model_apply(&after[i], batches[i]);
    }
}

static void free_batches(void)
{
    for (int i = 0; i <= BATCHES; i++) {
        model_fini(&after[i]);
        if (i > 0) {
            model_batch_free(batches[i]);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    if (argc > 1) {
        stride = strtoul(argv[1], NULL, 10);
    }
    store_sqlite_take_memory();
    acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if ((void *)(uintptr_t)acknowledged == MAP_FAILED) {
        return 1;
    }
    make_batches();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free_batches();
    return failed;
}
