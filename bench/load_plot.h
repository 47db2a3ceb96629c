/* A run over time as pictures: latency.svg, throughput.svg, priorities.svg where messages have
 * several, and server.svg (memory, open files, CPU) with --pid; drawn by gnuplot from timeline.tsv,
 * which stays beside them with the script. Main thread only. */
#ifndef SHARDCAST_BENCH_LOAD_PLOT_H
#define SHARDCAST_BENCH_LOAD_PLOT_H

#include "bench/load_timeline.h"

/* Whether it can be done: before a long run, not after it. -1: stderr says what is missing. */
int plot_check(const char *directory);

/* What there is besides latency and throughput. */
enum plot_part { PLOT_PRIORITIES = 1, PLOT_SERVER = 2 };

/* Draws into the directory. `title` stands above each picture. -1: stderr says why not. */
int plot_draw(const char *directory, const char *title, unsigned parts,
              const struct timeline *timeline);

#endif
