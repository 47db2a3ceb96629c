/* What a run did second by second: for the live progress, for plots, and to see whether memory,
 * open files and latency stay what they were.
 *
 * Main thread only. */
#ifndef SHARDCAST_BENCH_LOAD_TIMELINE_H
#define SHARDCAST_BENCH_LOAD_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "bench/load_figures.h"
#include "bench/load_latency.h"
#include "bench/load_mix.h"

struct timeline_row {
    double seconds;                           /* when it ends, since the run began */
    double span;                              /* seconds that it covers */
    const char *phase;                        /* "connecting", "measuring", … */
    uint64_t open;                            /* connections */
    uint64_t opened;                          /* connections that opened meanwhile */
    uint64_t delivered;                       /* messages meanwhile */
    uint64_t bytes;                           /* of their payloads */
    uint64_t lost;                            /* since the run began */
    uint64_t wrong;                           /* likewise: everything else that is a fault */
    uint64_t p50, p90, p99, p999, max;        /* ns; of what was measured meanwhile, or 0 */
    uint64_t measured;                        /* messages that these are of */
    uint64_t priority_p99[MIX_PRIORITIES];    /* ns */
    uint64_t rss;                             /* of the server, bytes; 0: not known */
    uint64_t fds;                             /* of the server; 0: not known */
    uint64_t server_cpu_ns, generator_cpu_ns; /* meanwhile */
};

struct timeline {
    struct timeline_row *rows;
    size_t count, room;
};

void timeline_free(struct timeline *timeline);

/* Appends a row. -1: out of memory, and it is left out. */
int timeline_add(struct timeline *timeline, const struct timeline_row *row);

/* Sets what the rows tell of growth: the median of the last quarter of the measured time over that
 * of the second, less 1. Not with fewer than 8 measured rows, nor of what is not known. */
void timeline_growth(const struct timeline *timeline, struct figures *figures);

#endif
