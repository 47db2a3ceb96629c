/* Replies and pushes in JSON: {"id": …, METHOD: …}, {"push": {"channel": …, KIND: …}}. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/sdk_encode.h"
#include "proto/sdk_json.h"

static struct name_view view_of(const char *text)
{
    return (struct name_view){text, text ? (uint32_t)strlen(text) : 0};
}

static void begin_line(struct sdk_json *json, struct buffer *out)
{
    sdk_json_begin(json, out);
    if (out->size)
        sdk_json_text(json, "\n");
    sdk_json_text(json, "{");
}

/* Up to where the result begins. */
static void begin_reply(struct sdk_json *json, struct buffer *out, uint64_t id, const char *method)
{
    begin_line(json, out);
    sdk_json_uint(json, "id", id);
    sdk_json_key(json, method);
    sdk_json_text(json, "{");
}

/* The result's end, and the reply's. */
static int end_reply(struct sdk_json *json)
{
    sdk_json_text(json, "}}");
    return sdk_json_end(json);
}

static void check_size(struct sdk_json *json, size_t max)
{
    if (!json->error && sdk_json_size(json) > max)
        json->error = ERR_TOO_LARGE;
}

static void put_missed(struct sdk_json *json, const struct sdk_subscription *subscription,
                       size_t max)
{
    sdk_json_key(json, "publications");
    for (uint32_t i = 0; i < subscription->publication_count && !json->error; i++) {
        const struct sdk_publication *publication = &subscription->publications[i];

        sdk_json_text(json, i ? "," : "[");
        sdk_json_publication(json, publication->payload, publication->offset);
        check_size(json, max); /* before the rest of them is written in vain */
    }
    sdk_json_text(json, "]");
}

/* What stands between the braces of a subscribe's result. */
static void put_subscription(struct sdk_json *json, const struct sdk_subscription *subscription,
                             size_t max)
{
    bool has_position = subscription->recoverable || subscription->positioned;

    sdk_json_true(json, "recoverable", subscription->recoverable);
    if (has_position)
        sdk_json_string(json, "epoch", view_of(subscription->epoch));
    if (subscription->publication_count)
        put_missed(json, subscription, max);
    if (subscription->was_recovering) {
        sdk_json_key(json, "recovered");
        sdk_json_text(json, subscription->recovered ? "true" : "false");
    }
    if (has_position)
        sdk_json_uint(json, "offset", subscription->offset);
    sdk_json_true(json, "positioned", subscription->positioned);
    sdk_json_true(json, "was_recovering", subscription->was_recovering);
}

static int reply_connect(struct buffer *out, uint64_t id, const struct sdk_connected *connected,
                         size_t max)
{
    struct sdk_json json;

    begin_reply(&json, out, id, "connect");
    sdk_json_string(&json, "client", connected->client);
    sdk_json_string(&json, "version", view_of(connected->version));
    for (uint32_t i = 0; i < connected->sub_count; i++) {
        if (i) {
            sdk_json_text(&json, ",");
        } else {
            sdk_json_key(&json, "subs");
            sdk_json_text(&json, "{");
        }
        sdk_json_string_value(&json, connected->subs[i].channel);
        sdk_json_text(&json, ":{");
        put_subscription(&json, &connected->subs[i].subscription, max);
        sdk_json_text(&json, i + 1 < connected->sub_count ? "}" : "}}");
    }
    if (connected->ping_seconds) {
        sdk_json_uint(&json, "ping", connected->ping_seconds);
        sdk_json_true(&json, "pong", true);
    }
    sdk_json_text(&json, "}}");
    check_size(&json, max);
    return sdk_json_end(&json);
}

static int reply_subscribe(struct buffer *out, uint64_t id,
                           const struct sdk_subscription *subscription, size_t max)
{
    struct sdk_json json;

    begin_reply(&json, out, id, "subscribe");
    put_subscription(&json, subscription, max);
    sdk_json_text(&json, "}}");
    check_size(&json, max);
    return sdk_json_end(&json);
}

static int reply_history(struct buffer *out, uint64_t id, const struct sdk_history *history,
                         size_t max)
{
    struct sdk_json json;
    char tail[64 + EPOCH_MAX];
    int tail_bytes = snprintf(tail, sizeof(tail), "],\"epoch\":\"%s\",\"offset\":%" PRIu64 "}}",
                              history->epoch, history->offset);

    assert(tail_bytes < (int)sizeof(tail));
    begin_reply(&json, out, id, "history");
    sdk_json_key(&json, "publications");
    sdk_json_text(&json, "[");
    for (uint32_t i = 0; i < history->publication_count && !json.error; i++) {
        size_t before = out->size;

        if (i)
            sdk_json_text(&json, ",");
        sdk_json_publication(&json, history->publications[i].payload,
                             history->publications[i].offset);
        if (i && sdk_json_size(&json) + (size_t)tail_bytes > max) {
            out->size = before;
            break;
        }
    }
    sdk_json_text(&json, tail);
    return sdk_json_end(&json);
}

