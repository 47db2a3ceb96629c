#include "proto/answer.h"

#include <string.h>

#include <msgpack/pack.h>

#include "proto/payload.h"

/* One answer on its way into a buffer, in msgpack-c's hands. The first error sticks, and the end
 * takes back what was written: a stream with half an answer in it could not be read on. */
struct writer {
    msgpack_packer packer;
    struct buffer *out;
    size_t begin; /* out->size before the answer */
    int error;
};

static int writer_append(void *data, const char *bytes, size_t size)
{
    struct writer *writer = data;

    if (!writer->error)
        writer->error = buffer_append(writer->out, bytes, size);
    return writer->error;
}

static void writer_begin(struct writer *writer, struct buffer *out)
{
    msgpack_packer_init(&writer->packer, writer, writer_append);
    writer->out = out;
    writer->begin = out->size;
    writer->error = 0;
}

static int writer_end(struct writer *writer)
{
    if (writer->error)
        writer->out->size = writer->begin;
    return writer->error;
}

static void put_str(struct writer *writer, const char *text, size_t size)
{
    msgpack_pack_str(&writer->packer, size);
    msgpack_pack_str_body(&writer->packer, text, size);
}

static void put_text(struct writer *writer, const char *text)
{
    put_str(writer, text, strlen(text));
}

static void put_uint(struct writer *writer, const char *key, uint64_t value)
{
    put_text(writer, key);
    msgpack_pack_uint64(&writer->packer, value);
}

/* The two keys that begin each answer; `more` others follow. */
static void begin_ok(struct writer *writer, struct buffer *out, uint64_t id, uint32_t more)
{
    writer_begin(writer, out);
    msgpack_pack_map(&writer->packer, 2 + more);
    put_uint(writer, "id", id);
    put_text(writer, "ok");
    msgpack_pack_true(&writer->packer);
}

int answer_broadcast(struct buffer *out, uint64_t id, uint64_t members, uint64_t offset,
                     const char *epoch)
{
    struct writer writer;

    begin_ok(&writer, out, id, epoch ? 3 : 1);
    put_uint(&writer, "members", members);
    if (epoch) {
        put_uint(&writer, "offset", offset);
        put_text(&writer, "epoch");
        put_text(&writer, epoch);
    }
    return writer_end(&writer);
}

int answer_disconnect(struct buffer *out, uint64_t id, uint64_t members)
{
    return answer_broadcast(out, id, members, 0, NULL);
}

int answer_ok(struct buffer *out, uint64_t id)
{
    struct writer writer;

    begin_ok(&writer, out, id, 0);
    return writer_end(&writer);
}

int answer_hello(struct buffer *out, uint64_t id, const char *version, uint32_t shards,
                 uint64_t message_bytes)
{
    struct writer writer;

    begin_ok(&writer, out, id, 4);
    put_text(&writer, "server");
    put_text(&writer, "shardcast");
    put_text(&writer, "version");
    put_text(&writer, version);
    put_uint(&writer, "shards", shards);
    put_uint(&writer, "message_bytes", message_bytes);
    return writer_end(&writer);
}

/* Bytes of an unsigned integer in its shortest form. */
static uint64_t uint_bytes(uint64_t value)
{
    return value < 0x80          ? 1
           : value <= UINT8_MAX  ? 2
           : value <= UINT16_MAX ? 3
           : value <= UINT32_MAX ? 5
                                 : 9;
}

/* Bytes of one of a history's messages. */
static uint64_t message_bytes(uint64_t offset, const struct payload *payload)
{
    uint32_t body = payload->body_bytes;
    bool short_str = payload->kind != PAYLOAD_BINARY && body < 32;
    uint64_t header = short_str ? 1 : body <= UINT8_MAX ? 2 : body <= UINT16_MAX ? 3 : 5;

    return 1 + sizeof("offset") + uint_bytes(offset) + sizeof("data") + header + body;
}

