/* The look at a run that is taken every second: a row of its timeline, and a line for whoever
 * waits: one that is written over on a terminal, else one after the other. Main thread only. */
#ifndef SHARDCAST_BENCH_LOAD_PROGRESS_H
#define SHARDCAST_BENCH_LOAD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/load_pool.h"
#include "bench/load_timeline.h"

struct progress {
    struct pool *pool;
    const char *scenario;
    pid_t pid; /* of the server; 0: not known */
    bool quiet;
    bool terminal;
    struct timeline timeline;
    struct pool_tick tick; /* of the last look */

    /* at the last look */
    uint64_t began_ns, last_ns;
    struct pool_count count;
    uint64_t bytes, server_cpu_ns, generator_cpu_ns;

    uint64_t files, files_ns; /* of the server, and when they are to be counted again */
};

void progress_begin(struct progress *progress, struct pool *pool, const char *scenario, pid_t pid,
                    bool quiet);
void progress_free(struct progress *progress);

/* To be called often: takes a look where the last is a second old. `what` is a string constant that
 * says what the run is doing. */
void progress_show(struct progress *progress, const char *what);

/* Takes a look now: all latencies up to here are then in the pool's totals. */
void progress_look(struct progress *progress, const char *what);

/* Ends the line that was written over, before something else is printed. */
void progress_end(const struct progress *progress);

#endif
