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
    uint64_t hash_key, client_key;
    struct table members, users;
    struct presence_list *list; /* as it is now, if anybody has asked; one reference */
};

struct presence *presence_new(uint64_t hash_key, uint64_t client_key)
{
    struct presence *presence = calloc(1, sizeof(*presence));

    if (!presence)
        return NULL;
    presence->hash_key = hash_key;
    presence->client_key = client_key;
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
    presence_list_unref(presence->list);
    free_all(&presence->members);
    free_all(&presence->users);
    free(presence);
}

static uint64_t hash_bytes(const struct presence *presence, const void *bytes, size_t size)
{
    return group_name_hash(bytes, size, presence->hash_key);
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

static void changed(struct presence *presence)
{
    presence_list_unref(presence->list);
    presence->list = NULL;
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
    changed(presence);
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
    changed(presence);
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

static struct presence_list *list_new(const struct presence *presence)
{
    size_t count = presence->members.count, at = 0;
    size_t bytes =
        sizeof(struct presence_list) + count * sizeof(struct publisher) + list_bytes(presence);
    struct presence_list *list = malloc(bytes);
    struct named *thing;

    if (!list)
        return NULL;
    atomic_init(&list->refs, 1);
    list->count = 0;
    list->bytes = bytes;
    char *text = (char *)&list->clients[count];
    while ((thing = table_each(&presence->members, &at))) {
        const struct presence_member *member = (struct presence_member *)thing;
        struct publisher *client = &list->clients[list->count++];

        client_id_write(text, presence->client_key, member->client.shard,
                        member->client.connection);
        client->client = (struct name_view){text, CLIENT_ID_BYTES};
        text += CLIENT_ID_BYTES;
        client->user = (struct name_view){text, member->user->named.size};
        memcpy(text, member->user->name, client->user.size);
        text += client->user.size;
    }
    return list;
}

struct presence_list *presence_list(struct presence *presence)
{
    if (!presence->list)
        presence->list = list_new(presence);
    if (presence->list)
        atomic_fetch_add_explicit(&presence->list->refs, 1, memory_order_relaxed);
    return presence->list;
}

void presence_list_unref(struct presence_list *list)
{
    /* Release orders this holder's reads before the free; the acquire of the last is its partner.
     */
    if (list && atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) == 1)
        free(list);
}
