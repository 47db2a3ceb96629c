/* Members that are behind: where they stand in their group's logs, what they step over, and what
 * their namespace does to slow ones. Part of the group table: see shards/group.h. */
#ifndef SHARDCAST_SHARDS_GROUP_LAG_H
#define SHARDCAST_SHARDS_GROUP_LAG_H

#include "shards/group.h"

/* The member is behind in a log from now on; the socket took `sent` bytes of what is pending there,
 * which had *finished frames. NULL: out of memory, the connection is doomed. */
struct lag *lag_new(struct group *group, struct member *member, enum log_kind kind, uint64_t sent,
                    uint64_t *finished);

/* The frame that begins at `position` is not for this member. */
void lag_skip(struct lag *lag, struct member *member, uint64_t position, uint64_t bytes);

/* Whoever steps over much keeps what it is to get for itself, so that the log need not keep all.
 * The log must have nothing pending. */
void member_condense(struct group *group, struct member *member, enum log_kind kind);

/* Messages that a lag still has to deliver. */
uint64_t lag_rest(const struct lag *lag, const struct group_log *log);

/* Bytes that wait for the member. */
uint64_t member_backlog(const struct group *group, const struct member *member);

/* A member is behind: does what its namespace says of slow members. */
void member_judge(struct group *group, struct member *member);

/* A message would have to be left out that the member has a position for: it is closed instead. */
void member_misses(const struct member *member);

/* Those with a position would miss the next message, or get it out of its place: they get nothing
 * more. */
void positioned_miss(const struct group *group);

#endif
