#include "proto/payload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

static const struct publisher no_publisher;

struct payload *payload_new(enum payload_kind kind, uint32_t bytes)
{
    return payload_new_published(kind, bytes, &no_publisher);
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t size)
{
    if (size)
        memcpy(out, bytes, size);
    return out + size;
}

struct payload *payload_new_published(enum payload_kind kind, uint32_t bytes,
                                      const struct publisher *publisher)
{
    uint8_t header[FRAME_HEADER_MAX];
    enum frame_opcode opcode = kind == PAYLOAD_BINARY ? FRAME_BINARY : FRAME_TEXT;
    size_t header_bytes = frame_header_encode(header, opcode, bytes);
    size_t client_bytes = publisher->client.size, user_bytes = publisher->user.size;

    assert(client_bytes <= PUBLISHER_BYTES_MAX && user_bytes <= PUBLISHER_BYTES_MAX);
    struct payload *payload =
        malloc(sizeof(*payload) + header_bytes + bytes + client_bytes + user_bytes);
    if (!payload)
        return NULL;
    atomic_init(&payload->refs, 1);
    payload->kind = (uint8_t)kind;
    payload->header_bytes = (uint8_t)header_bytes;
    payload->client_bytes = (uint8_t)client_bytes;
    payload->user_bytes = (uint8_t)user_bytes;
    payload->body_bytes = bytes;
    put(payload->frame, header, header_bytes);
    put(put(payload_body(payload) + bytes, publisher->client.bytes, client_bytes),
        publisher->user.bytes, user_bytes);
    return payload;
}

bool payload_publisher(const struct payload *payload, struct publisher *publisher)
{
    const char *ids = (const char *)payload->frame + payload_frame_bytes(payload);

    publisher->client = (struct name_view){ids, payload->client_bytes};
    publisher->user = (struct name_view){ids + payload->client_bytes, payload->user_bytes};
    return payload->client_bytes > 0;
}

void payload_ref(struct payload *payload, unsigned count)
{
    /* Relaxed: whoever adds a reference holds one already, so the payload cannot go meanwhile. */
    atomic_fetch_add_explicit(&payload->refs, count, memory_order_relaxed);
}

void payload_unref(struct payload *payload)
{
    /* Release orders this holder's reads before the free; the acquire of the last one is its
     * partner. A sole holder needs neither: nobody else can reach the payload. */
    if (atomic_load_explicit(&payload->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&payload->refs, 1, memory_order_acq_rel) == 1)
        free(payload);
}
