/* Who is in a group: kept by the group's home where its namespace has presence on.
 *
 * Memory only, one shard's own. A list taken from it belongs to whoever took it, and may go to
 * another thread. */
#ifndef SHARDCAST_SHARDS_PRESENCE_H
#define SHARDCAST_SHARDS_PRESENCE_H

#include <stdint.h>

#include "proto/error.h"
#include "proto/payload.h"
#include "shards/slot_table.h"

struct presence;

/* A member: a connection of a shard. */
struct presence_client {
    uint32_t shard;
    struct slot_ref connection;
};

/* NULL: out of memory. `seed` is the world's. */
struct presence *presence_new(uint64_t seed) MUST_CHECK;
void presence_free(struct presence *presence); /* NULL: nothing */

/* A member joins; one that is there already changes nothing. `user` may be empty; it is copied. 0
 * or ERR_NOMEM. */
int presence_add(struct presence *presence, const struct presence_client *client,
                 struct name_view user) MUST_CHECK;

/* A member leaves: calls `leaving` (unless NULL) with it while it is still known. False: it was not
 * there. */
bool presence_remove(struct presence *presence, const struct presence_client *client,
                     void (*leaving)(void *context, struct name_view user), void *context);

/* Members, and different users among them: those without one are together one. */
uint32_t presence_clients(const struct presence *presence);
uint32_t presence_users(const struct presence *presence);

struct presence_list {
    uint32_t count;
    struct publisher clients[]; /* their ids lie behind */
};

/* All members, in no order. NULL: out of memory. To be given to free(). */
struct presence_list *presence_list(const struct presence *presence) MUST_CHECK;

#endif
