/* Runs a command. */
#include "client/syncctl/child.h"

#include "proto/check.h"
#include "proto/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of a child that did not get as far as exec; nobody sees it. */
#define STATUS_GONE 125

void child_control_init(struct child_control *control)
{
    atomic_init(&control->end, CHILD_BY_ITSELF);
    atomic_init(&control->signals, 0);
    control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(control->wake_fd >= 0);
    control->exec_error = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(control->exec_error != MAP_FAILED);
}

void child_control_fini(struct child_control *control)
{
    close(control->wake_fd);
    munmap(control->exec_error, sizeof(int));
}

void child_control_reset(struct child_control *control)
{
    eventfd_t count = 0;
    atomic_store(&control->end, CHILD_BY_ITSELF);
    atomic_store(&control->signals, 0);
    eventfd_read(control->wake_fd, &count);
}

void child_control_end(struct child_control *control, enum child_end why)
{
    int none = CHILD_BY_ITSELF;
    atomic_compare_exchange_strong(&control->end, &none, (int)why);
    eventfd_write(control->wake_fd, 1);
}

void child_control_signal(struct child_control *control, int number)
{
    atomic_fetch_or(&control->signals, 1UL << (number - 1));
    eventfd_write(control->wake_fd, 1);
}

/* The two ends of a pipe; -1 where there is none. */
struct ends {
    int read;
    int write;
};

/* A command under way. */
struct run {
    const struct child_plan *plan;
    struct child_control *control;
    pid_t parent;
    pid_t pid;
    int pidfd;
    struct ends in;
    struct ends out;
    struct ends err;
    size_t fed;     /* bytes of the input */
    double term_at; /* monotonic seconds: its timeout; 0: none */
    double kill_at; /* TERM was sent; 0: not yet */
    enum child_end end;
};

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static bool open_ends(struct ends *ends)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        *ends = (struct ends){-1, -1};
        return false;
    }
    *ends = (struct ends){fds[0], fds[1]};
    return true;
}

static void close_end(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void close_ends(struct ends *ends)
{
    close_end(&ends->read);
    close_end(&ends->write);
}

static void close_run(struct run *run)
{
    close_ends(&run->in);
    close_ends(&run->out);
    close_ends(&run->err);
    close_end(&run->pidfd);
}

static bool open_run(struct run *run)
{
    const struct child_plan *plan = run->plan;
    static const struct ends none = {-1, -1};
    run->in = none;
    run->out = none;
    run->err = none;
    run->pidfd = -1;
    return (plan->input.at == NULL || open_ends(&run->in)) &&
           (plan->out == NULL || open_ends(&run->out)) &&
           (plan->err == NULL || open_ends(&run->err));
}

/* What the child needs of a stack until its exec: the C library puts the
 * arguments there once more when the command is a script without #!. */
#define STACK_BYTES ((size_t)64 << 10)

static size_t stack_bytes(char *const *argv)
{
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    size_t bytes = STACK_BYTES + (count + 2) * sizeof(*argv);
    return bytes - bytes % 64;
}

/*
 * The child, until its exec. It shares the memory with us (other threads go on,
 * and may hold any lock) but not descriptors and signal handlers; the thread
 * that starts it sleeps meanwhile. So: only what is safe in a signal's handler,
 * and nothing that a sanitizer would take for the sleeping thread's.
 */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int
become(void *arg)
{
    struct run *run = arg;
    const struct child_plan *plan = run->plan;
    if (plan->own_group) {
        setpgid(0, 0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != run->parent) {
        return STATUS_GONE;
    }
    if (plan->input.at != NULL) {
        dup2(run->in.read, STDIN_FILENO);
    }
    if (plan->out != NULL) {
        dup2(run->out.write, STDOUT_FILENO);
    }
    if (plan->out_to_err) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
    }
    if (plan->err != NULL) {
        dup2(run->err.write, STDERR_FILENO);
    }
    (void)signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, plan->mask, NULL);
    execvpe(plan->argv[0], plan->argv, plan->environment);
    *run->control->exec_error = errno;
    return STATUS_GONE;
}

/* ThreadSanitizer takes what the child does for the sleeping thread's. */
#ifdef __SANITIZE_THREAD__
#define MEMORY_SHARED 0
#else
#define MEMORY_SHARED CLONE_VM
#endif

/*
 * Not by fork, which copies our page tables and makes every thread fault its
 * pages in again: with eight slots that was half of all our time. And not by
 * posix_spawn, which cannot have the child die with us. No signal may reach the
 * child while it has our memory.
 */
