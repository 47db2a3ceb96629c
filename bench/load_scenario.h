/* What shardcast-load can do: one entry per scenario. */
#ifndef SHARDCAST_BENCH_LOAD_SCENARIO_H
#define SHARDCAST_BENCH_LOAD_SCENARIO_H

#include "bench/load_options.h"

struct scenario {
    const char *name;
    const char *summary;                /* one line, for --help */
    unsigned uses;                      /* enum option_use */
    void (*defaults)(struct options *); /* where they differ from options_init()'s; may be NULL */
    int (*run)(const struct options *); /* the exit status: 0, or 1 where it failed */
};

extern const struct scenario scenario_fanout;      /* N members of one group */
extern const struct scenario scenario_groups;      /* G groups of M members */
extern const struct scenario scenario_sessions;    /* G groups of one member */
extern const struct scenario scenario_churn;       /* join and leave at a rate */
extern const struct scenario scenario_mixed;       /* slow members and priorities */
extern const struct scenario scenario_storm;       /* connect as fast as possible */
extern const struct scenario scenario_idle;        /* what a connection costs that says nothing */
extern const struct scenario scenario_connections; /* very many at once */
extern const struct scenario scenario_replay;      /* a recorded command stream */
extern const struct scenario scenario_recover;     /* a network restarts under Centrifuge clients */
extern const struct scenario scenario_quickstart;  /* the README's first minutes */

#endif
