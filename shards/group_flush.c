#include "shards/group_flush.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proto/sdk_push.h"
#include "shards/client_id.h"
#include "shards/connection.h"
#include "shards/group_lag.h"
#include "shards/settings.h"
#include "shards/shard.h"

/* Segments that one write carries at the most. */
#define PIECES 64

/* A flush of many members looks whether it must make way after so many bytes. */
#define LOOK_EVERY 32768u
#define LOOK_WRITE 2048u /* what a write counts for beside its bytes */

/* What one message may cost beside itself: bytes that low_flush() writes, and members that
 * condense_some() is about. */
#define LOW_FLUSH_MAX (64u << 20)
#define CONDENSE_MAX  4u

/* Groups with something to flush */

static void dirty_add(struct group_table *groups, struct group *group, enum log_kind kind)
{
    struct dirty_list *list = &groups->dirty[kind];

    group->dirty[kind] = true;
    group->next_dirty[kind] = NULL;
    if (kind == LOG_NORMAL)
        group->ticket = ++groups->tickets;
    if (list->first)
        list->last->next_dirty[kind] = group;
    else
        list->first = group;
    list->last = group;
}

/* Takes the first out; it goes to the end if more has been appended meanwhile. */
static void dirty_done(struct group_table *groups, enum log_kind kind)
{
    struct dirty_list *list = &groups->dirty[kind];
    struct group *group = list->first;

    list->first = group->next_dirty[kind];
    group->dirty[kind] = false;
    if (group_log_dirty(&group->logs[kind]))
        dirty_add(groups, group, kind);
    else
        group_release(groups, group);
}

/* Appending */

static void note_read_time(struct group_table *groups, uint64_t read_ns)
{
    if (!groups->read_times)
        groups->read_times = malloc(READ_TIMES_MAX * sizeof(uint64_t));
    if (groups->read_times && groups->read_count < READ_TIMES_MAX)
        groups->read_times[groups->read_count++] = read_ns;
}

static struct member *connection_member(struct connection *connection, const struct group *group)
{
    for (unsigned i = 0; connection && i < connection->member_count; i++)
        if (connection->members[i].group == group && connection->members[i].state == MEMBER_JOINED)
            return &connection->members[i];
    return NULL;
}

/* The frame that has just been appended to a log without anything else to flush is not for this
 * member: it is behind from now on, if it was not, and steps over it. */
static void member_skip_frame(struct group *group, struct member *member, enum log_kind kind,
                              uint64_t position)
{
    struct connection *connection = member->connection;
    uint64_t finished;

    if (!member->lags[kind] && !lag_new(group, member, kind, 0, &finished))
        return;
    lag_skip(member->lags[kind], member, position, group->logs[kind].end);
    member_flag(member, ENTRY_BEHIND, 0);
    if (!connection->blocked)
        slot_list_add(&connection->shard->connections.resumed, connection->ref);
}

/* A low message is not queued for a member that is behind by over half its limit. */
static void skip_low(struct group_table *groups, struct group *group, const struct member *sender,
                     uint64_t position)
{
    uint64_t half = groups->shard->settings->limits.backlog_bytes / 2;
    uint64_t bytes = group->logs[LOG_NORMAL].end - position;

    for (uint32_t i = 0; i < group->count; i++) {
        struct entry *entry = &group->entries[i];
        struct member *member = entry->member;
        uint64_t backlog = member_backlog(group, member);

        if (member->lags[LOG_NORMAL])
            backlog -= bytes; /* of the message itself */
        if (member == sender || (entry->flags & ENTRY_JOINING) || backlog <= half)
            continue;
        if (member->positioned) {
            member_misses(member); /* with the message behind what it waits for */
            continue;
        }
        member_skip_frame(group, member, LOG_NORMAL, position);
        counter_add(&groups->shard->counters->drops[DROP_LOW], 1);
    }
}

/* Whether a low message is not to be queued for someone. */
static bool low_unwanted(const struct group_table *groups, const struct group *group)
{
    uint64_t half = groups->shard->settings->limits.backlog_bytes / 2;

    for (uint32_t i = 0; group->lags && i < group->count; i++)
        if (member_backlog(group, group->entries[i].member) > half)
            return true;
    return false;
}

