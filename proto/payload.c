#include "proto/payload.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/frame.h"

struct payload *payload_new(enum payload_kind kind, uint32_t bytes)
{
    uint8_t header[FRAME_HEADER_MAX];
    enum frame_opcode opcode = kind == PAYLOAD_BINARY ? FRAME_BINARY : FRAME_TEXT;
    size_t header_bytes = frame_header_encode(header, opcode, bytes);
    struct payload *payload = malloc(sizeof(*payload) + header_bytes + bytes);

    if (!payload)
        return NULL;
    atomic_init(&payload->refs, 1);
    payload->kind = (uint8_t)kind;
    payload->header_bytes = (uint8_t)header_bytes;
    payload->body_bytes = bytes;
    for (size_t i = 0; i < header_bytes; i++)
        payload->frame[i] = header[i];
    return payload;
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
