/* The groups of a run: their names, and which member is in which. Immutable once made. */
#ifndef SHARDCAST_BENCH_LOAD_GROUPS_H
#define SHARDCAST_BENCH_LOAD_GROUPS_H

#include <stdint.h>

struct groups {
    uint32_t count;
    char **names;    /* as in the URL */
    uint32_t *first; /* member first[g] to first[g + 1] - 1 is in group g; count + 1 of them */
};

/* `count` groups "PREFIXn" of `members` members each; of several prefixes, separated by commas,
 * each is used in turn. NULL: out of memory. */
struct groups *groups_new(const char *prefix, uint32_t count, uint32_t members);

/* No groups yet; groups_add() appends. NULL: out of memory. */
struct groups *groups_empty(void);
int groups_add(struct groups *groups, const char *name, uint32_t members);

void groups_free(struct groups *groups);

static inline uint32_t groups_members(const struct groups *groups)
{
    return groups->first[groups->count];
}

static inline uint32_t groups_size(const struct groups *groups, uint32_t group)
{
    return groups->first[group + 1] - groups->first[group];
}

/* The group of a member. O(log count). */
uint32_t groups_of_member(const struct groups *groups, uint32_t member);

#endif
