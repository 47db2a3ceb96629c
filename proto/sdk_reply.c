#include "proto/sdk_reply.h"

#include "proto/sdk_encode.h"
#include "proto/sdk_push.h"

static const struct sdk_encoder *const encoders[SDK_FORMAT_COUNT] = {
    [SDK_JSON] = &sdk_json_encoder,
    [SDK_PROTOBUF] = &sdk_protobuf_encoder,
};

int sdk_reply_connect(struct buffer *out, enum sdk_format format, uint64_t id,
                      const struct sdk_connected *connected, size_t max)
{
    return encoders[format]->connect(out, id, connected, max);
}

int sdk_reply_subscribe(struct buffer *out, enum sdk_format format, uint64_t id,
                        const struct sdk_subscription *subscription, size_t max)
{
    return encoders[format]->subscribe(out, id, subscription, max);
}

int sdk_reply_history(struct buffer *out, enum sdk_format format, uint64_t id,
                      const struct sdk_history *history, size_t max)
{
    return encoders[format]->history(out, id, history, max);
}

int sdk_reply_presence(struct buffer *out, enum sdk_format format, uint64_t id,
                       const struct publisher *clients, uint32_t count)
{
    return encoders[format]->presence(out, id, clients, count);
}

int sdk_reply_presence_stats(struct buffer *out, enum sdk_format format, uint64_t id,
                             uint32_t clients, uint32_t users)
{
    return encoders[format]->presence_stats(out, id, clients, users);
}

int sdk_reply_empty(struct buffer *out, enum sdk_format format, uint64_t id, enum sdk_method method)
{
    return encoders[format]->empty(out, id, method);
}

int sdk_reply_error(struct buffer *out, enum sdk_format format, uint64_t id, enum sdk_error error)
{
    return encoders[format]->error(out, id, sdk_error_info(error));
}

int sdk_reply_ping(struct buffer *out, enum sdk_format format)
{
    return encoders[format]->ping(out);
}

int sdk_push_unsubscribe(struct buffer *out, enum sdk_format format, struct name_view channel,
                         uint32_t code, const char *reason)
{
    return encoders[format]->push_unsubscribe(out, channel, code, reason);
}

int sdk_push_disconnect(struct buffer *out, enum sdk_format format, uint32_t code,
                        const char *reason)
{
    return encoders[format]->push_disconnect(out, code, reason);
}

struct payload *sdk_push_publication(enum sdk_format format, struct name_view channel,
                                     struct payload *payload, uint64_t offset)
{
    return encoders[format]->push_publication(channel, payload, offset);
}

struct payload *sdk_push_join(enum sdk_format format, struct name_view channel,
                              const struct publisher *client)
{
    return encoders[format]->push_presence(channel, true, client);
}

struct payload *sdk_push_leave(enum sdk_format format, struct name_view channel,
                               const struct publisher *client)
{
    return encoders[format]->push_presence(channel, false, client);
}
