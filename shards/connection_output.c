/* What goes out to a client: the rest of a frame that the kernel has begun, the connection's own
 * bytes, what it recovers, what is critical, and the rest, in this order and each at a frame's
 * end. */
#include "shards/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shards/group_flush.h"
#include "shards/group_lag.h"
#include "shards/lws_adapter.h"
#include "shards/replay.h"
#include "shards/sdk_session.h"
#include "shards/shard.h"

#define PIECES      64
#define WRITE_BYTES (256u << 10) /* one write */
#define OUTPUT_MAX  16384        /* own bytes beyond which a connection is clogged */
#define FLUSH_BYTES (256u << 10) /* one connection's share of a turn */

int64_t connection_write(struct connection *connection, const struct iovec *pieces, unsigned count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
    ssize_t sent;

    do
        sent = sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
        return 0;
    connection_doom(connection, CLOSE_LOST);
    return -1;
}

void connection_block(struct connection *connection)
{
    if (connection->blocked)
        return;
    connection->blocked = true;
    for (unsigned i = 0; i < connection->member_count; i++)
        member_flag(&connection->members[i], ENTRY_BLOCKED, 0);
    if (connection->state != CONNECTION_DEAD)
        lws_adapter_want_write(connection);
}

/* Own bytes */

static int output_reserve(struct connection *connection, size_t size)
{
    struct output *output = connection->output;
    size_t used = output ? output->size : 0, room = output ? output->room : 0;

    if (room - used >= size)
        return 0;
    if (output && output->sent) {
        used -= output->sent;
        memmove(output->bytes, output->bytes + output->sent, used);
        output->size = (uint32_t)used;
        output->sent = 0;
        if (room - used >= size)
            return 0;
    }
    room = used + size + 128;
    output = realloc(output, sizeof(*output) + room);
    if (!output)
        return ERR_NOMEM;
    if (!connection->output)
        memset(output, 0, sizeof(*output));
    output->room = (uint32_t)room;
    connection->output = output;
    return 0;
}

static void output_sent(struct connection *connection, size_t sent)
{
    struct output *output = connection->output;

    output->sent += (uint32_t)sent;
    connection->output_moved |= sent > 0;
    if (output->carried) {
        struct counters *counters = connection->shard->counters;
        uint32_t carried = sent < output->carried ? (uint32_t)sent : output->carried;

        output->carried -= carried;
        counter_add(&counters->bytes_out, carried);
        if (!output->carried)
            counter_add(&counters->deliveries, 1);
    }
    if (output->sent == output->size) {
        free(output);
        connection->output = NULL;
    }
}

/* True: all own bytes are out. */
static bool output_flush(struct connection *connection)
{
    while (connection->output) {
        struct output *output = connection->output;
        struct iovec piece = {output->bytes + output->sent, output->size - output->sent};
        int64_t sent = connection_write(connection, &piece, 1);

        if (sent < 0)
            return false;
        output_sent(connection, (size_t)sent);
        if ((size_t)sent < piece.iov_len) {
            connection_block(connection);
            return false;
        }
    }
    return true;
}

