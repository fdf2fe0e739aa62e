/*
 * sim_runner [--every-method] SCENARIO...
 *
 * Runs each scenario twice; the two traces must be equal, byte for byte. With
 * --every-method also: each method of the table was answered with a result and
 * with an error by one scenario or another. Exits 0, or 1 behind the first
 * failure of each scenario on stderr.
 */
#include "proto/memory.h"
#include "tests/sim/scenario.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Lines of the trace that a failure shows, and bytes of each. */
#define TRACE_LINES      40
#define TRACE_LINE_BYTES 400

/* The scenario that runs: a CHECK that fails in the engine ends the process,
 * and the story so far is what explains it. The only global of the runner. */
static const struct scenario *running;

/* Where the last so many lines of a text begin. */
static size_t tail_of(struct slice text, int lines)
{
    size_t at = text.len;
    while (at > 0 && lines >= 0) {
        at--;
        lines -= text.at[at] == '\n';
    }
    return at > 0 ? at + 1 : 0;
}

static void print_tail(struct slice trace)
{
    size_t at = tail_of(trace, TRACE_LINES);
    while (at < trace.len) {
        const char *lf = memchr(trace.at + at, '\n', trace.len - at);
        size_t len = lf == NULL ? trace.len - at : (size_t)(lf - trace.at) - at;
        fprintf(stderr, "  | %.*s%s\n",
                (int)(len > TRACE_LINE_BYTES ? TRACE_LINE_BYTES : len),
                trace.at + at, len > TRACE_LINE_BYTES ? " ..." : "");
        at += len + 1;
    }
}

/* The process is lost; what is printed here is better than nothing. */
static void on_abort(int signal_number)
{
    if (running != NULL) {
        fprintf(stderr, "in line %d; the trace so far ends with\n",
                scenario_line(running));
        print_tail(scenario_trace(running));
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return NULL;
    }
    size_t cap = 1 << 16;
    char *text = mem_alloc(cap);
    *len = 0;
    size_t got;
    while ((got = fread(text + *len, 1, cap - *len, file)) > 0) {
        *len += got;
        if (*len == cap) {
            cap *= 2;
            text = mem_realloc(text, cap);
        }
    }
    fclose(file);
    return text;
}

static struct scenario *run_once(const char *path, struct slice text,
                                 struct world_tally *tally, bool *right)
{
    struct scenario *scenario = scenario_new(path, text, tally);
    running = scenario;
    *right = scenario_run(scenario);
    running = NULL;
    if (!*right) {
        fprintf(stderr, "%s\n", scenario_failure(scenario));
        print_tail(scenario_trace(scenario));
    }
    return scenario;
}

static bool same_trace(const char *path, const struct scenario *first,
                       const struct scenario *second)
{
    struct slice a = scenario_trace(first);
    struct slice b = scenario_trace(second);
    size_t same = 0;
    if (slice_equal(a, b)) {
        return true;
    }
    while (same < a.len && same < b.len && a.at[same] == b.at[same]) {
        same++;
    }
    fprintf(stderr, "%s: the second run differs from the first\n", path);
    a.len = same + 80 < a.len ? same + 80 : a.len;
    b.len = same + 80 < b.len ? same + 80 : b.len;
    print_tail((struct slice){a.at + tail_of(a, 2), a.len - tail_of(a, 2)});
    print_tail((struct slice){b.at + tail_of(b, 2), b.len - tail_of(b, 2)});
    return false;
}

static bool run_scenario(const char *path, struct world_tally *tally)
{
    size_t len;
    char *text = read_file(path, &len);
    if (text == NULL) {
        return false;
    }
    bool right[2] = {false, false};
    struct slice story = {text, len};
    struct scenario *first = run_once(path, story, tally, &right[0]);
    struct scenario *second = NULL;
    if (right[0]) {
        second = run_once(path, story, tally, &right[1]);
        right[1] = right[1] && same_trace(path, first, second);
    }
    scenario_free(first);
    scenario_free(second);
    mem_free(text);
    return right[0] && right[1];
}

static bool every_method(const struct world_tally *tally)
{
    bool right = true;
    for (size_t i = 0; i < METHODS; i++) {
        const char *name = method_row((enum method)i)->name;
        if (tally[i].results == 0) {
            fprintf(stderr, "no scenario has %s succeed\n", name);
            right = false;
        }
        if (tally[i].errors == 0) {
            fprintf(stderr, "no scenario has %s fail\n", name);
            right = false;
        }
    }
    return right;
}

int main(int argc, char **argv)
{
    struct world_tally tally[METHODS] = {{0, 0}};
    bool every = argc > 1 && strcmp(argv[1], "--every-method") == 0;
    bool right = true;
    if (argc < 2 + every) {
        fprintf(stderr, "usage: sim_runner [--every-method] SCENARIO...\n");
        return 64;
    }
    signal(SIGABRT, on_abort);
    for (int i = 1 + every; i < argc; i++) {
        right = run_scenario(argv[i], tally) && right;
    }
    right = (!every || every_method(tally)) && right;
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
