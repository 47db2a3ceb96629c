/* Shardcast's Centrifuge clients, in JSON (proto/PROTOCOL.md): text frames, each of one or more
 * lines that are one reply or push. What is published as bytes comes as base64.
 *
 * Read is what a server writes, without spaces between the tokens; of a value that is of no
 * interest only the end is looked for. */
#define _GNU_SOURCE
#include <string.h>

#include "bench/load_base64.h"
#include "bench/load_dialect.h"

#define CONNECT   "{\"id\":1,\"connect\":{}}\n"
#define SUBSCRIBE "{\"id\":2,\"subscribe\":{\"channel\":\"%s\""

struct cursor {
    uint8_t *at, *end;
};

/* Bytes of the text: a string without its quotes and with its escapes, or a whole value. */
struct span {
    uint8_t *bytes;
    size_t size;
};

struct reader {
    packet_sink take;
    void *context;
    struct packet joined; /* what a subscribe's reply says of it */
};

/* Takes a member's value. False: it is not what it should be. */
typedef bool (*member_reader)(struct cursor *cursor, struct span key, void *into);

static int fitting(int n, size_t room)
{
    return n < 0 || (size_t)n >= room ? -1 : n;
}

static int join(char *out, size_t room, const char *group, uint32_t number)
{
    return fitting(snprintf(out, room, CONNECT SUBSCRIBE "}}", group), room);
}

static int rejoin(char *out, size_t room, const char *group, const struct dialect_position *since)
{
    return fitting(snprintf(out, room,
                            CONNECT SUBSCRIBE
                            ",\"recover\":true,\"epoch\":\"%s\",\"offset\":%llu}}",
                            group, since->epoch, (unsigned long long)since->offset),
                   room);
}

static inline bool next_is(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static inline bool is(struct span span, const char *text, size_t size)
{
    return span.size == size && memcmp(span.bytes, text, size) == 0;
}

#define span_is(span, text) is(span, text, sizeof(text) - 1)

static bool escaped(const uint8_t *first, const uint8_t *quote)
{
    const uint8_t *at = quote;

    while (at > first && at[-1] == '\\')
        at--;
    return (quote - at) % 2 != 0;
}

static inline bool read_string(struct cursor *cursor, struct span *span)
{
    uint8_t *quote;

    if (!next_is(cursor, '"'))
        return false;
    span->bytes = cursor->at;
    do {
        quote = memchr(cursor->at, '"', (size_t)(cursor->end - cursor->at));
        if (!quote)
            return false;
        cursor->at = quote + 1;
    } while (escaped(span->bytes, quote));
    span->size = (size_t)(quote - span->bytes);
    return true;
}

/* Steps over any value. */
static bool skip_value(struct cursor *cursor)
{
    struct span ignored;
    unsigned depth = 0;

    while (cursor->at < cursor->end) {
        switch (*cursor->at) {
        case '"':
            if (!read_string(cursor, &ignored))
                return false;
            break;
        case '{':
        case '[':
            depth++;
            cursor->at++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return true; /* the end of what a number or a word stands in */
            depth--;
            cursor->at++;
            break;
        case ',':
            if (depth == 0)
                return true;
            /* fall through */
        default:
            cursor->at++;
            continue;
        }
        if (depth == 0)
            return true;
    }
    return depth == 0;
}

static bool read_number(struct cursor *cursor, uint64_t *number)
{
    const uint8_t *first = cursor->at;

    *number = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++)
        *number = *number * 10 + (uint64_t)(*cursor->at - '0');
    return cursor->at > first;
}

static bool read_object(struct cursor *cursor, member_reader read, void *into)
{
    struct span key;

    if (!next_is(cursor, '{'))
        return false;
    if (next_is(cursor, '}'))
        return true;
    do {
        if (!read_string(cursor, &key) || !next_is(cursor, ':') || !read(cursor, key, into))
            return false;
    } while (next_is(cursor, ','));
    return next_is(cursor, '}');
}

