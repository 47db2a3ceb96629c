#include "shards/reader.h"

#include <stdlib.h>
#include <string.h>

#include "proto/http_request.h"
#include "shards/connection.h"
#include "shards/handshake.h"
#include "shards/lws_adapter.h"
#include "shards/sdk_session.h"
#include "shards/settings.h"
#include "shards/shard.h"

/* One message of a Centrifuge client may be so much longer than its data, and at least so long:
 * they send all their subscribes in one. */
#define SDK_OVERHEAD_MAX 4096u
#define SDK_MESSAGE_MIN  (128u << 10)

/* Frames before the joins' answers: reading stops at the first, and what had been read is kept. */
#define STASH_MAX (1u << 20)

static struct reader *reader_get(struct connection *connection)
{
    struct reader *reader = connection->reader;

    if (reader)
        return reader;
    reader = calloc(1, sizeof(*reader));
    if (!reader) {
        connection_doom(connection, CLOSE_LOST);
        return NULL;
    }
    frame_decoder_init(&reader->decoder);
    connection->reader = reader;
    return reader;
}

void reader_free(struct connection *connection)
{
    struct reader *reader = connection->reader;

    if (!reader)
        return;
    free(reader->stash);
    free(reader->message);
    free(reader);
    connection->reader = NULL;
}

static int append(uint8_t **bytes, size_t *size, size_t *room, const uint8_t *more, size_t count)
{
    if (*room - *size < count) {
        size_t grown_room = (*size + count) * 2;
        uint8_t *grown = realloc(*bytes, grown_room);

        if (!grown)
            return ERR_NOMEM;
        *bytes = grown;
        *room = grown_room;
    }
    if (count)
        memcpy(*bytes + *size, more, count);
    *size += count;
    return 0;
}

static bool stash(struct connection *connection, const uint8_t *bytes, size_t size)
{
    struct reader *reader = reader_get(connection);

    if (!reader)
        return false;
    if (reader->stash_size + size > STASH_MAX ||
        append(&reader->stash, &reader->stash_size, &reader->stash_room, bytes, size)) {
        connection_doom(connection, CLOSE_LOST);
        return false;
    }
    return true;
}

void reader_pause(struct connection *connection)
{
    if (connection->reading_paused)
        return;
    connection->reading_paused = true;
    lws_adapter_pause_reading(connection, true);
}

/* The upgrade request */

static void head_complete(struct connection *connection, uint8_t *bytes, size_t head, size_t size)
{
    handshake(connection, (char *)bytes, head);
    if (size > head)
        connection_read(connection, bytes + head, size - head);
}

void reader_handshake(struct connection *connection, uint8_t *bytes, size_t size)
{
    struct reader *reader = connection->reader;
    size_t before = reader ? reader->stash_size : 0, head;

    if (!reader && (head = http_head_end((char *)bytes, size, 0)) && head <= HTTP_HEAD_MAX) {
        head_complete(connection, bytes, head, size);
        return;
    }
    if (!stash(connection, bytes, size))
        return;
    reader = connection->reader;
    head = http_head_end((char *)reader->stash, reader->stash_size, before);
    if (head > HTTP_HEAD_MAX || (!head && reader->stash_size > HTTP_HEAD_MAX)) {
        connection_refuse(connection, 431, "request too large", CONNECTION_BAD_REQUEST);
        return;
    }
    if (!head)
        return;
    /* What follows may need a reader of its own. */
    uint8_t *whole = reader->stash;
    size_t whole_size = reader->stash_size;
    reader->stash = NULL;
    reader_free(connection);
    head_complete(connection, whole, head, whole_size);
    free(whole);
}

/* Frames */

/* The one group that its frames go to; NULL: they go nowhere. */
static struct group *publish_group(const struct connection *connection)
{
    struct group *only = NULL;

    for (unsigned i = 0; i < connection->member_count; i++) {
        struct group *group = connection->members[i].group;

        if (!group || group->category == GROUP_USER || group->category == GROUP_ALL)
            continue;
        if (only)
            return NULL;
        only = group;
    }
    return only && only->settings->client_publish ? only : NULL;
}

