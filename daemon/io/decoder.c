#include "daemon/io/decoder.h"

#include <string.h>

#include "daemon/io/server.h"
#include "proto/check.h"
#include "proto/memory.h"

static void on_wake(uv_async_t *wake)
{
    (void)wake;
}

void decoder_init(struct decoder *decoder, struct server *server)
{
    decoder->server = server;
    TAILQ_INIT(&decoder->finished);
    pthread_mutex_init(&decoder->lock, NULL);
    int rc = uv_async_init(&server->loop, &decoder->wake, on_wake);
    CHECK(rc == 0);
    decoder->wake.data = decoder;
}

void decoded_free(struct decoded *decoded)
{
    if (decoded != NULL) {
        arena_fini(&decoded->arena);
        mem_free(decoded->bytes);
        mem_free(decoded);
    }
}

/* In a thread of the pool. */
static void decode(void *arg)
{
    struct decoded *decoded = arg;
    struct decoder *decoder = decoded->decoder;
    decoded->kind = message_decode(decoded->line, &decoded->arena,
                                   &decoded->request, &decoded->why);
    pthread_mutex_lock(&decoder->lock);
    TAILQ_INSERT_TAIL(&decoder->finished, decoded, link);
    pthread_mutex_unlock(&decoder->lock);
    uv_async_send(&decoder->wake);
}

bool decoder_try(struct decoder *decoder, uint64_t conn, struct slice line)
{
    struct decoded *decoded = mem_zalloc(sizeof(*decoded));
    decoded->conn = conn;
    decoded->decoder = decoder;
    decoded->bytes = mem_strndup(line.at, line.len);
    decoded->line = (struct slice){decoded->bytes, line.len};
    arena_init(&decoded->arena);
    if (!pool_try(decoder->server->setup.pool, decode, decoded)) {
        decoded_free(decoded);
        return false;
    }
    return true;
}

static struct decoded *take_one(struct decoder *decoder)
{
    pthread_mutex_lock(&decoder->lock);
    struct decoded *decoded = TAILQ_FIRST(&decoder->finished);
    if (decoded != NULL) {
        TAILQ_REMOVE(&decoder->finished, decoded, link);
    }
    pthread_mutex_unlock(&decoder->lock);
    return decoded;
}

void decoder_take(struct decoder *decoder)
{
    struct decoded *decoded;
    while ((decoded = take_one(decoder)) != NULL) {
        struct connection *c =
            connections_find(&decoder->server->connections, decoded->conn);
        if (c == NULL) {
            decoded_free(decoded);
            continue;
        }
        CHECK(c->input == INPUT_DECODING && c->decoded == NULL);
        c->decoded = decoded;
        connection_set_input(c, INPUT_READY);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct decoder *decoder = handle->data;
    struct decoded *decoded;
    while ((decoded = take_one(decoder)) != NULL) {
        decoded_free(decoded);
    }
    pthread_mutex_destroy(&decoder->lock);
}

void decoder_close(struct decoder *decoder)
{
    uv_close((uv_handle_t *)&decoder->wake, on_closed);
}
