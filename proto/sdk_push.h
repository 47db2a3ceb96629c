/* The Centrifuge client protocol: what all members of a group get, made once for all of them.
 *
 * A push is a struct payload, too: a whole WebSocket frame, to be appended to the group's log of
 * that format (and to be given back with payload_unref()). NULL: out of memory. Pure.
 *
 * What `data` of a publication is in JSON: of a text that is JSON the text itself, without the
 * newlines between its tokens; of any other text (JSON of more than JSON_SCAN_LEVELS_MAX levels,
 * too) a string; of bytes their base64, with padding. In Protobuf it is the payload's bytes. */
#ifndef SHARDCAST_PROTO_SDK_PUSH_H
#define SHARDCAST_PROTO_SDK_PUSH_H

#include <stdint.h>

#include "proto/error.h"
#include "proto/group_name.h"
#include "proto/payload.h"
#include "proto/sdk.h"

/* A message; `info` is its payload's publisher, if it has one. `offset` 0: the group has no
 * positions. */
struct payload *sdk_push_publication(enum sdk_format format, struct name_view channel,
                                     struct payload *payload, uint64_t offset) MUST_CHECK;

/* A client has joined the group, or left it. */
struct payload *sdk_push_join(enum sdk_format format, struct name_view channel,
                              const struct publisher *client) MUST_CHECK;
struct payload *sdk_push_leave(enum sdk_format format, struct name_view channel,
                               const struct publisher *client) MUST_CHECK;

#endif
