#include "tests/sim/client.h"

#include "proto/memory.h"
#include "proto/scan.h"

void clients_init(struct clients *clients)
{
    *clients = (struct clients){NULL, 0};
}

void clients_fini(struct clients *clients)
{
    for (size_t i = 0; i < clients->count; i++) {
        struct client *client = clients->at[i];
        client_disconnect(client);
        mem_free(client->inbox);
        grants_free(client->grants);
        mem_free(client->name);
        mem_free(client);
    }
    mem_free(clients->at);
}

struct client *clients_named(struct clients *clients, struct slice name)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (slice_equal(slice_of(clients->at[i]->name), name)) {
            return clients->at[i];
        }
    }
    struct client *client = mem_zalloc(sizeof *client);
    client->name = mem_strndup(name.at, name.len);
    client->uid = 1000;
    clients->at =
        mem_realloc(clients->at, (clients->count + 1) * sizeof clients->at[0]);
    clients->at[clients->count++] = client;
    return client;
}

uint32_t clients_pid(const struct clients *clients, const struct client *client)
{
    uint32_t pid = 5001;
    for (size_t i = 0; clients->at[i] != client; i++) {
        pid++;
    }
    return pid;
}

/* `prefix` and the value behind it. */
static bool take_value(struct slice word, struct slice prefix,
                       struct slice *value)
{
    if (word.len < prefix.len || memcmp(word.at, prefix.at, prefix.len) != 0) {
        return false;
    }
    *value = (struct slice){word.at + prefix.len, word.len - prefix.len};
    return true;
}

bool client_read_peer(struct client *client, struct words *words)
{
    struct slice word;
    struct slice value;
    int64_t number;
    grants_free(client->grants);
    client->grants = NULL;
    while ((word = words_next(words)).len > 0) {
        if (take_value(word, SLICE("uid="), &value)) {
            if (!words_number(value, &number)) {
                return false;
            }
            client->uid = (uint32_t)number;
            continue;
        }
        if (client->grants == NULL) {
            client->grants = grants_new();
        }
        if (!take_value(word, SLICE("allow="), &value) ||
            !grants_add(client->grants, value)) {
            return false;
        }
    }
    return true;
}

struct client *clients_of_conn(const struct clients *clients, uint64_t conn)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (clients->at[i]->conn == conn) {
            return clients->at[i];
        }
    }
    return NULL;
}

void clients_disconnect(struct clients *clients)
{
    for (size_t i = 0; i < clients->count; i++) {
        client_disconnect(clients->at[i]);
    }
}

void client_disconnect(struct client *client)
{
    for (size_t i = 0; i < client->inbox_count; i++) {
        mem_free((char *)(uintptr_t)client->inbox[i].at);
    }
    client->inbox_count = 0;
    client->conn = 0;
}

void client_receive(struct client *client, struct slice line)
{
    client->inbox = mem_realloc(client->inbox, (client->inbox_count + 1) *
                                                   sizeof client->inbox[0]);
    client->inbox[client->inbox_count++] =
        (struct slice){mem_strndup(line.at, line.len), line.len};
}

static bool has_id(struct slice line, struct slice id)
{
    struct scan_members m = scan_members(line, 1);
    while (scan_next(&m)) {
        if (slice_equal(m.key, SLICE("id"))) {
            return slice_equal(m.value, id);
        }
    }
    return false;
}

static size_t position(const struct client *client, struct slice id)
{
    size_t i = 0;
    while (i < client->inbox_count && id.at != NULL &&
           !has_id(client->inbox[i], id)) {
        i++;
    }
    return i;
}

bool client_has(const struct client *client, struct slice id)
{
    return position(client, id) < client->inbox_count;
}

struct slice client_read(struct client *client, struct slice id)
{
    size_t i = position(client, id);
    if (i >= client->inbox_count) {
        return (struct slice){NULL, 0};
    }
    struct slice line = client->inbox[i];
    client->inbox_count--;
    memmove(&client->inbox[i], &client->inbox[i + 1],
            (client->inbox_count - i) * sizeof client->inbox[0]);
    return line;
}
