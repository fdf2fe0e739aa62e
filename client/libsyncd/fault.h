/*
 * What went wrong: a status, a sentence, and what the daemon said.
 *
 * A fault is found in one thread (mostly the keeper) and told in another, so
 * it is a value of its own; only when a call returns it becomes the calling
 * thread's last error, which syncd_error_text() and its friends read.
 */
#ifndef SYNCD_LIBSYNCD_FAULT_H
#define SYNCD_LIBSYNCD_FAULT_H

#include "proto/message.h"

#define FAULT_TEXT_BYTES   1024
#define FAULT_REASON_BYTES 64

struct fault {
    int status;                      /* of enum syncd_status; SYNCD_OK: none */
    enum error error;                /* ERROR_NONE: the daemon said nothing */
    char *data;                      /* owned, error.data as JSON; NULL: none */
    char reason[FAULT_REASON_BYTES]; /* of the data; "": none */
    char text[FAULT_TEXT_BYTES];
};

void fault_fini(struct fault *fault);

/* SYNCD_OK again. */
void fault_clear(struct fault *fault);

/* Replaces what is there. Texts too long are cut. */
void fault_set(struct fault *fault, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void fault_copy(struct fault *fault, const struct fault *from);

/* An error reply of the daemon. */
void fault_of_reply(struct fault *fault, const struct reply *reply);

/* More of the sentence. */
void fault_add(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes it the last error of this thread; returns its status. */
int fault_tell(const struct fault *fault);

/* Makes and tells one. */
int fault_say(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Another status for what was told last; returns it. */
int fault_retell(int status);

/* Is this text a string member of the fault's data: "reason", "never"? */
bool fault_data_is(const char *data, const char *name, const char *text);

#endif
