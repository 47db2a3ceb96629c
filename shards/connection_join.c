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
#include "shards/sdk_session.h"
#include "shards/shard.h"

static int join_one(struct connection *connection, const char *name, size_t size,
                    struct name_view user)
{
    struct shard *shard = connection->shard;
    struct member *member = &connection->members[connection->member_count];
    struct join_wish wish = {.form = FORM_RAW, .user = user};
    struct named key = {group_name_hash(name, size, shard->world->hash_key), (uint32_t)size,
                        (char *)name};

    member->connection = connection;
    if (group_join(&shard->groups, member, &key, connection->member_count, &wish))
        return ERR_NOMEM;
    connection->member_count++;
    connection->joins_open++;
    return 0;
}

static int join_all(struct connection *connection, const struct ws_target *target)
{
    struct name_view user = {target->user, (uint32_t)strlen(target->user)};
    char group[sizeof("user:") + GROUP_NAME_MAX + 1];

    for (uint32_t i = 0; i < target->group_count; i++)
        if (join_one(connection, target->groups[i].bytes, target->groups[i].size, user))
            return ERR_NOMEM;
    if (target->has_user) {
        int size = snprintf(group, sizeof(group), "user:%s", target->user);

        if (join_one(connection, group, (size_t)size, user))
            return ERR_NOMEM;
    }
    return join_one(connection, GROUP_EVERYONE, GROUP_EVERYONE_BYTES, user);
}

void connection_join(struct connection *connection, const struct ws_target *target)
{
    size_t count = target->group_count + target->has_user + 1u;

    if (connection->state == CONNECTION_DEAD)
        return;
    connection->state = CONNECTION_JOINING;
    connection->no_echo = target->no_echo;
    connection->hello = target->hello;
    if (target->since != WS_SINCE_NONE) {
        /* No namespace keeps history: the position cannot be had. */
        connection_opened(connection);
        connection_close(connection, 3010, "insufficient state", CLOSE_INSUFFICIENT_STATE,
                         DROP_CLOSED);
        return;
    }
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
    if (!connection->blocked)
        connection_flush(connection);
    if (connection->state == CONNECTION_OPEN)
        reader_resume(connection);
}

void connection_joined(struct connection *connection, const struct record_joined *joined)
{
    char reason[sizeof("group full: ") + GROUP_NAME_MAX];

    if (connection->sdk) {
        sdk_session_joined(connection, joined);
        return;
    }
    if (connection->state != CONNECTION_JOINING)
        return;
    if (joined->outcome == JOIN_GROUP_FULL) {
        snprintf(reason, sizeof(reason), "group full: %.*s", (int)joined->head.name_bytes,
                 joined->name);
        connection_count_refusal(connection, CONNECTION_GROUP_FULL);
        connection_close(connection, 1013, reason, CLOSE_NOT_ALLOWED, DROP_CLOSED);
        return;
    }
    if (joined->outcome != JOIN_OK) {
        connection_count_refusal(connection, CONNECTION_OVERLOADED);
        connection_close(connection, 1013, "try again later", CLOSE_NOT_ALLOWED, DROP_CLOSED);
        return;
    }
    if (connection->positions)
        connection->positions[joined->member] = (struct position){joined->epoch, joined->offset};
    if (--connection->joins_open == 0)
        open_connection(connection);
}
