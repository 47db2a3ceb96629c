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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/group_name.h"

enum payload_kind {
    PAYLOAD_TEXT,   /* a str: valid UTF-8, a text frame */
    PAYLOAD_BINARY, /* a bin: a binary frame */
    PAYLOAD_JSON    /* known to be JSON text of one line, no deeper than json_valid() takes: a
                       transcoded msgpack value, a JSON client's data. A text frame */
};

/* The client that a message comes from. */
struct publisher {
    struct name_view client; /* the connection's id */
    struct name_view user;   /* size 0: none */
};

#define PUBLISHER_BYTES_MAX 255 /* of either */

struct payload {
    atomic_uint refs;
    uint8_t kind;         /* enum payload_kind */
    uint8_t header_bytes; /* 2, 4 or 10 */
    uint8_t client_bytes; /* of the publisher's ids, which lie behind the body; 0: no publisher */
    uint8_t user_bytes;
    uint32_t body_bytes;
    uint8_t frame[]; /* header_bytes + body_bytes */
};

/* A payload with room for `bytes` bytes of body, the frame's header already in place; the caller
 * fills payload_body() before anyone else sees it. NULL: out of memory. */
struct payload *payload_new(enum payload_kind kind, uint32_t bytes) MUST_CHECK;

/* The same of a client's message: the payload keeps copies of its ids. */
struct payload *payload_new_published(enum payload_kind kind, uint32_t bytes,
                                      const struct publisher *publisher) MUST_CHECK;

/* Who published it; the ids point into the payload. False: not a client. */
bool payload_publisher(const struct payload *payload, struct publisher *publisher);

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
