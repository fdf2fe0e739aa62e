/* The events of the stages of batches. */
#include "client/syncctl/stage_event.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "proto/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool stage_event_split(const char *event, struct slice *batch,
                       struct slice *stage)
{
    static const char prefix[] = "batch/";
    const char *last = strrchr(event, '/');
    size_t len = strlen(prefix);
    if (strncmp(event, prefix, len) != 0) {
        return false;
    }
    bool whole = last >= event + len; /* with a stage */
    *batch = whole ? (struct slice){event + len, (size_t)(last - event) - len}
                   : slice_of(event + len);
    *stage = slice_of(whole ? last + 1 : "");
    return true;
}

static bool has_stage(struct slice shown, struct slice stage)
{
    struct arena arena;
    bool found = false;
    arena_init(&arena);
    struct scan_members stages = scan_members(fields_get(shown, "stages"), 1);
    while (scan_next(&stages) && !found) {
        found = slice_equal(fields_text(stages.value, "stage", &arena), stage);
    }
    arena_fini(&arena);
    return found;
}

const char *stage_event_lack(struct syncd *s, struct slice batch,
                             struct slice stage, char text[STAGE_EVENT_BYTES])
{
    char *result = NULL;
    struct out params = {0};
    write_begin_object(&params);
    WRITE(&params, string, "batch", batch);
    write_end_object(&params);
    int answer = ask_call(s, "batch.show", &params, &result);
    text[0] = '\0';
    if (answer == SYNCD_E_REPLY &&
        strcmp(syncd_error_name(), "not_found") == 0) {
        (void)snprintf(text, STAGE_EVENT_BYTES, "there is no batch %.*s",
                       (int)batch.len, batch.at);
    } else if (answer == SYNCD_OK && !has_stage(slice_of(result), stage)) {
        (void)snprintf(text, STAGE_EVENT_BYTES,
                       "the batch %.*s has no stage "
                       "%.*s",
                       (int)batch.len, batch.at, (int)stage.len, stage.at);
    }
    free(result);
    return text;
}
