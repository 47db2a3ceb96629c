/* Shardcast's Centrifuge clients, in Protobuf (proto/PROTOCOL.md): binary frames, each of one or
 * more replies and pushes, each behind its length. Read and written by hand: the few fields that
 * matter of a handful of messages, told by their numbers. */
#define _GNU_SOURCE
#include <string.h>

#include "bench/load_dialect.h"
#include "proto/varint.h"

#define WIRE_VARINT 0
#define WIRE_BYTES  2

#define TAG(field, type) ((field) << 3 | (type))

/* What a client writes. */
enum {
    COMMAND_ID = TAG(1, WIRE_VARINT),
    COMMAND_CONNECT = TAG(4, WIRE_BYTES),
    COMMAND_SUBSCRIBE = TAG(5, WIRE_BYTES),
    SUBSCRIBE_CHANNEL = TAG(1, WIRE_BYTES),
    SUBSCRIBE_RECOVER = TAG(3, WIRE_VARINT),
    SUBSCRIBE_EPOCH = TAG(6, WIRE_BYTES),
    SUBSCRIBE_OFFSET = TAG(7, WIRE_VARINT)
};

/* What it reads. */
enum {
    REPLY_ERROR = TAG(2, WIRE_BYTES),
    REPLY_PUSH = TAG(4, WIRE_BYTES),
    REPLY_SUBSCRIBE = TAG(6, WIRE_BYTES),
    PUSH_PUBLICATION = TAG(4, WIRE_BYTES),
    PUBLICATION_DATA = TAG(4, WIRE_BYTES),
    PUBLICATION_OFFSET = TAG(6, WIRE_VARINT),
    RESULT_EPOCH = TAG(6, WIRE_BYTES),
    RESULT_PUBLICATION = TAG(7, WIRE_BYTES),
    RESULT_RECOVERED = TAG(8, WIRE_VARINT),
    RESULT_OFFSET = TAG(9, WIRE_VARINT)
};

#define TEXT_MAX 255 /* of a group's name; an epoch is shorter */

static uint8_t *put_number(uint8_t *out, uint8_t tag, uint64_t value)
{
    *out++ = tag;
    return varint_write(out, value);
}

static uint8_t *put_bytes(uint8_t *out, uint8_t tag, const void *bytes, size_t size)
{
    out = put_number(out, tag, size);
    memcpy(out, bytes, size);
    return out + size;
}

/* A connect command, and a subscribe with the request's fields. */
static int put_commands(char *out, size_t room, const uint8_t *request, size_t size)
{
    static const uint8_t connect[] = {4, COMMAND_ID, 1, COMMAND_CONNECT, 0};
    uint8_t command[DIALECT_ROOM], *end = put_number(command, COMMAND_ID, 2), *at;

    if (room < DIALECT_ROOM)
        return -1;
    end = put_bytes(end, COMMAND_SUBSCRIBE, request, size);
    memcpy(out, connect, sizeof(connect));
    at = varint_write((uint8_t *)out + sizeof(connect), (uint64_t)(end - command));
    memcpy(at, command, (size_t)(end - command));
    return (int)(at + (end - command) - (uint8_t *)out);
}

static int join(char *out, size_t room, const char *group, uint32_t number)
{
    static const struct dialect_position nothing;

    return dialect_sdk_protobuf.rejoin(out, room, group, &nothing);
}

static int rejoin(char *out, size_t room, const char *group, const struct dialect_position *since)
{
    uint8_t request[2 * TEXT_MAX + 64], *at = request;

    if (strlen(group) > TEXT_MAX)
        return -1;
    at = put_bytes(at, SUBSCRIBE_CHANNEL, group, strlen(group));
    if (since->epoch[0]) {
        at = put_number(at, SUBSCRIBE_RECOVER, 1);
        at = put_bytes(at, SUBSCRIBE_EPOCH, since->epoch, strlen(since->epoch));
        at = put_number(at, SUBSCRIBE_OFFSET, since->offset);
    }
    return put_commands(out, room, request, (size_t)(at - request));
}

struct cursor {
    const uint8_t *at, *end;
};

