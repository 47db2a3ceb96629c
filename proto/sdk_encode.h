/* The two forms of what sdk_reply.h and sdk_push.h encode, which are documented there. Internal to
 * proto/sdk_*.c. */
#ifndef SHARDCAST_PROTO_SDK_ENCODE_H
#define SHARDCAST_PROTO_SDK_ENCODE_H

#include "proto/sdk_reply.h"

struct sdk_encoder {
    int (*connect)(struct buffer *out, uint64_t id, const struct sdk_connected *connected,
                   size_t max);
    int (*subscribe)(struct buffer *out, uint64_t id, const struct sdk_subscription *subscription,
                     size_t max);
    int (*history)(struct buffer *out, uint64_t id, const struct sdk_history *history, size_t max);
    int (*presence)(struct buffer *out, uint64_t id, const struct publisher *clients,
                    uint32_t count);
    int (*presence_stats)(struct buffer *out, uint64_t id, uint32_t clients, uint32_t users);
    int (*empty)(struct buffer *out, uint64_t id, enum sdk_method method);
    int (*error)(struct buffer *out, uint64_t id, const struct sdk_error_info *error);
    int (*ping)(struct buffer *out);
    int (*push_unsubscribe)(struct buffer *out, struct name_view channel, uint32_t code,
                            const char *reason);
    int (*push_disconnect)(struct buffer *out, uint32_t code, const char *reason);

    /* Made into a payload. */
    struct payload *(*push_publication)(struct name_view channel, const struct payload *payload,
                                        uint64_t offset);
    struct payload *(*push_presence)(struct name_view channel, bool joined,
                                     const struct publisher *client);
};

/* In sdk_push_protobuf.c. */
struct payload *sdk_protobuf_publication(struct name_view channel, const struct payload *payload,
                                         uint64_t offset);

extern const struct sdk_encoder sdk_json_encoder, sdk_protobuf_encoder;

#endif
