#include "bench/load_latency.h"

#include <math.h>
#include <string.h>

void latency_reset(struct latency *latency)
{
    memset(latency, 0, sizeof(*latency));
}

void latency_merge(struct latency *into, const struct latency *from)
{
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(uint32_t bucket)
{
    uint32_t shift;

    if (bucket < 2 * LATENCY_SUBS)
        return bucket;
    shift = bucket / LATENCY_SUBS - 1;
    return ((uint64_t)(bucket - shift * LATENCY_SUBS + 1) << shift) - 1;
}

uint64_t latency_percentile(const struct latency *latency, double percentile)
{
    uint64_t rank = (uint64_t)ceil(percentile / 100 * (double)latency->count);
    uint64_t below = 0;

    if (latency->count == 0)
        return 0;
    if (rank == 0)
        rank = 1;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        below += latency->buckets[i];
        if (below >= rank)
            return bucket_end(i) < latency->max ? bucket_end(i) : latency->max;
    }
    return latency->max;
}

uint64_t latency_mean(const struct latency *latency)
{
    return latency->count ? latency->sum / latency->count : 0;
}