struct field {
    uint64_t tag;
    uint64_t value;       /* of a varint */
    struct cursor inside; /* of bytes */
};

static inline bool take_bytes(struct cursor *cursor, struct cursor *inside)
{
    uint64_t size;

    if (varint_read(&size, &cursor->at, cursor->end) || size > (uint64_t)(cursor->end - cursor->at))
        return false;
    *inside = (struct cursor){cursor->at, cursor->at + size};
    cursor->at += size;
    return true;
}

/* Types that a server uses; -1: it is cut, or of another. 0: there is none more. */
static inline int next_field(struct cursor *cursor, struct field *field)
{
    if (cursor->at == cursor->end)
        return 0;
    if (varint_read(&field->tag, &cursor->at, cursor->end))
        return -1;
    switch (field->tag & 7) {
    case WIRE_VARINT:
        return varint_read(&field->value, &cursor->at, cursor->end) ? -1 : 1;
    case WIRE_BYTES:
        return take_bytes(cursor, &field->inside) ? 1 : -1;
    default:
        return -1;
    }
}

static int take_publication(struct cursor publication, packet_sink take, void *context)
{
    struct packet packet = {.kind = PACKET_MESSAGE};
    struct field field;
    int more;

    while ((more = next_field(&publication, &field)) > 0) {
        if (field.tag == PUBLICATION_DATA) {
            packet.payload = field.inside.at;
            packet.size = (size_t)(field.inside.end - field.inside.at);
        } else if (field.tag == PUBLICATION_OFFSET) {
            packet.offset = field.value;
        }
    }
    if (more == 0)
        take(context, &packet);
    return more;
}

static int take_push(struct cursor push, packet_sink take, void *context)
{
    struct field field;
    int more;

    while ((more = next_field(&push, &field)) > 0)
        if (field.tag == PUSH_PUBLICATION && take_publication(field.inside, take, context) < 0)
            return -1;
    return more;
}

static int take_subscribed(struct cursor result, packet_sink take, void *context)
{
    struct packet joined = {.kind = PACKET_JOINED};
    struct field field;
    int more;

    while ((more = next_field(&result, &field)) > 0) {
        switch (field.tag) {
        case RESULT_EPOCH:
            joined.epoch = field.inside.at;
            joined.epoch_size = (size_t)(field.inside.end - field.inside.at);
            break;
        case RESULT_OFFSET:
            joined.offset = field.value;
            break;
        case RESULT_RECOVERED:
            joined.recovered = field.value != 0;
            break;
        case RESULT_PUBLICATION:
            if (take_publication(field.inside, take, context) < 0)
                return -1;
            break;
        default:
            break;
        }
    }
    if (more == 0)
        take(context, &joined);
    return more;
}

static int take_reply(struct cursor reply, packet_sink take, void *context)
{
    struct field field;
    int more;

    while ((more = next_field(&reply, &field)) > 0) {
        if (field.tag == REPLY_ERROR ||
            (field.tag == REPLY_PUSH && take_push(field.inside, take, context) < 0) ||
            (field.tag == REPLY_SUBSCRIBE && take_subscribed(field.inside, take, context) < 0))
            return -1;
    }
    return more;
}

static int take_frame(uint8_t *bytes, size_t size, packet_sink take, void *context)
{
    static const struct packet ping = {.kind = PACKET_PING};
    struct cursor cursor = {bytes, bytes + size}, reply;

    do {
        if (!take_bytes(&cursor, &reply))
            return -1;
        if (reply.at == reply.end)
            take(context, &ping);
        else if (take_reply(reply, take, context) < 0)
            return -1;
    } while (cursor.at < cursor.end);
    return 0;
}

const struct dialect dialect_sdk_protobuf = {
    .name = "sdk-protobuf",
    .path = "/connection/websocket",
    .subprotocol = "centrifuge-protobuf",
    .join = join,
    .rejoin = rejoin,
    .frame = take_frame,
    .pong = "",
    .pong_size = 1, /* the empty command is its length, 0 */
    .producer = &dialect_msgpack,
};
