#include "shards/group_lag.h"

#include <stdlib.h>

#include "shards/connection.h"
#include "shards/settings.h"
#include "shards/shard.h"

/* Memory is bounded, in times backlog_bytes: so much that a member is to step over stays in the
 * log, and whoever has so much to get, notes included, counts as slow whatever its policy. */
#define HELD_MAX  4
#define NOTES_MAX 8

struct lag *lag_new(struct group *group, struct member *member, enum log_kind kind, uint64_t sent,
                    uint64_t *finished)
{
    struct lag *lag = calloc(1, sizeof(*lag));

    if (!lag) {
        connection_doom(member->connection, CLOSE_LOST);
        return NULL;
    }
    lag->limit = UINT64_MAX;
    *finished = log_cursor_attach(&lag->cursor, &group->logs[kind], sent);
    member->lags[kind] = lag;
    group->lags++;
    return lag;
}

void lag_skip(struct lag *lag, struct member *member, uint64_t position, uint64_t bytes)
{
    if (lag->skip_count == lag->skip_room) {
        uint32_t room = lag->skip_room ? lag->skip_room * 2 : 4;
        uint64_t *skips = realloc(lag->skips, room * sizeof(*skips));

        if (!skips) {
            connection_doom(member->connection, CLOSE_LOST);
            return;
        }
        lag->skips = skips;
        lag->skip_room = room;
    }
    lag->skips[lag->skip_count++] = position;
    lag->skipped_bytes += bytes;
}

/* Forgets all skips. Returns how many. */
static uint32_t lag_forget_skips(struct lag *lag)
{
    uint32_t gone = lag->skip_count;

    lag->skip_count = 0;
    lag->skipped_bytes = 0;
    return gone;
}

/* Whether the log's newest message is not for the member. */
static bool lag_skips_newest(const struct lag *lag, const struct group_log *log)
{
    return log_cursor_newest(&lag->cursor, log) == LOG_LEFT_OUT ||
           (lag->skip_count && lag->skips[lag->skip_count - 1] == log->last_frame);
}

void member_condense(struct group *group, struct member *member, enum log_kind kind)
{
    struct shard *shard = member->connection->shard;
    struct lag *lag = member->lags[kind];

    if (!lag || lag->skipped_bytes <= HELD_MAX * shard->settings->limits.backlog_bytes)
        return;
    if (log_cursor_condense(&lag->cursor, &group->logs[kind], &shard->groups.segments, lag->skips,
                            lag->skip_count)) {
        connection_doom(member->connection, CLOSE_LOST);
        return;
    }
    lag_forget_skips(lag);
    group_log_trim(&group->logs[kind], &shard->groups.segments);
}

uint64_t member_backlog(const struct group *group, const struct member *member)
{
    uint64_t backlog = 0;

    for (int kind = 0; kind < LOG_KINDS; kind++) {
        const struct lag *lag = member->lags[kind];

        if (lag)
            backlog += group->logs[kind].end - lag->cursor.at - lag->skipped_bytes;
    }
    return backlog;
}

/* Leaves out all that waits in one log but its newest message, or that, too. Returns how many
 * messages that were. */
static uint64_t lag_leave_out(struct group *group, struct member *member, enum log_kind kind,
                              bool newest_too)
{
    struct connection *connection = member->connection;
    struct group_log *log = &group->logs[kind];
    struct lag *lag = member->lags[kind];
    uint64_t left_out;

    if (!lag || log_cursor_at_end(&lag->cursor, log))
        return 0;
    uint64_t newest = log_cursor_newest(&lag->cursor, log);
    if (!newest_too && lag->cursor.frame == newest)
        return 0;
    if (connection->mid == member && connection->mid_log == kind)
        connection_carry_frame(connection);
    if (newest_too || lag->cursor.frame > newest) /* behind it only notes wait */
        left_out = log_cursor_advance(&lag->cursor, log->end - lag->cursor.at);
    else
        left_out = log_cursor_skip(&lag->cursor, log);
    left_out -= lag_forget_skips(lag); /* they are all before the newest */
    log_cursor_prune(&lag->cursor, &connection->shard->groups.segments);
    group_log_trim(log, &connection->shard->groups.segments);
    return left_out;
}

/* Leaves out all that waits but the group's newest message. */
static void member_skip(struct group *group, struct member *member, enum drop_reason reason)
{
    const struct lag *lag = member->lags[group->newest];
    uint64_t dropped;

    if (lag && lag_skips_newest(lag, &group->logs[group->newest]))
        return; /* the newest that it may get is before: the next message decides */
    dropped = lag_leave_out(group, member, group->newest, false) +
              lag_leave_out(group, member, !group->newest, true);
    counter_add(&member->connection->shard->counters->drops[reason], dropped);
}

void member_misses(const struct member *member)
{
    const struct connection *connection = member->connection;

    slot_list_add(&connection->shard->connections.missed, connection->ref);
}

void positioned_miss(const struct group *group)
{
    for (uint32_t i = 0; group->positioned && i < group->count; i++) {
        struct member *member = group->entries[i].member;

        if (!member->positioned)
            continue;
        member_flag(member, ENTRY_BLOCKED, 0);
        member_misses(member);
    }
}

void member_judge(struct group *group, struct member *member)
{
    struct connection *connection = member->connection;
    const struct settings *settings = connection->shard->settings;
    uint64_t limit = settings->limits.backlog_bytes;
    bool past = member_backlog(group, member) > limit;

    switch (group->settings->slow_consumer) {
    case SLOW_CLOSE:
        if (past)
            slot_list_add(&connection->shard->connections.overrun, connection->ref);
        break;
    case SLOW_SKIP:
        if (past && !member->positioned)
            member_skip(group, member, DROP_SKIP);
        break;
    case SLOW_LATEST:
        if (connection->blocked && !member->positioned)
            member_skip(group, member, DROP_LATEST);
        break;
    }
    if (past && member->positioned && group->settings->slow_consumer != SLOW_CLOSE)
        member_misses(member);
    else if (member_backlog(group, member) >
             NOTES_MAX * limit) /* notes behind the newest message */
        slot_list_add(&connection->shard->connections.overrun, connection->ref);
}

uint64_t lag_rest(const struct lag *lag, const struct group_log *log)
{
    uint64_t end = lag->limit == UINT64_MAX ? log->end_sequence : lag->limit_sequence;

    return end - lag->cursor.sequence - lag->skip_count;
}
