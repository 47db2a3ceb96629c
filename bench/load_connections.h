/* What scenario `connections` measures besides what all do: very many connections at once. */
#ifndef SHARDCAST_BENCH_LOAD_CONNECTIONS_H
#define SHARDCAST_BENCH_LOAD_CONNECTIONS_H

#include <stdint.h>

#include "bench/load_memory.h"

#define BROADCASTS_MAX 1000

/* One message to very many. */
struct broadcast {
    uint64_t members;
    double seconds;         /* from when it was due until the last had it */
    uint64_t p50, p99;      /* ns; when half of them had it, and when 99 of 100 had */
    uint64_t server_cpu_ns; /* 0: not known */
};

struct connections {
    struct memory_sample before, after; /* connecting */
    struct broadcast all[BROADCASTS_MAX], crowd[BROADCASTS_MAX];
    uint32_t all_count, crowd_count;
    double forgotten_seconds; /* until the engine knew of no connection any more; <0: not known */
};

#endif
