/* Who holds something and who waits for it, as tables. */
#include "client/syncctl/people.h"

#include "client/syncctl/ask.h"
#include "client/syncctl/fields.h"
#include "proto/scan.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* "holds", "holds 2", "waits", "waits for 3", "acts" */
static void state_cell(struct table *table, struct slice person,
                       const char *word)
{
    bool waits = strcmp(word, "waits") == 0;
    int64_t many = fields_integer(person, waits ? "permits" : "count");
    if (many > 1) {
        word = waits ? "waits for" : word;
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
                       struct slice person, const char *word)
{
    char since[TABLE_TIME_BYTES];
    struct arena arena;
    arena_init(&arena);
    begin_line(table, name);
    state_cell(table, person, word);
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

/* Those that are told, and how many there are beside. */
static void add_people(struct table *table, struct slice name,
                       struct slice people, const char *word, int64_t all)
{
    int64_t count = 0;
    struct scan_members members = scan_members(people, 1);
    while (people.at != NULL && scan_next(&members)) {
        add_person(table, name, members.value, word);
        count++;
    }
    if (count < all) {
        begin_line(table, name);
        table_cell(table, "%s", word);
        for (int i = 0; i < 4; i++) {
            table_cell(table, "-");
        }
        table_cell(table, "... and %lld more", (long long)(all - count));
    }
}

void people_add(struct table *table, struct slice name, struct slice object)
{
    add_people(table, name, fields_get(object, "holders"), "holds",
               fields_integer(object, "holds"));
    add_people(table, name, fields_get(object, "acting"), "acts",
               fields_integer(object, "passing"));
    add_people(table, name, fields_get(object, "waiting"), "waits",
               fields_integer(object, "waiters"));
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

/* What is made of each object. */
struct listing {
    void (*add)(struct table *table, struct slice object);
    struct table *table;  /* NULL with --json */
    struct table *people; /* beside it; NULL: there is none */
    const char *member;
    struct out json;
};

static void list_object(struct listing *listing, struct slice object)
{
    struct arena arena;
    if (listing->table == NULL) {
        write_json(&listing->json, object);
        return;
    }
    listing->add(listing->table, object);
    if (listing->people != NULL) {
        arena_init(&arena);
        people_add(listing->people,
                   fields_text(object, listing->member, &arena), object);
        arena_fini(&arena);
    }
}

static int ask_pages(const struct invocation *invocation, struct syncd *s,
                     const char *method, const char *list,
                     struct listing *listing)
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
            list_object(listing, objects.value);
        }
        after = fields_text(slice_of(page), "next", &arena);
    } while (after.at != NULL);
    free(last);
    arena_fini(&arena);
    return status;
}

static void print_listing(const struct listing *listing)
{
    if (listing->table == NULL) {
        printf("%.*s\n", (int)listing->json.len, listing->json.at);
        return;
    }
    table_print(listing->table);
    if (listing->people != NULL && table_lines(listing->people) > 0) {
        putchar('\n');
        table_print(listing->people);
    } else {
        table_free(listing->people);
    }
}

static int run_listing(const struct invocation *invocation, const char *method,
                       const char *list, struct listing *listing)
{
    struct syncd *s = NULL;
    if (invocation->json) {
        table_free(listing->table);
        table_free(listing->people);
        listing->table = listing->people = NULL;
    }
    int status = ask_open(invocation, ASK_NO_GRACE, &s);
    write_begin_array(&listing->json);
    if (status == STATUS_DONE) {
        status = ask_pages(invocation, s, method, list, listing);
    }
    write_end_array(&listing->json);
    if (status == STATUS_DONE) {
        print_listing(listing);
    } else {
        table_free(listing->table);
        table_free(listing->people);
    }
    out_fini(&listing->json);
    syncd_close(s);
    return status;
}

int people_list(const struct invocation *invocation, const char *method,
                const char *list,
                void (*add)(struct table *table, struct slice object),
                struct table *take_table)
{
    struct listing listing = {.add = add, .table = take_table};
    return run_listing(invocation, method, list, &listing);
}

int people_list_below(const struct invocation *invocation,
                      const struct people_kind *kind, struct table *take_table)
{
    struct listing listing = {.add = kind->add,
                              .table = take_table,
                              .people = people_table(kind->noun),
                              .member = kind->member};
    return run_listing(invocation, kind->method, kind->list, &listing);
}

static void show_people(struct slice object)
{
    struct table *people = people_table(NULL);
    people_add(people, (struct slice){NULL, 0}, object);
    if (table_lines(people) > 0) {
        putchar('\n');
        table_print(people);
    } else {
        table_free(people);
    }
}

void people_pair_name(struct table *pairs, const char *noun,
                      struct slice object)
{
    struct arena arena;
    arena_init(&arena);
    table_line(pairs);
    table_cell(pairs, "%s", noun);
    table_cell_slice(pairs, fields_text(object, noun, &arena));
    arena_fini(&arena);
}

void people_pair_count(struct table *pairs, const char *text,
                       struct slice object, const char *member)
{
    TABLE_PAIR(pairs, text, "%lld", (long long)fields_integer(object, member));
}

int people_show(const struct invocation *invocation, const char *member,
                const char *method,
                void (*add)(struct table *pairs, struct slice object))
{
    return people_show_with(invocation, member, method, add, NULL);
}

int people_show_with(const struct invocation *invocation, const char *member,
                     const char *method,
                     void (*add)(struct table *pairs, struct slice object),
                     void (*print_more)(struct slice object))
{
    char *result = NULL;
    struct out params = ask_begin(invocation, member);
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
        if (print_more != NULL) {
            print_more(object);
        }
        show_people(object);
    }
    free(result);
    return status;
}