static int spawn(struct run *run)
{
    int error = 0;
    sigset_t all;
    sigset_t before;
    size_t bytes = stack_bytes(run->plan->argv);
    char *stack = mem_alloc(bytes);
    run->parent = getpid();
    *run->control->exec_error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    run->pid = clone(become, stack + bytes,
                     MEMORY_SHARED | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, run,
                     &run->pidfd);
    if (run->pid < 0) {
        error = errno;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    mem_free(stack);
    return error;
}

/* 0, or the errno of what failed. */
static int start(struct run *run)
{
    int error = spawn(run);
    if (error == 0 && *run->control->exec_error != 0) {
        error = *run->control->exec_error;
        waitpid(run->pid, NULL, 0);
    }
    if (error != 0) {
        return error;
    }
    close_end(&run->in.read);
    close_end(&run->out.write);
    close_end(&run->err.write);
    return 0;
}

static void send_signal(const struct run *run, int number)
{
    kill(run->plan->own_group ? -run->pid : run->pid, number);
}

static void begin_end(struct run *run, enum child_end why)
{
    if (run->kill_at == 0) {
        run->end = why;
        run->kill_at = now() + run->plan->kill_after;
        send_signal(run, SIGTERM);
        send_signal(run, SIGCONT);
    }
}

/* What other threads want done to it. */
static void obey(struct run *run)
{
    eventfd_t count = 0;
    eventfd_read(run->control->wake_fd, &count);
    unsigned long signals = atomic_exchange(&run->control->signals, 0);
    for (int number = 1; signals != 0; number++, signals >>= 1) {
        if ((signals & 1) != 0) {
            send_signal(run, number);
        }
    }
    int end = atomic_load(&run->control->end);
    if (end != CHILD_BY_ITSELF) {
        begin_end(run, (enum child_end)end);
    }
}

/* Feeds what the pipe takes; at the end, or if it is not read, closes it. */
static void feed(struct run *run)
{
    struct slice input = run->plan->input;
    while (run->in.write >= 0) {
        ssize_t wrote = run->fed < input.len
                            ? write(run->in.write, input.at + run->fed,
                                    input.len - run->fed)
                            : 0;
        if (wrote < 0 && errno == EAGAIN) {
            return;
        }
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote > 0) {
            run->fed += (size_t)wrote;
        }
        if (wrote < 0 || run->fed == input.len) {
            close_end(&run->in.write);
        }
    }
}

/* Reads of one turn: together more than a pipe can hold. */
#define READS_MAX 16

/* Takes what is there, but not for ever; closes the pipe at its end. */
static void listen_to(int *fd, struct output *output)
{
    char bytes[65536];
    for (int i = 0; i < READS_MAX && *fd >= 0; i++) {
        ssize_t got = read(*fd, bytes, sizeof(bytes));
        if (got > 0) {
            output_take(output, (struct slice){bytes, (size_t)got});
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else if (got < 0 && errno == EAGAIN) {
            return;
        } else {
            close_end(fd);
        }
    }
}

static void unblock(int fd)
{
    if (fd >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
}

/* Milliseconds until the next thing to do; -1: none. */
static int patience(const struct run *run)
{
    double at = run->kill_at > 0 ? run->kill_at : run->term_at;
    if (at <= 0) {
        return -1;
    }
    double left = (at - now()) * 1000;
    return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left + 1;
}

static void look_at_clock(struct run *run)
{
    double at = now();
    if (run->kill_at > 0 && at >= run->kill_at) {
        send_signal(run, SIGKILL);
        run->kill_at = at + 1;
    } else if (run->kill_at == 0 && run->term_at > 0 && at >= run->term_at) {
        begin_end(run, CHILD_TIMEOUT);
    }
}

/* Until it has ended, and all that it wrote is read. What its own children
 * write after that is theirs. */
static void attend(struct run *run)
{
    for (;;) {
        struct pollfd fds[] = {{run->pidfd, POLLIN, 0},
                               {run->control->wake_fd, POLLIN, 0},
                               {run->in.write, POLLOUT, 0},
                               {run->out.read, POLLIN, 0},
                               {run->err.read, POLLIN, 0}};
        if (poll(fds, sizeof(fds) / sizeof(fds[0]), patience(run)) < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        if (fds[1].revents != 0) {
            obey(run);
        }
        if (fds[2].revents != 0) {
            feed(run);
        }
        bool ended = fds[0].revents != 0;
        if (ended || fds[3].revents != 0) {
            listen_to(&run->out.read, run->plan->out);
        }
        if (ended || fds[4].revents != 0) {
            listen_to(&run->err.read, run->plan->err);
        }
        if (ended) {
            /* It ended before we listened: nothing of its own is missing. */
            return;
        }
        look_at_clock(run);
    }
}

static void reap(struct run *run, struct child_result *result)
{
    int status = 0;
    if (run->kill_at > 0 && run->plan->own_group) {
        send_signal(run, SIGKILL); /* what is left of the group */
    }
    while (waitpid(run->pid, &status, 0) < 0) {
        CHECK(errno == EINTR);
    }
    result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result->status =
        WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    result->end = run->end;
}

void child_run(const struct child_plan *plan, struct child_control *control,
               struct child_result *result)
{
    struct run run = {.plan = plan, .control = control};
    *result = (struct child_result){0};
    if (!open_run(&run)) {
        result->error = errno;
        close_run(&run);
        return;
    }
    result->error = start(&run);
    if (result->error == 0) {
        unblock(run.in.write);
        unblock(run.out.read);
        unblock(run.err.read);
        feed(&run); /* mostly the pipe takes all of it */
        run.term_at = plan->timeout > 0 ? now() + plan->timeout : 0;
        attend(&run);
        reap(&run, result);
    }
    close_run(&run);
    if (plan->out != NULL || plan->err != NULL) {
        output_end(plan->out, plan->err);
    }
}
