/* Members that are behind: where they stand in their group's logs, what they step over, and what
 * their namespace does to slow ones. Part of the group table: see shards/group.h. */
#ifndef SHARDCAST_SHARDS_GROUP_LAG_H
#define SHARDCAST_SHARDS_GROUP_LAG_H

#include "shards/group.h"

/* The member is behind in a log from now on; the socket took `sent` bytes of what is pending there,
 * which had *finished frames. NULL: out of memory, the connection is doomed. */
struct lag *lag_new(struct group *group, struct member *member, enum log_kind kind, uint64_t sent,
                    uint64_t *finished);

/* The message between these positions, the log's newest, is not for this member. */
void lag_skip(struct lag *lag, struct member *member, uint64_t from, uint64_t to);

static inline bool lag_has_skips(const struct lag *lag)
{
    return lag->skip_first < lag->skip_end;
}

/* Steps over what is not for the member where that is next, up to position `end`. Returns how far
 * it may then get what follows: to the next such message, or to `end`. */
uint64_t lag_step_over(struct lag *lag, uint64_t end);

/* Whoever steps over much keeps what it is to get for itself, so that the log need not keep all.
 * The log must have nothing pending. Returns whether there was something to do. */
bool member_condense(struct group *group, struct member *member, enum log_kind kind);

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