/* How many messages have room in the answer. */
static uint32_t history_fit(const struct answer_history *history)
{
    /* What stands around them, with the longest headers. */
    uint64_t bytes = 1 + sizeof("id") + uint_bytes(history->id) + sizeof("ok") + 1 +
                     sizeof("messages") + 5 + sizeof("epoch") + sizeof("") +
                     strlen(history->epoch) + sizeof("offset") + uint_bytes(history->offset);
    uint32_t fit = 0;

    while (fit < history->count) {
        uint32_t i = history->newest ? history->count - 1 - fit : fit;

        bytes += message_bytes(history->first + i, history->messages[i]);
        if (fit && bytes > history->bytes_max)
            break;
        fit++;
    }
    return fit;
}

static void put_message(struct writer *writer, uint64_t offset, struct payload *payload)
{
    const char *body = (char *)payload_body(payload);

    msgpack_pack_map(&writer->packer, 2);
    put_uint(writer, "offset", offset);
    put_text(writer, "data");
    if (payload->kind == PAYLOAD_BINARY) {
        msgpack_pack_bin(&writer->packer, payload->body_bytes);
        msgpack_pack_bin_body(&writer->packer, body, payload->body_bytes);
    } else {
        put_str(writer, body, payload->body_bytes);
    }
}

int answer_history(struct buffer *out, const struct answer_history *history)
{
    uint32_t fit = history_fit(history);
    uint32_t from = history->newest ? history->count - fit : 0;
    struct writer writer;

    begin_ok(&writer, out, history->id, 3);
    put_text(&writer, "messages");
    msgpack_pack_array(&writer.packer, fit);
    for (uint32_t i = from; i < from + fit; i++)
        put_message(&writer, history->first + i, history->messages[i]);
    put_text(&writer, "epoch");
    put_text(&writer, history->epoch);
    put_uint(&writer, "offset", history->offset);
    return writer_end(&writer);
}

int answer_error(struct buffer *out, const struct answer_error *error)
{
    struct writer writer;
    uint32_t pairs = 4 + (error->retry_after_ms >= 0) + (error->refused ? 2 : 0);

    writer_begin(&writer, out);
    msgpack_pack_map(&writer.packer, pairs);
    put_text(&writer, "id");
    if (error->has_id)
        msgpack_pack_uint64(&writer.packer, error->id);
    else
        msgpack_pack_nil(&writer.packer);
    put_text(&writer, "ok");
    msgpack_pack_false(&writer.packer);
    put_text(&writer, "error");
    put_text(&writer, refusal_name(error->code));
    put_text(&writer, "message");
    put_text(&writer, error->message);
    if (error->retry_after_ms >= 0)
        put_uint(&writer, "retry_after_ms", (uint64_t)error->retry_after_ms);
    if (error->refused) {
        put_uint(&writer, "members", error->members);
        put_text(&writer, "refused");
        msgpack_pack_array(&writer.packer, error->refused_count);
        for (uint32_t i = 0; i < error->refused_count; i++)
            put_str(&writer, error->refused[i].bytes, error->refused[i].size);
    }
    return writer_end(&writer);
}

int answer_map(struct buffer *out, uint32_t pairs)
{
    struct writer writer;

    writer_begin(&writer, out);
    msgpack_pack_map(&writer.packer, pairs);
    return writer_end(&writer);
}

int answer_array(struct buffer *out, uint32_t values)
{
    struct writer writer;

    writer_begin(&writer, out);
    msgpack_pack_array(&writer.packer, values);
    return writer_end(&writer);
}

int answer_str(struct buffer *out, const char *text)
{
    struct writer writer;

    writer_begin(&writer, out);
    put_text(&writer, text);
    return writer_end(&writer);
}

int answer_uint(struct buffer *out, uint64_t value)
{
    struct writer writer;

    writer_begin(&writer, out);
    msgpack_pack_uint64(&writer.packer, value);
    return writer_end(&writer);
}
