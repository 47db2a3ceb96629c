/* GET /stats of the engine: the figures that the quick start compares with its own. */
#ifndef SHARDCAST_BENCH_LOAD_STATS_H
#define SHARDCAST_BENCH_LOAD_STATS_H

#include <netinet/in.h>
#include <stdint.h>

struct stats {
    uint64_t connections;
    uint64_t routed;
    uint64_t deliveries;
    uint64_t drops; /* of all reasons */
    uint32_t shards;
};

/* Blocking; 5 s at most. 0, or -1 and stderr says why. */
int stats_get(const struct sockaddr_in *admin, struct stats *stats);

#endif
