/* GET /stats of the engine: its figures, to be held against what the members saw. */
#ifndef SHARDCAST_BENCH_LOAD_STATS_H
#define SHARDCAST_BENCH_LOAD_STATS_H

#include <netinet/in.h>
#include <stdint.h>

enum stats_drop { DROP_CLOSED, DROP_SLOW, DROP_SKIP, DROP_LATEST, DROP_LOW, STATS_DROPS };

struct stats {
    uint64_t connections;
    uint64_t routed;
    uint64_t deliveries;
    uint64_t drops; /* of all reasons */
    uint64_t dropped[STATS_DROPS];
    uint32_t shards;
};

const char *stats_drop_name(enum stats_drop drop);

/* What was counted from one look to the next; connections and shards are those of `after`. */
struct stats stats_between(const struct stats *before, const struct stats *after);

/* Blocking; 5 s at most. 0, or -1 and stderr says why. */
int stats_get(const struct sockaddr_in *admin, struct stats *stats);

#endif
