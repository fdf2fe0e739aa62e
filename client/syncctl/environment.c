/* What a job's command is started with. */
#include "client/syncctl/environment.h"

#include "proto/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A list of strings as exec wants it. */
struct strings {
    char **at;
    size_t count;
};

static void add(struct strings *strings, char *take_string)
{
    strings->at =
        mem_realloc(strings->at, (strings->count + 2) * sizeof(*strings->at));
    strings->at[strings->count++] = take_string;
    strings->at[strings->count] = NULL;
}

void environment_free(char **take_strings)
{
    for (size_t i = 0; take_strings != NULL && take_strings[i] != NULL; i++) {
        mem_free(take_strings[i]);
    }
    mem_free(take_strings);
}

bool environment_has_braces(char *const *arguments)
{
    for (; *arguments != NULL; arguments++) {
        if (strstr(*arguments, "{}") != NULL) {
            return true;
        }
    }
    return false;
}

/* One argument, with the text for each {}. */
static char *fill(const char *argument, struct slice text)
{
    struct out filled = {0};
    const char *braces = NULL;
    while ((braces = strstr(argument, "{}")) != NULL) {
        out_bytes(&filled,
                  (struct slice){argument, (size_t)(braces - argument)});
        out_bytes(&filled, text);
        argument = braces + 2;
    }
    out_bytes(&filled, slice_of(argument));
    out_byte(&filled, '\0');
    return filled.at;
}

char **environment_arguments(char *const *arguments, struct slice text)
{
    struct strings strings = {0};
    if (environment_has_braces(arguments) &&
        memchr(text.at, '\0', text.len) != NULL) {
        return NULL;
    }
    for (; *arguments != NULL; arguments++) {
        add(&strings, fill(*arguments, text));
    }
    return strings.at;
}

static const char *const names[] = {
    "SYNCD_JOB",   "SYNCD_TOKEN", "SYNCD_QUEUE",  "SYNCD_ATTEMPT", "SYNCD_SLOT",
    "SYNCD_BATCH", "SYNCD_STAGE", "SYNCD_SOCKET", "SYNCD_OWNER"};

/* "NAME=..." of one of ours? */
static bool is_ours(const char *entry)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(entry, names[i], len) == 0 && entry[len] == '=') {
            return true;
        }
    }
    return false;
}

static void add_text(struct strings *strings, const char *name,
                     struct slice text)
{
    struct out entry = {0};
    out_bytes(&entry, slice_of(name));
    out_byte(&entry, '=');
    out_bytes(&entry, text);
    out_byte(&entry, '\0');
    add(strings, entry.at);
}

static void add_number(struct strings *strings, const char *name,
                       uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    add_text(strings, name, slice_of(text));
}

/* A command may change its directory. */
static void add_socket(struct strings *strings, const char *socket)
{
    char path[PATH_MAX];
    const char *whole = realpath(socket, path);
    add_text(strings, "SYNCD_SOCKET", slice_of(whole ? whole : socket));
}

/* Owners of locks are paths: what this process or an ancestor holds, the
 * command may take again; other commands may not. */
static void add_owner(struct strings *strings, struct syncd *s)
{
    const char *ours = getenv("SYNCD_OWNER");
    uint64_t random[2] = {0};
    char owner[512];
    char session[32];
    ssize_t got = getrandom(random, sizeof(random), 0);
    (void)snprintf(session, sizeof(session), "%llu",
                   (unsigned long long)syncd_session(s));
    (void)snprintf(
        owner, sizeof(owner), "%.400s/%016llx%016llx",
        ours != NULL && *ours != '\0' ? ours : session,
        (unsigned long long)random[0],
        (unsigned long long)(got > 0 ? random[1] : (uint64_t)getpid()));
    add_text(strings, "SYNCD_OWNER", slice_of(owner));
}

char **environment_of_job(struct syncd *s, const struct job *job, unsigned slot)
{
    struct strings strings = {0};
    for (char **entry = environ; *entry != NULL; entry++) {
        if (!is_ours(*entry)) {
            add(&strings, mem_strndup(*entry, strlen(*entry)));
        }
    }
    add_number(&strings, "SYNCD_JOB", job->id);
    add_number(&strings, "SYNCD_TOKEN", job->token);
    add_text(&strings, "SYNCD_QUEUE", job->queue);
    add_number(&strings, "SYNCD_ATTEMPT", (uint64_t)job->attempt);
    add_number(&strings, "SYNCD_SLOT", slot);
    if (job->batch.at != NULL) {
        add_text(&strings, "SYNCD_BATCH", job->batch);
    }
    if (job->stage.at != NULL) {
        add_text(&strings, "SYNCD_STAGE", job->stage);
    }
    add_socket(&strings, syncd_socket(s));
    add_owner(&strings, s);
    return strings.at;
}
