#include "shards/presence.h"

#include <stdlib.h>
#include <string.h>

#include "proto/group_name.h"
#include "shards/client_id.h"
#include "shards/table.h"

/* A user, with the number of its connections here. */
struct presence_user {
    struct named named; /* first */
    uint32_t clients;
    char name[];
};

struct presence_member {
    struct named named; /* first; its name is `client`, as bytes */
    struct presence_client client;
    struct presence_user *user;
};

struct presence {
    uint64_t seed;
    struct table members, users;
};

struct presence *presence_new(uint64_t seed)
{
    struct presence *presence = calloc(1, sizeof(*presence));

    if (presence)
        presence->seed = seed;
    return presence;
}

static void free_all(struct table *table)
{
    size_t at = 0;
    struct named *thing;

    while ((thing = table_each(table, &at)))
        free(thing);
    table_free(table);
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    free_all(&presence->members);
    free_all(&presence->users);
    free(presence);
}

static uint64_t hash_bytes(const struct presence *presence, const void *bytes, size_t size)
{
    return group_name_hash(bytes, size, presence->seed);
}

static struct presence_member *find(const struct presence *presence,
                                    const struct presence_client *client, uint64_t hash)
{
    return (struct presence_member *)table_find(&presence->members, hash, (const char *)client,
                                                sizeof(*client));
}

static struct presence_user *user_get(struct presence *presence, struct name_view name)
{
    uint64_t hash = hash_bytes(presence, name.bytes, name.size);
    struct presence_user *user =
        (struct presence_user *)table_find(&presence->users, hash, name.bytes, name.size);

    if (user)
        return user;
    user = calloc(1, sizeof(*user) + name.size);
    if (!user)
        return NULL;
    if (name.size)
        memcpy(user->name, name.bytes, name.size);
    user->named = (struct named){hash, name.size, user->name};
    if (table_add(&presence->users, &user->named)) {
        free(user);
        return NULL;
    }
    return user;
}

static void user_release(struct presence *presence, struct presence_user *user)
{
    if (user->clients)
        return;
    table_remove(&presence->users, &user->named);
    free(user);
}

int presence_add(struct presence *presence, const struct presence_client *client,
                 struct name_view name)
{
    uint64_t hash = hash_bytes(presence, client, sizeof(*client));

    if (find(presence, client, hash))
        return 0;
    struct presence_user *user = user_get(presence, name);
    if (!user)
        return ERR_NOMEM;
    struct presence_member *member = calloc(1, sizeof(*member));
    if (member) {
        member->client = *client;
        member->user = user;
        member->named = (struct named){hash, sizeof(*client), (char *)&member->client};
    }
    if (!member || table_add(&presence->members, &member->named)) {
        free(member);
        user_release(presence, user);
        return ERR_NOMEM;
    }
    user->clients++;
    return 0;
}

bool presence_remove(struct presence *presence, const struct presence_client *client,
                     void (*leaving)(void *context, struct name_view user), void *context)
{
    struct presence_member *member =
        find(presence, client, hash_bytes(presence, client, sizeof(*client)));

    if (!member)
        return false;
    struct presence_user *user = member->user;
    table_remove(&presence->members, &member->named);
    free(member);
    if (leaving)
        leaving(context, (struct name_view){user->name, user->named.size});
    user->clients--;
    user_release(presence, user);
    return true;
}

uint32_t presence_clients(const struct presence *presence)
{
    return (uint32_t)presence->members.count;
}

uint32_t presence_users(const struct presence *presence)
{
    return (uint32_t)presence->users.count;
}

/* Bytes of ids that a list needs. */
static size_t list_bytes(const struct presence *presence)
{
    size_t bytes = presence->members.count * CLIENT_ID_BYTES, at = 0;
    struct named *thing;

    while ((thing = table_each(&presence->members, &at)))
        bytes += ((struct presence_member *)thing)->user->named.size;
    return bytes;
}

struct presence_list *presence_list(const struct presence *presence)
{
    size_t count = presence->members.count, at = 0;
    struct presence_list *list =
        malloc(sizeof(*list) + count * sizeof(list->clients[0]) + list_bytes(presence));
    struct named *thing;

    if (!list)
        return NULL;
    list->count = 0;
    char *text = (char *)&list->clients[count];
    while ((thing = table_each(&presence->members, &at))) {
        const struct presence_member *member = (struct presence_member *)thing;
        struct publisher *client = &list->clients[list->count++];

        client_id_write(text, presence->seed, member->client.shard, member->client.connection);
        client->client = (struct name_view){text, CLIENT_ID_BYTES};
        text += CLIENT_ID_BYTES;
        client->user = (struct name_view){text, member->user->named.size};
        memcpy(text, member->user->name, client->user.size);
        text += client->user.size;
    }
    return list;
}
