/* work: takes jobs and runs a command for each. */
#include "client/syncctl/work.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/say.h"
#include "proto/check.h"
#include "proto/memory.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Most commands at once. */
#define SLOTS_MAX 1024

/* How often a call that does not wait is tried again. */
#define TRIES_MAX 3

static const struct option_row work_options[WORK_OPTIONS] = {
    [WORK_JOBS] = {"jobs", 'j', OPTION_COUNT, "N",
                   "so many commands at once (1)", NULL},
    [WORK_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "DURATION",
                      "end a command that runs for longer: TERM to its process "
                      "group, then KILL",
                      NULL},
    [WORK_KILL_AFTER] = {"kill-after", 0, OPTION_SECONDS, "DURATION",
                         "from TERM to KILL (5s)", NULL},
    [WORK_LINE_BUFFER] = {"line-buffer", 0, OPTION_FLAG, NULL,
                          "mix the outputs of commands, by whole lines", NULL},
    [WORK_RESULT] = {"result", 0, OPTION_FLAG, NULL,
                     "keep up to 64 KiB of standard output as the job's "
                     "result",
                     NULL},
    [WORK_ONCE] = {"once", 0, OPTION_FLAG, NULL,
                   "one job; exit with its command's status", NULL},
    [WORK_UNTIL_EMPTY] = {"until-empty", 0, OPTION_FLAG, NULL,
                          "end when there is no job to take just now", NULL},
    [WORK_UNTIL_CLOSED] = {"until-closed", 0, OPTION_FLAG, NULL,
                           "say nothing when it ends because the queue is "
                           "closed and nothing is left in it",
                           NULL},
    [WORK_LEASE] = {"lease", 0, OPTION_SECONDS, "DURATION",
                    "how long a job stays ours should this worker vanish; the "
                    "job's own",
                    NULL},
};

void work_set_status(struct work *work, int status)
{
    pthread_mutex_lock(&work->lock);
    work->status = work->status == STATUS_DONE ? status : work->status;
    pthread_mutex_unlock(&work->lock);
}

bool work_drain(struct work *work)
{
    int working = STAGE_WORKING;
    bool first =
        atomic_compare_exchange_strong(&work->stage, &working, STAGE_DRAINING);
    syncd_interrupt(work->s);
    return first;
}

bool work_was_interrupted(int answer)
{
    return answer == SYNCD_E_REPLY &&
           strcmp(syncd_error_name(), "cancelled") == 0;
}

int work_call(struct work *work, const char *method, struct out *take_params,
              char **result)
{
    int answer = SYNCD_OK;
    out_byte(take_params, '\0');
    for (int i = 0; i < TRIES_MAX; i++) {
        answer = syncd_call(work->s, method, take_params->at, result);
        if (!work_was_interrupted(answer)) {
            break;
        }
    }
    out_fini(take_params);
    return answer;
}

/* {"queue": ..., "max": ..., "done": ...} */
static struct out take_params(const struct invocation *invocation, size_t max,
                              const struct out *done)
{
    const struct option_value *options = invocation->options;
    struct out params = ask_begin(invocation, "queue");
    WRITE(&params, integer, "max", (int64_t)max);
    if (options[WORK_LEASE].text != NULL) {
        WRITE(&params, number, "lease", options[WORK_LEASE].number);
    }
    if (done != NULL) {
        struct slice json = {done->at, done->len};
        WRITE(&params, json, "done", json);
    }
    if (done != NULL || options[WORK_UNTIL_EMPTY].text != NULL) {
        WRITE(&params, number, "timeout", 0);
    }
    write_end_object(&params);
    return params;
}

/* Nothing more comes: why, and with which exit status. */
static void taking_ended(struct work *work, int answer)
{
    const struct invocation *invocation = work->invocation;
    if (work_was_interrupted(answer) || !work_goes_on(work)) {
        return;
    }
    if (answer == SYNCD_E_REPLY &&
        strcmp(syncd_error_name(), "queue_closed") == 0) {
        if (!invocation->quiet &&
            invocation->options[WORK_UNTIL_CLOSED].text == NULL) {
            say(invocation->command,
                "\"%s\" is closed and nothing is left in it: the end",
                invocation->words[0]);
        }
        if (invocation->options[WORK_ONCE].text != NULL) {
            work_set_status(work, STATUS_FAILED);
        }
    } else {
        work_set_status(work, ask_failed(invocation, answer));
    }
    work_drain(work);
}