/* Who is behind shows when it is written to: before low messages that came at once are more than
 * may be queued, they are written. Not where that would take long, or one that makes way is under
 * way. */
static void low_flush(struct group_table *groups, struct group *group)
{
    const struct group_log *log = &group->logs[LOG_NORMAL];
    uint64_t pending = log->end - log->flushed;

    if (pending > groups->shard->settings->limits.backlog_bytes / 2 && !group->flush.next &&
        pending * group->count <= LOW_FLUSH_MAX)
        group_flush(groups, group);
}

/* Of many at once, the others' turn comes with the next message. */
static void condense_some(struct group *group)
{
    unsigned left = CONDENSE_MAX;

    for (uint32_t i = 0; left && i < group->count; i++)
        left -= member_condense(group, group->entries[i].member, LOG_NORMAL);
}

static void group_append(struct group_table *groups, struct group *group,
                         const struct record_deliver *deliver, struct payload *payload,
                         struct member *sender, uint64_t here)
{
    enum log_kind kind = deliver->critical ? LOG_CRITICAL : LOG_NORMAL;
    struct group_log *log = &group->logs[kind];
    bool low = deliver->priority == PRIORITY_LOW;
    uint64_t position = log->end;

    if (low)
        low_flush(groups, group);
    low = low && low_unwanted(groups, group);
    if (sender || low)
        group_flush(groups, group);
    if (low)
        condense_some(group);
    if (sender)
        member_condense(group, sender, kind);
    if (deliver->critical) /* where history has been turned off: it would overtake */
        positioned_miss(group);
    if (!payload || group_log_append(log, &groups->segments, payload)) {
        positioned_miss(group);
        counter_add(&groups->shard->counters->drops[DROP_SLOW], here);
        return;
    }
    if (deliver->offset > group->newest_offset) { /* not one that has been overtaken */
        group->newest = (uint8_t)kind;
        group->newest_offset = deliver->offset;
    }
    if (low)
        skip_low(groups, group, sender, position);
    if (sender) /* does not want its own */
        member_skip_frame(group, sender, kind, position);
    if (!group->dirty[kind])
        dirty_add(groups, group, kind);
    note_read_time(groups, deliver->read_ns);
}

/* The message as the members of a form get it; encoded once for all forms of a format. NULL: out of
 * memory. */
static struct payload *form_payload(const struct group *group, const struct record_deliver *deliver,
                                    struct payload *encoded[SDK_FORMAT_COUNT])
{
    enum sdk_format format;

    if (group->form == FORM_RAW)
        return deliver->payload;
    format = form_format(group->form);
    if (!encoded[format])
        encoded[format] =
            sdk_push_publication(format, (struct name_view){group->name, group->named.size},
                                 deliver->payload, deliver->kept ? deliver->offset : 0);
    return encoded[format];
}

/* Gives the message to the members of one form. Returns how many they are. */
static uint64_t form_deliver(struct group_table *groups, struct group *group,
                             const struct record_deliver *deliver,
                             struct payload *encoded[SDK_FORMAT_COUNT])
{
    struct slot_table *slots = &groups->shard->connections.slots;
    struct member *sender = NULL;

    if (deliver->sender.slot != NO_SLOT)
        sender = connection_member(slot_table_get(slots, deliver->sender), group);
    uint64_t here = (deliver->critical ? group->count : group->joined) - (sender ? 1u : 0u);
    if (here)
        group_append(groups, group, deliver, form_payload(group, deliver, encoded), sender, here);
    return here;
}

void group_deliver(struct group_table *groups, const struct record_deliver *deliver)
{
    struct named name = record_name(deliver, deliver->name);
    struct group *raw = (struct group *)table_find(&groups->table, name.hash, name.name, name.size);
    struct payload *encoded[SDK_FORMAT_COUNT] = {NULL};
    uint64_t here = 0;

    for (struct group *group = raw; group; group = group->next_form)
        here += form_deliver(groups, group, deliver, encoded);
    /* Members that the home counted and that have left since. */
    assert(here <= deliver->members);
    counter_add(&groups->shard->counters->drops[DROP_CLOSED], deliver->members - here);
    for (int format = 0; format < SDK_FORMAT_COUNT; format++)
        if (encoded[format])
            payload_unref(encoded[format]);
    payload_unref(deliver->payload);
}

