#include "shards/group_lag.h"

#include <stdlib.h>

#include "shards/connection.h"
#include "shards/settings.h"
#include "shards/shard.h"

/* Memory is bounded. Of what a member is to step over, so many times backlog_bytes stay in the log
 * at the most, in so many places … */
#define HELD_MAX  4
#define SKIPS_MAX 65536
/* … and whoever has so many times backlog_bytes to get, notes included, is slow by any policy. */
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

/* A place for one more range. NULL: out of memory. */
static struct log_range *lag_add_skip(struct lag *lag)
{
    if (lag->skip_first == lag->skip_end)
        lag->skip_first = lag->skip_end = 0;
    if (lag->skip_end == lag->skip_room) {
        uint32_t room = lag->skip_room ? lag->skip_room * 2 : 4;
        struct log_range *skips = realloc(lag->skips, room * sizeof(*skips));

        if (!skips)
            return NULL;
        lag->skips = skips;
        lag->skip_room = room;
    }
    return &lag->skips[lag->skip_end++];
}

void lag_skip(struct lag *lag, struct member *member, uint64_t from, uint64_t to)
{
    struct log_range *last = lag_has_skips(lag) ? &lag->skips[lag->skip_end - 1] : NULL;

    if (!last || last->to != from) {
        last = lag_add_skip(lag);
        if (!last) {
            connection_doom(member->connection, CLOSE_LOST);
            return;
        }
        last->from = from;
    }
    last->to = to;
    lag->skipped_bytes += to - from;
    lag->skipped++;
}

uint64_t lag_step_over(struct lag *lag, uint64_t end)
{
    while (lag_has_skips(lag) && lag->cursor.at < end) {
        struct log_range *skip = &lag->skips[lag->skip_first];
        uint64_t to = skip->to < end ? skip->to : end;

        if (skip->from != lag->cursor.at)
            return skip->from < end ? skip->from : end;
        lag->skipped_bytes -= to - skip->from;
        lag->skipped -= log_cursor_advance(&lag->cursor, to - skip->from);
        skip->from = to;
        lag->skip_first += to == skip->to;
    }
    return end;
}

/* Forgets all skips. Returns how many messages they were. */
static uint64_t lag_forget_skips(struct lag *lag)
{
    uint64_t gone = lag->skipped;

    lag->skip_first = lag->skip_end = 0;
    lag->skipped_bytes = lag->skipped = 0;
    return gone;
}

/* Whether the log's newest message is not for the member. */
static bool lag_skips_newest(const struct lag *lag, const struct group_log *log)
{
    return log_cursor_newest(&lag->cursor, log) == LOG_LEFT_OUT ||
           (lag_has_skips(lag) && lag->skips[lag->skip_end - 1].to > log->last_frame);
}

bool member_condense(struct group *group, struct member *member, enum log_kind kind)
{
    struct shard *shard = member->connection->shard;
    struct lag *lag = member->lags[kind];

    if (!lag || (lag->skipped_bytes <= HELD_MAX * shard->settings->limits.backlog_bytes &&
                 lag->skip_end < SKIPS_MAX))
        return false;
    if (log_cursor_condense(&lag->cursor, &group->logs[kind], &shard->groups.segments,
                            lag->skips + lag->skip_first, lag->skip_end - lag->skip_first)) {
        connection_doom(member->connection, CLOSE_LOST);
        return true;
    }
    lag_forget_skips(lag);
    group_log_trim(&group->logs[kind], &shard->groups.segments);
    return true;
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
    else if (member_backlog(group, member) > NOTES_MAX * limit)
        slot_list_add(&connection->shard->connections.overrun, connection->ref);
}

uint64_t lag_rest(const struct lag *lag, const struct group_log *log)
{
    uint64_t end = lag->limit == UINT64_MAX ? log->end_sequence : lag->limit_sequence;

    return end - lag->cursor.sequence - lag->skipped;
}
