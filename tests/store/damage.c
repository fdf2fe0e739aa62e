/*
 * Files that rotted or were cut off: never a crash, never a wrong row. They
 * are refused, or what is loaded is the truth.
 *
 * The exception is the log: damage in its last transaction cannot be told from
 * a write that a power cut tore, so that one may be gone.
 *
 *     store_damage [FLIPS [SEED]]
 */
#include "tests/store/fixture.h"

#include "proto/memory.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCHES 12

/* A file header of SQLite, of which every bit is tried. */
#define HEADER_BYTES 100

/* In the log: a header, and then frames. */
#define LOG_HEADER  32
#define FRAME_BYTES ((size_t)24 + 4096)

static int flips = 300;
static uint64_t seed = 4711;

static const struct model_terms terms = {100, 1, 6000};

/* A store, closed or as a crash leaves it, and the truth after each batch. */
struct scene {
    struct test_dir whole;   /* as it was */
    struct test_dir damaged; /* a copy, to be damaged and opened */
    struct model after[BATCHES + 1];
    const char *name; /* of the file to be damaged */
    char *bytes;      /* owned: what was in it */
    size_t len;
    size_t end; /* of what was written: only zeros are behind it */
};

static void fill(struct scene *scene, const struct test_dir *dir, bool crash)
{
    struct store *store = open_sqlite(dir);
    struct random random = {31};
    model_init(&scene->after[0]);
    for (uint64_t i = 1; i <= BATCHES; i++) {
        struct batch *batch = model_batch(&random, &terms, i);
        assert_int_equal(submit_wait(store, batch).status, STORE_DONE);
        model_copy(&scene->after[i], &scene->after[i - 1]);
        model_apply(&scene->after[i], batch);
        model_batch_free(batch);
    }
    if (crash) {
        test_dir_copy(dir, &scene->whole);
    }
    store_close(store);
    if (!crash) {
        test_dir_copy(dir, &scene->whole);
    }
}

/* A log has whole frames, and zeros from then on. */
static size_t end_of_frames(const struct scene *scene)
{
    size_t end = LOG_HEADER;
    while (end + FRAME_BYTES <= scene->len &&
           memcmp(scene->bytes + end, "\0\0\0", 4) != 0) {
        end += FRAME_BYTES;
    }
    for (size_t at = end; at < scene->len; at++) {
        assert_int_equal(scene->bytes[at], 0);
    }
    return end;
}

static void scene_make(struct scene *scene, bool crash, const char *name)
{
    struct test_dir dir;
    test_dir_make(&dir);
    test_dir_make(&scene->whole);
    test_dir_make(&scene->damaged);
    fill(scene, &dir, crash);
    test_dir_remove(&dir);
    scene->name = name;
    scene->bytes = test_file_read(test_path(&scene->whole, name), &scene->len);
    assert_non_null(scene->bytes);
    scene->end =
        strcmp(name, "syncd.db-wal") == 0 ? end_of_frames(scene) : scene->len;
}

static void scene_remove(struct scene *scene)
{
    for (int i = 0; i <= BATCHES; i++) {
        model_fini(&scene->after[i]);
    }
    mem_free(scene->bytes);
    test_dir_remove(&scene->damaged);
    test_dir_remove(&scene->whole);
}

/* Which batch is the last that is there? -1: refused. */
static int open_damaged(struct scene *scene, size_t len)
{
    struct model loaded;
    struct store_error error;
    test_dir_copy(&scene->whole, &scene->damaged);
    test_file_write(test_path(&scene->damaged, scene->name), scene->bytes, len);
    int found = -1;
    if (try_load(&scene->damaged, &loaded, &error)) {
        found = BATCHES;
        while (found >= 0 && !model_equal(&loaded, &scene->after[found])) {
            found--;
        }
        assert_true(found >= 0); /* else something is there that never was */
    }
    model_fini(&loaded);
    return found;
}