static void form_notice(struct group_table *groups, struct group *group,
                        const struct record_notice *notice)
{
    char id[CLIENT_ID_BYTES];
    struct publisher client = {{id, sizeof(id)},
                               {notice->name + group->named.size, notice->user_bytes}};
    struct name_view channel = {group->name, group->named.size};
    enum sdk_format format = form_format(group->form);
    struct payload *push;

    client_id_write(id, groups->shard->world->client_key, notice->shard, notice->connection);
    push = notice->left ? sdk_push_leave(format, channel, &client)
                        : sdk_push_join(format, channel, &client);
    /* Out of memory: nobody waits for a notice. */
    if (push && !group_log_append_note(&group->logs[LOG_NORMAL], &groups->segments, push) &&
        !group->dirty[LOG_NORMAL])
        dirty_add(groups, group, LOG_NORMAL);
    if (push)
        payload_unref(push);
}

void group_notice(struct group_table *groups, const struct record_notice *notice)
{
    struct named name = record_name(notice, notice->name);
    struct group *group =
        (struct group *)table_find(&groups->table, name.hash, name.name, name.size);

    for (; group; group = group->next_form)
        if (group->joined && form_wants_joins(group->form))
            form_notice(groups, group, notice);
}

/* Flushing */

/* The socket took `sent` bytes of what is pending, which was not all of it. */
static void member_blocked(struct group *group, struct member *member, enum log_kind kind,
                           int64_t sent)
{
    struct connection *connection = member->connection;
    struct counters *counters = connection->shard->counters;
    uint64_t taken = sent < 0 ? 0 : (uint64_t)sent, finished = 0;
    struct lag *lag = lag_new(group, member, kind, taken, &finished);

    connection_block(connection);
    if (sent < 0)
        connection_doom(connection, CLOSE_LOST);
    if (!lag)
        return;
    counter_add(&counters->deliveries, finished);
    counter_add(&counters->bytes_out, taken - group_log_note_bytes(&group->logs[kind], taken));
    if (lag->cursor.at != lag->cursor.frame) {
        connection->mid = member;
        connection->mid_log = (uint8_t)kind;
    }
    member_judge(group, member);
}

/* A member that a flush must pass by: what is pending waits for it. */
static void member_behind(struct group *group, const struct entry *entry, enum log_kind kind)
{
    struct member *member = entry->member;
    uint64_t finished;

    if (kind == LOG_NORMAL && (entry->flags & ENTRY_JOINING))
        return;
    if (!member->lags[kind] && !lag_new(group, member, kind, 0, &finished))
        return;
    member_judge(group, member);
    if (!(entry->flags & ENTRY_BLOCKED)) /* nothing else would wake it */
        slot_list_add(&member->connection->shard->connections.resumed, member->connection->ref);
}

static int64_t entry_write(int fd, struct iovec *pieces, unsigned count)
{
    ssize_t sent;

    do {
        if (count == 1) {
            sent = send(fd, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
        } else {
            struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};

            sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
        return 0;
    return sent;
}

/* The pieces of the range that a flush is about. */
static unsigned flush_range(struct group *group, enum log_kind kind, struct iovec *pieces,
                            uint64_t *bytes, uint64_t *frames)
{
    unsigned count = group_log_pending(&group->logs[kind], pieces, PIECES, bytes, frames);
    uint64_t left = group->flush.bytes;

    if (kind != LOG_NORMAL || !group->flush.next)
        return count;
    /* One that made way goes on with what it was about, whatever has been appended since. */
    *bytes = group->flush.bytes;
    *frames = group->flush.frames;
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].iov_len >= left) {
            pieces[i].iov_len = left;
            return i + 1;
        }
        left -= pieces[i].iov_len;
    }
    return count;
}

