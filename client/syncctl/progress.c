/* One line on a terminal, written again and again. */
#include "client/syncctl/progress.h"

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
    bool end; /* under the lock */
};

static bool is_shown(const struct invocation *invocation)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && !invocation->quiet &&
           !invocation->no_progress && (!term || strcmp(term, "dumb") != 0);
}

/* Cut to the terminal's width, at the beginning of a character. */
static void show(const char *text)
{
    struct winsize size = {0};
    size_t len = strlen(text);
    size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
                       ? size.ws_col - 1U
                       : 79;
    if (len > width) {
        len = width;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    (void)fprintf(stderr, "\r%.*s\033[K", (int)len, text);
    (void)fflush(stderr);
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
        show(text);
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
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    mem_free(progress);
}
