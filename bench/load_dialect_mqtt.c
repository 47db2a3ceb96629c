/* MQTT 3.1.1, by WebSocket for members and by TCP for the producer, at most once (QoS 0), as all
 * the others deliver. No keep-alive: a run is short. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "bench/load_dialect.h"

enum { CONNACK = 0x20, PUBLISH = 0x30, SUBACK = 0x90 };

#define NAME_MAX_BYTES \
    100 /* of a client or a topic: a member's packets stay below 128 bytes each */

/* A string as MQTT has it. Returns what follows it. */
static char *put_text(char *at, const char *text)
{
    size_t size = strlen(text);

    *at++ = (char)(size >> 8);
    *at++ = (char)size;
    memcpy(at, text, size);
    return at + size;
}

static char *put_connect(char *at, const char *client)
{
    static const char rest[] = "\0\4MQTT\4\2\0"; /* level 4, clean session, keep-alive 0 */

    *at++ = 0x10;
    *at++ = (char)(sizeof(rest) + 2 + strlen(client));
    memcpy(at, rest, sizeof(rest));
    return put_text(at + sizeof(rest), client);
}

static int join(char *out, size_t room, const char *group, uint32_t number)
{
    static const char subscribe[] = "\x82"; /* its flags are fixed */
    char client[32], *at = out;

    if (room < 256 || strlen(group) > NAME_MAX_BYTES)
        return -1;
    snprintf(client, sizeof(client), "load-%x-%x", (unsigned)getpid(), number);
    at = put_connect(at, client);
    *at++ = subscribe[0];
    *at++ = (char)(2 + 2 + strlen(group) + 1);
    *at++ = 0; /* the packet's identifier */
    *at++ = 1;
    at = put_text(at, group);
    *at++ = 0; /* QoS 0 */
    return (int)(at - out);
}

static int greet(char *out, size_t room)
{
    char client[32];

    snprintf(client, sizeof(client), "load-%x", (unsigned)getpid());
    return room < 256 ? -1 : (int)(put_connect(out, client) - out);
}

static int head(char *out, size_t room, const char *group, size_t payload)
{
    size_t left;
    char *at = out;

    if (!group)
        return 0;
    if (room < 256 || strlen(group) > NAME_MAX_BYTES)
        return -1;
    *at++ = PUBLISH;
    left = 2 + strlen(group) + payload;
    do {
        *at++ = (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        left >>= 7;
    } while (left);
    return (int)(put_text(at, group) - out);
}

/* Where the packet's body lies, and how long it is. 1; 0: not whole, -1: not MQTT. */
static int body(const uint8_t *bytes, size_t size, size_t *start, size_t *length)
{
    size_t at = 1;

    *length = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at >= size)
            return 0;
        *length |= (size_t)(bytes[at] & 0x7f) << shift;
        if (!(bytes[at++] & 0x80))
            break;
        if (shift == 21)
            return -1;
    }
    *start = at;
    return size - at >= *length;
}

/* A refusal is a return code other than 0, the last byte of both acknowledgements. */
static int64_t take_packet(const uint8_t *bytes, size_t size, struct packet *packet)
{
    size_t start, length, topic;
    int whole = body(bytes, size, &start, &length);

    if (whole <= 0)
        return whole;
    packet->kind = PACKET_OTHER;
    switch (bytes[0]) {
    case PUBLISH:
        topic = length < 2 ? SIZE_MAX : 2 + ((size_t)bytes[start] << 8 | bytes[start + 1]);
        if (topic > length)
            return -1;
        packet->kind = PACKET_MESSAGE;
        packet->payload = bytes + start + topic;
        packet->size = length - topic;
        break;
    case SUBACK:
        packet->kind = PACKET_JOINED;
        /* fall through */
    case CONNACK:
        if (length == 0 || bytes[start + length - 1] != 0)
            return -1;
        break;
    default:
        break;
    }
    return (int64_t)(start + length);
}

/* CONNACK is the only one. */
static int64_t take_answer(const uint8_t *bytes, size_t size, struct answer *answer)
{
    struct packet packet;

    answer->kind = ANSWER_FINE;
    return take_packet(bytes, size, &packet);
}

const struct dialect dialect_mqtt = {
    .name = "mqtt",
    .path = "/",
    .subprotocol = "mqtt",
    .join = join,
    .packet = take_packet,
    .greet = greet,
    .head = head,
    .answer = take_answer,
};
