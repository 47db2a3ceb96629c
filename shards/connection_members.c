/* A connection's memberships, where they are not all there from the start. */
#include <stdlib.h>
#include <string.h>

#include "proto/group_name.h"
#include "shards/client_id.h"
#include "shards/connection.h"
#include "shards/shard.h"

#define USER_PREFIX_BYTES (sizeof("user:") - 1)

/* Everything that points to a member knows its place again. */
static void moved(struct connection *connection, const struct member *from)
{
    for (unsigned i = 0; i < connection->member_count; i++) {
        struct member *member = &connection->members[i];

        if (connection->mid == &from[i])
            connection->mid = member;
        if (member->state == MEMBER_CRITICAL || member->state == MEMBER_JOINED)
            member->group->entries[member->index].member = member;
    }
}

static int grow(struct connection *connection)
{
    unsigned count = connection->member_count, room = count ? count * 2 : 2;
    struct member *members = calloc(room, sizeof(*members));

    if (!members)
        return ERR_NOMEM;
    if (count)
        memcpy(members, connection->members, count * sizeof(*members));
    struct member *old = connection->members;
    connection->members = members;
    moved(connection, old);
    free(old);
    connection->member_count = room;
    for (unsigned i = count; i < room; i++)
        members[i].connection = connection;
    return 0;
}

struct member *connection_add_member(struct connection *connection)
{
    unsigned at = 0;

    while (at < connection->member_count && connection->members[at].state != MEMBER_NONE)
        at++;
    if (at == connection->member_count && grow(connection))
        return NULL;
    return &connection->members[at];
}

struct member *connection_find_member(const struct connection *connection, const char *name,
                                      size_t size)
{
    for (unsigned i = 0; i < connection->member_count; i++) {
        const struct group *group = connection->members[i].group;

        if (group && group->named.size == size && !memcmp(group->name, name, size))
            return &connection->members[i];
    }
    return NULL;
}

struct name_view connection_user(const struct connection *connection)
{
    for (unsigned i = 0; i < connection->member_count; i++) {
        const struct group *group = connection->members[i].group;

        if (group && group->category == GROUP_USER)
            return (struct name_view){group->name + USER_PREFIX_BYTES,
                                      group->named.size - (uint32_t)USER_PREFIX_BYTES};
    }
    return (struct name_view){"", 0};
}

struct payload *connection_payload(const struct connection *connection, enum payload_kind kind,
                                   size_t bytes)
{
    const struct shard *shard = connection->shard;
    char id[CLIENT_ID_BYTES];
    struct publisher publisher = {{id, sizeof(id)}, connection_user(connection)};

    client_id_write(id, shard->world->client_key, shard->index, connection->ref);
    return payload_new_published(kind, (uint32_t)bytes, &publisher);
}