/* Writes one range of a log to the members that keep up. False: it made way. */
static bool range_flush(struct group_table *groups, struct group *group, enum log_kind kind,
                        bool may_make_way)
{
    struct counters *counters = groups->shard->counters;
    struct iovec pieces[PIECES];
    uint64_t bytes, frames, whole = 0;
    unsigned count = flush_range(group, kind, pieces, &bytes, &frames);
    uint32_t i = kind == LOG_NORMAL ? group->flush.next : 0;
    uint64_t unlooked = 0;

    for (; i < group->count; i++) {
        struct entry *entry = &group->entries[i];

        if (may_make_way && unlooked >= LOOK_EVERY) {
            unlooked = 0;
            if (shard_must_make_way(groups->shard))
                break;
        }
        unlooked += LOOK_WRITE + bytes;
        if (entry->flags) {
            member_behind(group, entry, kind);
            continue;
        }
        int64_t sent = entry_write(entry->fd, pieces, count);
        if (sent == (int64_t)bytes)
            whole++;
        else
            member_blocked(group, entry->member, kind, sent);
    }
    counter_add(&counters->deliveries, whole * frames);
    counter_add(&counters->bytes_out,
                whole * (bytes - group_log_note_bytes(&group->logs[kind], bytes)));
    if (i < group->count) {
        group->flush.next = i;
        group->flush.bytes = bytes;
        group->flush.frames = frames;
        return false;
    }
    if (kind == LOG_NORMAL)
        group->flush.next = 0;
    group_log_flushed(&group->logs[kind], bytes, frames);
    group_log_trim(&group->logs[kind], &groups->segments);
    return true;
}

uint64_t member_position(const struct member *member, enum log_kind kind)
{
    const struct group *group = member->group;
    uint64_t flushed = group->logs[kind].flushed;

    /* A flush that made way has been at the entries before `next`. */
    if (kind == LOG_NORMAL && member->index < group->flush.next)
        flushed += group->flush.bytes;
    return flushed;
}

void group_flush(struct group_table *groups, struct group *group)
{
    for (int kind = 0; kind < LOG_KINDS; kind++)
        while (group_log_dirty(&group->logs[kind]))
            range_flush(groups, group, kind, false);
}

void group_flush_finish(struct group_table *groups, struct group *group)
{
    if (group->flush.next)
        range_flush(groups, group, LOG_NORMAL, false);
}

static void flush_list(struct group_table *groups, enum log_kind kind)
{
    while (groups->dirty[kind].first) {
        group_flush(groups, groups->dirty[kind].first);
        dirty_done(groups, kind);
    }
}

/* Counts how long the first `count` messages took to their last write. */
static void count_read_times(struct group_table *groups, uint32_t count)
{
    struct histogram *histogram = &groups->shard->counters->delivery_seconds;
    uint64_t now = count ? shard_clock(groups->shard) : 0;

    for (uint32_t i = 0; i < count; i++)
        histogram_add(histogram, now - groups->read_times[i]);
    groups->read_count -= count;
    for (uint32_t i = 0; count && i < groups->read_count; i++)
        groups->read_times[i] = groups->read_times[i + count];
}

void group_flush_critical(struct group_table *groups)
{
    flush_list(groups, LOG_CRITICAL);
}

void group_flush_all(struct group_table *groups)
{
    group_flush_critical(groups);
    flush_list(groups, LOG_NORMAL);
    count_read_times(groups, groups->read_count);
    groups->sweep = 0;
}

bool group_flush_slice(struct group_table *groups)
{
    struct dirty_list *list = &groups->dirty[LOG_NORMAL];

    flush_list(groups, LOG_CRITICAL);
    shard_slice_begins(groups->shard);
    if (!groups->sweep) {
        groups->sweep = groups->tickets;
        groups->sweep_count = groups->read_count;
    }
    while (list->first && list->first->ticket <= groups->sweep) {
        struct group *group = list->first;

        /* A join may have had it flushed meanwhile. */
        if (group_log_dirty(&group->logs[LOG_NORMAL]) &&
            !range_flush(groups, group, LOG_NORMAL, true))
            return false;
        dirty_done(groups, LOG_NORMAL);
        if (list->first && list->first->ticket <= groups->sweep &&
            shard_must_make_way(groups->shard))
            return false;
    }
    count_read_times(groups, groups->sweep_count);
    groups->sweep = 0;
    if (list->first)
        shard_again(groups->shard);
    return true;
}
