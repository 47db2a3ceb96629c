/* Stands for the encoders and decoders until they are here. */
#include "proto/sdk_command.h"
#include "proto/sdk_push.h"
#include "proto/sdk_reply.h"

void sdk_commands_begin(struct sdk_commands *commands, enum sdk_format format, const uint8_t *bytes,
                        size_t size)
{
    *commands = (struct sdk_commands){format, bytes, bytes + size, false};
}

int sdk_commands_next(struct sdk_commands *commands, struct sdk_command *command)
{
    return ERR_PROTOCOL;
}

bool sdk_command_sub(const struct sdk_command *connect, const char *channel, size_t size,
                     struct sdk_sub *sub)
{
    return false;
}

int sdk_reply_connect(struct buffer *out, enum sdk_format format, uint64_t id,
                      const struct sdk_connected *connected, size_t max)
{
    return ERR_NOMEM;
}

int sdk_reply_subscribe(struct buffer *out, enum sdk_format format, uint64_t id,
                        const struct sdk_subscription *subscription, size_t max)
{
    return ERR_NOMEM;
}

int sdk_reply_history(struct buffer *out, enum sdk_format format, uint64_t id,
                      const struct sdk_history *history, size_t max)
{
    return ERR_NOMEM;
}

int sdk_reply_presence(struct buffer *out, enum sdk_format format, uint64_t id,
                       const struct publisher *clients, uint32_t count)
{
    return ERR_NOMEM;
}

int sdk_reply_presence_stats(struct buffer *out, enum sdk_format format, uint64_t id,
                             uint32_t clients, uint32_t users)
{
    return ERR_NOMEM;
}

int sdk_reply_empty(struct buffer *out, enum sdk_format format, uint64_t id, enum sdk_method method)
{
    return ERR_NOMEM;
}

int sdk_reply_error(struct buffer *out, enum sdk_format format, uint64_t id, enum sdk_error error)
{
    return ERR_NOMEM;
}

int sdk_reply_ping(struct buffer *out, enum sdk_format format)
{
    return ERR_NOMEM;
}

int sdk_push_unsubscribe(struct buffer *out, enum sdk_format format, struct name_view channel,
                         uint32_t code, const char *reason)
{
    return ERR_NOMEM;
}

int sdk_push_disconnect(struct buffer *out, enum sdk_format format, uint32_t code,
                        const char *reason)
{
    return ERR_NOMEM;
}

struct payload *sdk_push_publication(enum sdk_format format, struct name_view channel,
                                     struct payload *payload, uint64_t offset)
{
    return NULL;
}

struct payload *sdk_push_join(enum sdk_format format, struct name_view channel,
                              const struct publisher *client)
{
    return NULL;
}

struct payload *sdk_push_leave(enum sdk_format format, struct name_view channel,
                               const struct publisher *client)
{
    return NULL;
}
