/*
 * One measurement:
 *
 *     bench_load PROTOCOL WORK path=PATH [pid=N] [key=number ...]
 *
 * PROTOCOL is syncd, lists, streams or beanstalkd; WORK stands in `works`
 * below, the keys in `keys`. Prints one line of JSON: how much was done, in how
 * many seconds, the microseconds of CPU that the process PID took for each,
 * from /proc/PID/task/N/schedstat (nanoseconds), and of latencies the median,
 * the 99th percentile and the mean, in microseconds, where there are any.
 */
#include "load.h"

#include <err.h>
#include <glob.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

struct key {
    const char *name;
    size_t offset;
    long least;
};

static const struct key keys[] = {
    {"jobs", offsetof(struct plan, jobs), 1},
    {"message", offsetof(struct plan, message), 1},
    {"depth", offsetof(struct plan, depth), 1},
    {"body", offsetof(struct plan, body), 1},
    {"producers", offsetof(struct plan, producers), 1},
    {"consumers", offsetof(struct plan, consumers), 0},
    {"queues", offsetof(struct plan, queues), 1},
    {"waiters", offsetof(struct plan, waiters), 1},
    {"parties", offsetof(struct plan, parties), 1},
    {"value", offsetof(struct plan, value), 1},
    {"order", offsetof(struct plan, order), 0},
};

static void disk_in_place(struct load *load)
{
    disk_run(load, false);
}

static void disk_append(struct load *load)
{
    disk_run(load, true);
}

static const struct {
    const char *name;
    void (*run)(struct load *load);
} works[] = {
    {"flow", flow_run},
    {"lockstep", turns_lockstep},
    {"wake", turns_wake},
    {"line", turns_line},
    {"hand-over", parties_hand_over},
    {"meet", parties_meet},
    {"disk", disk_in_place},
    {"disk-append", disk_append},
};

static const struct speaker *const speakers[] = {&speak_syncd, &speak_lists,
                                                 &speak_steps, &speak_streams,
                                                 &speak_beanstalkd};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
    double cpu_us;
    int64_t ns;
} began;

/* CPU time of a process and all its threads, microseconds. */
static double cpu_us(const char *pid)
{
    char pattern[100];
    glob_t found;
    double sum = 0;
    if (pid == NULL) {
        return 0;
    }
    (void)snprintf(pattern, sizeof(pattern), "/proc/%s/task/*/schedstat", pid);
    must(glob(pattern, 0, NULL, &found) == 0, "no process %s", pid);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "re");
        double ns = 0;
        if (file != NULL) {
            if (fscanf(file, "%lf", &ns) == 1) {
                sum += ns / 1000;
            }
            (void)fclose(file);
        }
    }
    globfree(&found);
    return sum;
}

void measure_begin(const struct load *load)
{
    began.cpu_us = cpu_us(load->plan->pid);
    began.ns = now_ns();
}

static void read_argument(struct plan *plan, char *argument)
{
    char *value = strchr(argument, '=');
    must(value != NULL, "%s: key=value is wanted", argument);
    *value++ = '\0';
    if (strcmp(argument, "path") == 0) {
        plan->path = value;
        return;
    }
    if (strcmp(argument, "pid") == 0) {
        plan->pid = value;
        return;
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(argument, keys[i].name) == 0) {
            long number = strtol(value, NULL, 10);
            must(number >= keys[i].least, "%s: at least %ld", argument,
                 keys[i].least);
            memcpy((char *)plan + keys[i].offset, &number, sizeof(number));
            return;
        }
    }
    errx(2, "no key %s", argument);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(struct load *load)
{
    double sum = 0;
    if (load->times_count == 0) {
        return;
    }
    qsort(load->times, load->times_count, sizeof(double), by_size);
    for (size_t i = 0; i < load->times_count; i++) {
        sum += load->times[i];
    }
    printf(",\"median_us\":%.2f,\"p99_us\":%.2f,\"mean_us\":%.2f",
           1e6 * load->times[load->times_count / 2],
           1e6 * load->times[load->times_count * 99 / 100],
           1e6 * sum / (double)load->times_count);
}

static void report(struct load *load)
{
    double seconds = (double)(now_ns() - began.ns) / 1e9;
    double cpu = cpu_us(load->plan->pid) - began.cpu_us;
    printf("{\"done\":%ld,\"seconds\":%.4f,\"rate\":%.1f,\"cpu_us\":%.3f",
           load->done, seconds, (double)load->done / seconds,
           cpu / (double)load->done);
    print_times(load);
    printf("}\n");
}

/* Whole messages, the same number of each producer. */
static void round_jobs(struct plan *plan)
{
    long step = plan->message * plan->producers;
    plan->jobs = plan->jobs < step ? step : plan->jobs / step * step;
}

static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct plan plan = {.jobs = 1,
                        .message = 1,
                        .depth = 1,
                        .body = 100,
                        .producers = 1,
                        .queues = 1,
                        .waiters = 1,
                        .parties = 8,
                        .value = 1};
    struct load load = {.plan = &plan};
    if (argc < 3) {
        errx(2, "usage: bench_load PROTOCOL WORK path=PATH key=value...");
    }
    for (int i = 3; i < argc; i++) {
        read_argument(&plan, argv[i]);
    }
    must(plan.path != NULL, "path=PATH is wanted");
    round_jobs(&plan);
    for (size_t i = 0; i < COUNT(speakers); i++) {
        if (strcmp(argv[1], speakers[i]->name) == 0) {
            load.speaker = speakers[i];
        }
    }
    must(load.speaker != NULL, "no protocol %s", argv[1]);
    allow_many_files();
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    must(load.poll >= 0, "epoll");
    if (plan.order != 0) {
        load.last = malloc((size_t)plan.producers * sizeof(long));
        must(load.last != NULL, "out of memory");
        memset(load.last, 0xff, (size_t)plan.producers * sizeof(long));
    }
    for (size_t i = 0; i < COUNT(works); i++) {
        if (strcmp(argv[2], works[i].name) == 0) {
            works[i].run(&load);
            report(&load);
            load_fini(&load);
            return 0;
        }
    }
    errx(2, "no work %s", argv[2]);
}
