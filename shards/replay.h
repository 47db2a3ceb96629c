/* What a connection recovers, on its way out: the frames of a range of its group's history, written
 * straight from the messages, which all who recover share.
 *
 * Between the connection's own bytes and what its logs hold for it. Nothing of it is backlog, and
 * none of it is counted. One shard's own; lives in its connection, from joining to its last byte.
 */
#ifndef SHARDCAST_SHARDS_REPLAY_H
#define SHARDCAST_SHARDS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/history_range.h"

struct connection;

struct replay {
    struct history_range *range; /* one reference */
    uint32_t at;                 /* message that is sent next */
    uint32_t sent;               /* bytes of its frame that the kernel has taken */
};

/* Something is to be recovered. ERR_NOMEM: nothing is. */
int replay_begin(struct connection *connection, struct history_range *range) MUST_CHECK;

/* Nothing more is; nothing happens where nothing was. */
void replay_end(struct connection *connection);

/* Goes on sending; with `frame_only` just the frame that the kernel has begun. At most *share
 * bytes, which it lowers. False: the socket takes no more, the share is used up, or the connection
 * is doomed. */
bool replay_send(struct connection *connection, bool frame_only, uint64_t *share);

/* The rest of the frame that the kernel has begun; *size 0: it has begun none. */
const uint8_t *replay_frame_rest(const struct connection *connection, size_t *size);

#endif
