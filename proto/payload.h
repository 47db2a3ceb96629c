/* A payload: what one message carries, immutable once made and shared by all who deliver it.
 *
 * Its bytes lie behind the header of the WebSocket frame that carries them (RFC 6455 section 5.2;
 * server frames are not masked, so header and payload are the same for every member). The frame is
 * thus made once, by the shard that reads the command.
 *
 * Ownership: counted. payload_new() returns one reference; whoever holds a reference may read from
 * any thread; the last payload_unref() frees. */
#ifndef SHARDCAST_PROTO_PAYLOAD_H
#define SHARDCAST_PROTO_PAYLOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

enum payload_kind {
    PAYLOAD_TEXT,   /* a str: valid UTF-8, a text frame */
    PAYLOAD_BINARY, /* a bin: a binary frame */
    PAYLOAD_JSON    /* any other msgpack value, transcoded: JSON text, a text frame */
};

struct payload {
    atomic_uint refs;
    uint8_t kind;         /* enum payload_kind */
    uint8_t header_bytes; /* 2, 4 or 10 */
    uint32_t body_bytes;
    uint8_t frame[]; /* header_bytes + body_bytes */
};

/* A payload with room for `bytes` bytes of body, the frame's header already in place; the caller
 * fills payload_body() before anyone else sees it. NULL: out of memory. */
struct payload *payload_new(enum payload_kind kind, uint32_t bytes) MUST_CHECK;

/* Adds `count` references at once; any thread that holds one. */
void payload_ref(struct payload *payload, unsigned count);

/* Gives one reference back. Any thread. */
void payload_unref(struct payload *payload);

static inline uint8_t *payload_body(struct payload *payload)
{
    return payload->frame + payload->header_bytes;
}

static inline uint32_t payload_frame_bytes(const struct payload *payload)
{
    return payload->header_bytes + payload->body_bytes;
}

#endif
