/* Who holds something and who waits for it, as tables. */
#include "client/syncctl/people.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "proto/scan.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

struct table *people_table(const char *noun)
{
    const struct table_column columns[] = {
        {noun, false, false},    {"STATE", false, false},
        {"PID", true, false},    {"USER", false, false},
        {"SINCE", false, false}, {"TOKEN", true, false},
        {"COMMAND", false, true}};
    size_t skip = noun == NULL ? 1 : 0;
    return table_new(columns + skip,
                     sizeof(columns) / sizeof(columns[0]) - skip);
}

static void user_cell(struct table *table, int64_t uid)
{
    const struct passwd *user = getpwuid((uid_t)uid);
    if (user != NULL) {
        table_cell(table, "%s", user->pw_name);
    } else {
        table_cell(table, "%lld", (long long)uid);
    }
}

/* 0 is none. */
static void number_cell(struct table *table, int64_t number)
{
    if (number == 0) {
        table_cell(table, "-");
    } else {
        table_cell(table, "%lld", (long long)number);
    }
}

/* "holds", "holds 2", "waits", "waits for 3" */
static void state_cell(struct table *table, struct slice person, bool holds)
{
    int64_t many = fields_integer(person, holds ? "count" : "permits");
    const char *word = holds ? "holds" : many > 1 ? "waits for" : "waits";
    if (many > 1) {
        table_cell(table, "%s %lld", word, (long long)many);
    } else {
        table_cell(table, "%s", word);
    }
}

static void begin_line(struct table *table, struct slice name)
{
    table_line(table);
    if (name.at != NULL) {
        table_cell_slice(table, name);
    }
}

static void add_person(struct table *table, struct slice name,
                       struct slice person, bool holds)
{
    char since[TABLE_TIME_BYTES];
    struct arena arena;
    arena_init(&arena);
    begin_line(table, name);
    state_cell(table, person, holds);
    if (fields_flag(person, "away")) {
        table_cell(table, "away");
    } else {
        number_cell(table, fields_integer(person, "pid"));
    }
    user_cell(table, fields_integer(person, "uid"));
    table_cell(table, "%s", table_time(fields_number(person, "since"), since));
    number_cell(table, fields_integer(person, "token"));
    table_cell_slice(table, fields_text(person, "client", &arena));
    arena_fini(&arena);
}

static int64_t add_people(struct table *table, struct slice name,
                          struct slice people, bool holds)
{
    int64_t count = 0;
    struct scan_members members = scan_members(people, 1);
    while (people.at != NULL && scan_next(&members)) {
        add_person(table, name, members.value, holds);
        count++;
    }
    return count;
}

void people_add(struct table *table, struct slice name, struct slice object)
{
    int64_t waiters = fields_integer(object, "waiters");
    (void)add_people(table, name, fields_get(object, "holders"), true);
    int64_t shown =
        add_people(table, name, fields_get(object, "waiting"), false);
    if (shown < waiters) {
        begin_line(table, name);
        table_cell(table, "waits");
        for (int i = 0; i < 4; i++) {
            table_cell(table, "-");
        }
        table_cell(table, "... and %lld more", (long long)(waiters - shown));
    }
}

/* --- lists --- */

/* One page behind `after`. */
static int ask_page(const struct invocation *invocation, struct syncd *s,
                    const char *method, struct slice after, char **result)
{
    struct out params = {0};
    write_begin_object(&params);
    if (invocation->words_count > 0) {
        WRITE(&params, string, "prefix", slice_of(invocation->words[0]));
    }
    if (after.at != NULL) {
        WRITE(&params, string, "after", after);
    }
    write_end_object(&params);
    return ask(invocation, s, method, &params, result);
}

static int ask_pages(const struct invocation *invocation, struct syncd *s,
                     const char *method, const char *list,
                     void (*add)(struct table *table, struct slice object),
                     struct table *table, struct out *json)
{
    struct arena arena;
    struct slice after = {NULL, 0};
    char *page = NULL;
    char *last = NULL; /* `after` points into it */
    int status = STATUS_DONE;
    arena_init(&arena);
    do {
        status = ask_page(invocation, s, method, after, &page);
        if (status != STATUS_DONE) {
            break;
        }
        free(last);
        last = page;
        struct scan_members objects =
            scan_members(fields_get(slice_of(page), list), 1);
        while (scan_next(&objects)) {
            if (invocation->json) {
                write_json(json, objects.value);
            } else {
                add(table, objects.value);
            }
        }
        after = fields_text(slice_of(page), "next", &arena);
    } while (after.at != NULL);
    free(last);
    arena_fini(&arena);
    return status;
}

int people_list(const struct invocation *invocation, const char *method,
                const char *list,
                void (*add)(struct table *table, struct slice object),
                struct table *take_table)
{
    struct syncd *s = NULL;
    struct out json = {0};
    int status = ask_open(invocation, ASK_NO_GRACE, &s);
    write_begin_array(&json);
    if (status == STATUS_DONE) {
        status = ask_pages(invocation, s, method, list, add, take_table, &json);
    }
    write_end_array(&json);
    if (invocation->json && status == STATUS_DONE) {
        printf("%.*s\n", (int)json.len, json.at);
    }
    if (invocation->json || status != STATUS_DONE) {
        table_free(take_table);
    } else {
        table_print(take_table);
    }
    out_fini(&json);
    syncd_close(s);
    return status;
}

static void show_people(struct slice object)
{
    struct slice holders = fields_get(object, "holders");
    struct scan_members members = scan_members(holders, 1);
    if (fields_integer(object, "waiters") == 0 &&
        (holders.at == NULL || !scan_next(&members))) {
        return;
    }
    struct table *people = people_table(NULL);
    putchar('\n');
    people_add(people, (struct slice){NULL, 0}, object);
    table_print(people);
}

int people_show(const struct invocation *invocation, const char *member,
                const char *method,
                void (*add)(struct table *pairs, struct slice object))
{
    char *result = NULL;
    struct out params = {0};
    write_begin_object(&params);
    write_key(&params, slice_of(member));
    write_string(&params, slice_of(invocation->words[0]));
    write_end_object(&params);
    int status = ask_once(invocation, ASK_NO_GRACE, method, &params, &result);
    if (status != STATUS_DONE) {
        return status;
    }
    struct slice object = slice_of(result);
    if (invocation->json) {
        printf("%s\n", result);
    } else {
        struct table *pairs = table_new_pairs();
        add(pairs, object);
        table_print(pairs);
        show_people(object);
    }
    free(result);
    return status;
}
