/* The Centrifuge client protocol, which the existing SDKs speak: what its JSON and its Protobuf
 * form have in common. Bytes are decoded in sdk_command.h, and encoded in sdk_reply.h (for one
 * connection) and sdk_push.h (for all members of a group). Pure. PROTOCOL.md documents the wire. */
#ifndef SHARDCAST_PROTO_SDK_H
#define SHARDCAST_PROTO_SDK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"

/* Both are the same commands and replies: only the modules named above tell them apart. */
enum sdk_format { SDK_JSON, SDK_PROTOBUF, SDK_FORMAT_COUNT };

/* What the frames of a format are. */
static inline enum frame_opcode sdk_opcode(enum sdk_format format)
{
    return format == SDK_JSON ? FRAME_TEXT : FRAME_BINARY;
}

/* What a command asks; all but SDK_PONG have their name on the wire. */
enum sdk_method {
    SDK_PONG, /* the empty command, which answers a ping */
    SDK_CONNECT,
    SDK_SUBSCRIBE,
    SDK_UNSUBSCRIBE,
    SDK_PUBLISH,
    SDK_PRESENCE,
    SDK_PRESENCE_STATS,
    SDK_HISTORY,
    SDK_PING,
    SDK_SEND,
    SDK_RPC,
    SDK_REFRESH,
    SDK_SUB_REFRESH,
    SDK_METHOD_COUNT
};

/* "connect", "presence_stats", …; of SDK_PONG "pong". */
const char *sdk_method_name(enum sdk_method method);

/* Why a command is answered with an error. */
enum sdk_error {
    SDK_ERROR_NOT_ALLOWED,        /* 103: publishing is off here, or a user: group */
    SDK_ERROR_ALREADY_SUBSCRIBED, /* 105 */
    SDK_ERROR_GROUP_FULL,         /* 106, temporary: a dead connection may still hold the place */
    SDK_ERROR_TOO_MANY_GROUPS,    /* 106: groups_per_connection */
    SDK_ERROR_BAD_REQUEST,        /* 107: a bad group name, bad data */
    SDK_ERROR_NOT_AVAILABLE,      /* 108: history, presence, RPC, tokens: off here */
    SDK_ERROR_TOKEN_EXPIRED,      /* 109 */
    SDK_ERROR_TOO_MANY_REQUESTS,  /* 111, temporary: over the rate */
    SDK_ERROR_UNRECOVERABLE,      /* 112: that position is gone */
    SDK_ERROR_COUNT
};

/* As it stands on the wire. */
struct sdk_error_info {
    uint16_t code;
    bool temporary;      /* asked again later it may succeed */
    const char *message; /* never empty: some SDKs rely on that */
};

const struct sdk_error_info *sdk_error_info(enum sdk_error error);

/* Why the engine closes a connection. From 3500 to 3999 SDKs stay away; after the others they come
 * back. */
enum sdk_close {
    SDK_CLOSE_SHUTDOWN,           /* 3001 */
    SDK_CLOSE_SLOW,               /* 3008 */
    SDK_CLOSE_INSUFFICIENT_STATE, /* 3010 */
    SDK_CLOSE_NO_PONG,            /* 3012 */
    SDK_CLOSE_BAD_REQUEST,        /* 3501 */
    SDK_CLOSE_STALE,              /* 3502: no connect in time */
    SDK_CLOSE_FORCE_DISCONNECT,   /* 3503 */
    SDK_CLOSE_NOT_AVAILABLE,      /* 3508: `send` */
    SDK_CLOSE_COUNT
};

struct sdk_close_info {
    uint16_t code;
    const char *reason; /* not empty and not JSON, which SDKs would read as something else */
};

const struct sdk_close_info *sdk_close_info(enum sdk_close close);

#endif
