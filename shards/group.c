#include "shards/group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/group_name.h"
#include "shards/connection.h"
#include "shards/group_flush.h"
#include "shards/group_lag.h"
#include "shards/settings.h"
#include "shards/shard.h"

int group_table_init(struct group_table *groups, struct shard *shard)
{
    memset(groups, 0, sizeof(*groups));
    groups->shard = shard;
    return 0;
}

static void form_free(struct group_table *groups, struct group *group)
{
    for (int kind = 0; kind < LOG_KINDS; kind++)
        group_log_free(&group->logs[kind], &groups->segments);
    free(group->entries);
    free(group);
}

void group_table_free(struct group_table *groups)
{
    size_t at = 0;
    struct named *thing;

    while ((thing = table_each(&groups->table, &at))) {
        for (struct group *group = (struct group *)thing, *next; group; group = next) {
            next = group->next_form;
            form_free(groups, group);
        }
    }
    table_free(&groups->table);
    segment_pool_free(&groups->segments);
    free(groups->read_times);
}

static struct group *group_find(const struct group_table *groups, const struct named *name)
{
    return (struct group *)table_find(&groups->table, name->hash, name->name, name->size);
}

static struct group *group_new(struct group_table *groups, const struct named *name,
                               enum group_form form)
{
    struct group *group = calloc(1, sizeof(*group) + name->size);

    if (!group)
        return NULL;
    memcpy(group->name, name->name, name->size);
    group->named = (struct named){name->hash, name->size, group->name};
    group->settings = settings_namespace(groups->shard->settings, name->name, name->size);
    group->category = (uint8_t)group_name_category(name->name, name->size);
    group->form = (uint8_t)form;
    group->raw = group;
    return group;
}

/* Finds the group, or makes it: its raw form. */
static struct group *group_get(struct group_table *groups, const struct named *name)
{
    struct group *group = group_find(groups, name);

    if (group)
        return group;
    group = group_new(groups, name, FORM_RAW);
    if (group && table_add(&groups->table, &group->named)) {
        free(group);
        return NULL;
    }
    return group;
}

/* Finds a form of the group, or makes it. It then stays as long as the group. */
static struct group *form_get(struct group_table *groups, struct group *raw, enum group_form form)
{
    struct group *group = raw;

    while (group && group->form != form)
        group = group->next_form;
    if (group)
        return group;
    group = group_new(groups, &raw->named, form);
    if (!group)
        return NULL;
    group->raw = raw;
    group->next_form = raw->next_form;
    raw->next_form = group;
    return group;
}

void group_release(struct group_table *groups, struct group *group)
{
    struct group *raw = group->raw, *next;

    if (raw->joining)
        return;
    for (group = raw; group; group = group->next_form)
        if (group->count || group->lags || group->dirty[LOG_CRITICAL] || group->dirty[LOG_NORMAL])
            return;
    table_remove(&groups->table, &raw->named);
    for (group = raw; group; group = next) {
        next = group->next_form;
        form_free(groups, group);
    }
}

/* Joining */

static void send_leave(struct shard *shard, const struct named *name, struct slot_ref connection,
                       bool joins)
{
    struct record_leave *leave =
        outbox_add(shard->outbox, shard_home(shard, name->hash), OUTBOX_NORMAL, RECORD_LEAVE,
                   sizeof(*leave), name, 0, 0);

    leave->connection = connection;
    leave->joins = joins;
}

