/* A slot of work: takes a job, runs the command, tells the outcome. */
#include "client/syncctl/body.h"
#include "client/syncctl/environment.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/look.h"
#include "client/syncctl/say.h"
#include "client/syncctl/tell.h"
#include "proto/memory.h"
#include "proto/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_BYTES_MAX ((size_t)64 << 10)
#define KILL_AFTER       5.0

static bool job_read(struct job *job, char *take_reply)
{
    memset(job, 0, sizeof(*job));
    job->reply = take_reply;
    arena_init(&job->arena);
    struct scan_members jobs =
        scan_members(fields_get(slice_of(take_reply), "jobs"), 1);
    if (!scan_next(&jobs)) {
        return false;
    }
    struct slice one = jobs.value;
    job->id = (uint64_t)fields_integer(one, "id");
    job->token = (uint64_t)fields_integer(one, "token");
    job->attempt = fields_integer(one, "attempt");
    job->lease = fields_number(one, "lease");
    job->queue = fields_text(one, "queue", &job->arena);
    job->body = fields_get(one, "body");
    job->text = body_text(job->body, &job->arena);
    job->batch = fields_text(one, "batch", &job->arena);
    job->stage = fields_text(one, "stage", &job->arena);
    return true;
}

static void job_fini(struct job *job)
{
    free(job->reply);
    arena_fini(&job->arena);
}

/* From now on the keeper extends its lease, or no more. */
static void set_active(struct slot *slot, const struct job *job)
{
    struct work *work = slot->work;
    pthread_mutex_lock(&work->lock);
    slot->active = job != NULL;
    if (job != NULL) {
        slot->id = job->id;
        slot->token = job->token;
        slot->losses = syncd_losses(work->s);
        slot->lease = job->lease;
        slot->extend_at = look_now() + job->lease / 3;
        if (job->lease / 3 < WORK_LOOK_SECONDS) {
            pthread_cond_signal(&work->changed); /* the keeper may oversleep */
        }
    }
    pthread_mutex_unlock(&work->lock);
}

/* The command itself cannot be started: no other job will fare better. */
static int cannot_start(struct slot *slot, const struct job *job, int error)
{
    struct work *work = slot->work;
    const char *name = work->invocation->rest[0];
    int status = error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
    if (error == EAGAIN || error == ENOMEM || error == EMFILE) {
        status = STATUS_FAILED;
    }
    work_set_status(work, status);
    if (work_drain(work)) {
        say(work->invocation->command, "cannot run \"%s\": %s", name,
            error == ENOENT ? "there is no such command" : strerror(error));
    }
    tell_given_back(slot, job);
    return status;
}

static void init_outputs(struct slot *slot, struct output *out,
                         struct output *err)
{
    struct work *work = slot->work;
    const struct option_value *options = work->invocation->options;
    enum output_mode mode = work->slots_count == 1           ? OUTPUT_PASS
                            : options[WORK_LINE_BUFFER].text ? OUTPUT_LINES
                                                             : OUTPUT_GROUP;
    output_init(out, STDOUT_FILENO, mode, &work->gate);
    output_init(err, STDERR_FILENO, mode, &work->gate);
    out->head_max = options[WORK_RESULT].text ? RESULT_BYTES_MAX : 0;
    err->tail_max = TELL_STDERR_BYTES;
}

/* Our own output is gone: nobody would see what the commands do. */
static void check_outputs(struct work *work, const struct output *out)
{
    if (!out->broken) {
        return;
    }
    pthread_mutex_lock(&work->lock);
    bool told = work->told_broken;
    work->told_broken = true;
    pthread_mutex_unlock(&work->lock);
    if (!told) {
        say(work->invocation->command,
            "cannot write to standard output: taking no more jobs");
    }
    work_set_status(work, STATUS_FAILED);
    work_drain(work);
}

/* What the outcome of the command means for the job; the exit status of a
 * worker that runs only this one. */
