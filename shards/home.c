#include "shards/home.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/group_name.h"
#include "proto/refusal.h"
#include "shards/epoch.h"
#include "shards/home_group.h"
#include "shards/outbox.h"
#include "shards/presence.h"
#include "shards/rate_window.h"
#include "shards/settings.h"
#include "shards/shard.h"

int home_init(struct home *home, struct shard *shard, uint64_t seed)
{
    home->shard = shard;
    home->epochs = seed;
    home->wheel_ns = shard->now_ns;
    wheel_init(&home->wheel);
    home->groups = calloc(1, sizeof(*home->groups));
    return home->groups ? 0 : ERR_NOMEM;
}

/* splitmix64: a permutation of the counter, so that no epoch comes twice. */
static uint64_t next_epoch(struct home *home)
{
    uint64_t z = (home->epochs += 0x9e3779b97f4a7c15ull);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return z == EPOCH_NONE || z == EPOCH_OTHER ? next_epoch(home) : z;
}

void home_group_free(struct home_group *group)
{
    if (group->shards != &group->only)
        free(group->shards);
    rate_window_free(group->window);
    history_free(&group->history);
    presence_free(group->presence);
    free(group);
}

void home_free(struct home *home)
{
    size_t at = 0;
    struct named *thing;

    if (!home->groups)
        return;
    while ((thing = table_each(home->groups, &at)))
        home_group_free((struct home_group *)thing);
    table_free(home->groups);
    free(home->groups);
}

static struct home_group *group_new(struct home *home, const struct named *name, uint8_t category)
{
    struct home_group *group = calloc(1, sizeof(*group) + name->size);

    if (!group)
        return NULL;
    memcpy(group->name, name->name, name->size);
    group->named = (struct named){name->hash, name->size, group->name};
    group->settings = settings_namespace(home->shard->settings, name->name, name->size);
    group->category = category;
    group->epoch = next_epoch(home);
    group->message_ns = group->left_ns = home->shard->now_ns;
    group->shards = &group->only;
    group->shard_room = 1;
    if (table_add(home->groups, &group->named)) {
        home_group_free(group);
        return NULL;
    }
    home_look_after(home, group);
    return group;
}

struct home_group *home_find(const struct home *home, const struct named *name)
{
    return (struct home_group *)table_find(home->groups, name->hash, name->name, name->size);
}

/* Finds the group, or makes it. NULL: the engine has as many groups as it may, or no memory. */
static struct home_group *group_get(struct home *home, const struct named *name)
{
    struct home_group *found = home_find(home, name);

    if (found)
        return found;

    uint8_t category = (uint8_t)group_name_category(name->name, name->size);
    if (category == GROUP_ALL) /* everyone is none of limits.groups */
        return group_new(home, name, category);
    if (!shard_take_group(home->shard))
        return NULL;
    struct home_group *group = group_new(home, name, category);
    if (!group)
        shard_give_group(home->shard);
    return group;
}

static counter *active_counter(struct counters *counters, uint8_t category)
{
    switch (category) {
    case GROUP_EXPERIMENT:
        return &counters->active_experiments;
    case GROUP_USER:
        return &counters->active_users;
    case GROUP_ALL:
        return NULL;
    default:
        return &counters->active_groups;
    }
}

/* A group got its first member, or lost its last. */
static void count_active(struct home *home, const struct home_group *group, uint64_t change)
{
    struct counters *counters = home->shard->counters;
    counter *active = active_counter(counters, group->category);

    if (active)
        counter_add(active, change);
    if (group->category == GROUP_SESSION)
        counter_add(&counters->active_sessions, change);
}

/* Answers a command; `name` where it is refused. */
static struct record_answer *answer(struct home *home, uint32_t to,
                                    const struct command_ref *command, uint32_t credit,
                                    enum refusal refusal, const struct named *name)
{
    struct record_answer *record = outbox_add(home->shard->outbox, to, OUTBOX_ANSWERS,
                                              RECORD_ANSWER, sizeof(*record), name, 0, 0);

    record->command = *command;
    record->credit = credit;
    record->refusal = (uint8_t)refusal;
    record->members = record->offset = record->epoch = 0;
    record->retry_after_ms = record->closing = 0;
    return record;
}

/* What a message counts as while it is under way. */
static uint32_t publish_credit(const struct record_publish *publish)
{
    return payload_frame_bytes(publish->payload) + publish->head.size;
}

static void publish_refuse(struct home *home, uint32_t source, const struct record_publish *publish,
                           enum refusal refusal, uint64_t retry_ns)
{
    struct named name = record_name(publish, publish->name);

