/* Which priority each message of a group has. The priorities follow a pattern, so a message's
 * number in its group tells its priority, and how many critical ones were before it: a critical
 * message may overtake others, so these are two streams to verify, each without a gap.
 *
 * Pure. */
#ifndef SHARDCAST_BENCH_LOAD_MIX_H
#define SHARDCAST_BENCH_LOAD_MIX_H

#include <stdbool.h>
#include <stdint.h>

enum mix_priority { MIX_CRITICAL, MIX_NORMAL, MIX_LOW, MIX_PRIORITIES };

#define MIX_PATTERN 1000 /* messages after which it begins anew */

struct mix {
    uint32_t weights[MIX_PRIORITIES];
    uint32_t size;                      /* of the pattern; 0: messages say no priority */
    uint8_t pattern[MIX_PATTERN];       /* enum mix_priority */
    uint32_t critical[MIX_PATTERN + 1]; /* of the first so many of the pattern */
};

/* "critical=5,normal=80,low=15": how many of the sum have which; what is not named has none. 0, or
 * -1: not understood, or the sum is over MIX_PATTERN. */
int mix_parse(struct mix *mix, const char *text);

/* "critical", "normal", "low" */
const char *mix_name(enum mix_priority priority);

static inline bool mix_on(const struct mix *mix)
{
    return mix->size > 0;
}

/* Of message `number` (from 1) of a group. Groups are shifted, so that not all of them are critical
 * at once. */
static inline enum mix_priority mix_priority_of(const struct mix *mix, uint32_t group,
                                                uint64_t number)
{
    return (enum mix_priority)mix->pattern[(number - 1 + group) % mix->size];
}

/* How many of the first `number` messages of a group are critical. */
static inline uint64_t mix_critical(const struct mix *mix, uint32_t group, uint64_t number)
{
    uint64_t shift = group % mix->size, at = number + shift;

    return at / mix->size * mix->critical[mix->size] + mix->critical[at % mix->size] -
           mix->critical[shift];
}

#endif
