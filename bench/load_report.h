/* Results for people (a table on stdout) and for programs (one JSON object on stdout). */
#ifndef SHARDCAST_BENCH_LOAD_REPORT_H
#define SHARDCAST_BENCH_LOAD_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "bench/load_run.h"

#define NUMBER_MAX 32

/* "1,234,567" */
const char *report_count(char text[NUMBER_MAX], uint64_t n);

/* "812 ns", "14.2 us", "3.61 ms", "1.20 s" */
const char *report_time(char text[NUMBER_MAX], double ns);

/* What was connected, as lines of a table. */
void report_connect(const struct run *run, const struct connect_result *connect);

/* What was measured, likewise. */
void report_measurement(const struct run *run, const struct measurement *m);

/* Both as JSON; `connect` or `m` may be NULL. -1: out of memory. */
int report_json(const struct run *run, const struct connect_result *connect,
                const struct measurement *m);

#endif