    if (command_of_client(&publish->command))
        counter_add(&home->shard->counters->refused[refusal], 1);
    answer(home, source, &publish->command, publish_credit(publish), refusal, &name)
        ->retry_after_ms = (uint32_t)((retry_ns + 999999) / 1000000);
    payload_unref(publish->payload);
}

/* Whether the group's rate lets one more message pass. */
static enum refusal check_rate(struct home *home, struct home_group *group, uint64_t *retry_ns)
{
    uint32_t max_rate = group->settings->max_rate;

    if (!max_rate || group->category == GROUP_ALL)
        return REFUSAL_NONE;
    switch (rate_window_take(&group->window, max_rate, shard_clock(home->shard), retry_ns)) {
    case 0:
        home_look_after(home, group);
        return REFUSAL_NONE;
    case ERR_FULL:
        return REFUSAL_RATE_LIMITED;
    default:
        return REFUSAL_OVERLOADED;
    }
}

static void send_deliver(struct home *home, const struct home_group *group,
                         const struct home_shard *to, uint32_t source,
                         const struct record_publish *publish)
{
    bool critical = publish->priority == PRIORITY_CRITICAL && !home_keeps_history(group);
    struct record_deliver *deliver = outbox_add(
        home->shard->outbox, to->shard, critical ? OUTBOX_CRITICAL : OUTBOX_NORMAL, RECORD_DELIVER,
        sizeof(*deliver), &group->named, 0, payload_frame_bytes(publish->payload));
    bool has_sender = publish->sender.slot != NO_SLOT && to->shard == source;

    deliver->payload = publish->payload;
    deliver->read_ns = publish->read_ns;
    deliver->offset = group->offset;
    deliver->members = to->members - has_sender;
    deliver->sender = publish->sender;
    if (!has_sender)
        deliver->sender.slot = NO_SLOT;
    deliver->priority = publish->priority;
    deliver->critical = critical;
    deliver->kept = home_keeps_history(group);
}

void home_publish(struct home *home, uint32_t source, struct record_publish *publish)
{
    struct named name = record_name(publish, publish->name);
    struct home_group *group = group_get(home, &name);
    uint64_t retry_ns = 0;
    enum refusal refusal = group ? check_rate(home, group, &retry_ns) : REFUSAL_OVERLOADED;

    if (refusal != REFUSAL_NONE) {
        publish_refuse(home, source, publish, refusal, retry_ns);
        return;
    }
    uint64_t members = group->members - (publish->sender.slot != NO_SLOT);
    uint32_t credit = publish_credit(publish);

    group->offset++;
    group->message_ns = home->shard->now_ns;
    home_keep(home, group, publish->payload);
    if (command_of_client(&publish->command))
        counter_add(&home->shard->counters->messages_in_client, 1);
    counter_add(&home->shard->counters->messages_routed, members);
    if (group->shard_count > 1)
        payload_ref(publish->payload, group->shard_count - 1u);
    for (unsigned i = 0; i < group->shard_count; i++)
        send_deliver(home, group, &group->shards[i], source, publish);
    if (!group->shard_count)
        payload_unref(publish->payload);

    struct record_answer *done =
        answer(home, source, &publish->command, credit, REFUSAL_NONE, NULL);
    done->members = members;
    done->offset = group->offset;
    done->epoch = group->epoch;
}

/* The group's entry for a shard; made where there is none. NULL: out of memory. */
static struct home_shard *group_shard(struct home_group *group, uint32_t shard)
{
    for (unsigned i = 0; i < group->shard_count; i++)
        if (group->shards[i].shard == shard)
            return &group->shards[i];
    if (group->shard_count == group->shard_room) {
        size_t room = group->shard_room * 2u;
        bool inside = group->shards == &group->only;
        struct home_shard *grown = realloc(inside ? NULL : group->shards, room * sizeof(*grown));

        if (!grown)
            return NULL;
        if (inside)
            grown[0] = group->only;
        group->shards = grown;
        group->shard_room = (uint16_t)room;
    }
    group->shards[group->shard_count] = (struct home_shard){.shard = shard};
    return &group->shards[group->shard_count++];
}

static struct record_joined *send_joined(struct home *home, uint32_t to,
                                         const struct record_join *join, enum outbox_queue queue,
                                         enum joined_by by, enum join_outcome outcome,
                                         const struct home_group *group,
                                         const struct home_recovered *got)
{
    struct named name = record_name(join, join->name);
    struct record_joined *joined =
        outbox_add(home->shard->outbox, to, queue, RECORD_JOINED, sizeof(*joined), &name, 0, 0);

    joined->connection = join->connection;
    joined->member = join->member;
    joined->by = (uint8_t)by;
    joined->outcome = (uint8_t)outcome;
    joined->joins = join->joins;
    joined->present = group && group->presence;
    joined->has_history = got->has_history;
    joined->recovered = got->recovered;
    joined->epoch = group ? group->epoch : EPOCH_NONE;
    joined->offset = group ? group->offset : 0;
    joined->range = NULL;
    return joined;
}

