/* How a raw client comes into its groups: it is a client once it has them all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/group_name.h"
#include "proto/ws_target.h"
#include "shards/connection.h"
#include "shards/epoch.h"
#include "shards/reader.h"
#include "shards/replay.h"
#include "shards/sdk_session.h"
#include "shards/settings.h"
#include "shards/shard.h"

static int join_one(struct connection *connection, const char *name, size_t size,
                    const struct join_wish *wish)
{
    struct shard *shard = connection->shard;
    struct member *member = &connection->members[connection->member_count];
    struct named key = {group_name_hash(name, size, shard->world->hash_key), (uint32_t)size,
                        (char *)name};

    member->connection = connection;
    if (group_join(&shard->groups, member, &key, connection->member_count, wish))
        return ERR_NOMEM;
    connection->member_count++;
    connection->joins_open++;
    return 0;
}

static struct join_recovery recovery_of(const struct ws_target *target)
{
    return (struct join_recovery){
        .want = target->since == WS_SINCE_NONE  ? RECOVER_NONE
                : target->since == WS_SINCE_NOW ? RECOVER_NOW
                                                : RECOVER_SINCE,
        .must = target->since != WS_SINCE_NONE,
        .epoch = epoch_read(target->epoch, strlen(target->epoch)),
        .offset = target->offset,
    };
}

static int join_all(struct connection *connection, const struct ws_target *target)
{
    struct join_wish wish = {
        .form = FORM_RAW,
        .positioned = target->since != WS_SINCE_NONE,
        .user = {target->user, (uint32_t)strlen(target->user)},
        .recovery = recovery_of(target),
    };
    char group[sizeof("user:") + GROUP_NAME_MAX + 1];

    for (uint32_t i = 0; i < target->group_count; i++)
        if (join_one(connection, target->groups[i].bytes, target->groups[i].size, &wish))
            return ERR_NOMEM;
    if (target->since != WS_SINCE_NONE)
        return 0; /* its group is the only one */
    if (target->has_user) {
        int size = snprintf(group, sizeof(group), "user:%s", target->user);

        if (join_one(connection, group, (size_t)size, &wish))
            return ERR_NOMEM;
    }
    return join_one(connection, GROUP_EVERYONE, GROUP_EVERYONE_BYTES, &wish);
}

void connection_join(struct connection *connection, const struct ws_target *target)
{
    size_t count = target->group_count + target->has_user + 1u;

    if (connection->state == CONNECTION_DEAD)
        return;
    connection->state = CONNECTION_JOINING;
    connection->no_echo = target->no_echo;
    connection->hello = target->hello;
    connection->members = calloc(count, sizeof(*connection->members));
    if (target->hello)
        connection->positions = calloc(count, sizeof(*connection->positions));
    if (!connection->members || (target->hello && !connection->positions) ||
        join_all(connection, target))
        connection_doom(connection, CLOSE_LOST);
}

/* {"groups": {"A": {"epoch": "…", "offset": 12}}}: names need no escaping. */
static void send_hello(struct connection *connection)
{
    size_t room = 32 + connection->member_count * (GROUP_NAME_MAX + 80u), size = 0;
    char *json = malloc(room);
    uint8_t header[FRAME_HEADER_MAX];
    char epoch[EPOCH_TEXT_MAX];
    const char *comma = "";

    if (!json) {
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    size += (size_t)snprintf(json, room, "{\"groups\": {");
    for (unsigned i = 0; i < connection->member_count; i++) {
        const struct group *group = connection->members[i].group;
        const struct position *position = &connection->positions[i];

        if (!group || group->category == GROUP_ALL)
            continue;
        size += (size_t)snprintf(
            json + size, room - size, "%s\"%.*s\": {\"epoch\": \"%s\", \"offset\": %llu}", comma,
            (int)group->named.size, group->named.name, epoch_text(position->epoch, epoch),
            (unsigned long long)position->offset);
        comma = ", ";
    }
    size += (size_t)snprintf(json + size, room - size, "}}");
    connection_send(connection, header, frame_header_encode(header, FRAME_TEXT, size));
    connection_send(connection, json, size);
    free(json);
}

static void open_connection(struct connection *connection)
{
    struct wheel *wheel = &connection->shard->wheel;
    uint32_t ping_ticks = connection->ping_ticks;

    connection->state = CONNECTION_OPEN;
    connection_opened(connection);
    if (connection->hello)
        send_hello(connection);
    free(connection->positions);
    connection->positions = NULL;
    /* As if seen some time ago, so that the pings of those who come together spread out. */
    connection->seen = wheel->now - shard_random(connection->shard) % (ping_ticks / 2 + 1);
    if (ping_ticks)
        wheel_add(wheel, &connection->deadline, ping_ticks - (wheel->now - connection->seen));
    else
        wheel_remove(&connection->deadline);
    if (connection->replay) /* many may come back together: each has its turn */
        slot_list_add(&connection->shard->connections.resumed, connection->ref);
    else if (!connection->blocked)
        connection_flush(connection);
    if (connection->state == CONNECTION_OPEN)
        reader_resume(connection);
}

static void lack_state(struct connection *connection)
{
    connection_opened(connection);
    connection_close(connection, 3010, "insufficient state", CLOSE_INSUFFICIENT_STATE, DROP_CLOSED);
}

/* A home has refused. */
static void join_refused(struct connection *connection, const struct record_joined *joined)
{
    char reason[sizeof("group full: ") + GROUP_NAME_MAX];

    switch ((enum join_outcome)joined->outcome) {
    case JOIN_GROUP_FULL:
        snprintf(reason, sizeof(reason), "group full: %.*s", (int)joined->head.name_bytes,
                 joined->name);
        connection_count_refusal(connection, CONNECTION_GROUP_FULL);
        connection_close(connection, 1013, reason, CLOSE_NOT_ALLOWED, DROP_CLOSED);
        break;
    case JOIN_INSUFFICIENT_STATE:
        lack_state(connection);
        break;
    case JOIN_OVERLOADED:
    case JOIN_OK:
        connection_count_refusal(connection, CONNECTION_OVERLOADED);
        connection_close(connection, 1013, "try again later", CLOSE_NOT_ALLOWED, DROP_CLOSED);
        break;
    }
}

void connection_joined(struct connection *connection, const struct record_joined *joined)
{
    struct history_range *range = joined->range;

    if (connection->sdk) {
        sdk_session_joined(connection, joined);
        return;
    }
    if (connection->state != CONNECTION_JOINING)
        return;
    if (joined->outcome != JOIN_OK) {
        join_refused(connection, joined);
        return;
    }
    if (range && range->bytes > connection->shard->settings->limits.recovery_bytes) {
        lack_state(connection);
        return;
    }
    if (range && replay_begin(connection, range)) {
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    if (connection->positions)
        connection->positions[joined->member] =
            (struct position){joined->epoch, joined->offset - (range ? range->count : 0)};
    if (--connection->joins_open == 0)
        open_connection(connection);
}
