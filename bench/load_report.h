/* Results for people (a table on stdout) and for programs (one JSON object on stdout). */
#ifndef SHARDCAST_BENCH_LOAD_REPORT_H
#define SHARDCAST_BENCH_LOAD_REPORT_H

#include "bench/load_figures.h"
#include "bench/load_require.h"
#include "bench/load_run.h"

/* "fanout: 1 group of 1,000 members, 128 bytes, ...": what the run is about. */
void report_title(const struct run *run);

/* What was connected, as lines of a table. */
void report_connect(const struct run *run, const struct connect_result *connect);

/* What was measured, likewise. */
void report_measurement(const struct run *run, const struct measurement *m);

/* What was required, and whether it holds. */
void report_requirements(const struct requirements *require, const struct figures *figures);

/* The end of a run: all of it, as a table or as JSON, and what was required. Returns the exit
 * status. */
int report_end(const struct run *run, const struct connect_result *connect,
               const struct measurement *m);

/* All of it as JSON; `connect` may be NULL. -1: out of memory. */
int report_json(const struct run *run, const struct connect_result *connect,
                const struct measurement *m);

#endif
