/* What came of a run: whether it was right, whose limit it shows, and its figures by name. Main
 * thread only. */
#ifndef SHARDCAST_BENCH_LOAD_JUDGE_H
#define SHARDCAST_BENCH_LOAD_JUDGE_H

#include "bench/load_figures.h"
#include "bench/load_run.h"
#include "bench/load_usage.h"

/* Holds what was counted against what was sent: faults, m->behind, m->passed. */
void judge_measurement(struct measurement *m);

/* Lets slow members read what waits for them, for what it is worth: it is neither delivered nor
 * left out yet. From here on they read like the others. */
void judge_slow(struct run *run, struct measurement *m);

/* Asks the engine for its own figures until they balance, or do not. */
void judge_account(struct run *run, struct measurement *m);

/* Says why a figure is the generator's and not the server's, where it is. */
void judge_generator(struct measurement *m, const struct usage *usage);

/* Faults as figures. */
void judge_faults(const struct faults *faults, struct figures *figures);

/* All that was measured; `connect` or `m` may be NULL. */
void judge_figures(const struct run *run, const struct connect_result *connect,
                   const struct measurement *m, struct figures *figures);

#endif