static void output_add(struct connection *connection, const void *bytes, size_t size)
{
    if (connection->state == CONNECTION_DEAD)
        return;
    if (output_reserve(connection, size)) {
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    memcpy(connection->output->bytes + connection->output->size, bytes, size);
    connection->output->size += (uint32_t)size;
}

static void output_go(struct connection *connection)
{
    if (!connection->blocked && connection->state != CONNECTION_DEAD)
        output_flush(connection);
}

void connection_send(struct connection *connection, const void *bytes, size_t size)
{
    output_add(connection, bytes, size);
    output_go(connection);
}

void connection_send_frame(struct connection *connection, enum frame_opcode opcode,
                           const void *bytes, size_t size)
{
    uint8_t header[FRAME_HEADER_MAX];

    output_add(connection, header, frame_header_encode(header, opcode, size));
    output_add(connection, bytes, size);
    output_go(connection);
}

bool connection_clogged(const struct connection *connection)
{
    const struct output *output = connection->output;

    return output && output->size - output->sent > OUTPUT_MAX;
}

/* Puts bytes before the own ones: none of those has been begun, or no frame would be under way.
 * False: the connection is doomed. */
static bool output_put_first(struct connection *connection, const uint8_t *bytes, size_t size)
{
    if (output_reserve(connection, size)) {
        connection_doom(connection, CLOSE_LOST);
        return false;
    }
    struct output *output = connection->output;
    uint32_t waiting = output->size - output->sent;

    memmove(output->bytes + size, output->bytes + output->sent, waiting);
    memcpy(output->bytes, bytes, size);
    output->sent = 0;
    output->size = (uint32_t)size + waiting;
    return true;
}

void connection_carry_frame(struct connection *connection)
{
    struct member *member = connection->mid;
    const uint8_t *rest;
    size_t size;

    if (!member) {
        rest = replay_frame_rest(connection, &size);
        if (size && output_put_first(connection, rest, size))
            replay_end(connection);
        return;
    }
    struct lag *lag = member->lags[connection->mid_log];

    rest = log_cursor_frame_rest(&lag->cursor, &size);
    connection->mid = NULL;
    if (!output_put_first(connection, rest, size))
        return;
    connection->output->carried = (uint32_t)(size - log_cursor_note_bytes(&lag->cursor, size));
    log_cursor_advance(&lag->cursor, size);
}

/* Lags */

/* How far the member may get what is next: to what is not for it, or to the place that those who
 * keep up have reached, since what lies behind it is sent by the next flush. */
static uint64_t lag_end(const struct member *member, struct lag *lag, enum log_kind kind)
{
    return lag_step_over(lag,
                         lag->limit == UINT64_MAX ? member_position(member, kind) : lag->limit);
}

/* Sends what the member has yet to get of one log; with `frame_only` just the frame under way.
 * False: the socket takes no more, the turn's share is used up, or the connection is doomed. */
static bool member_send(struct member *member, enum log_kind kind, bool frame_only, uint64_t *share)
{
    struct connection *connection = member->connection;
    struct counters *counters = connection->shard->counters;
    struct lag *lag = member->lags[kind];

    for (;;) {
        struct iovec pieces[PIECES];
        uint64_t bytes, end = lag_end(member, lag, kind), at = lag->cursor.at;
        size_t rest;

        log_cursor_frame_rest(&lag->cursor, &rest);
        if (frame_only)
            end = at + rest;
        else if (at > end || (at == end && lag_has_skips(lag)))
            return true; /* ahead of those who keep up, or must not get what they get next */
        else if (end - at > WRITE_BYTES)
            end = at + WRITE_BYTES;
        if (at == end) {
            if (!frame_only) {
                member_caught_up(member, kind);
                member_finished(member);
            }
            return true;
        }
        if (!*share) {
            connection_block(connection);
            return false;
        }
        unsigned count = log_cursor_pending(&lag->cursor, end, pieces, PIECES, &bytes);
        int64_t sent = connection_write(connection, pieces, count);
        if (sent < 0)
            return false;
        *share -= (uint64_t)sent < *share ? (uint64_t)sent : *share;
        connection->progress = true;
        counter_add(&counters->bytes_out,
                    (uint64_t)sent - log_cursor_note_bytes(&lag->cursor, (uint64_t)sent));
        counter_add(&counters->deliveries, log_cursor_advance(&lag->cursor, (uint64_t)sent));
        log_cursor_prune(&lag->cursor, &connection->shard->groups.segments);
        connection->mid = lag->cursor.at == lag->cursor.frame ? NULL : member;
        connection->mid_log = (uint8_t)kind;
        if ((uint64_t)sent < bytes) {
            connection_block(connection);
            return false;
        }
    }
}

static bool lags_flush(struct connection *connection, uint64_t *share)
{
    for (int kind = 0; kind < LOG_KINDS; kind++) {
        for (unsigned i = 0; i < connection->member_count; i++) {
            struct member *member = &connection->members[i];

            if (member->lags[kind] && !member->held && !member_send(member, kind, false, share))
                return false;
        }
    }
    return true;
}

void connection_flush(struct connection *connection)
{
    uint64_t share = FLUSH_BYTES;

    if (connection->state == CONNECTION_DEAD)
        return;
    /* Whoever blocks below asks for the next writable event. */
    connection->blocked = connection->writable = false;
    if (connection->mid && !member_send(connection->mid, connection->mid_log, true, &share))
        return;
    if (!replay_send(connection, true, &share) || !output_flush(connection))
        return;
    if (connection->sdk)
        sdk_session_unclogged(connection);
    if (connection->state == CONNECTION_OPEN || connection->state == CONNECTION_FINISHING) {
        if (!replay_send(connection, false, &share) || !lags_flush(connection, &share))
            return;
        for (unsigned i = 0; i < connection->member_count; i++) {
            struct member *member = &connection->members[i];
            bool behind = member->lags[LOG_CRITICAL] || member->lags[LOG_NORMAL];

            member_flag(member, behind ? ENTRY_BEHIND : 0, ENTRY_BLOCKED | ENTRY_BEHIND);
        }
    }
    connection_drained(connection);
}
