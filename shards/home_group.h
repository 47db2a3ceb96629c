/* A group at its home: what shards/home*.c share and nobody else sees. */
#ifndef SHARDCAST_SHARDS_HOME_GROUP_H
#define SHARDCAST_SHARDS_HOME_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "shards/home.h"
#include "shards/table.h"

struct namespace_settings;
struct rate_window;

/* A shard that has members of a group. */
struct home_shard {
    uint32_t shard;
    uint32_t members;
};

struct home_group {
    struct named named; /* first */
    const struct namespace_settings *settings;
    uint64_t epoch;
    uint64_t offset;  /* of the last message */
    uint64_t used_ns; /* the last message, or the end of the last member */
    uint32_t members;
    uint16_t shard_count, shard_room;
    struct home_shard only;     /* most groups are on one shard */
    struct home_shard *shards;  /* `only`, or allocated */
    struct rate_window *window; /* NULL: no recent traffic */
    struct home_group *next;    /* in home->resting */
    bool resting;
    uint8_t category;
    char name[];
};

/* NULL: there is none. */
struct home_group *home_find(const struct home *home, const struct named *name);

#endif
