/*
 * INT, TERM and HUP, for commands that end in good order, and more for those
 * that hand them on to a command of their own.
 *
 * While they are watched a thread of its own takes them and calls `on_signal`
 * for each: the n-th, from 1. Threads started meanwhile do not get them, and
 * child.c gives its children the mask from before. The same thread ends the
 * process at once on the third, for whoever does not want to wait; not if they
 * are handed on.
 */
#ifndef SYNCCTL_SIGNALS_H
#define SYNCCTL_SIGNALS_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct signals {
    bool hands_on;    /* set before: QUIT, USR1 and USR2 as well, any number */
    bool by_terminal; /* the last one; our process group has got it, too */
    pthread_t thread;
    sigset_t watched;
    sigset_t before; /* the mask to give back, and to children */
    void (*on_signal)(void *arg, int signal, int nth);
    void *arg;
    sem_t settled;
    atomic_int last; /* the last signal; 0: none; of any thread */
};

void signals_watch(struct signals *signals,
                   void (*on_signal)(void *arg, int signal, int nth),
                   void *arg);

/* Returns when every signal that was sent to the process before has been taken,
 * its on_signal included. For whoever must tell an input that ended from one
 * whose writer was interrupted together with this process. */
void signals_settle(struct signals *signals);

/* Ends the watching. A signal that came last is in signals->last. */
void signals_end(struct signals *signals);

#endif
