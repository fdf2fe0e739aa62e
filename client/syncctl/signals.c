/* INT, TERM and HUP, taken by a thread. */
#include "client/syncctl/signals.h"

#include "client/syncctl/command.h"
#include "proto/check.h"

#include <errno.h>
#include <unistd.h>

/* Ends the watching thread; nobody else sends it. */
#define SIGNAL_END (SIGRTMIN + 1)

/* Sent to the process by itself. The kernel hands out the pending signal of the
 * smallest number first, so this comes behind all that are watched. */
#define SIGNAL_SETTLE SIGRTMIN

static void *watch(void *arg)
{
    struct signals *signals = arg;
    for (int nth = 1;; nth++) {
        siginfo_t info;
        int number = 0;
        do {
            number = sigwaitinfo(&signals->watched, &info);
        } while (number < 0 && errno == EINTR);
        CHECK(number > 0);
        if (number == SIGNAL_END) {
            return NULL;
        }
        if (number == SIGNAL_SETTLE) {
            nth--;
            CHECK(sem_post(&signals->settled) == 0);
            continue;
        }
        signals->last = number;
        signals->by_terminal = info.si_code == SI_KERNEL;
        if (nth >= 3 && !signals->hands_on) {
            _exit(STATUS_SIGNAL + number);
        }
        signals->on_signal(signals->arg, number, nth);
    }
}

void signals_watch(struct signals *signals,
                   void (*on_signal)(void *arg, int signal, int nth), void *arg)
{
    signals->on_signal = on_signal;
    signals->arg = arg;
    signals->last = 0;
    sigemptyset(&signals->watched);
    sigaddset(&signals->watched, SIGINT);
    sigaddset(&signals->watched, SIGTERM);
    sigaddset(&signals->watched, SIGHUP);
    if (signals->hands_on) {
        sigaddset(&signals->watched, SIGQUIT);
        sigaddset(&signals->watched, SIGUSR1);
        sigaddset(&signals->watched, SIGUSR2);
    }
    sigaddset(&signals->watched, SIGNAL_END);
    sigaddset(&signals->watched, SIGNAL_SETTLE);
    CHECK(sem_init(&signals->settled, 0, 0) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &signals->watched, &signals->before) == 0);
    CHECK(pthread_create(&signals->thread, NULL, watch, signals) == 0);
}

void signals_settle(struct signals *signals)
{
    CHECK(kill(getpid(), SIGNAL_SETTLE) == 0);
    while (sem_wait(&signals->settled) != 0) {
        CHECK(errno == EINTR);
    }
}

void signals_end(struct signals *signals)
{
    CHECK(pthread_kill(signals->thread, SIGNAL_END) == 0);
    CHECK(pthread_join(signals->thread, NULL) == 0);
    sem_destroy(&signals->settled);
    pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}