/* Flips a bit; as open_damaged. */
static int flip(struct scene *scene, size_t bit)
{
    scene->bytes[bit / 8] = (char)(scene->bytes[bit / 8] ^ 1 << bit % 8);
    int found = open_damaged(scene, scene->len);
    scene->bytes[bit / 8] = (char)(scene->bytes[bit / 8] ^ 1 << bit % 8);
    return found;
}

/* Flips bits of the database; the truth or nothing. */
static void flip_database(struct scene *scene)
{
    struct random random = {seed};
    int refused = 0;
    for (int i = 0; i < flips; i++) {
        int found = flip(scene, random_below(&random, scene->len * 8));
        assert_true(found == BATCHES || found == -1);
        refused += found == -1;
    }
    for (size_t bit = 0; bit < (size_t)HEADER_BYTES * 8; bit += 7) {
        int found = flip(scene, bit);
        assert_true(found == BATCHES || found == -1);
    }
    print_message("database: %d of %d flips refused, the others without "
                  "effect\n",
                  refused, flips);
    assert_true(refused > 0);
}

static void test_flips(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, false, "syncd.db");
    assert_int_equal(open_damaged(&scene, scene.len), BATCHES);
    flip_database(&scene);
    scene_remove(&scene);
}

static void test_flips_with_log(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, true, "syncd.db");
    assert_int_equal(open_damaged(&scene, scene.len), BATCHES);
    struct random random = {seed + 1};
    for (int i = 0; i < flips / 3; i++) {
        int found = flip(&scene, random_below(&random, scene.len * 8));
        assert_true(found == BATCHES || found == -1);
    }
    scene_remove(&scene);
}

/* How many frames the last transaction has: those behind the last but one that
 * tells the size of the database. */
static size_t frames_of_last(const struct scene *scene)
{
    const char *end = scene->bytes + scene->end;
    size_t count = 1;
    while (memcmp(end - (count + 1) * FRAME_BYTES + 4, "\0\0\0", 4) == 0) {
        count++;
    }
    return count;
}

static void test_flips_in_log(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, true, "syncd.db-wal");
    assert_int_equal(open_damaged(&scene, scene.len), BATCHES);
    struct random random = {seed + 2};
    size_t last = (scene.end - frames_of_last(&scene) * FRAME_BYTES) * 8;
    int in_last = 0;
    int refused = 0;
    int rolled_back = 0;
    for (int i = 0; i < flips; i++) {
        size_t bit = random_below(&random, scene.end * 8);
        int found = flip(&scene, bit);
        assert_true(found == -1 || found == BATCHES ||
                    (found == BATCHES - 1 && bit >= last));
        in_last += bit >= last;
        refused += found == -1;
        rolled_back += found == BATCHES - 1;
    }
    print_message("log: %d of %d flips refused; %d were in the last "
                  "transaction, %d of these taken for a torn write\n",
                  refused, flips, in_last, rolled_back);
    assert_true(refused > flips / 2);
    for (size_t bit = 0; bit < (size_t)LOG_HEADER * 8; bit += 3) {
        assert_int_equal(flip(&scene, bit), -1);
    }
    assert_true(scene.end < scene.len);
    for (int i = 0; i < flips / 10; i++) { /* what was never written */
        size_t bit = random_below(&random, (scene.len - scene.end) * 8);
        assert_int_equal(flip(&scene, scene.end * 8 + bit), BATCHES);
    }
    scene_remove(&scene);
}

static void test_cut_off(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, false, "syncd.db");
    struct random random = {seed + 3};
    for (int i = 0; i < flips / 3; i++) {
        size_t len = random_below(&random, scene.len);
        len = i % 2 == 0 ? len : len / 512 * 512;
        int found = open_damaged(&scene, len);
        assert_true(found == -1 || found == BATCHES ||
                    (found == 0 && len == 0));
    }
    for (size_t len = 64; len < scene.len; len += 64) {
        assert_int_equal(open_damaged(&scene, len), -1);
    }
    for (size_t len = 2; len <= HEADER_BYTES; len++) {
        assert_int_equal(open_damaged(&scene, len), -1);
    }
    scene_remove(&scene);
}