static int reply_presence(struct buffer *out, uint64_t id, const struct publisher *clients,
                          uint32_t count)
{
    struct sdk_json json;

    begin_reply(&json, out, id, "presence");
    sdk_json_key(&json, "presence");
    sdk_json_text(&json, "{");
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            sdk_json_text(&json, ",");
        sdk_json_string_value(&json, clients[i].client);
        sdk_json_text(&json, ":");
        sdk_json_client(&json, &clients[i]);
    }
    sdk_json_text(&json, "}");
    return end_reply(&json);
}

static int reply_presence_stats(struct buffer *out, uint64_t id, uint32_t clients, uint32_t users)
{
    struct sdk_json json;

    begin_reply(&json, out, id, "presence_stats");
    sdk_json_uint(&json, "num_clients", clients);
    sdk_json_uint(&json, "num_users", users);
    return end_reply(&json);
}

static int reply_empty(struct buffer *out, uint64_t id, enum sdk_method method)
{
    struct sdk_json json;

    begin_reply(&json, out, id, sdk_method_name(method));
    return end_reply(&json);
}

static int reply_error(struct buffer *out, uint64_t id, const struct sdk_error_info *error)
{
    struct sdk_json json;

    begin_reply(&json, out, id, "error");
    sdk_json_uint(&json, "code", error->code);
    sdk_json_string(&json, "message", view_of(error->message));
    sdk_json_true(&json, "temporary", error->temporary);
    return end_reply(&json);
}

static int reply_ping(struct buffer *out)
{
    struct sdk_json json;

    begin_line(&json, out);
    sdk_json_text(&json, "}");
    return sdk_json_end(&json);
}

/* Up to where the object of its kind begins. `channel` NULL: it is about none. */
static void begin_push(struct sdk_json *json, struct buffer *out, const struct name_view *channel,
                       const char *kind)
{
    begin_line(json, out);
    sdk_json_key(json, "push");
    sdk_json_text(json, "{");
    if (channel)
        sdk_json_string(json, "channel", *channel);
    sdk_json_key(json, kind);
}

static void put_reason(struct sdk_json *json, uint32_t code, const char *reason)
{
    sdk_json_text(json, "{");
    sdk_json_uint(json, "code", code);
    sdk_json_string(json, "reason", view_of(reason));
    sdk_json_text(json, "}}}");
}

static int push_unsubscribe(struct buffer *out, struct name_view channel, uint32_t code,
                            const char *reason)
{
    struct sdk_json json;

    begin_push(&json, out, &channel, "unsubscribe");
    put_reason(&json, code, reason);
    return sdk_json_end(&json);
}

static int push_disconnect(struct buffer *out, uint32_t code, const char *reason)
{
    struct sdk_json json;

    begin_push(&json, out, NULL, "disconnect");
    put_reason(&json, code, reason);
    return sdk_json_end(&json);
}

/* Moves what was written into a payload of its own. */
static struct payload *end_push(struct sdk_json *json)
{
    struct buffer *out = json->out;
    struct payload *push = NULL;

    if (!sdk_json_end(json) && out->size <= UINT32_MAX)
        push = payload_new(PAYLOAD_TEXT, (uint32_t)out->size);
    if (push)
        memcpy(payload_body(push), out->bytes, out->size);
    buffer_free(out);
    return push;
}

static struct payload *push_publication(struct name_view channel, const struct payload *payload,
                                        uint64_t offset)
{
    struct buffer out = {.size = 0};
    struct sdk_json json;

    begin_push(&json, &out, &channel, "pub");
    sdk_json_publication(&json, payload, offset);
    sdk_json_text(&json, "}}");
    return end_push(&json);
}

static struct payload *push_presence(struct name_view channel, bool joined,
                                     const struct publisher *client)
{
    struct buffer out = {.size = 0};
    struct sdk_json json;

    begin_push(&json, &out, &channel, joined ? "join" : "leave");
    sdk_json_text(&json, "{");
    sdk_json_key(&json, "info");
    sdk_json_client(&json, client);
    sdk_json_text(&json, "}}}");
    return end_push(&json);
}

const struct sdk_encoder sdk_json_encoder = {
    .connect = reply_connect,
    .subscribe = reply_subscribe,
    .history = reply_history,
    .presence = reply_presence,
    .presence_stats = reply_presence_stats,
    .empty = reply_empty,
    .error = reply_error,
    .ping = reply_ping,
    .push_unsubscribe = push_unsubscribe,
    .push_disconnect = push_disconnect,
    .push_publication = push_publication,
    .push_presence = push_presence,
};
