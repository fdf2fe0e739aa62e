/* Members of replies, read where they lie. */
#include "client/syncctl/fields.h"

#include "proto/scan.h"

static struct slice member(struct slice object, struct slice key)
{
    if (object.at == NULL || scan_kind_of(object) != SCAN_OBJECT) {
        return (struct slice){NULL, 0};
    }
    struct scan_members members = scan_members(object, 1);
    while (scan_next(&members)) {
        if (slice_equal(members.key, key)) {
            return members.value;
        }
    }
    return (struct slice){NULL, 0};
}

struct slice fields_get(struct slice object, const char *path)
{
    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        object = member(object, (struct slice){path, len});
        path += len + (path[len] == '.' ? 1 : 0);
    }
    return object;
}

int64_t fields_integer(struct slice object, const char *path)
{
    struct slice value = fields_get(object, path);
    int64_t number = 0;
    if (value.at == NULL || scan_kind_of(value) != SCAN_NUMBER ||
        !scan_integer(value, &number)) {
        return 0;
    }
    return number;
}

double fields_number(struct slice object, const char *path)
{
    struct slice value = fields_get(object, path);
    if (value.at == NULL || scan_kind_of(value) != SCAN_NUMBER) {
        return 0;
    }
    return scan_number(value);
}

bool fields_flag(struct slice object, const char *path)
{
    struct slice value = fields_get(object, path);
    return value.at != NULL && scan_kind_of(value) == SCAN_TRUE;
}

struct slice fields_text(struct slice object, const char *path,
                         struct arena *arena)
{
    struct slice value = fields_get(object, path);
    if (value.at == NULL || scan_kind_of(value) != SCAN_STRING) {
        return (struct slice){NULL, 0};
    }
    return scan_text(value, arena);
}

int64_t fields_count(struct slice object, const char *path)
{
    int64_t count = 0;
    struct slice list = fields_get(object, path);
    if (list.at == NULL || scan_kind_of(list) != SCAN_ARRAY) {
        return 0;
    }
    struct scan_members members = scan_members(list, 1);
    while (scan_next(&members)) {
        count++;
    }
    return count;
}
