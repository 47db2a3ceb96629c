/* Statistics: what all shards counted, gathered into plain numbers, and the tree that `/stats` and
 * the producers' `stats` command show.
 *
 * Any thread may gather: the counters are atomics that their shards go on writing meanwhile. The
 * numbers are therefore of no single moment, but the order of the reads keeps the promises that a
 * reader at a busy moment checks (see stats_gather()). A struct stats is its maker's alone. */
#ifndef SHARDCAST_SHARDS_STATS_H
#define SHARDCAST_SHARDS_STATS_H

#include <stdint.h>

#include "proto/answer.h"
#include "proto/error.h"
#include "proto/refusal.h"
#include "shards/counters.h"

struct stats_histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS]; /* not cumulative; bounds as in struct histogram */
    uint64_t sum_ns;
};

/* The numbers of one shard, or the sums over all. Names are those of struct counters. */
struct stats_block {
    uint64_t connections;
    uint64_t connections_opened;
    uint64_t connections_refused[CONNECTION_REFUSAL_COUNT];
    uint64_t connections_closed[CLOSE_REASON_COUNT];
    uint64_t group_connections;
    uint64_t experiment_connections;
    uint64_t session_connections;
    uint64_t deliveries;
    uint64_t drops[DROP_COUNT];
    uint64_t bytes_out;
    uint64_t messages_in_producer;
    uint64_t messages_in_client;
    uint64_t refused[REFUSAL_COUNT]; /* [REFUSAL_NONE] stays 0 */
    uint64_t messages_routed;
    uint64_t active_groups;
    uint64_t active_experiments;
    uint64_t active_sessions;
    uint64_t active_users;
    uint64_t inbox_depth; /* entries waiting, given by the caller */
    uint64_t inbox_full;
    struct stats_histogram turn_seconds;
    struct stats_histogram delivery_seconds;
};

struct stats {
    struct stats_block sum;
    uint32_t shard_count;
    struct stats_block shards[]; /* by shard number */
};

/* Room for the statistics of `shard_count` shards, all 0. NULL: out of memory. free() frees it. */
struct stats *stats_new(uint32_t shard_count) MUST_CHECK;

/* Reads all shards' counters; stats->shard_count pointers. `inbox_depths` has as many entries, or
 * is NULL: all 0. Whatever the shards do meanwhile, in what is read
 *   - deliveries + drops <= messages_routed, because what is at the end of a message's way is read
 *     before what is at its beginning,
 *   - closed <= opened, and a sum is the sum of what `shards` says. */
void stats_gather(struct stats *stats, const struct counters *const *counters,
                  const uint32_t *inbox_depths);

/* Who writes the tree down: one call for each piece, in the order of the text. `count` is how many
 * pairs or values follow before the matching end. An error (negative) ends the walk. */
struct stats_writer {
    void *ctx;
    int (*begin_map)(void *ctx, uint32_t count);
    int (*end_map)(void *ctx);
    int (*begin_array)(void *ctx, uint32_t count);
    int (*end_array)(void *ctx);
    int (*key)(void *ctx, const char *name);
    int (*number)(void *ctx, uint64_t value);
};

/* Writes the `/stats` tree: one map. Returns 0, or the writer's first error. */
int stats_write(const struct stats *stats, const struct stats_writer *writer) MUST_CHECK;

/* Appends the answer to a producer's `stats`: {"id", "ok": true, "stats": {…}} in msgpack.
 * Returns 0 or ERR_NOMEM; then `out` ends where it ended before. */
int stats_answer(struct buffer *out, uint64_t id, const struct stats *stats) MUST_CHECK;

#endif
