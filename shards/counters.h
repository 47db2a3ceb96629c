/* What a shard counts. Each shard writes its own block and nobody else does; anyone may read.
 *
 * A write is a plain add and a store: no read-modify-write, no lock and no line that two shards
 * write. Readers sum over the shards (shards/stats.h); at any quiet moment
 * messages_routed = deliveries + drops, and opened - closed = connections. */
#ifndef SHARDCAST_SHARDS_COUNTERS_H
#define SHARDCAST_SHARDS_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "proto/refusal.h"

typedef _Atomic uint64_t counter;

#define HISTOGRAM_BUCKETS 20 /* upper bounds 1 us * 2^i; the last is +Inf */

struct histogram {
    counter buckets[HISTOGRAM_BUCKETS]; /* not cumulative */
    counter sum_ns;
};

/* Namespaces that a configuration may have. */
#define NAMESPACES_MAX 256

struct counters {
    /* as the shard that holds the connections */
    counter connections; /* client connections that became members and are not closed */
    counter connections_opened;
    counter connections_refused[CONNECTION_REFUSAL_COUNT];
    counter connections_closed[CLOSE_REASON_COUNT];
    counter group_connections;                 /* memberships in groups other than experiments */
    counter experiment_connections;            /* memberships */
    counter session_connections;               /* memberships */
    counter namespace_members[NAMESPACES_MAX]; /* memberships, by place in the settings */
    counter deliveries;
    counter drops[DROP_COUNT];
    counter bytes_out;

    /* as the shard that read the command or client frame */
    counter messages_in_producer;
    counter messages_in_client;
    counter refused[REFUSAL_COUNT];

    /* as the home of groups */
    counter messages_routed;
    counter active_groups; /* with a member, other than experiments, users and everyone */
    counter active_experiments;
    counter active_sessions;
    counter active_users;

    /* the turn and the inbox */
    counter turns;      /* moves while the loop turns */
    counter heartbeat;  /* monotonic ns of the last turn's end */
    counter inbox_full; /* times that this shard's inbox had no room for a sender */
    struct histogram turn_seconds;
    struct histogram delivery_seconds;
} __attribute__((aligned(64)));

static inline void counter_add(counter *value, uint64_t n)
{
    /* Release (a plain store on x86): who reads this value sees what was counted before it, here or
     * on a shard that handed work to this one. Partner: the acquire loads in stats_gather(). */
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_release);
}

static inline void counter_sub(counter *value, uint64_t n)
{
    counter_add(value, -n);
}

static inline uint64_t counter_read(const counter *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Counts one observation of `ns` nanoseconds. */
static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
    uint64_t us = ns / 1000;
    unsigned i = us ? 64 - (unsigned)__builtin_clzll(us) : 0;

    if (us && !(us & (us - 1)) && ns % 1000 == 0)
        i--; /* a bound is part of its bucket */
    if (i >= HISTOGRAM_BUCKETS)
        i = HISTOGRAM_BUCKETS - 1;
    counter_add(&histogram->buckets[i], 1);
    counter_add(&histogram->sum_ns, ns);
}

#endif