static void publish(struct connection *connection, const struct group *group,
                    const struct reader *reader, enum frame_opcode opcode)
{
    struct shard *shard = connection->shard;
    enum payload_kind kind = opcode == FRAME_TEXT ? PAYLOAD_TEXT : PAYLOAD_BINARY;
    struct payload *payload = connection_payload(connection, kind, reader->message_size);

    if (!payload) {
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    if (reader->message_size)
        memcpy(payload_body(payload), reader->message, reader->message_size);
    shard_publish(shard, &group->named, payload, group->settings->priority,
                  (struct command_ref){.producer = NO_PRODUCER},
                  connection->no_echo ? connection->ref : (struct slot_ref){NO_SLOT, 0});
    if (shard_congested(shard)) {
        reader_pause(connection);
        slot_list_add(&shard->connections.paused, connection->ref);
    }
}

/* A message of a raw client is whole. */
static void on_message(struct connection *connection, const struct reader *reader,
                       enum frame_opcode opcode)
{
    if (connection->shard->draining)
        counter_add(&connection->shard->counters->refused[REFUSAL_SHUTTING_DOWN], 1);
    else
        publish(connection, publish_group(connection), reader, opcode);
}

static void on_data(struct connection *connection, struct reader *reader,
                    const struct frame_event *event)
{
    if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_GREETING)
        return;
    if (!connection->sdk && !publish_group(connection)) {
        connection_close(connection, 1008, "publishing not allowed", CLOSE_NOT_ALLOWED,
                         DROP_CLOSED);
        return;
    }
    if (append(&reader->message, &reader->message_size, &reader->message_room, event->bytes,
               event->size)) {
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    if (!event->last)
        return;
    uint8_t *message = reader->message;
    size_t size = reader->message_size;

    if (!connection->sdk)
        on_message(connection, reader, event->opcode);
    reader->message = NULL;
    reader->message_size = reader->message_room = 0;
    if (connection->sdk)
        sdk_session_message(connection, event->opcode, message, size);
    else
        free(message);
}

static void on_ping(struct connection *connection, const struct frame_event *event)
{
    uint8_t pong[FRAME_HEADER_MAX + FRAME_CONTROL_MAX];
    size_t header = frame_header_encode(pong, FRAME_PONG, event->size);

    if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_FINISHING &&
        connection->state != CONNECTION_GREETING)
        return;
    memcpy(pong + header, event->bytes, event->size);
    connection_send(connection, pong, header + event->size);
    if (connection_clogged(connection))
        reader_pause(connection);
}

static void on_event(struct connection *connection, struct reader *reader,
                     const struct frame_event *event)
{
    switch (event->kind) {
    case FRAME_EVENT_DATA:
        on_data(connection, reader, event);
        break;
    case FRAME_EVENT_PING:
        on_ping(connection, event);
        break;
    case FRAME_EVENT_CLOSE:
        connection->peer_closed = true;
        if (connection->state == CONNECTION_CLOSING)
            connection_drained(connection);
        else
            connection_close(connection, event->code, NULL, CLOSE_CLIENT, DROP_CLOSED);
        break;
    case FRAME_EVENT_ERROR:
        if (connection->state == CONNECTION_GREETING)
            connection_count_refusal(connection, CONNECTION_BAD_REQUEST);
        connection->peer_closed = true; /* nothing that follows can be read, its close neither */
        connection_close(connection, event->code, event->reason,
                         event->code == 1009 ? CLOSE_TOO_BIG : CLOSE_PROTOCOL_ERROR, DROP_CLOSED);
        break;
    case FRAME_EVENT_PONG:
    case FRAME_EVENT_NONE:
        break;
    }
}

static uint64_t message_bytes_max(const struct connection *connection)
{
    uint64_t bytes = connection->shard->settings->limits.message_bytes;

    if (!connection->sdk)
        return bytes;
    return bytes + SDK_OVERHEAD_MAX > SDK_MESSAGE_MIN ? bytes + SDK_OVERHEAD_MAX : SDK_MESSAGE_MIN;
}

void reader_frames(struct connection *connection, uint8_t *bytes, size_t size)
{
    uint64_t message_max = message_bytes_max(connection);
    struct frame_event event;

    if (!connection->sdk) /* only what answers its ping is a Centrifuge client's sign of life */
        connection_alive(connection);
    if (connection->state == CONNECTION_JOINING || connection->reading_paused) {
        if (stash(connection, bytes, size))
            reader_pause(connection);
        return;
    }
    if (!size || !reader_get(connection))
        return;
    do {
        size_t taken = frame_decode(&connection->reader->decoder, bytes, size, message_max, &event);

        on_event(connection, connection->reader, &event);
        bytes += taken;
        size -= taken;
        if (connection->state == CONNECTION_DEAD)
            return;
        if (connection->reading_paused && size) {
            stash(connection, bytes, size);
            return;
        }
    } while (event.kind != FRAME_EVENT_NONE);
    if (frame_decoder_idle(&connection->reader->decoder) && !connection->reader->stash)
        reader_free(connection);
}

/* Works through what had been kept, and reads on. */
static void read_on(struct connection *connection)
{
    struct reader *reader = connection->reader;

    connection->reading_paused = false;
    if (reader && reader->stash) {
        uint8_t *bytes = reader->stash;
        size_t size = reader->stash_size;

        reader->stash = NULL;
        reader->stash_size = reader->stash_room = 0;
        reader_frames(connection, bytes, size);
        free(bytes);
    }
    if (!connection->reading_paused && connection->state != CONNECTION_DEAD)
        lws_adapter_pause_reading(connection, false);
}

void reader_resume(struct connection *connection)
{
    if (!connection->reading_paused)
        return;
    if (connection->sdk && sdk_session_busy(connection))
        sdk_session_go_on(connection); /* comes back when it is done */
    else
        read_on(connection);
}

void reader_listen_for_close(struct connection *connection)
{
    if (connection->reading_paused && connection->state != CONNECTION_DEAD)
        read_on(connection);
}
