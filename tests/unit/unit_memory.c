/* memory.h and arena.h: the door to the heap, and pieces given back at once. */
#include "proto/arena.h"
#include "proto/memory.h"
#include "tests/starve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void test_allocations(void **state)
{
    (void)state;
    char *zeros = mem_zalloc(100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zeros[i], 0);
    }
    zeros = mem_realloc(zeros, 200);
    assert_int_equal(zeros[99], 0);
    mem_free(zeros);
    char *copy = mem_strndup("abc", 2);
    assert_string_equal(copy, "ab");
    mem_free(copy);
    copy = mem_strndup("", 0);
    assert_string_equal(copy, "");
    mem_free(copy);
    mem_free(mem_alloc(0));
    mem_free(mem_realloc(NULL, 0));
    mem_free(NULL);
}

/* The status of a child in which the n-th allocation of three fails. */
static int status_of_failure(size_t n)
{
    pid_t child = fork();
    int status = 0;
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        starve_at(n);
        void *a = mem_alloc(1);
        void *b = mem_zalloc(1);
        b = mem_realloc(b, 2);
        mem_free(a);
        mem_free(b);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_failure_ends_the_process(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        assert_int_equal(status_of_failure(n), MEMORY_EXIT_STATUS);
    }
    assert_int_equal(status_of_failure(4), 0);
    assert_int_equal(status_of_failure(0), 0);
}

/* Pieces are aligned, apart from each other, and stay until the reset. */
static void test_arena(void **state)
{
    static const size_t sizes[] = {0,  1,   7,     8,     15,    16,
                                   17, 100, 60000, 65536, 70000, 1000000};
    struct arena arena;
    (void)state;
    arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        unsigned char *pieces[200];
        for (size_t i = 0; i < ROWS(pieces); i++) {
            pieces[i] = arena_alloc(&arena, sizes[i % ROWS(sizes)]);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            memset(pieces[i], (int)i, sizes[i % ROWS(sizes)]);
        }
        for (size_t i = 0; i < ROWS(pieces); i++) {
            for (size_t j = 0; j < sizes[i % ROWS(sizes)]; j += 97) {
                assert_int_equal(pieces[i][j], (unsigned char)i);
            }
        }
        arena_reset(&arena);
    }
    arena_reset(&arena);
    arena_fini(&arena);
    arena_fini(&arena);
}

/* A steady load takes nothing from the heap: a failing one is not noticed. */
static void test_arena_keeps_a_block(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena);
    void *first = arena_alloc(&arena, 1000);
    starve_at(1);
    for (int i = 0; i < 100; i++) {
        arena_reset(&arena);
        assert_ptr_equal(arena_alloc(&arena, 1000), first);
        assert_non_null(arena_alloc(&arena, 50000));
    }
    starve_at(0);
    /* What was large is given back. */
    assert_non_null(arena_alloc(&arena, 2 * ARENA_KEEP_BYTES));
    arena_reset(&arena);
    assert_null(arena.blocks);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_failure_ends_the_process),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_keeps_a_block),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
