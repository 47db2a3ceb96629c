/* A publication in Protobuf, written by hand: a handful of varints, and then the payload.
 *
 * It is made for each message, and libprotobuf-c takes nine times as long for it (bench/micro_sdk):
 * it asks every field of every message around the payload for its size, once for each of them. */
#include <assert.h>
#include <string.h>

#include "proto/sdk_encode.h"
#include "proto/varint.h"

/* Tags of fields that have a length: Reply.push, Push.channel, Push.pub, Publication.data and
 * .info, ClientInfo.user and .client. */
enum {
    TAG_PUSH = 0x22,
    TAG_CHANNEL = 0x12,
    TAG_PUB = 0x22,
    TAG_DATA = 0x22,
    TAG_INFO = 0x2a,
    TAG_USER = 0x0a,
    TAG_CLIENT = 0x12,
    TAG_OFFSET = 0x30 /* a varint */
};

/* A field of so many bytes, tag and length included. */
static size_t field_bytes(size_t size)
{
    return 1 + varint_bytes(size) + size;
}

/* The same, but absent where it is empty. */
static size_t text_bytes(size_t size)
{
    return size ? field_bytes(size) : 0;
}

static uint8_t *put_head(uint8_t *out, uint8_t tag, size_t size)
{
    *out++ = tag;
    return varint_write(out, size);
}

static uint8_t *put_text(uint8_t *out, uint8_t tag, const void *bytes, size_t size)
{
    if (!size)
        return out;
    out = put_head(out, tag, size);
    memcpy(out, bytes, size);
    return out + size;
}

struct payload *sdk_protobuf_publication(struct name_view channel, const struct payload *payload,
                                         uint64_t offset)
{
    struct publisher from;
    bool published = payload_publisher(payload, &from);
    size_t info = text_bytes(from.user.size) + text_bytes(from.client.size);
    size_t pub = text_bytes(payload->body_bytes) + (published ? field_bytes(info) : 0) +
                 (offset ? 1 + varint_bytes(offset) : 0);
    size_t push = text_bytes(channel.size) + field_bytes(pub);
    size_t reply = field_bytes(push), size = varint_bytes(reply) + reply;
    struct payload *made = size > UINT32_MAX ? NULL : payload_new(PAYLOAD_BINARY, (uint32_t)size);

    if (!made)
        return NULL;
    uint8_t *out = varint_write(payload_body(made), reply);
    out = put_head(out, TAG_PUSH, push);
    out = put_text(out, TAG_CHANNEL, channel.bytes, channel.size);
    out = put_head(out, TAG_PUB, pub);
    out = put_text(out, TAG_DATA, payload->frame + payload->header_bytes, payload->body_bytes);
    if (published) {
        out = put_head(out, TAG_INFO, info);
        out = put_text(out, TAG_USER, from.user.bytes, from.user.size);
        out = put_text(out, TAG_CLIENT, from.client.bytes, from.client.size);
    }
    if (offset) {
        *out++ = TAG_OFFSET;
        out = varint_write(out, offset);
    }
    assert(out == payload_body(made) + size);
    return made;
}