/* What a power cut may leave of a log: a part of the batches. */
static void test_log_cut_off(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, true, "syncd.db-wal");
    struct random random = {seed + 4};
    int before = BATCHES;
    for (int i = 0; i < flips / 3; i++) {
        size_t len = random_below(&random, scene.end);
        assert_true(open_damaged(&scene, len) >= 0);
    }
    for (size_t tail = 0; tail < 40; tail++) { /* shorter and shorter */
        int found = open_damaged(&scene, scene.end - tail * 997);
        assert_true(found <= before);
        before = found;
    }
    assert_true(before < BATCHES);
    scene_remove(&scene);
}

/* Frames that are lost: in the last transaction they are taken for torn, before
 * it they are damage. */
static void test_torn(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, true, "syncd.db-wal");
    size_t last = frames_of_last(&scene);
    for (size_t back = 1; back <= last + 30; back++) {
        size_t at = scene.end - back * FRAME_BYTES;
        char *kept = mem_strndup(scene.bytes + at, FRAME_BYTES);
        memset(scene.bytes + at, 0, FRAME_BYTES);
        int found = open_damaged(&scene, scene.len);
        assert_int_equal(found, back <= last ? BATCHES - 1 : -1);
        memcpy(scene.bytes + at, kept, FRAME_BYTES);
        mem_free(kept);
    }
    scene_remove(&scene);
}

/* A log whose database is gone is not thrown away. */
static void test_database_gone(void **state)
{
    (void)state;
    struct scene scene;
    struct store_error error;
    scene_make(&scene, true, "syncd.db");
    test_dir_copy(&scene.whole, &scene.damaged);
    assert_int_equal(unlink(test_path(&scene.damaged, "syncd.db")), 0);
    open_refused(&scene.damaged, &error);
    assert_non_null(strstr(error.text, "is empty, its log"));
    assert_int_equal(access(test_path(&scene.damaged, "syncd.db-wal"), F_OK),
                     0);
    assert_int_equal(open_damaged(&scene, scene.len), BATCHES);
    scene_remove(&scene);
}

/* Writes a 32-bit number, as the log's header has it. */
static void write_word(char *at, uint32_t word)
{
    word = htobe32(word);
    memcpy(at, &word, sizeof(word));
}

/* The sums are right, but no log has such pages. */
static void test_log_header(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 256, 8191, 3 * 512, 131072};
    struct scene scene;
    scene_make(&scene, true, "syncd.db-wal");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t sum[2] = {0, 0};
        write_word(scene.bytes + 8, sizes[i]);
        for (size_t at = 0; at < 24; at += 8) {
            uint32_t words[2];
            memcpy(words, scene.bytes + at, sizeof(words));
            sum[0] += le32toh(words[0]) + sum[1];
            sum[1] += le32toh(words[1]) + sum[0];
        }
        write_word(scene.bytes + 24, sum[0]);
        write_word(scene.bytes + 28, sum[1]);
        assert_int_equal(open_damaged(&scene, scene.len), -1);
    }
    scene_remove(&scene);
}

/* An empty database, and a log that has no more than a header: nothing was ever
 * acknowledged. */
static void test_log_empty(void **state)
{
    (void)state;
    struct scene scene;
    scene_make(&scene, true, "syncd.db-wal");
    test_file_write(test_path(&scene.whole, "syncd.db"), "", 0);
    assert_int_equal(open_damaged(&scene, 32), 0);
    assert_int_equal(open_damaged(&scene, 31), 0);
    assert_int_equal(open_damaged(&scene, 33), -1);
    scene_remove(&scene);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        flips = (int)strtol(argv[1], NULL, 10);
    }
    if (argc > 2) {
        seed = strtoull(argv[2], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_flips_with_log),
        cmocka_unit_test(test_flips_in_log),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_log_cut_off),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_database_gone),
        cmocka_unit_test(test_log_header),
        cmocka_unit_test(test_log_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
