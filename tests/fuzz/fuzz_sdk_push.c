/* The Centrifuge client protocol's publications: whatever a payload is, a parser that nobody here
 * wrote finds it again in what is pushed and replied.
 *
 * Input: one byte chooses kind and publisher, one the limit; the rest is the payload. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/centrifuge.pb-c.h"
#include "proto/frame.h"
#include "proto/json_scan.h"
#include "proto/sdk_push.h"
#include "proto/sdk_reply.h"
#include "proto/utf8.h"
#include "proto/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static json_t *load(const void *text, size_t size)
{
    check(!memchr(text, '\n', size) && utf8_valid(text, size));
    return json_loadb(text, size, JSON_ALLOW_NUL, NULL);
}

/* What stands for a payload in JSON, by the rules of sdk_push.h. */
static void check_json_data(const json_t *found, const struct payload *payload, const uint8_t *body)
{
    bool embedded =
        payload->kind == PAYLOAD_JSON ||
        (payload->kind == PAYLOAD_TEXT && json_valid((const char *)body, payload->body_bytes));

    check(found != NULL);
    if (embedded)
        return;
    check(json_is_string(found));
    if (payload->kind == PAYLOAD_BINARY) {
        check(json_string_length(found) == (payload->body_bytes + 2) / 3 * 4);
    } else {
        check(json_string_length(found) == payload->body_bytes);
        check(!memcmp(json_string_value(found), body, payload->body_bytes));
    }
}

static void check_json_push(struct payload *payload, uint64_t offset)
{
    static const char tail[] = "\"offset\":9223372036854775807}}}";
    struct name_view channel = {"g", 1};
    struct payload *push = sdk_push_publication(SDK_JSON, channel, payload, offset);
    json_t *json, *publication;

    check(push != NULL && push->frame[0] == 0x81 && push->body_bytes > sizeof(tail));
    check(frame_length(push->frame) == payload_frame_bytes(push));
    if (offset)
        check(!memcmp(push->frame + payload_frame_bytes(push) - strlen(tail), tail, strlen(tail)));
    json = load(payload_body(push), push->body_bytes);
    if (json) { /* jansson refuses NUL in keys, surrogates and numbers that are too large */
        publication = json_object_get(json_object_get(json, "push"), "pub");
        check_json_data(json_object_get(publication, "data"), payload, payload_body(payload));
        check(!json_object_get(publication, "info") == !payload->client_bytes);
    } else {
        check(payload->kind != PAYLOAD_BINARY);
        check(json_valid((const char *)payload_body(push), push->body_bytes));
    }
    json_decref(json);
    payload_unref(push);
}

static void check_publication(const Sdk__Publication *publication, struct payload *payload,
                              uint64_t offset)
{
    struct publisher publisher;

    check(publication->data.len == payload->body_bytes && publication->offset == offset);
    check(!payload->body_bytes ||
          !memcmp(publication->data.data, payload_body(payload), payload->body_bytes));
    check(!publication->info == !payload_publisher(payload, &publisher));
    if (publication->info)
        check(!strcmp(publication->info->user, "ann") && !strcmp(publication->info->client, "c-1"));
}

/* One reply, alone with its length. To be freed. */
static Sdk__Reply *unpack(const uint8_t *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t length;

    check(varint_read(&length, &at, bytes + size) == 0 && length == (size_t)(bytes + size - at));
    Sdk__Reply *reply = sdk__reply__unpack(NULL, length, at);
    check(reply != NULL);
    return reply;
}

static void check_protobuf_push(struct payload *payload, uint64_t offset)
{
    struct name_view channel = {"g", 1};
    struct payload *push = sdk_push_publication(SDK_PROTOBUF, channel, payload, offset);

    check(push != NULL && push->frame[0] == 0x82);
    check(frame_length(push->frame) == payload_frame_bytes(push));
    Sdk__Reply *reply = unpack(payload_body(push), push->body_bytes);
    check(reply->push && reply->push->pub && !strcmp(reply->push->channel, "g"));
    check_publication(reply->push->pub, payload, offset);
    sdk__reply__free_unpacked(reply, NULL);
    payload_unref(push);
}

/* The reply to history, of which there is one. */
static void check_history(enum sdk_format format, const struct buffer *out, struct payload *payload)
{
    if (format == SDK_JSON) {
        json_decref(load(out->bytes, out->size));
        return;
    }
    Sdk__Reply *reply = unpack(out->bytes, out->size);
    check(reply->history && reply->history->offset == 2 && reply->history->n_publications == 2);
    for (uint64_t i = 0; i < 2; i++)
        check_publication(reply->history->publications[i], payload, i + 1);
    sdk__reply__free_unpacked(reply, NULL);
}

static void check_replies(enum sdk_format format, struct payload *payload, size_t max)
{
    struct sdk_publication publications[2] = {{payload, 1}, {payload, 2}};
    struct sdk_history history = {publications, 2, "e", 2};
    struct sdk_subscription subscription = {.recoverable = true,
                                            .epoch = "e",
                                            .was_recovering = true,
                                            .recovered = true,
                                            .publications = publications,
                                            .publication_count = 2};
    struct buffer out = {.size = 0};
    int error = sdk_reply_subscribe(&out, format, 1, &subscription, max);

    check(error == 0 ? out.size <= max : error == ERR_TOO_LARGE && out.size == 0);
    out.size = 0;
    check(sdk_reply_history(&out, format, 1, &history, max) == 0 && out.size > 0);
    size_t cut = out.size;
    out.size = 0;
    check(sdk_reply_history(&out, format, 1, &history, SIZE_MAX) == 0);
    check(cut == out.size || (cut < out.size && out.size > max));
    check_history(format, &out, payload);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct publisher publisher = {{"c-1", 3}, {"ann", 3}};
    struct payload *payload;
    enum payload_kind kind;

    if (size < 2)
        return 0;
    kind = data[0] % 3;
    const uint8_t *body = data + 2;
    uint32_t body_bytes = (uint32_t)(size - 2);
    if (kind != PAYLOAD_BINARY && !utf8_valid(body, body_bytes))
        return 0;
    if (kind == PAYLOAD_JSON &&
        (!json_valid((const char *)body, body_bytes) || memchr(body, '\n', body_bytes)))
        return 0;
    payload = data[0] & 4 ? payload_new_published(kind, body_bytes, &publisher)
                          : payload_new(kind, body_bytes);
    check(payload != NULL);
    memcpy(payload_body(payload), body, body_bytes);

    check_json_push(payload, data[0] & 8 ? INT64_MAX : 0);
    check_protobuf_push(payload, data[0] & 8 ? INT64_MAX : 0);
    check_replies(SDK_JSON, payload, (size_t)data[1] * 4);
    check_replies(SDK_PROTOBUF, payload, (size_t)data[1] * 4);
    payload_unref(payload);
    return 0;
}
