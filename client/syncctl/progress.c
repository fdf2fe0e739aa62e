/* Lines on a terminal, written again and again. */
#include "client/syncctl/progress.h"

#include "client/syncctl/output.h"
#include "proto/check.h"
#include "proto/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 200000000

struct progress {
    void (*line)(void *arg, char text[PROGRESS_BYTES]);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool end;     /* under the lock */
    size_t lines; /* that stand there; the thread's own, until it has ended */
};

static bool is_shown(const struct invocation *invocation)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && !invocation->quiet &&
           !invocation->no_progress && (!term || strcmp(term, "dumb") != 0);
}

/* Cut to so many columns, at the beginning of a character. */
static size_t cut(const char *line, size_t len, size_t columns)
{
    if (len > columns) {
        len = columns;
        while (len > 0 && ((unsigned char)line[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    return len;
}

/* Back to the beginning of the first line, and nothing behind it. */
static void take_away(struct progress *progress, struct out *out)
{
    char up[32];
    out_byte(out, '\r');
    if (progress->lines > 1) {
        (void)snprintf(up, sizeof(up), "\033[%zuA\033[J", progress->lines - 1);
        out_bytes(out, slice_of(up));
    } else {
        out_bytes(out, SLICE("\033[K"));
    }
    progress->lines = 0;
}

/* Of more lines than the terminal has the last ones. */
static const char *last_lines(const char *text, size_t rows)
{
    size_t lines = 1;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n' ? 1 : 0;
    }
    for (; lines > rows; lines--) {
        text = strchr(text, '\n') + 1;
    }
    return text;
}

/* In one write, so that nothing flickers. */
static void show(struct progress *progress, const char *text)
{
    struct winsize size = {0};
    struct out out = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    size_t columns = known && size.ws_col > 1 ? size.ws_col - 1U : 79;
    size_t rows = known && size.ws_row > 1 ? size.ws_row - 1U : 23;
    take_away(progress, &out);
    for (text = last_lines(text, rows);; text++) {
        size_t len = strcspn(text, "\n");
        out_bytes(&out, (struct slice){text, cut(text, len, columns)});
        progress->lines++;
        text += len;
        if (*text == '\0') {
            break;
        }
        out_byte(&out, '\n');
    }
    (void)output_write(STDERR_FILENO, (struct slice){out.at, out.len});
    out_fini(&out);
}

/* Until the next tick. False: it is the end. */
static bool sleep_tick(struct progress *progress)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += TICK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&progress->lock);
    int slept = 0;
    while (!progress->end && slept == 0) {
        slept =
            pthread_cond_timedwait(&progress->changed, &progress->lock, &until);
    }
    bool end = progress->end;
    pthread_mutex_unlock(&progress->lock);
    return !end;
}

static void *run(void *arg)
{
    struct progress *progress = arg;
    while (sleep_tick(progress)) {
        char text[PROGRESS_BYTES] = "";
        progress->line(progress->arg, text);
        show(progress, text);
    }
    return NULL;
}

struct progress *
progress_begin(const struct invocation *invocation,
               void (*line)(void *arg, char text[PROGRESS_BYTES]), void *arg)
{
    if (!is_shown(invocation)) {
        return NULL;
    }
    struct progress *progress = mem_zalloc(sizeof(*progress));
    progress->line = line;
    progress->arg = arg;
    CHECK(pthread_mutex_init(&progress->lock, NULL) == 0);
    CHECK(pthread_cond_init(&progress->changed, NULL) == 0);
    CHECK(pthread_create(&progress->thread, NULL, run, progress) == 0);
    return progress;
}

void progress_end(struct progress *take_progress)
{
    struct progress *progress = take_progress;
    if (progress == NULL) {
        return;
    }
    pthread_mutex_lock(&progress->lock);
    progress->end = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->lock);
    struct out out = {0};
    take_away(progress, &out);
    (void)output_write(STDERR_FILENO, (struct slice){out.at, out.len});
    out_fini(&out);
    mem_free(progress);
}
