/* A histogram of nanoseconds, log-linear as HdrHistogram's: every power of two is cut into 128
 * equal buckets, so a percentile is exact to 0.8 %, from 1 ns to 18 minutes, in 36 KiB and without
 * allocation. Owned by one thread; merged where threads meet. */
#ifndef SHARDCAST_BENCH_LOAD_LATENCY_H
#define SHARDCAST_BENCH_LOAD_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS 7
#define LATENCY_SUBS     (1u << LATENCY_SUB_BITS)
#define LATENCY_BITS_MAX 40 /* more than 2^40 ns is counted as that */
#define LATENCY_BUCKETS  ((LATENCY_BITS_MAX - LATENCY_SUB_BITS + 1) * LATENCY_SUBS)

struct latency {
    uint64_t count;
    uint64_t sum; /* ns */
    uint64_t max; /* ns */
    uint64_t buckets[LATENCY_BUCKETS];
};

static inline uint32_t latency_bucket(uint64_t ns)
{
    uint32_t shift;

    if (ns < LATENCY_SUBS)
        return (uint32_t)ns;
    if (ns >> LATENCY_BITS_MAX)
        return LATENCY_BUCKETS - 1;
    shift = (uint32_t)(63 - __builtin_clzll(ns)) - LATENCY_SUB_BITS;
    return shift * LATENCY_SUBS + (uint32_t)(ns >> shift);
}

/* Counts one observation. On the hot path of every delivery. */
static inline void latency_add(struct latency *latency, uint64_t ns)
{
    latency->count++;
    latency->sum += ns;
    if (ns > latency->max)
        latency->max = ns;
    latency->buckets[latency_bucket(ns)]++;
}

void latency_reset(struct latency *latency);
void latency_merge(struct latency *into, const struct latency *from);

/* The value that `percentile` per cent (0-100) of the observations do not exceed, in ns: a bucket's
 * upper end, never more than the largest seen. 0 where there are none. */
uint64_t latency_percentile(const struct latency *latency, double percentile);

/* The mean in ns; 0 where there are none. */
uint64_t latency_mean(const struct latency *latency);

#endif