int group_join(struct group_table *groups, struct member *member, const struct named *name,
               uint32_t member_index, const struct join_wish *wish)
{
    struct shard *shard = groups->shard;
    struct group *raw = group_get(groups, name);
    struct group *group = raw ? form_get(groups, raw, wish->form) : NULL;

    if (!group) {
        if (raw)
            group_release(groups, raw);
        return ERR_NOMEM;
    }
    member->group = group;
    member->state = MEMBER_JOINING;
    member->held = wish->held;
    member->positioned = wish->positioned;
    raw->joining++;

    struct record_join *join =
        outbox_add(shard->outbox, shard_home(shard, name->hash), OUTBOX_NORMAL, RECORD_JOIN,
                   sizeof(*join), name, wish->user.size, 0);
    join->connection = member->connection->ref;
    join->member = member_index;
    join->user_bytes = (uint16_t)wish->user.size;
    join->joins = form_wants_joins(wish->form);
    join->recovery = wish->recovery;
    if (wish->user.size)
        memcpy(join->name + name->size, wish->user.bytes, wish->user.size);
    return 0;
}

static int entry_add(struct group *group, struct member *member, uint32_t flags)
{
    if (group->count == group->room) {
        uint32_t room = group->room ? group->room * 2 : 2;
        struct entry *entries = realloc(group->entries, room * sizeof(*entries));

        if (!entries)
            return ERR_NOMEM;
        group->entries = entries;
        group->room = room;
    }
    if (!group->count)
        group->newest_offset = 0; /* the home may have forgotten the group meanwhile */
    member->index = group->count++;
    group->entries[member->index] = (struct entry){member, member->connection->fd, flags};
    if (!(flags & ENTRY_JOINING))
        group->joined++;
    group->positioned += member->positioned;
    return 0;
}

static void entry_remove(struct group *group, const struct member *member)
{
    struct entry *entry = &group->entries[member->index];

    assert(entry->member == member);
    if (!(entry->flags & ENTRY_JOINING))
        group->joined--;
    group->positioned -= member->positioned;
    *entry = group->entries[--group->count];
    entry->member->index = member->index;
    if (group->room > 64 && group->count < group->room / 4) {
        uint32_t room = group->room / 2;
        struct entry *entries = realloc(group->entries, room * sizeof(*entries));

        if (entries) {
            group->entries = entries;
            group->room = room;
        }
    }
}

static void count_membership(struct shard *shard, const struct group *group, uint64_t change)
{
    struct counters *counters = shard->counters;
    size_t place = (size_t)(group->settings - shard->settings->namespaces);

    if (group->category != GROUP_USER && group->category != GROUP_ALL)
        counter_add(&counters->namespace_members[place], change);
    if (group->category == GROUP_EXPERIMENT)
        counter_add(&counters->experiment_connections, change);
    else if (group->category == GROUP_OTHER || group->category == GROUP_SESSION)
        counter_add(&counters->group_connections, change);
    if (group->category == GROUP_SESSION)
        counter_add(&counters->session_connections, change);
}

/* Makes the member one that gets what is sequenced from now on. What the group's logs hold unsent
 * is from before, and goes to the others first. */
static int member_enter(struct group_table *groups, struct group *group, struct member *member,
                        enum joined_by by)
{
    uint32_t flags = ENTRY_BLOCKED | (member->held ? ENTRY_HELD : 0u);

    group_flush(groups, group);
    if (by == JOINED_CRITICAL) {
        if (entry_add(group, member, flags | ENTRY_JOINING))
            return ERR_NOMEM;
        member->state = MEMBER_CRITICAL;
        return 0;
    }
    if (by == JOINED_BOTH) {
        if (entry_add(group, member, flags))
            return ERR_NOMEM;
    } else {
        group->entries[member->index].flags &= ~(uint32_t)ENTRY_JOINING;
        group->joined++;
    }
    member->state = MEMBER_JOINED;
    count_membership(groups->shard, group, 1);
    return 0;
}

static void member_forget(struct member *member)
{
    member->state = MEMBER_NONE;
    member->group = NULL;
}

/* Tells the home who a member is that it has counted in without asking that. */
static void send_present(struct shard *shard, const struct member *member)
{
    const struct named *name = &member->group->named;
    struct name_view user = connection_user(member->connection);
    struct record_present *present =
        outbox_add(shard->outbox, shard_home(shard, name->hash), OUTBOX_NORMAL, RECORD_PRESENT,
                   sizeof(*present), name, user.size, 0);

    present->connection = member->connection->ref;
    present->user_bytes = (uint16_t)user.size;
    if (user.size)
        memcpy(present->name + name->size, user.bytes, user.size);
}

