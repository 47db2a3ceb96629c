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

int member_request(char *request, size_t size, const char *host, const char *path,
                   const char *subprotocol)
{
    int n = snprintf(request, size,
                     "GET %s HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " KEY "\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "%s%s%s\r\n",
                     path, host, subprotocol ? "Sec-WebSocket-Protocol: " : "",
                     subprotocol ? subprotocol : "", subprotocol ? "\r\n" : "");

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

static struct dialect_position *seen_by(const struct member *member,
                                        const struct member_rules *rules)
{
    return rules->seen ? &rules->seen[member - rules->members] : NULL;
}

bool member_join(struct member *member, const struct member_rules *rules, const char *group,
                 uint32_t number)
{
    const struct dialect *dialect = rules->dialect;
    const struct dialect_position *since = seen_by(member, rules);
    uint8_t frame[CLIENT_HEAD_MAX + DIALECT_ROOM];
    char text[DIALECT_ROOM];
    size_t head;
    int size;

    if (since && since->epoch[0])
        size = dialect->rejoin(text, sizeof(text), group, since);
    else
        size = dialect->join(text, sizeof(text), group, number);
    if (size < 0)
        return false;
    head = client_frame_head(frame, dialect_frame(dialect), (uint64_t)size);
    memcpy(frame + head, text, (size_t)size);
    member->state = MEMBER_JOINING;
    /* The first bytes that it sends after its request: the socket takes all of them. */
    return send(member->fd, frame, head + (size_t)size, MSG_NOSIGNAL) ==
           (ssize_t)(head + (size_t)size);
}

static inline struct member_more *more_of(const struct member *member,
                                          const struct member_rules *rules)
{
    return &rules->more[member - rules->members];
}

/* With priorities: the stream that message `number` of its group belongs to is that of the critical
 * ones, or that of the others. What these lack is known only by their sum: a critical message may
 * overtake others before it gets its offset, so hello says how many were before, but not which. */
static enum mix_priority take_sorted(struct member *member, struct tally *tally, uint64_t number)
{
    const struct member_rules *rules = tally->rules;
    enum mix_priority priority = mix_priority_of(rules->mix, member->group, number);
    uint64_t critical = mix_critical(rules->mix, member->group, number);
    struct member_more *more = more_of(member, rules);
    struct faults *faults = &tally->faults;
    uint64_t before = faults->lost - faults->repeated;

    if (priority == MIX_CRITICAL)
        stream_take(&more->critical, faults, critical);
    else
        stream_take(&member->own, faults, number - critical);
    more->taken += 1 + (faults->lost - faults->repeated) - before;
    return priority;
}

/* One message: the hot path of the whole generator. */
static inline void take_message(struct member *member, struct tally *tally, const uint8_t *payload,
                                size_t size, uint64_t now_ns)
{
    const struct member_rules *rules = tally->rules;
    enum mix_priority priority = MIX_NORMAL;
    struct stamp stamp;

    if (!stamp_read(payload, size, &stamp)) {
        tally->faults.corrupted++;
        return;
    }
    if (stamp.run != rules->run || (rules->positions && member->state == MEMBER_JOINING)) {
        tally->faults.unexpected++;
        return;
    }
    if (stamp.group == member->group && rules->mix) {
        priority = take_sorted(member, tally, stamp.sequence);
    } else if (stamp.group == member->group) {
        stream_take(&member->own, &tally->faults, stamp.sequence);
    } else if (stamp.group == STAMP_EVERYONE) {
        stream_take(&member->everyone, &tally->faults, stamp.sequence);
    } else {
        tally->faults.misdelivered++;
        return;
    }
    if (member->received++ == 0)
        tally->heard++;
    tally->delivered++;
    tally->bytes += size;
    if (stamp.phase == PHASE_MEASURE)
        latency_add(&tally->latency[priority],
                    now_ns > stamp.intended_ns ? now_ns - stamp.intended_ns : 0);
}

/* A data frame of a replay. */
static void take_expected(struct member *member, struct tally *tally, uint8_t first,
                          const uint8_t *payload, size_t size, uint64_t now_ns)
{
    const struct member_rules *rules = tally->rules;
    uint64_t due_ns;

    if (!expected_take(rules->expected, &rules->taken[member - rules->members], member->group,
                       &tally->faults, first, payload, size, &due_ns))
        return;
    member->received++;
    tally->delivered++;
    tally->bytes += size;
    latency_add(&tally->latency[MIX_NORMAL], now_ns > due_ns ? now_ns - due_ns : 0);
}

/* The first frame of a member that asked for it: it is in, and knows what must come next. */
static void take_hello(struct member *member, struct tally *tally, const uint8_t *text, size_t size,
                       uint64_t now_ns)
{
    const struct member_rules *rules = tally->rules;
    struct member_more *more = more_of(member, rules);
    struct hello hello;
    uint64_t next;

    if (hello_parse(&hello, text, size) < 0) {
        tally->faults.unexpected++;
        return;
    }
    member->state = MEMBER_OPEN;
    latency_add(&tally->joins, now_ns - more->since_ns);
    next = position_take(&rules->positions[member->group], &hello);
    more->joined = next - 1;
    if (next == 1 || (next && !rules->mix)) {
        member->own = stream_behind(next - 1);
        more->critical = stream_behind(next - 1);
    }
}

uint64_t member_missing(const struct member *member, const struct member_rules *rules,
                        uint64_t last)
{
    const struct member_more *more = rules->more ? more_of(member, rules) : NULL;

    if (rules->expected)
        return expected_missing(rules->expected, &rules->taken[member - rules->members],
                                member->group);
    /* The server has forgotten the group since: nobody knows what must have come. */
    if (rules->positions && more->joined == UINT64_MAX && member->own.next == 0)
        return 0;
    if (!rules->mix)
        return stream_missing(&member->own, last);
    return more->joined != UINT64_MAX && more->joined + more->taken < last
               ? last - more->joined - more->taken
               : 0;
}

void member_reset(struct member *member, const struct member_rules *rules)
{
    member->own = member->everyone = (struct stream){0};
    if (rules->more)
        *more_of(member, rules) = (struct member_more){0};
    if (rules->expected)
        expected_begin(&rules->taken[member - rules->members]);
}

bool member_leave(struct member *member)
{
    static const uint8_t farewell[] = {0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff};

    member->state = MEMBER_LEAVING;
    return send(member->fd, farewell, sizeof(farewell), MSG_NOSIGNAL) == sizeof(farewell);
}

/* Answers a ping (RFC 6455 section 5.5.3), masked with zeros. Where the socket takes nothing the
 * server will end the connection, and that is counted. */
static void answer_ping(const struct member *member, const uint8_t *payload, size_t size)
{
    uint8_t pong[6 + 125] = {0x8a, (uint8_t)(0x80 | size)};

    memcpy(pong + 6, payload, size);
    (void)!send(member->fd, pong, 6 + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Says what the server wants to hear now and then, in a frame of its own. */
static void send_pong(const struct member *member, const struct dialect *dialect)
{
    uint8_t frame[CLIENT_HEAD_MAX + 32];
    size_t size = dialect->pong_size;
    size_t head = client_frame_head(frame, dialect_frame(dialect), size);

    memcpy(frame + head, dialect->pong, size);
    (void)!send(member->fd, frame, head + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The server says that the member is in. Where it is kept what it has seen, it goes on from there
 * after a cut: what it has taken of the history itself is already counted in. */
static void take_joined(struct member *member, struct tally *tally, const struct packet *packet)
{
    struct dialect_position *seen = seen_by(member, tally->rules);

    if (member->state != MEMBER_JOINING)
        return;
    member->state = MEMBER_OPEN;
    if (!seen)
        return;
    if (seen->epoch[0] && !packet->recovered)
        tally->faults.unrecovered++;
    if (!packet->recovered)
        seen->offset = packet->offset;
    snprintf(seen->epoch, sizeof(seen->epoch), "%.*s", (int)packet->epoch_size,
             (const char *)packet->epoch);
}

/* Whose packets are taken, and when they were read. */
struct taking {
    struct member *member;
    struct tally *tally;
    uint64_t now_ns;
};

static inline void take_packet(const struct taking *taking, const struct packet *packet)
{
    struct member *member = taking->member;
    struct tally *tally = taking->tally;

    switch (packet->kind) {
    case PACKET_MESSAGE:
        take_message(member, tally, packet->payload, packet->size, taking->now_ns);
        tally->replayed += member->state == MEMBER_JOINING;
        if (tally->rules->seen && packet->offset)
            seen_by(member, tally->rules)->offset = packet->offset;
        break;
    case PACKET_JOINED:
        take_joined(member, tally, packet);
        break;
    case PACKET_PING:
        send_pong(member, tally->rules->dialect);
        break;
    case PACKET_OTHER:
        break;
    }
}

static void sink(void *context, const struct packet *packet)
{
    take_packet(context, packet);
}

/* The packets of a data frame. Returns how many of its last bytes are a packet's beginning whose
 * rest is in the next frame, or -1. */
static int64_t take_packets(struct member *member, struct tally *tally, const uint8_t *bytes,
                            size_t size, uint64_t now_ns)
{
    const struct taking taking = {member, tally, now_ns};
    struct packet packet = {.kind = PACKET_OTHER};

    while (size > 0) {
        int64_t n = tally->rules->dialect->packet(bytes, size, &packet);

        if (n <= 0)
            return n < 0 ? -1 : (int64_t)size;
        take_packet(&taking, &packet);
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Any other frame than a whole one of data. False: the connection ends here. */
static bool take_other(struct member *member, struct tally *tally, uint8_t first,
                       const uint8_t *payload, size_t size, uint64_t now_ns)
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
        if (!tally->close_code && member->state != MEMBER_LEAVING)
            tally->close_code = code;
        return false;
    case TEXT_FRAME:
        if (tally->rules->positions && member->state == MEMBER_JOINING)
            take_hello(member, tally, payload, size, now_ns);
        else
            tally->faults.unexpected++;
        return true;
    default:
        tally->faults.unexpected++;
        return true;
    }
}

/* The head of the server's frame at `frame`: its length, and the payload's. 0: it is not whole, -1:
 * no server sends it. */
static inline int frame_head(const uint8_t *frame, size_t size, uint64_t *payload)
{
    uint16_t wide;

    if (size < 2)
        return 0;
    *payload = frame[1];
    if (frame[1] < 126)
        return 2;
    if (frame[1] == 126) {
        if (size < 4)
            return 0;
        memcpy(&wide, frame + 2, sizeof(wide));
        *payload = be16toh(wide);
        return 4;
    }
    if (frame[1] > 127) /* servers do not mask (RFC 6455 section 5.1) */
        return -1;
    if (size < FRAME_HEAD_MAX)
        return 0;
    memcpy(payload, frame + 2, sizeof(*payload));
    *payload = be64toh(*payload);
    return FRAME_HEAD_MAX;
}

/* Puts the head of a data frame of `length` bytes before bytes[at], where what has been taken was,
 * so that the rest can be kept as a frame of its own. Returns where it begins, or -1: the room is
 * too small, which takes a packet of 64 KiB that lies in several frames. */
static int64_t put_head(uint8_t *bytes, size_t at, uint64_t length)
{
    size_t wide = length < 126 ? 0 : length < 65536 ? 2 : 8;

    if (at < 2 + wide)
        return -1;
    at -= 2 + wide;
    bytes[at] = BINARY_FRAME;
    bytes[at + 1] = (uint8_t)(wide == 0 ? length : wide == 2 ? 126 : 127);
    for (size_t i = 0; i < wide; i++)
        bytes[at + 2 + i] = (uint8_t)(length >> 8 * (wide - 1 - i));
    return (int64_t)at;
}

/* The same for a dialect of packets, which need not end where a frame does: what a frame leaves of
 * a packet is moved to the next one's beginning, over its head. A frame may be long, so its packets
 * are taken as they come. */
static int64_t take_stream(struct member *member, struct tally *tally, uint8_t *bytes, size_t size,
                           uint64_t now_ns)
{
    size_t at = 0, cut = 0; /* the last `cut` bytes before `at` are a packet's beginning */

    for (;;) {
        uint8_t *frame = bytes + at, first;
        uint64_t length, have;
        int head = frame_head(frame, size - at, &length);
        int64_t left;

        if (head < 0)
            return -1;
        if (head == 0)
            break;
        first = frame[0];
        have = size - at - (size_t)head;
        have = have < length ? have : length;
        if (first != BINARY_FRAME && have < length)
            break;
        at += (size_t)head + have;
        if (first != BINARY_FRAME) {
            if (!take_other(member, tally, first, frame + head, length, now_ns))
                return -1;
            memmove(bytes + at - cut, frame - cut, cut);
            continue;
        }
        memmove(frame + head - cut, frame - cut, cut);
        left = take_packets(member, tally, frame + head - cut, cut + have, now_ns);
        if (left < 0)
            return -1;
        cut = (size_t)left;
        if (have < length)
            return put_head(bytes, at - cut, cut + length - have);
    }
    return cut ? put_head(bytes, at - cut, cut) : (int64_t)at;
}

int64_t member_take(struct member *member, struct tally *tally, uint8_t *bytes, size_t size,
                    uint64_t now_ns)
{
    const struct dialect *dialect = tally->rules->dialect;
    struct taking taking = {member, tally, now_ns};
    size_t at = 0;

    if (dialect->packet)
        return take_stream(member, tally, bytes, size, now_ns);
    for (;;) {
        uint8_t *frame = bytes + at;
        uint64_t length;
        int head = frame_head(frame, size - at, &length);

        if (head < 0)
            return -1;
        if (head == 0 || size - at - (size_t)head < length)
            return (int64_t)at;
        if (tally->rules->expected && member->state == MEMBER_OPEN &&
            (frame[0] == TEXT_FRAME || frame[0] == BINARY_FRAME)) {
            take_expected(member, tally, frame[0], frame + head, length, now_ns);
        } else if (frame[0] == dialect_frame(dialect)) {
            if (!dialect->frame)
                take_message(member, tally, frame + head, length, now_ns);
            else if (dialect->frame(frame + head, length, sink, &taking) < 0)
                return -1;
        } else if (!take_other(member, tally, frame[0], frame + head, length, now_ns)) {
            return -1;
        }
        at += (size_t)head + length;
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
