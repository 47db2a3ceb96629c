#define _GNU_SOURCE
#include "bench/load_member.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_HEAD_MAX 10   /* from a server: no mask */
#define ANSWER_MAX     4096 /* no server's 101 is longer */

/* The handshake's key and what it must be answered with (RFC 6455 section 1.3). A measuring client
 * can afford to use one key for all. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

int member_request(char *request, size_t size, const char *host, const char *path)
{
    int n = snprintf(request, size,
                     "GET %s HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " KEY "\r\n"
                     "Sec-WebSocket-Version: 13\r\n\r\n",
                     path, host);

    return n < 0 || (size_t)n >= size ? -1 : n;
}

int member_answer(const uint8_t *bytes, size_t size)
{
    static const char status[] = "HTTP/1.1 101 ";
    const uint8_t *end = memmem(bytes, size, "\r\n\r\n", 4);

    if (!end)
        return size > ANSWER_MAX ? -1 : 0;
    if (size < sizeof(status) - 1 || memcmp(bytes, status, sizeof(status) - 1) != 0)
        return -1;
    if (!memmem(bytes, (size_t)(end - bytes), ACCEPT, sizeof(ACCEPT) - 1))
        return -1;
    return (int)(end + 4 - bytes);
}

/* One binary frame: the hot path of the whole generator. */
static inline void take_message(struct member *member, struct tally *tally, const uint8_t *payload,
                                size_t size, uint64_t now_ns)
{
    struct stream *stream = &member->own;
    struct stamp stamp;

    if (!stamp_read(payload, size, &stamp)) {
        tally->faults.corrupted++;
        return;
    }
    if (stamp.run != tally->run) {
        tally->faults.unexpected++;
        return;
    }
    if (stamp.group != member->group) {
        if (stamp.group != STAMP_EVERYONE) {
            tally->faults.misdelivered++;
            return;
        }
        stream = &member->everyone;
    }
    stream_take(stream, &tally->faults, stamp.sequence);
    if (member->received++ == 0)
        tally->heard++;
    tally->delivered++;
    tally->bytes += size;
    if (stamp.phase == PHASE_MEASURE)
        latency_add(&tally->latency, now_ns > stamp.intended_ns ? now_ns - stamp.intended_ns : 0);
}

/* Answers a ping (RFC 6455 section 5.5.3), masked with zeros. Where the socket takes nothing the
 * server will end the connection, and that is counted. */
static void answer_ping(const struct member *member, const uint8_t *payload, size_t size)
{
    uint8_t pong[6 + 125] = {0x8a, (uint8_t)(0x80 | size)};

    memcpy(pong + 6, payload, size);
    (void)!send(member->fd, pong, 6 + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Any other frame than a whole binary one. False: the connection ends here. */
static bool take_other(struct member *member, struct tally *tally, uint8_t first,
                       const uint8_t *payload, size_t size)
{
    uint16_t code;

    switch (first) {
    case 0x89:
        if (size <= 125)
            answer_ping(member, payload, size);
        return true;
    case 0x8a:
        return true;
    case 0x88:
        code = size >= 2 ? (uint16_t)(payload[0] << 8 | payload[1]) : 1005;
        if (!tally->close_code)
            tally->close_code = code;
        return false;
    default:
        tally->faults.unexpected++;
        return true;
    }
}

int64_t member_take(struct member *member, struct tally *tally, const uint8_t *bytes, size_t size,
                    uint64_t now_ns)
{
    size_t at = 0;

    for (;;) {
        const uint8_t *frame = bytes + at;
        size_t left = size - at, head = 2;
        uint64_t length;

        if (left < 2)
            return (int64_t)at;
        length = frame[1];
        if (length == 126) {
            uint16_t wide;

            head = 4;
            if (left < head)
                return (int64_t)at;
            memcpy(&wide, frame + 2, sizeof(wide));
            length = be16toh(wide);
        } else if (length > 126) {
            if (length > 127) /* servers do not mask (RFC 6455 section 5.1) */
                return -1;
            head = FRAME_HEAD_MAX;
            if (left < head)
                return (int64_t)at;
            memcpy(&length, frame + 2, sizeof(length));
            length = be64toh(length);
        }
        if (left - head < length)
            return (int64_t)at;
        if (frame[0] == 0x82)
            take_message(member, tally, frame + head, length, now_ns);
        else if (!take_other(member, tally, frame[0], frame + head, length))
            return -1;
        at += head + length;
    }
}

bool member_keep(struct member *member, const uint8_t *bytes, size_t size)
{
    uint8_t *carry = NULL;

    if (size > 0) {
        /* The old bytes may be among `bytes` only as a copy, so the block can be used again. */
        carry = realloc(member->carry, size);
        if (!carry)
            return false;
        memcpy(carry, bytes, size);
    } else {
        free(member->carry);
    }
    member->carry = carry;
    member->carry_size = (uint32_t)size;
    return true;
}

void member_cut(struct member *member)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (member->fd >= 0) {
        (void)setsockopt(member->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(member->fd);
    }
    member->fd = -1;
    member->state = MEMBER_CLOSED;
    (void)member_keep(member, NULL, 0);
}
