/* The part of the group table that appends and flushes: the hot path. See shards/group.h. */
#ifndef SHARDCAST_SHARDS_GROUP_FLUSH_H
#define SHARDCAST_SHARDS_GROUP_FLUSH_H

#include "shards/group.h"

/* Writes what is new in one group to all its members that keep up. */
void group_flush(struct group_table *groups, struct group *group);

/* Ends a flush of the group that has made way for something else: before its entries change. */
void group_flush_finish(struct group_table *groups, struct group *group);

/* The position in a log that a member which keeps up has reached. */
uint64_t member_position(const struct member *member, enum log_kind kind);

/* Frees the group if nothing needs it. */
void group_release(struct group_table *groups, struct group *group);

#endif
