/* A peer that speaks nothing but WebSocket (bench/peers/uws): the path names the group, every frame
 * is a message. Published on a control connection on which every binary message is the payload
 * itself: its first 4 bytes are the group's number, and the peer publishes it to that group as it
 * is. */
#define _GNU_SOURCE
#include <string.h>

#include "bench/load_dialect.h"

static int head(char *out, size_t room, const char *group, size_t payload)
{
    uint8_t bytes[CLIENT_HEAD_MAX];
    size_t size = client_frame_head(bytes, BINARY_FRAME, payload);

    if (!group)
        return 0;
    memcpy(out, bytes, size);
    return (int)size;
}

/* It says nothing that matters (pings). */
static int64_t take_answer(const uint8_t *bytes, size_t size, struct answer *answer)
{
    return (int64_t)size;
}

const struct dialect dialect_websocket = {
    .name = "websocket",
    .path = "/ws/",
    .control = "/publish",
    .head = head,
    .answer = take_answer,
};
