/* The Centrifuge client protocol: what one connection is answered.
 *
 * Each function appends one reply (or push) to `out`, which holds the body of one WebSocket message
 * (sdk_opcode()) and nothing else: JSON replies are separated by newlines, Protobuf ones come
 * behind their lengths. 0; ERR_NOMEM; ERR_TOO_LARGE where that is said: what was in `out` is then
 * as it was.
 *
 * `max` limits what is appended, in bytes as sent. Pure. */
#ifndef SHARDCAST_PROTO_SDK_REPLY_H
#define SHARDCAST_PROTO_SDK_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/answer.h"
#include "proto/error.h"
#include "proto/group_name.h"
#include "proto/payload.h"
#include "proto/sdk.h"

/* A message of a group's history. */
struct sdk_publication {
    struct payload *payload;
    uint64_t offset;
};

/* What a subscribe is answered, or a server-side subscription begins with. Epoch and offset stand
 * in it where it is recoverable or positioned. */
struct sdk_subscription {
    bool recoverable, positioned;
    bool was_recovering; /* recovery was asked for … */
    bool recovered;      /* … and has succeeded */
    const char *epoch;   /* NUL-ended; NULL: none */
    uint64_t offset;
    const struct sdk_publication *publications; /* what was missed, in order */
    uint32_t publication_count;
};

/* A server-side subscription. */
struct sdk_server_sub {
    struct name_view channel;
    struct sdk_subscription subscription;
};

struct sdk_connected {
    struct name_view client; /* the connection's id */
    const char *version;     /* the engine's */
    uint32_t ping_seconds;   /* 0: no pings, and no pongs expected */
    const struct sdk_server_sub *subs;
    uint32_t sub_count;
};

struct sdk_history {
    const struct sdk_publication *publications; /* as they are to stand in it */
    uint32_t publication_count;
    const char *epoch; /* NUL-ended; "" where there is no such group */
    uint64_t offset;   /* the top */
};

/* ERR_TOO_LARGE: over `max`, by the publications; ask again without them. */
int sdk_reply_connect(struct buffer *out, enum sdk_format format, uint64_t id,
                      const struct sdk_connected *connected, size_t max) MUST_CHECK;
int sdk_reply_subscribe(struct buffer *out, enum sdk_format format, uint64_t id,
                        const struct sdk_subscription *subscription, size_t max) MUST_CHECK;

/* Publications that would go beyond `max` are left out from the end; one stays in any case. */
int sdk_reply_history(struct buffer *out, enum sdk_format format, uint64_t id,
                      const struct sdk_history *history, size_t max) MUST_CHECK;

/* The clients in a group, by their id. */
int sdk_reply_presence(struct buffer *out, enum sdk_format format, uint64_t id,
                       const struct publisher *clients, uint32_t count) MUST_CHECK;
int sdk_reply_presence_stats(struct buffer *out, enum sdk_format format, uint64_t id,
                             uint32_t clients, uint32_t users) MUST_CHECK;

/* The empty result of unsubscribe, publish or ping. */
int sdk_reply_empty(struct buffer *out, enum sdk_format format, uint64_t id,
                    enum sdk_method method) MUST_CHECK;

int sdk_reply_error(struct buffer *out, enum sdk_format format, uint64_t id,
                    enum sdk_error error) MUST_CHECK;

/* The empty reply: a ping. */
int sdk_reply_ping(struct buffer *out, enum sdk_format format) MUST_CHECK;

/* Pushes to one connection: it was unsubscribed; it will be closed. */
int sdk_push_unsubscribe(struct buffer *out, enum sdk_format format, struct name_view channel,
                         uint32_t code, const char *reason) MUST_CHECK;
int sdk_push_disconnect(struct buffer *out, enum sdk_format format, uint32_t code,
                        const char *reason) MUST_CHECK;

#endif