bool work_has_jobs(const char *reply)
{
    struct scan_members jobs =
        scan_members(fields_get(slice_of(reply), "jobs"), 1);
    return scan_next(&jobs);
}

bool work_has_stale(const char *reply)
{
    struct slice finished = fields_get(slice_of(reply), "finished");
    struct scan_members stale = scan_members(fields_get(finished, "stale"), 1);
    return scan_next(&stale);
}

int work_finish_and_take(struct work *work, size_t max, const struct out *done,
                         char **reply)
{
    struct out params = take_params(work->invocation, max, done);
    return ask_call(work->s, "queue.get", &params, reply);
}

bool work_take(struct work *work, size_t max, char **reply)
{
    const struct invocation *invocation = work->invocation;
    while (work_goes_on(work)) {
        struct out params = take_params(invocation, max, NULL);
        int answer = ask_call(work->s, "queue.get", &params, reply);
        if (answer == SYNCD_E_LOST) {
            /* The daemon is back without our session; the keeper ends what
             * ran in it. With no daemon the next call says so. */
            if (work_goes_on(work) && !invocation->quiet) {
                say(invocation->command, "%s; going on", syncd_error_text());
            }
            continue;
        }
        if (answer != SYNCD_OK) {
            taking_ended(work, answer);
            return false;
        }
        if (work_has_jobs(*reply)) {
            return true;
        }
        free(*reply);
        if (invocation->options[WORK_UNTIL_EMPTY].text != NULL) {
            if (invocation->options[WORK_ONCE].text != NULL) {
                work_set_status(work, STATUS_WOULD_WAIT);
            }
            return false;
        }
    }
    return false;
}

static size_t count_active(struct work *work)
{
    size_t count = 0;
    pthread_mutex_lock(&work->lock);
    for (size_t i = 0; i < work->slots_count; i++) {
        count += work->slots[i].active ? 1 : 0;
    }
    pthread_mutex_unlock(&work->lock);
    return count;
}

static void on_signal(void *arg, int signal, int nth)
{
    struct work *work = arg;
    const struct invocation *invocation = work->invocation;
    if (nth == 1) {
        size_t active = count_active(work);
        work_drain(work); /* before it is said */
        if (active > 0 && !invocation->quiet) {
            say(invocation->command,
                "taking no more jobs, waiting for %zu to end; once more gives "
                "%s back",
                active, active == 1 ? "it" : "them");
        }
        return;
    }
    atomic_store(&work->stage, STAGE_ENDING);
    work_set_status(work, STATUS_SIGNAL + signal);
    for (size_t i = 0; i < work->slots_count; i++) {
        child_control_end(&work->slots[i].control, CHILD_GIVEN_UP);
    }
    syncd_interrupt(work->s);
}

static void run_slots(struct work *work)
{
    pthread_t keeper;
    CHECK(pthread_create(&keeper, NULL, keep_main, work) == 0);
    for (size_t i = 0; i < work->slots_count; i++) {
        struct slot *slot = &work->slots[i];
        CHECK(pthread_create(&slot->thread, NULL, slot_main, slot) == 0);
    }
    for (size_t i = 0; i < work->slots_count; i++) {
        pthread_join(work->slots[i].thread, NULL);
    }
    pthread_mutex_lock(&work->lock);
    work->ended = true;
    pthread_cond_signal(&work->changed);
    pthread_mutex_unlock(&work->lock);
    pthread_join(keeper, NULL);
}

static void work_init(struct work *work, size_t slots_count)
{
    CHECK(pthread_mutex_init(&work->lock, NULL) == 0);
    CHECK(pthread_mutex_init(&work->gate, NULL) == 0);
    CHECK(pthread_cond_init(&work->changed, NULL) == 0);
    atomic_init(&work->stage, STAGE_WORKING);
    work->slots_count = slots_count;
    work->slots = mem_zalloc(slots_count * sizeof(*work->slots));
    for (size_t i = 0; i < slots_count; i++) {
        work->slots[i].work = work;
        work->slots[i].number = (unsigned)i + 1;
        child_control_init(&work->slots[i].control);
    }
}

