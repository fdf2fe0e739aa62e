/* batch create, seal, retry, cancel, delete; the others are in batch_look.c. */
#include "client/syncctl/batch.h"
#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "client/syncctl/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREATE_STAGES, CREATE_ON_FAILURE, CREATE_OPTIONS };
static const struct option_row create_options[CREATE_OPTIONS] = {
    [CREATE_STAGES] = {"stages", 0, OPTION_TEXT, "STAGE,...",
                       "the names of its stages, in their order", NULL},
    [CREATE_ON_FAILURE] = {"on-failure", 0, OPTION_WORD, "WHAT",
                           "a dead job: break holds back all later stages "
                           "until it is mended, continue goes on without it",
                           "break continue"},
};

/* "fetch,process,save" as a list. False: an empty name. */
static bool write_stages(struct out *params, const char *list)
{
    write_key(params, SLICE("stages"));
    write_begin_array(params);
    for (;;) {
        size_t len = strcspn(list, ",");
        if (len == 0) {
            return false;
        }
        write_string(params, (struct slice){list, len});
        list += len;
        if (*list == '\0') {
            break;
        }
        list++;
    }
    write_end_array(params);
    return true;
}

/* Prints the reply as JSON, or its member `name` as a text. */
static int ask_and_print(const struct invocation *invocation,
                         const char *method, struct out *take_params,
                         const char *name)
{
    char *result = NULL;
    struct arena arena;
    arena_init(&arena);
    int status =
        ask_once(invocation, ASK_NO_GRACE, method, take_params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE && name != NULL) {
        struct slice text = fields_text(slice_of(result), name, &arena);
        printf("%.*s\n", (int)text.len, text.at);
    }
    free(result);
    arena_fini(&arena);
    return status;
}

static int create_run(struct invocation *invocation)
{
    const struct option_value *options = invocation->options;
    struct out params = {0};
    if (options[CREATE_STAGES].text == NULL) {
        return say_usage(invocation->command,
                         "--stages is missing: give their names in their "
                         "order, as in --stages fetch,process,save");
    }
    write_begin_object(&params);
    if (invocation->words_count > 0) {
        WRITE(&params, string, "batch", slice_of(invocation->words[0]));
    }
    if (options[CREATE_ON_FAILURE].text != NULL) {
        WRITE(&params, string, "on_failure",
              slice_of(options[CREATE_ON_FAILURE].text));
    }
    if (!write_stages(&params, options[CREATE_STAGES].text)) {
        out_fini(&params);
        return say_usage(invocation->command,
                         "--stages \"%s\": a name is empty; write "
                         "fetch,process,save",
                         options[CREATE_STAGES].text);
    }
    write_end_object(&params);
    return ask_and_print(invocation, "batch.create", &params, "batch");
}

const struct command command_batch_create = {
    .group = "batch",
    .name = "create",
    .summary = "Makes a batch of jobs in stages, and prints its name",
    .words = "[BATCH]",
    .options = create_options,
    .options_count = CREATE_OPTIONS,
    .run = create_run,
    .description =
        "Without BATCH a name is made up. Jobs are put into it by `put "
        "--batch --stage`, in any queues. Those of the first stage run at "
        "once; "
        "those of a later one are held until the batch is sealed and every job "
        "of the stages before is done. When a stage passes its event "
        "batch/BATCH/STAGE is set, for `event wait` and `put --after`.\n\n"
        "A batch belongs to nobody: it stays when its creator ends, and when "
        "it is done, until `batch delete`. To make the same one again is no "
        "error.",
    .examples =
        (const struct example_row[]){
            {"b=$(syncctl batch create --stages fetch,process,save)",
             "Its name, for the lines below."},
            {"syncctl put dl --batch $b --stage fetch --lines < urls",
             "Jobs of its first stage."},
            {"syncctl batch seal $b && syncctl batch wait $b",
             "That was all; wait until the last stage is done."},
            {NULL, NULL}},
};

static int seal_run(struct invocation *invocation)
{
    struct out params = ask_begin(invocation, "batch");
    write_end_object(&params);
    return ask_and_print(invocation, "batch.seal", &params, NULL);
}

const struct command command_batch_seal = {
    .group = "batch",
    .name = "seal",
    .summary = "Says that nothing more is put into a batch: stages may pass",
    .words = "BATCH",
    .run = seal_run,
    .description =
        "Only jobs of the batch itself may still add to their own or a later "
        "stage. Anyone may seal a batch, whoever made it.",
};

/* Prints how many jobs it was about. */
static int counted(const struct invocation *invocation, const char *method,
                   const char *what)
{
    char *result = NULL;
    struct out params = ask_begin(invocation, "batch");
    write_end_object(&params);
    int status = ask_once(invocation, ASK_GRACE, method, &params, &result);
    if (status == STATUS_DONE && invocation->json) {
        puts(result);
    } else if (status == STATUS_DONE && !invocation->quiet) {
        long long count = fields_integer(slice_of(result), what);
        printf("%lld job%s %s\n", count, count == 1 ? "" : "s", what);
    }
    free(result);
    return status;
}

static int retry_run(struct invocation *invocation)
{
    return counted(invocation, "batch.retry", "retried");
}

const struct command command_batch_retry = {
    .group = "batch",
    .name = "retry",
    .summary = "Mends a broken batch: its dead jobs are tried again",
    .words = "BATCH",
    .run = retry_run,
};

static int cancel_run(struct invocation *invocation)
{
    return counted(invocation, "batch.cancel", "cancelled");
}

const struct command command_batch_cancel = {
    .group = "batch",
    .name = "cancel",
    .summary = "Removes every job of a batch that is not done",
    .words = "BATCH",
    .run = cancel_run,
    .description = "Also those that run: `work` ends their commands. Whoever "
                   "waits for the batch is told that it is broken.",
};

static int delete_run(struct invocation *invocation)
{
    struct out params = ask_begin(invocation, "batch");
    write_end_object(&params);
    return ask_and_print(invocation, "batch.delete", &params, NULL);
}

const struct command command_batch_delete = {
    .group = "batch",
    .name = "delete",
    .summary = "Forgets a batch that has nothing left to do, and its events",
    .words = "BATCH",
    .run = delete_run,
};
