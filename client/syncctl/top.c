/*
 * top: the daemon and its busiest queues, seen anew once a second.
 *
 * On a terminal it has a screen of its own until q or an interrupt; elsewhere
 * it writes one picture below the other. It asks for numbers, and nobody is
 * told when they change: a display is the one thing here that polls.
 */
#include "client/syncctl/ask.h"
#include "client/syncctl/duration.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/queue_table.h"
#include "client/syncctl/say.h"
#include "client/syncctl/signals.h"
#include "proto/memory.h"
#include "proto/scan.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define QUEUES_MAX   1000 /* looked at, in the order of their names */
#define ROWS_DEFAULT 24
#define ROWS_AROUND  5 /* lines of the screen that are not queues */

#define SCREEN_BEGIN "\033[?1049h\033[?25l"
#define SCREEN_CLEAR "\033[H\033[J"
#define SCREEN_END   "\033[?25h\033[?1049l"

enum { TOP_INTERVAL, TOP_COUNT, TOP_OPTIONS };

static const struct option_row options[TOP_OPTIONS] = {
    [TOP_INTERVAL] = {"interval", 'i', OPTION_SECONDS, "TIME",
                      "how long between two looks, 1s unless given", NULL},
    [TOP_COUNT] = {"count", 'n', OPTION_COUNT, "N", "ends after so many looks",
                   NULL},
};

struct top {
    const struct invocation *invocation;
    struct syncd *s;
    int wake_fd; /* a signal came */
    bool screen; /* standard output is a terminal of ours */
    bool keys;   /* and standard input too: q ends it */
    struct termios before;
};

/* Busy is what moves, then what runs, then what waits. */
struct entry {
    double rate;
    int64_t running;
    int64_t waiting;
    size_t place;
    struct slice queue; /* borrowed */
};

static int by_busyness(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    if (left->rate != right->rate) {
        return left->rate > right->rate ? -1 : 1;
    }
    if (left->running != right->running) {
        return left->running > right->running ? -1 : 1;
    }
    if (left->waiting != right->waiting) {
        return left->waiting > right->waiting ? -1 : 1;
    }
    return left->place < right->place ? -1 : 1;
}

static size_t rows_for_queues(const struct top *top)
{
    struct winsize size = {0};
    size_t rows = ROWS_DEFAULT;
    if (!top->screen) {
        return QUEUES_MAX;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) {
        rows = size.ws_row;
    }
    return rows > ROWS_AROUND ? rows - ROWS_AROUND : 1;
}

static size_t read_entries(struct slice page, struct entry *entries)
{
    size_t count = 0;
    struct scan_members queues = scan_members(fields_get(page, "queues"), 1);
    while (count < QUEUES_MAX && scan_next(&queues)) {
        struct slice queue = queues.value;
        entries[count] = (struct entry){
            .rate = fields_number(queue, "rates.put") +
                    fields_number(queue, "rates.done"),
            .running = fields_integer(queue, "counts.running"),
            .waiting = fields_integer(queue, "unfinished"),
            .place = count,
            .queue = queue,
        };
        count++;
    }
    qsort(entries, count, sizeof(*entries), by_busyness);
    return count;
}

static void show_daemon(struct slice info, struct slice stats)
{
    char uptime[DURATION_BYTES];
    printf("syncd, process %lld, up for %s; %lld sessions, %lld waiting "
           "requests, %.1f MiB of jobs%s\n",
           (long long)fields_integer(info, "pid"),
           duration_text(fields_number(info, "uptime"), uptime),
           (long long)fields_integer(stats, "gauges.sessions"),
           (long long)fields_integer(stats, "gauges.waiting_requests"),
           fields_number(stats, "gauges.memory_bytes") / (1 << 20),
           fields_flag(stats, "gauges.disk_full") ? "; THE DISK IS FULL" : "");
    printf("jobs: %lld ready, %lld running, %lld delayed, %lld held, %lld "
           "dead; since the start %lld put, %lld done, %lld failed\n\n",
           (long long)fields_integer(stats, "gauges.jobs.ready"),
           (long long)fields_integer(stats, "gauges.jobs.running"),
           (long long)fields_integer(stats, "gauges.jobs.delayed"),
           (long long)fields_integer(stats, "gauges.jobs.held"),
           (long long)fields_integer(stats, "gauges.jobs.dead"),
           (long long)fields_integer(stats, "counters.jobs_put"),
           (long long)fields_integer(stats, "counters.jobs_done"),
           (long long)fields_integer(stats, "counters.jobs_failed"));
}

static void show_queues(const struct top *top, struct slice stats,
                        struct slice page)
{
    struct entry *entries = mem_alloc(QUEUES_MAX * sizeof(*entries));
    size_t count = read_entries(page, entries);
    size_t rows = rows_for_queues(top);
    size_t shown = count < rows ? count : rows;
    bool more = fields_get(page, "next").at != NULL;
    struct table *table = queue_table_new();
    for (size_t i = 0; i < shown; i++) {
        queue_table_line(table, entries[i].queue);
    }
    table_print(table);
    if (more) {
        printf("the first %d by name of %lld queues; PREFIX picks others\n",
               QUEUES_MAX, (long long)fields_integer(stats, "gauges.queues"));
    } else if (shown < count) {
        printf("and %zu more\n", count - shown);
    }
    mem_free(entries);
}