static bool read_data(struct cursor *cursor, struct packet *packet)
{
    struct span text;
    int64_t size;

    packet->payload = cursor->at;
    if (cursor->at == cursor->end || *cursor->at != '"') {
        if (!skip_value(cursor))
            return false;
        packet->size = (size_t)(cursor->at - packet->payload);
        return true;
    }
    if (!read_string(cursor, &text))
        return false;
    size = base64_decode(text.bytes, text.bytes, text.size);
    packet->payload = text.bytes;
    packet->size = size < 0 ? 0 : (size_t)size; /* what is no base64 is no message of a run */
    return true;
}

static bool read_publication_member(struct cursor *cursor, struct span key, void *into)
{
    struct packet *packet = into;

    if (span_is(key, "data"))
        return read_data(cursor, packet);
    if (span_is(key, "offset"))
        return read_number(cursor, &packet->offset);
    return skip_value(cursor);
}

static bool read_publication(struct cursor *cursor, const struct reader *reader)
{
    struct packet packet = {.kind = PACKET_MESSAGE};

    if (!read_object(cursor, read_publication_member, &packet))
        return false;
    reader->take(reader->context, &packet);
    return true;
}

static bool read_publications(struct cursor *cursor, const struct reader *reader)
{
    if (!next_is(cursor, '['))
        return false;
    if (next_is(cursor, ']'))
        return true;
    do {
        if (!read_publication(cursor, reader))
            return false;
    } while (next_is(cursor, ','));
    return next_is(cursor, ']');
}

static bool read_push_member(struct cursor *cursor, struct span key, void *into)
{
    return span_is(key, "pub") ? read_publication(cursor, into) : skip_value(cursor);
}

static bool read_subscribed_member(struct cursor *cursor, struct span key, void *into)
{
    struct reader *reader = into;
    struct packet *joined = &reader->joined;
    struct span epoch;

    if (span_is(key, "publications"))
        return read_publications(cursor, reader);
    if (span_is(key, "offset"))
        return read_number(cursor, &joined->offset);
    if (span_is(key, "epoch")) {
        if (!read_string(cursor, &epoch))
            return false;
        joined->epoch = epoch.bytes;
        joined->epoch_size = epoch.size;
        return true;
    }
    if (span_is(key, "recovered"))
        joined->recovered = cursor->at < cursor->end && *cursor->at == 't';
    return skip_value(cursor);
}

static bool read_reply_member(struct cursor *cursor, struct span key, void *into)
{
    struct reader *reader = into;

    if (span_is(key, "push"))
        return read_object(cursor, read_push_member, reader);
    if (span_is(key, "subscribe")) {
        reader->joined = (struct packet){.kind = PACKET_JOINED};
        if (!read_object(cursor, read_subscribed_member, reader))
            return false;
        reader->take(reader->context, &reader->joined);
        return true;
    }
    return !span_is(key, "error") && skip_value(cursor);
}

/* Lines need not be looked for: a newline stands in none. */
static int take_frame(uint8_t *bytes, size_t size, packet_sink take, void *context)
{
    static const struct packet ping = {.kind = PACKET_PING};
    struct cursor cursor = {bytes, bytes + size};
    struct reader reader = {.take = take, .context = context};

    do {
        const uint8_t *line = cursor.at;

        if (!read_object(&cursor, read_reply_member, &reader))
            return -1;
        if (cursor.at - line == 2)
            take(context, &ping);
    } while (next_is(&cursor, '\n'));
    return cursor.at == cursor.end ? 0 : -1;
}

const struct dialect dialect_sdk_json = {
    .name = "sdk-json",
    .path = "/connection/websocket",
    .join = join,
    .rejoin = rejoin,
    .frame = take_frame,
    .text = true,
    .pong = "{}",
    .pong_size = 2,
    .producer = &dialect_msgpack,
};
