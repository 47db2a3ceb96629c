#include "shards/replay.h"

#include <stdlib.h>
#include <sys/uio.h>

#include "shards/connection.h"

/* Of one write. Frames may be small. */
#define PIECES      512
#define WRITE_BYTES (256u << 10)

int replay_begin(struct connection *connection, struct history_range *range)
{
    struct replay *replay = calloc(1, sizeof(*replay));

    if (!replay)
        return ERR_NOMEM;
    replay->range = history_range_ref(range);
    connection->replay = replay;
    return 0;
}

void replay_end(struct connection *connection)
{
    if (!connection->replay)
        return;
    history_range_unref(connection->replay->range);
    free(connection->replay);
    connection->replay = NULL;
}

const uint8_t *replay_frame_rest(const struct connection *connection, size_t *size)
{
    const struct replay *replay = connection->replay;

    *size = 0;
    if (!replay || !replay->sent)
        return NULL;
    const struct payload *payload = replay->range->messages[replay->at];
    *size = payload_frame_bytes(payload) - replay->sent;
    return payload->frame + replay->sent;
}

/* What the next write is about. Returns how many pieces. */
static unsigned gather(const struct replay *replay, bool frame_only,
                       struct iovec pieces[static PIECES], uint64_t *bytes)
{
    unsigned count = 0, most = frame_only ? 1 : PIECES;
    uint32_t skip = replay->sent;

    *bytes = 0;
    for (uint32_t i = replay->at; i < replay->range->count && count < most && *bytes < WRITE_BYTES;
         i++) {
        struct payload *payload = replay->range->messages[i];

        pieces[count].iov_base = payload->frame + skip;
        pieces[count].iov_len = payload_frame_bytes(payload) - skip;
        *bytes += pieces[count++].iov_len;
        skip = 0;
    }
    return count;
}

static void advance(struct replay *replay, uint64_t sent)
{
    while (sent) {
        uint32_t rest = payload_frame_bytes(replay->range->messages[replay->at]) - replay->sent;

        if (sent < rest) {
            replay->sent += (uint32_t)sent;
            return;
        }
        sent -= rest;
        replay->at++;
        replay->sent = 0;
    }
}

bool replay_send(struct connection *connection, bool frame_only, uint64_t *share)
{
    struct replay *replay = connection->replay;
    struct iovec pieces[PIECES];
    uint64_t bytes;

    while (replay && (replay->sent || !frame_only)) {
        if (!*share) {
            connection_block(connection);
            return false;
        }
        unsigned count = gather(replay, frame_only, pieces, &bytes);
        int64_t sent = connection_write(connection, pieces, count);
        if (sent < 0)
            return false;
        advance(replay, (uint64_t)sent);
        *share -= (uint64_t)sent < *share ? (uint64_t)sent : *share;
        connection->progress = true;
        if ((uint64_t)sent < bytes) {
            connection_block(connection);
            return false;
        }
        if (replay->at == replay->range->count) {
            replay_end(connection);
            replay = NULL;
        }
    }
    return true;
}