static struct name_view join_user(const struct record_join *join)
{
    return (struct name_view){join->name + join->head.name_bytes, join->user_bytes};
}

static enum join_outcome count_in(struct home *home, struct home_group *group, uint32_t source,
                                  const struct record_join *join)
{
    uint32_t max_members = group->settings->max_members;

    if (max_members && group->members >= max_members && group->category != GROUP_ALL)
        return JOIN_GROUP_FULL;
    if (home_presence_add(home, group, source, join->connection, join_user(join)))
        return JOIN_OVERLOADED;
    struct home_shard *entry = group_shard(group, source);
    if (!entry) {
        home_presence_left(home, group, source, join->connection);
        return JOIN_OVERLOADED;
    }
    entry->members++;
    entry->listeners += join->joins;
    if (!group->members++)
        count_active(home, group, 1);
    return JOIN_OK;
}

/* Whether a join may make its group: not one that would be refused in a new group. */
static bool may_make(const struct home *home, const struct named *name,
                     const struct join_recovery *recovery)
{
    const struct namespace_settings *settings =
        settings_namespace(home->shard->settings, name->name, name->size);

    return !recovery->must ||
           (settings->history.messages && (recovery->want != RECOVER_SINCE || recovery->any_epoch));
}

void home_join(struct home *home, uint32_t source, const struct record_join *join)
{
    struct named name = record_name(join, join->name);
    bool make = may_make(home, &name, &join->recovery);
    struct home_group *group = make ? group_get(home, &name) : home_find(home, &name);
    struct home_recovered got = home_recover(home, group, &join->recovery);
    enum join_outcome outcome;
    enum joined_by last = JOINED_BOTH;

    if (!group)
        outcome = make ? JOIN_OVERLOADED : JOIN_INSUFFICIENT_STATE;
    else if (join->recovery.must && !got.recovered)
        outcome = JOIN_INSUFFICIENT_STATE;
    else
        outcome = count_in(home, group, source, join);
    if (outcome == JOIN_OK && source != home->shard->index) {
        send_joined(home, source, join, OUTBOX_CRITICAL, JOINED_CRITICAL, outcome, group, &got);
        last = JOINED_NORMAL;
    }
    send_joined(home, source, join, OUTBOX_NORMAL, last, outcome, group, &got)->range = got.range;
    if (outcome == JOIN_OK)
        home_presence_joined(home, group, source, join->connection, join_user(join));
}

void home_leave(struct home *home, uint32_t source, const struct record_leave *leave)
{
    struct named name = record_name(leave, leave->name);
    struct home_group *group = home_find(home, &name);
    assert(group && group->members); /* a member leaves once, and its group stays until then */
    struct home_shard *entry = group_shard(group, source);

    assert(entry && entry->members && entry->listeners >= leave->joins);
    entry->listeners -= leave->joins;
    if (!--entry->members)
        *entry = group->shards[--group->shard_count];
    home_presence_left(home, group, source, leave->connection);
    if (!--group->members) {
        count_active(home, group, (uint64_t)-1);
        group->left_ns = home->shard->now_ns;
        home_look_after(home, group);
    }
}

void home_disconnect(struct home *home, uint32_t source, const struct record_disconnect *disconnect)
{
    struct named name = record_name(disconnect, disconnect->name);
    struct home_group *group = home_find(home, &name);
    const char *reason = disconnect->name + name.size;
    bool everywhere = disconnect->parts > 1;
    unsigned members = group ? group->shard_count : 0;
    unsigned shards = everywhere ? home->shard->world->shards : members;

    for (unsigned i = 0; i < shards; i++) {
        uint32_t shard = everywhere ? i : group->shards[i].shard;
        struct record_close *close =
            outbox_add(home->shard->outbox, shard, OUTBOX_NORMAL, RECORD_CLOSE, sizeof(*close),
                       &name, disconnect->reason_bytes, 0);

        close->command = disconnect->command;
        close->reader = source;
        close->parts = disconnect->parts;
        close->code = disconnect->code;
        close->reason_bytes = disconnect->reason_bytes;
        memcpy(close->name + name.size, reason, disconnect->reason_bytes);
    }
    answer(home, source, &disconnect->command, disconnect->head.size, REFUSAL_NONE, NULL)->closing =
        shards;
}
