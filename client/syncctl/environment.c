/* What commands are started with. */
#include "client/syncctl/environment.h"

#include "client/syncctl/say.h"
#include "proto/check.h"
#include "proto/limits.h"
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
    "SYNCD_JOB",   "SYNCD_TOKEN",    "SYNCD_QUEUE", "SYNCD_ATTEMPT",
    "SYNCD_SLOT",  "SYNCD_BATCH",    "SYNCD_STAGE", "SYNCD_SOCKET",
    "SYNCD_OWNER", "SYNCD_JOB_TOKEN"};

/* "NAME=..." of the name? */
static bool is_named(const char *entry, const char *name)
{
    size_t len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* "NAME=..." of one of ours? */
static bool is_ours(const char *entry)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_named(entry, names[i])) {
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

/* Of the last part of an owner's path: enough among the children of one. */
#define OWNER_RANDOM_BYTES 6

char *environment_owner(const struct command *command, struct syncd *s)
{
    const char *ours = getenv("SYNCD_OWNER");
    unsigned char random[OWNER_RANDOM_BYTES];
    struct out owner = {0};
    char number[24];
    CHECK(getrandom(random, sizeof(random), 0) == sizeof(random));
    (void)snprintf(number, sizeof(number), "%llu",
                   (unsigned long long)syncd_session(s));
    out_bytes(&owner, slice_of(ours != NULL && *ours != '\0' ? ours : number));
    out_byte(&owner, '/');
    for (size_t i = 0; i < sizeof(random); i++) {
        char hex[3];
        (void)snprintf(hex, sizeof(hex), "%02x", random[i]);
        out_bytes(&owner, slice_of(hex));
    }
    if (owner.len > NAME_BYTES_MAX) {
        say(command,
            "SYNCD_OWNER is too long (%zu bytes with its next part, at most "
            "%d): commands that hold something are nested too deep; unset it "
            "where nothing is to be taken again",
            owner.len, NAME_BYTES_MAX);
        out_fini(&owner);
        return NULL;
    }
    out_byte(&owner, '\0');
    return owner.at;
}

char **environment_of_job(struct syncd *s, const struct job *job, unsigned slot,
                          const char *owner)
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
    add_text(&strings, "SYNCD_OWNER", slice_of(owner));
    return strings.at;
}

char **environment_of_held(struct syncd *s, uint64_t token, const char *owner)
{
    struct strings strings = {0};
    const char *job_token = getenv("SYNCD_TOKEN");
    for (char **entry = environ; *entry != NULL; entry++) {
        if (!is_named(*entry, "SYNCD_TOKEN") &&
            !is_named(*entry, "SYNCD_SOCKET") &&
            (owner == NULL || !is_named(*entry, "SYNCD_OWNER"))) {
            add(&strings, mem_strndup(*entry, strlen(*entry)));
        }
    }
    if (getenv("SYNCD_JOB") != NULL && getenv("SYNCD_JOB_TOKEN") == NULL &&
        job_token != NULL) {
        add_text(&strings, "SYNCD_JOB_TOKEN", slice_of(job_token));
    }
    if (token != 0) {
        add_number(&strings, "SYNCD_TOKEN", token);
    }
    if (owner != NULL) {
        add_text(&strings, "SYNCD_OWNER", slice_of(owner));
    }
    add_socket(&strings, syncd_socket(s));
    return strings.at;
}