static int conclude(struct slot *slot, const struct job *job,
                    const struct child_result *child, const struct output *out,
                    const struct output *err)
{
    switch (child->end) {
    case CHILD_LOST:
        return STATUS_FAILED;
    case CHILD_GIVEN_UP:
        if (child->status == 0) {
            tell_done(slot, job, out); /* it had ended in good order */
        } else {
            tell_given_back(slot, job);
        }
        return STATUS_SIGNAL + (int)slot->work->signals.last;
    case CHILD_TIMEOUT:
        tell_failed(slot, job, child, err);
        return STATUS_TIMED_OUT;
    case CHILD_BY_ITSELF:
        break;
    }
    if (child->status == 0) {
        tell_done(slot, job, out);
    } else {
        tell_failed(slot, job, child, err);
    }
    return child->status;
}

static int run_command(struct slot *slot, const struct job *job, char **argv,
                       char **environment)
{
    struct work *work = slot->work;
    const struct option_value *options = work->invocation->options;
    struct output out;
    struct output err;
    init_outputs(slot, &out, &err);
    bool through = out.mode == OUTPUT_PASS && out.head_max == 0;
    const struct child_plan plan = {
        .argv = argv,
        .environment = environment,
        .input = job->text,
        .out = through ? NULL : &out,
        .err = &err,
        .own_group = true,
        .timeout = options[WORK_TIMEOUT].number,
        .kill_after = options[WORK_KILL_AFTER].text
                          ? options[WORK_KILL_AFTER].number
                          : KILL_AFTER,
        .mask = &work->signals.before,
    };
    struct child_result child;
    child_run(&plan, &slot->control, &child);
    set_active(slot, NULL);
    int status = STATUS_FAILED;
    if (child.error == E2BIG &&
        environment_has_braces(work->invocation->rest)) {
        tell_buried(slot, job,
                    "its body is too long for an argument of the command; "
                    "read it from standard input instead of {}");
    } else if (child.error != 0) {
        status = cannot_start(slot, job, child.error);
    } else {
        status = conclude(slot, job, &child, &out, &err);
        check_outputs(work, &out);
    }
    output_fini(&out);
    output_fini(&err);
    return status;
}

static int run_job(struct slot *slot, const struct job *job)
{
    struct work *work = slot->work;
    char **argv = environment_arguments(work->invocation->rest, job->text);
    if (argv == NULL) {
        tell_buried(slot, job,
                    "its body has a NUL character, which no argument can "
                    "hold; read it from standard input instead of {}");
        return STATUS_FAILED;
    }
    char *owner = environment_owner(work->invocation->command, work->s);
    if (owner == NULL) {
        environment_free(argv);
        tell_given_back(slot, job);
        work_set_status(work, STATUS_FAILED);
        work_drain(work);
        return STATUS_FAILED;
    }
    char **environment = environment_of_job(work->s, job, slot->number, owner);
    mem_free(owner);
    child_control_reset(&slot->control);
    set_active(slot, job);
    if (atomic_load(&work->stage) == STAGE_ENDING) {
        child_control_end(&slot->control, CHILD_GIVEN_UP);
    }
    int status = run_command(slot, job, argv, environment);
    environment_free(argv);
    environment_free(environment);
    return status;
}

void *slot_main(void *arg)
{
    struct slot *slot = arg;
    struct work *work = slot->work;
    bool once = work->invocation->options[WORK_ONCE].text != NULL;
    char *reply = NULL;
    while (tell_and_take(slot, &reply) || work_take(work, 1, &reply)) {
        struct job job;
        if (job_read(&job, reply) && work_goes_on(work)) {
            int status = run_job(slot, &job);
            if (once) {
                work_set_status(work, status);
                work_drain(work);
            }
        } else if (job.id != 0) {
            tell_given_back(slot, &job);
        }
        job_fini(&job);
    }
    return NULL;
}