static void work_fini(struct work *work)
{
    for (size_t i = 0; i < work->slots_count; i++) {
        child_control_fini(&work->slots[i].control);
    }
    mem_free(work->slots);
    pthread_cond_destroy(&work->changed);
    pthread_mutex_destroy(&work->gate);
    pthread_mutex_destroy(&work->lock);
}

/* The number of slots, or 0 when wrong usage was said. */
static size_t slots_wanted(const struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    const struct option_value *jobs = &options[WORK_JOBS];
    bool runs = invocation->rest != NULL;
    if (runs && invocation->rest[0] == NULL) {
        say_usage(invocation->command, "there is no command behind --");
        return 0;
    }
    if (!runs &&
        (jobs->text || options[WORK_TIMEOUT].text ||
         options[WORK_RESULT].text || options[WORK_LINE_BUFFER].text)) {
        say_usage(invocation->command,
                  "-j, --timeout, --result and --line-buffer are for a "
                  "command: put it behind --");
        return 0;
    }
    if (jobs->text != NULL && (jobs->count < 1 || jobs->count > SLOTS_MAX)) {
        say_usage(invocation->command, "--jobs is a number from 1 to %d",
                  SLOTS_MAX);
        return 0;
    }
    return options[WORK_ONCE].text != NULL || jobs->text == NULL
               ? 1
               : (size_t)jobs->count;
}

static int work_run(struct invocation *invocation)
{
    struct work work = {.invocation = invocation};
    size_t slots_count = slots_wanted(invocation);
    if (slots_count == 0) {
        return STATUS_USAGE;
    }
    int status = ask_open(invocation, ASK_GRACE, &work.s);
    if (status != STATUS_DONE) {
        return status;
    }
    work_init(&work, slots_count);
    signals_watch(&work.signals, on_signal, &work);
    if (invocation->rest != NULL) {
        run_slots(&work);
    } else {
        work_set_status(&work, work_print(&work));
    }
    signals_end(&work.signals);
    syncd_close(work.s);
    status = work.status;
    work_fini(&work);
    return status;
}

const struct command command_work = {
    .name = "work",
    .summary = "Takes jobs and runs a command for each",
    .words = "QUEUE",
    .runs = "COMMAND [ARG...]",
    .options = work_options,
    .options_count = WORK_OPTIONS,
    .run = work_run,
    .description =
        "The command is run as given, not through a shell. The body is on its "
        "standard input and stands for {} in its arguments; SYNCD_JOB, "
        "SYNCD_TOKEN, SYNCD_QUEUE, SYNCD_ATTEMPT, SYNCD_SLOT (1 to N), "
        "SYNCD_BATCH, SYNCD_STAGE, SYNCD_SOCKET and SYNCD_OWNER are in its "
        "environment. Without a command the bodies are printed, one a line, "
        "and the jobs finished.\n\n"
        "Exit status 0 of the command finishes the job; 65 makes it dead at "
        "once; 75 gives it back without counting the try; any other, or a "
        "signal, is a failed try: the job waits for its backoff, and after "
        "its last try it is dead. Its status or signal and the last 4 KiB of "
        "its standard error are kept as the job's error.\n\n"
        "While a command runs, its job's lease is kept. The first INT or TERM: "
        "takes no more jobs, lets commands finish, exits. The second: ends "
        "them, gives their jobs back, exits. A command is killed when its "
        "syncctl is; what it started itself is not. A restart of the daemon "
        "is waited for.\n\n"
        "With -j the output of a command is printed when it has ended, in one "
        "piece.",
    .examples =
        (const struct example_row[]){
            {"syncctl work mail -- ./send-mail",
             "The body on standard input; failed jobs are tried again."},
            {"syncctl work numbers -j 4 -- sh -c 'echo $((2 * $1))' _ {}",
             "Four at once, the body as an argument."},
            {"syncctl work numbers --until-empty > numbers.txt",
             "Take what is there, without a command."},
            {NULL, NULL}},
    .statuses =
        (const struct status_row[]){
            {0, "ended by a first signal, a closed queue, --until-empty; with "
                "--once: the job is done"},
            {75, "with --once and --until-empty: there was no job"},
            {124, "with --once: the command took too long"},
            {126, "the command cannot be run"},
            {127, "the command was not found"},
            {128, "plus N: ended by a second signal N; with --once: the "
                  "command was"},
            {0, NULL}},
};