static bool presence_is_on(const struct group *group)
{
    return group->settings->presence && group->category != GROUP_ALL;
}

void group_joined(struct group_table *groups, const struct record_joined *joined)
{
    struct shard *shard = groups->shard;
    struct named name = record_name(joined, joined->name);
    struct group *group = group_find(groups, &name);
    struct connection *connection = slot_table_get(&shard->connections.slots, joined->connection);
    struct member *member = connection && joined->member < connection->member_count
                                ? &connection->members[joined->member]
                                : NULL;
    bool last = joined->by != JOINED_CRITICAL;

    assert(group && group->joining);
    if (member && (!member->group || member->group->raw != group ||
                   (member->state != MEMBER_JOINING && member->state != MEMBER_CRITICAL)))
        member = NULL; /* it has left meanwhile */
    if (member && member->state == MEMBER_JOINING && !joined->has_history)
        member->positioned = false;
    if (joined->outcome != JOIN_OK) {
        if (member)
            member_forget(member);
    } else if (!member ||
               (last && joined->by == JOINED_NORMAL && member->state != MEMBER_CRITICAL)) {
        if (last)
            send_leave(shard, &name, joined->connection, joined->joins);
    } else if (member_enter(groups, member->group, member, joined->by)) {
        member_forget(member); /* out of memory fails this peer */
        if (last)
            send_leave(shard, &name, joined->connection, joined->joins);
        connection_doom(connection, CLOSE_LOST);
        member = NULL;
    }
    if (member && last && joined->outcome == JOIN_OK && !joined->present && presence_is_on(group))
        send_present(shard, member); /* presence has been turned on meanwhile */
    if (member && last)
        connection_joined(connection, joined);
    if (last)
        group->joining--; /* until here, so that the group outlives what its members do */
    history_range_unref(joined->range);
    group_release(groups, group);
}

/* Leaving */

/* Messages that the member has not got in full. */
static uint64_t member_rest(const struct member *member)
{
    uint64_t rest = 0;

    for (int kind = 0; kind < LOG_KINDS; kind++) {
        const struct group_log *log = &member->group->logs[kind];

        if (member->lags[kind])
            rest += lag_rest(member->lags[kind], log);
        else if (member->state == MEMBER_JOINED ||
                 (member->state == MEMBER_CRITICAL && kind == LOG_CRITICAL))
            rest += log->end_sequence - log->flushed_sequence;
    }
    return rest;
}

void member_caught_up(struct member *member, enum log_kind kind)
{
    struct group *group = member->group;
    struct group_table *groups = &member->connection->shard->groups;
    struct lag *lag = member->lags[kind];

    if (!lag)
        return;
    log_cursor_detach(&lag->cursor, &groups->segments);
    free(lag->skips);
    free(lag);
    member->lags[kind] = NULL;
    group->lags--;
    group_log_trim(&group->logs[kind], &groups->segments);
}

void member_flag(struct member *member, uint32_t set, uint32_t clear)
{
    if (member->state == MEMBER_CRITICAL || member->state == MEMBER_JOINED) {
        struct entry *entry = &member->group->entries[member->index];

        entry->flags = (entry->flags & ~clear) | set;
    }
}

void member_release(struct member *member)
{
    member->held = false;
    member_flag(member, 0, ENTRY_HELD);
}

/* Takes the member out of its group's entries, and tells the home if that counts it. */
static void member_exit(struct member *member)
{
    struct shard *shard = member->connection->shard;
    struct group *group = member->group;

    if (member->state == MEMBER_JOINED || member->state == MEMBER_CRITICAL)
        entry_remove(group, member);
    if (member->state == MEMBER_JOINED) {
        count_membership(shard, group, (uint64_t)-1);
        send_leave(shard, &group->named, member->connection->ref, form_wants_joins(group->form));
    }
}

