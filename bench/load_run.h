/* The steps that every scenario is made of: connect the members, see that all have joined, publish
 * a schedule and wait until all of it has arrived, and judge what came.
 *
 * Main thread only. */
#ifndef SHARDCAST_BENCH_LOAD_RUN_H
#define SHARDCAST_BENCH_LOAD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load_connections.h"
#include "bench/load_groups.h"
#include "bench/load_options.h"
#include "bench/load_pool.h"
#include "bench/load_progress.h"
#include "bench/load_publisher.h"
#include "bench/load_server.h"
#include "bench/load_stats.h"

#define RUN_REASON_MAX 160

/* What the engine says of itself, where it was asked. */
struct account {
    bool known;
    bool balanced; /* routed = deliveries + drops */
    struct stats stats;
};

/* What connecting cost. */
struct connect_result {
    uint64_t opened, failed;
    double seconds;         /* from the first connect() to the last 101 */
    uint64_t server_cpu_ns; /* meanwhile, and until it was quiet again */
    uint64_t rss_before, rss_after;
    double generator_busy;        /* share of the cores that the generator may use */
    char limited[RUN_REASON_MAX]; /* why the generator and not the server set the figure, or "" */
    double held_seconds;          /* for which nothing was sent; 0: not held */
    uint64_t held_cpu_ns;         /* of the server, meanwhile */
};

struct run {
    const struct options *options;
    const char *scenario;
    const struct groups *groups; /* borrowed */
    struct pool *pool;
    struct producer *producer;
    struct publisher *publisher;
    struct recorder *recorder; /* of what is measured; NULL: it is not written down */
    struct progress progress;
    struct account account;             /* before anything was published */
    const struct connect_result *again; /* all were dropped and came again; borrowed */
    uint32_t again_count;
    struct expected *expected;             /* of a replay; else NULL; borrowed */
    const struct connections *connections; /* of that scenario; else NULL; borrowed */
};

/* Whose fault a figure is. */
struct generator_load {
    double busiest;   /* of one core: the busiest thread */
    double all;       /* of the cores that it may use: all its threads */
    unsigned cores;   /* that it may use */
    uint64_t lag_p99; /* ns: how late bursts went out */
    char limited[RUN_REASON_MAX];
};

struct measurement {
    struct schedule schedule;
    struct publish_result publish;
    bool exact;                   /* it is known how many deliveries there must be */
    uint64_t expected, delivered; /* messages times members; slow members aside */
    double seconds;               /* from the first message's time to the last receipt */
    struct server_sample server;  /* CPU and waiting: meanwhile; memory and threads: at the end */
    struct pool_sum sum;          /* faults: since the members joined */
    struct generator_load generator;
    struct account account; /* since the members joined */
    uint64_t refused;       /* commands */
    uint64_t failed;        /* members that could not join again */
    bool behind;            /* the server did not hold the rate that was offered */
    bool passed;            /* everything arrived as it should, and nothing else */
};

/* Starts the threads. 0, or -1 and stderr says why. `groups` must outlive the run. */
int run_open(struct run *run, const char *scenario, const struct options *options,
             const struct groups *groups);
/* Likewise, for a replay: its members expect what `expected` says. */
int run_open_expecting(struct run *run, const char *scenario, const struct options *options,
                       struct expected *expected, const struct groups *groups);
void run_close(struct run *run);

/* Connects all members. -1: not all could be, and stderr says why. */
int run_connect(struct run *run, struct connect_result *result);

/* Holds the connections for a while; nothing is sent. -1: the server has ended. */
int run_hold(struct run *run, double seconds, struct connect_result *result);

/* Cuts all connections, so that they can be made anew. */
void run_drop(struct run *run);

/* Waits until every member has joined: the 101 comes before the join, so that is found out by
 * publishing to every group, or to everyone, until every member has heard of it, or by hello. -1:
 * someone has not in time. */
enum join_by { JOIN_BY_GROUPS, JOIN_BY_EVERYONE };
int run_join(struct run *run, enum join_by by);

/* Waits until every member has the last message of its group. -1: nothing more comes, and not all
 * have. *last_ns: when something came last. */
int run_wait_even(struct run *run, uint64_t *last_ns);

/* Publishes and waits until all has arrived, or nothing more does. -1: it could not be done, and
 * stderr says why; what arrived wrongly is in the measurement. */
int run_measure(struct run *run, const struct schedule *schedule, struct measurement *measurement);

/* The schedule that the options ask for, to all groups of the run. */
struct schedule run_schedule(const struct run *run);

/* Shows progress; to be called often. */
static inline void run_progress(struct run *run, const char *what)
{
    progress_show(&run->progress, what);
}

#endif
