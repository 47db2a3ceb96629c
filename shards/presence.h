/* Who is in a group: kept by the group's home where its namespace has presence on.
 *
 * Memory only, one shard's own. A list taken from it is immutable, counted and shared by all who
 * ask before the next change: any thread that holds a reference may read. */
#ifndef SHARDCAST_SHARDS_PRESENCE_H
#define SHARDCAST_SHARDS_PRESENCE_H

#include <stdatomic.h>
#include <stdbool.h>
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

/* NULL: out of memory. The keys are the world's. */
struct presence *presence_new(uint64_t hash_key, uint64_t client_key) MUST_CHECK;
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
    atomic_uint refs;
    uint32_t count;
    size_t bytes;               /* of the whole list */
    struct publisher clients[]; /* their ids lie behind */
};

/* All members, in no order: one reference. NULL: out of memory. */
struct presence_list *presence_list(struct presence *presence) MUST_CHECK;
void presence_list_unref(struct presence_list *list); /* NULL: nothing */

#endif
