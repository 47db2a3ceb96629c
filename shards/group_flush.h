/* The part of the group table that appends and flushes: the hot path. See shards/group.h. */
#ifndef SHARDCAST_SHARDS_GROUP_FLUSH_H
#define SHARDCAST_SHARDS_GROUP_FLUSH_H

#include "shards/group.h"

/* Writes what is new in one group to all its members that keep up. */
void group_flush(struct group_table *groups, struct group *group);

/* Frees the group if nothing needs it. */
void group_release(struct group_table *groups, struct group *group);

/* Messages that a lag still has to deliver. */
uint64_t lag_rest(const struct lag *lag, const struct group_log *log);

#endif
