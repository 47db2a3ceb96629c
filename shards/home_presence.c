/* Who is in a group, and those who are told of it. */
#include <string.h>

#include "shards/home_group.h"
#include "shards/outbox.h"
#include "shards/presence.h"
#include "shards/settings.h"
#include "shards/shard.h"

static bool keeps_presence(const struct home_group *group)
{
    return group->settings->presence && group->category != GROUP_ALL;
}

static int add(struct home *home, struct home_group *group, uint32_t source,
               struct slot_ref connection, struct name_view user)
{
    const struct world *world = home->shard->world;
    struct presence_client client = {source, connection};

    if (!group->presence)
        group->presence = presence_new(world->hash_key, world->client_key);
    return group->presence ? presence_add(group->presence, &client, user) : ERR_NOMEM;
}

int home_presence_add(struct home *home, struct home_group *group, uint32_t source,
                      struct slot_ref connection, struct name_view user)
{
    return keeps_presence(group) ? add(home, group, source, connection, user) : 0;
}

static void tell(struct home *home, const struct home_group *group,
                 const struct presence_client *client, struct name_view user, bool left)
{
    for (unsigned i = 0; i < group->shard_count; i++) {
        if (!group->shards[i].listeners)
            continue;
        struct record_notice *notice =
            outbox_add(home->shard->outbox, group->shards[i].shard, OUTBOX_NORMAL, RECORD_NOTICE,
                       sizeof(*notice), &group->named, user.size, 0);

        notice->connection = client->connection;
        notice->shard = client->shard;
        notice->user_bytes = (uint16_t)user.size;
        notice->left = left;
        if (user.size)
            memcpy(notice->name + group->named.size, user.bytes, user.size);
    }
}

void home_presence_joined(struct home *home, const struct home_group *group, uint32_t source,
                          struct slot_ref connection, struct name_view user)
{
    struct presence_client client = {source, connection};

    if (group->presence && keeps_presence(group))
        tell(home, group, &client, user, false);
}

struct leaving {
    struct home *home;
    struct home_group *group;
    struct presence_client client;
};

static void on_leaving(void *context, struct name_view user)
{
    struct leaving *leaving = context;

    tell(leaving->home, leaving->group, &leaving->client, user, true);
}

void home_presence_left(struct home *home, struct home_group *group, uint32_t source,
                        struct slot_ref connection)
{
    struct leaving leaving = {home, group, {source, connection}};

    if (!group->presence)
        return;
    presence_remove(group->presence, &leaving.client, on_leaving, &leaving);
    if (!presence_clients(group->presence)) {
        presence_free(group->presence);
        group->presence = NULL;
    }
}

void home_presence_settings(struct home_group *group)
{
    if (keeps_presence(group))
        return;
    presence_free(group->presence);
    group->presence = NULL;
}

void home_present(struct home *home, uint32_t source, const struct record_present *present)
{
    struct named name = record_name(present, present->name);
    struct home_group *group = home_find(home, &name);
    struct name_view user = {present->name + name.size, present->user_bytes};

    /* The home may hear of the new settings after the member's shard: they are not asked here. Out
     * of memory: the member is missed in the list, and in nothing else. */
    if (group && group->members && add(home, group, source, present->connection, user))
        return;
}

void home_presence(struct home *home, uint32_t source, const struct record_presence *question)
{
    struct named name = record_name(question, question->name);
    const struct home_group *group = home_find(home, &name);
    struct presence *presence = group ? group->presence : NULL;
    struct presence_list *list = presence && !question->counts ? presence_list(presence) : NULL;
    struct record_presence_answer *answer =
        outbox_add(home->shard->outbox, source, OUTBOX_ANSWERS, RECORD_PRESENCE_ANSWER,
                   sizeof(*answer), NULL, 0, list ? (uint32_t)list->bytes : 0);

    answer->connection = question->connection;
    answer->number = question->number;
    answer->clients = presence ? presence_clients(presence) : 0;
    answer->users = presence ? presence_users(presence) : 0;
    answer->list = list;
    answer->failed = presence && !question->counts && !answer->list;
}
