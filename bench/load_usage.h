/* How busy the generator itself was: a figure that it limited says nothing of the server. */
#ifndef SHARDCAST_BENCH_LOAD_USAGE_H
#define SHARDCAST_BENCH_LOAD_USAGE_H

#include <stdint.h>

#include "bench/load_pool.h"

#define USAGE_THREADS 256

struct usage {
    uint64_t began_ns;
    uint64_t process_ns;             /* CPU time of the process at the beginning */
    uint64_t workers[USAGE_THREADS]; /* CPU time of each worker at the beginning */
    double busiest;                  /* of one core */
    double all;                      /* of all cores that the process may use */
    unsigned cores;
};

void usage_begin(struct usage *usage, const struct pool *pool);

/* `publisher_ns` is what the publisher's thread used meanwhile. */
void usage_end(struct usage *usage, const struct pool *pool, uint64_t publisher_ns);

#endif
