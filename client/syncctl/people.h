/*
 * Who holds something and who waits for it: the tables of `lock`, `sem` and
 * whatever else is waited for. Every show and list of the daemon tells them the
 * same way, the first of them and how many there are: `holders` and `holds`,
 * `waiting` and `waiters`, of barriers `acting` and `passing`.
 */
#ifndef SYNCCTL_PEOPLE_H
#define SYNCCTL_PEOPLE_H

#include "client/syncctl/command.h"
#include "client/syncctl/table.h"

/* A line a person: NOUN, STATE, PID, USER, SINCE, TOKEN, COMMAND; without a
 * noun for the people of one object. */
struct table *people_table(const char *noun);

/* The lines of one object; none if nobody is there. No name, no first cell. */
void people_add(struct table *table, struct slice name, struct slice object);

/*
 * Asks `method` page by page, with the first word as the prefix, and prints
 * what `add` makes of each element of `list`, or the elements as JSON. The exit
 * status.
 */
int people_list(const struct invocation *invocation, const char *method,
                const char *list,
                void (*add)(struct table *table, struct slice object),
                struct table *take_table);

/* A kind of objects that are listed by themselves. */
struct people_kind {
    const char *method; /* "event.list" */
    const char *list;   /* "events": where its answer has them */
    const char *member; /* "event": where each has its name */
    const char *noun;   /* "EVENT": the heading of their people */
    void (*add)(struct table *table, struct slice object);
};

/* The same for those that are listed by themselves, whoever is there: their
 * table, and below it that of the people, if there are any. */
int people_list_below(const struct invocation *invocation,
                      const struct people_kind *kind, struct table *take_table);

/* The first pair: a noun, which is also the member that has its name. */
void people_pair_name(struct table *pairs, const char *noun,
                      struct slice object);

/* A pair: a text, and the member that is counted. */
void people_pair_count(struct table *pairs, const char *text,
                       struct slice object, const char *member);

/* Asks `method` for the one that the first word names, as `member`, and prints
 * the pairs that `add` makes of it, and its people; or its JSON. */
int people_show(const struct invocation *invocation, const char *member,
                const char *method,
                void (*add)(struct table *pairs, struct slice object));

/* The same; `print_more` (may be NULL) prints what stands between them. */
int people_show_with(const struct invocation *invocation, const char *member,
                     const char *method,
                     void (*add)(struct table *pairs, struct slice object),
                     void (*print_more)(struct slice object));

#endif