static int ask_queues(const struct top *top, char **result)
{
    struct out params = {0};
    write_begin_object(&params);
    if (top->invocation->words_count > 0) {
        WRITE(&params, string, "prefix", slice_of(top->invocation->words[0]));
    }
    WRITE(&params, integer, "limit", QUEUES_MAX);
    write_end_object(&params);
    return ask(top->invocation, top->s, "queue.list", &params, result);
}

static void show(const struct top *top, const char *info, const char *stats,
                 const char *page)
{
    if (top->invocation->json) {
        printf("{\"info\":%s,\"stats\":%s,\"queues\":%.*s}\n", info, stats,
               (int)fields_get(slice_of(page), "queues").len,
               fields_get(slice_of(page), "queues").at);
    } else {
        fputs(top->screen ? SCREEN_CLEAR : "", stdout);
        show_daemon(slice_of(info), slice_of(stats));
        show_queues(top, slice_of(stats), slice_of(page));
        fputs(top->screen ? "" : "\n", stdout);
    }
    (void)fflush(stdout);
}

static int look(const struct top *top)
{
    char *info = NULL;
    char *stats = NULL;
    char *page = NULL;
    int status = ask(top->invocation, top->s, "server.info", NULL, &info);
    if (status == STATUS_DONE) {
        status = ask(top->invocation, top->s, "server.stats", NULL, &stats);
    }
    if (status == STATUS_DONE) {
        status = ask_queues(top, &page);
    }
    if (status == STATUS_DONE) {
        show(top, info, stats, page);
    }
    free(info);
    free(stats);
    free(page);
    return status;
}

/* Until the next look. False: q, the end of the keys, or a signal. */
static bool sleep_interval(struct top *top, double seconds)
{
    struct pollfd fds[2] = {
        {.fd = top->wake_fd, .events = POLLIN},
        {.fd = top->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    int timeout_ms = seconds > 86400 ? 86400000 : (int)(seconds * 1000);
    int got = poll(fds, 2, timeout_ms);
    if (got < 0) {
        return errno == EINTR;
    }
    if (fds[0].revents != 0) {
        return false;
    }
    if (fds[1].revents != 0) {
        char key = 'q';
        ssize_t len = read(STDIN_FILENO, &key, 1);
        return len == 1 && key != 'q' && key != 'Q';
    }
    return true;
}

static void screen_begin(struct top *top)
{
    struct termios raw;
    const char *term = getenv("TERM");
    top->screen = isatty(STDOUT_FILENO) == 1 && !top->invocation->json &&
                  top->invocation->options[TOP_COUNT].text == NULL &&
                  term != NULL && strcmp(term, "dumb") != 0;
    if (!top->screen) {
        return;
    }
    top->keys = tcgetattr(STDIN_FILENO, &top->before) == 0;
    if (top->keys) {
        raw = top->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs(SCREEN_BEGIN, stdout);
}

static void screen_end(const struct top *top)
{
    if (top->screen) {
        fputs(SCREEN_END, stdout);
        (void)fflush(stdout);
    }
    if (top->keys) {
        tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
    }
}

static void on_signal(void *arg, int signal, int nth)
{
    (void)signal;
    (void)nth;
    struct top *top = arg;
    eventfd_write(top->wake_fd, 1);
    syncd_interrupt(top->s);
}

static int look_again_and_again(struct top *top)
{
    const struct option_value *given = top->invocation->options;
    double seconds =
        given[TOP_INTERVAL].text != NULL ? given[TOP_INTERVAL].number : 1;
    int64_t most = given[TOP_COUNT].text != NULL ? given[TOP_COUNT].count : -1;
    struct signals signals;
    signals_watch(&signals, on_signal, top);
    screen_begin(top);
    int status = STATUS_DONE;
    for (int64_t nth = 1;; nth++) {
        status = look(top);
        if (status != STATUS_DONE || nth == most || ferror(stdout) ||
            !sleep_interval(top, seconds)) {
            break;
        }
    }
    screen_end(top);
    signals_end(&signals);
    if (status != STATUS_DONE && signals.last == 0 && top->screen) {
        /* What was said went away with the screen. */
        say(top->invocation->command, "%s", syncd_error_text());
    }
    return signals.last != 0 ? STATUS_DONE : status;
}

static int top_run(struct invocation *invocation)
{
    const struct option_value *given = invocation->options;
    struct top top = {.invocation = invocation};
    if (given[TOP_INTERVAL].text != NULL && given[TOP_INTERVAL].number < 0.1) {
        return say_usage(invocation->command,
                         "--interval is at least 100ms: looking costs");
    }
    if (given[TOP_COUNT].text != NULL && given[TOP_COUNT].count == 0) {
        return say_usage(invocation->command, "--count is at least 1");
    }
    int status = ask_open(invocation, ASK_NO_GRACE, &top.s);
    if (status != STATUS_DONE) {
        return status;
    }
    top.wake_fd = eventfd(0, EFD_CLOEXEC);
    status = look_again_and_again(&top);
    close(top.wake_fd);
    syncd_close(top.s);
    return status;
}

const struct command command_top = {
    .name = "top",
    .summary = "Shows the daemon and its busiest queues, live",
    .words = "[PREFIX]",
    .options = options,
    .options_count = TOP_OPTIONS,
    .run = top_run,
    .description = "The queues whose names begin with PREFIX, or all; the "
                   "busiest first. On a terminal q ends it. Elsewhere, and "
                   "with --count, one picture follows the other; with --json "
                   "each is a line.",
    .examples =
        (const struct example_row[]){
            {"syncctl top --interval 5s", "A look every five seconds."},
            {"syncctl top --count 1 --json", "One look, for programs."},
            {NULL, NULL}},
};
