/* A group at its home: what shards/home*.c share and nobody else sees. */
#ifndef SHARDCAST_SHARDS_HOME_GROUP_H
#define SHARDCAST_SHARDS_HOME_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/group_name.h"
#include "shards/history.h"
#include "shards/home.h"
#include "shards/settings.h"
#include "shards/table.h"
#include "shards/wheel.h"

struct presence;
struct rate_window;

/* A shard that has members of a group. */
struct home_shard {
    uint32_t shard;
    uint32_t members;
    uint32_t listeners; /* of these, that want to know who joins and leaves */
};

struct home_group {
    struct named named; /* first */
    const struct namespace_settings *settings;
    uint64_t epoch;
    uint64_t offset;     /* of the last message */
    uint64_t message_ns; /* the last message, or the group's birth */
    uint64_t left_ns;    /* the end of the last member, or the group's birth */
    uint32_t members;
    uint16_t shard_count, shard_room;
    struct home_shard only;     /* most groups are on one shard */
    struct home_shard *shards;  /* `only`, or allocated */
    struct rate_window *window; /* NULL: no recent traffic */
    struct history *history;    /* NULL: nothing is kept */
    struct presence *presence;  /* NULL: nobody, or off */
    struct wheel_entry due;     /* when time does something to it: shards/home_sweep.c */
    uint8_t category;           /* enum group_category */
    char name[];
};

/* NULL: there is none. */
struct home_group *home_find(const struct home *home, const struct named *name);

/* Frees the group, which is in no table. */
void home_group_free(struct home_group *group);

/* Whether messages are kept and keep their places. Everyone has no history. */
static inline bool home_keeps_history(const struct home_group *group)
{
    return group->settings->history.messages && group->category != GROUP_ALL;
}

/* The message that has just taken the group's offset is kept, if any are. */
void home_keep(struct home *home, struct home_group *group, struct payload *payload);

/* What a join gets of the past. */
struct home_recovered {
    bool has_history;
    bool recovered;
    struct history_range *range; /* one reference; NULL: there is nothing */
};

/* Finds what a join wants to recover; `group` NULL: there is none. */
struct home_recovered home_recover(struct home *home, struct home_group *group,
                                   const struct join_recovery *recovery);

/* Something has begun that time ends: looks at the group within a second. */
void home_look_after(struct home *home, struct home_group *group);

/* Presence, where the group's namespace has it on (shards/home_presence.c): a member has joined,
 * and has been told so; or is leaving. ERR_NOMEM: the join must be refused. */
int home_presence_add(struct home *home, struct home_group *group, uint32_t source,
                      struct slot_ref connection, struct name_view user) MUST_CHECK;
void home_presence_joined(struct home *home, const struct home_group *group, uint32_t source,
                          struct slot_ref connection, struct name_view user);
void home_presence_left(struct home *home, struct home_group *group, uint32_t source,
                        struct slot_ref connection);

/* The settings have changed. */
void home_presence_settings(struct home_group *group);

#endif