static void member_end(struct member *member)
{
    struct group *group = member->group;

    for (int kind = 0; kind < LOG_KINDS; kind++)
        member_caught_up(member, kind);
    member_forget(member);
    group_release(&member->connection->shard->groups, group);
}

void member_leave(struct member *member, enum drop_reason reason)
{
    if (member->state == MEMBER_NONE || !member->group)
        return;
    group_flush_finish(&member->connection->shard->groups, member->group);
    counter_add(&member->connection->shard->counters->drops[reason], member_rest(member));
    member_exit(member);
    member_end(member);
}

void member_finish(struct member *member)
{
    bool behind = false;

    if (member->state == MEMBER_NONE || !member->group)
        return;
    group_flush_finish(&member->connection->shard->groups, member->group);
    member_exit(member);
    for (int kind = 0; kind < LOG_KINDS; kind++) {
        struct lag *lag = member->lags[kind];

        if (!lag)
            continue;
        lag->limit = member->group->logs[kind].end;
        lag->limit_sequence = member->group->logs[kind].end_sequence;
        behind = true;
    }
    if (behind)
        member->state = MEMBER_LEAVING;
    else
        member_end(member);
}

void member_finished(struct member *member)
{
    if (member->state == MEMBER_LEAVING && !member->lags[LOG_CRITICAL] && !member->lags[LOG_NORMAL])
        member_end(member);
}

void member_drop_lags(struct member *member, enum drop_reason reason)
{
    if (member->state != MEMBER_LEAVING)
        return;
    counter_add(&member->connection->shard->counters->drops[reason], member_rest(member));
    member_end(member);
}

/* Closing and settings */

static uint64_t form_close(struct group *group, uint16_t code, const char *reason)
{
    uint64_t closed = 0;

    for (uint32_t i = group->count; i-- > 0;) {
        /* Finishing one takes its entry out; the last one moves into its place. */
        struct connection *connection = group->entries[i].member->connection;

        if (group->entries[i].flags & ENTRY_JOINING)
            continue;
        if (connection_finish(connection, code, reason, CLOSE_DISCONNECTED))
            closed++;
    }
    return closed;
}

uint64_t group_close(struct group_table *groups, const struct record_close *close)
{
    struct named name = record_name(close, close->name);
    struct group *raw = group_find(groups, &name);
    char reason[128];
    uint64_t closed = 0;

    if (!raw)
        return 0;
    memcpy(reason, close->name + name.size, close->reason_bytes);
    reason[close->reason_bytes] = '\0';
    group_flush_all(groups);
    raw->joining++; /* keeps the group while its entries go */
    for (struct group *group = raw; group; group = group->next_form)
        closed += form_close(group, close->code, reason);
    raw->joining--;
    group_release(groups, raw);
    return closed;
}

void group_table_settings(struct group_table *groups)
{
    const struct settings *settings = groups->shard->settings;
    struct counters *counters = groups->shard->counters;
    size_t at = 0;
    struct named *thing;

    for (unsigned i = 0; i < NAMESPACES_MAX; i++)
        counter_sub(&counters->namespace_members[i], counter_read(&counters->namespace_members[i]));
    while ((thing = table_each(&groups->table, &at))) {
        const struct namespace_settings *own =
            settings_namespace(settings, thing->name, thing->size);

        for (struct group *group = (struct group *)thing; group; group = group->next_form) {
            bool was_on = presence_is_on(group);

            group->settings = own;
            for (uint32_t i = 0; presence_is_on(group) && !was_on && i < group->count; i++)
                send_present(groups->shard, group->entries[i].member);
            if (group->category != GROUP_USER && group->category != GROUP_ALL)
                counter_add(&counters->namespace_members[own - settings->namespaces],
                            group->joined);
        }
    }
}
