/* Members that leave and join again, at a rate, while others stay: every other one says so with a
 * close frame and waits for the server to end it, the rest are cut.
 *
 * One worker's own. */
#ifndef SHARDCAST_BENCH_LOAD_CHURN_H
#define SHARDCAST_BENCH_LOAD_CHURN_H

#include <stdint.h>

struct worker;

struct churn {
    double interval_ns; /* between two leaves; 0: nobody leaves */
    double next_ns;     /* when the next is due */
    uint64_t random;
    uint64_t left; /* members that left */
};

/* `rate` leaves per second from now on; 0: none any more. */
void churn_start(struct worker *worker, double rate);

/* Lets all leave that are due. Returns when the next is, UINT64_MAX: never. */
uint64_t churn_turn(struct worker *worker, uint64_t now_ns);

#endif
