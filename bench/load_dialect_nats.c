/* NATS: lines of text, by WebSocket for members and by TCP for the producer. A member subscribes to
 * the group's subject; that it is in shows in the answer to a PING behind it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "bench/load_dialect.h"

#define PONG           "PONG\r\n"
#define LINE_MAX_BYTES 8192 /* INFO is the longest */
#define CONNECT                                                                       \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,\"name\":\"load\"," \
    "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n"

static int fitting(int n, size_t room)
{
    return n < 0 || (size_t)n >= room ? -1 : n;
}

static int join(char *out, size_t room, const char *group, uint32_t number)
{
    return fitting(snprintf(out, room, CONNECT "SUB %s 1\r\nPING\r\n", group), room);
}

static int greet(char *out, size_t room)
{
    return fitting(snprintf(out, room, CONNECT), room);
}

static int head(char *out, size_t room, const char *group, size_t payload)
{
    return group ? fitting(snprintf(out, room, "PUB %s %zu\r\n", group, payload), room) : 0;
}

/* The length of the line at the start, its end included; 0: it has not ended, -1: it never will. */
static int64_t line_length(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, '\n', size);

    if (!end)
        return size > LINE_MAX_BYTES ? -1 : 0;
    return end + 1 - bytes;
}

/* MSG SUBJECT SID [REPLY] SIZE: the last number of the line, read from its end. */
static int64_t message(const uint8_t *bytes, size_t size, int64_t line, struct packet *packet)
{
    uint64_t payload = 0, unit = 1;
    int64_t at = line - 3; /* before \r\n */

    for (; at > 0 && bytes[at] >= '0' && bytes[at] <= '9' && unit < UINT64_C(10000000000); at--) {
        payload += unit * (uint64_t)(bytes[at] - '0');
        unit *= 10;
    }
    if (unit == 1 || at <= 0 || bytes[at] != ' ')
        return -1;
    if ((uint64_t)size < (uint64_t)line + payload + 2)
        return 0;
    packet->kind = PACKET_MESSAGE;
    packet->payload = bytes + line;
    packet->size = payload;
    return line + (int64_t)payload + 2;
}

static int64_t take_packet(const uint8_t *bytes, size_t size, struct packet *packet)
{
    int64_t line = line_length(bytes, size);

    if (line <= 0)
        return line;
    switch (bytes[0]) {
    case 'M':
        return message(bytes, size, line, packet);
    case 'P':
        packet->kind = bytes[1] == 'O' ? PACKET_JOINED : PACKET_PING;
        return line;
    case 'I': /* INFO */
    case '+': /* +OK */
        packet->kind = PACKET_OTHER;
        return line;
    default: /* -ERR */
        return -1;
    }
}

static int64_t take_answer(const uint8_t *bytes, size_t size, struct answer *answer)
{
    int64_t line = line_length(bytes, size);

    if (line <= 0)
        return line;
    answer->kind = ANSWER_FINE;
    if (bytes[0] == '-') {
        answer->kind = ANSWER_REFUSED;
        snprintf(answer->refusal, sizeof(answer->refusal), "%.*s",
                 (int)strcspn((const char *)bytes, "\r\n"), (const char *)bytes);
    } else if (line >= 4 && memcmp(bytes, "PING", 4) == 0) {
        answer->kind = ANSWER_PING;
    }
    return line;
}

const struct dialect dialect_nats = {
    .name = "nats",
    .path = "/",
    .join = join,
    .packet = take_packet,
    .pong = PONG,
    .pong_size = sizeof(PONG) - 1,
    .greet = greet,
    .head = head,
    .tail = "\r\n",
    .answer = take_answer,
};
