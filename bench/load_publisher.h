/* When what is published: by schedule (open loop) or as fast as the members take it.
 *
 * Open loop: bursts of `burst` messages at `rate` messages per second, each stamped with the time
 * at which it should have gone out, whether or not it could: a server that stalls the publisher is
 * charged for every message that had to wait (no coordinated omission). `window` bounds what is on
 * its way, so that a server that cannot hold the rate is measured rather than drowned.
 *
 * A thread of its own while a schedule runs; the main thread starts it and joins it. */
#ifndef SHARDCAST_BENCH_LOAD_PUBLISHER_H
#define SHARDCAST_BENCH_LOAD_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load_expected.h"
#include "bench/load_latency.h"
#include "bench/load_pool.h"
#include "bench/load_producer.h"
#include "bench/load_recording.h"
#include "bench/load_stamp.h"

struct schedule {
    enum stamp_phase phase;
    double rate;       /* messages per second; 0: as fast as the window allows */
    uint32_t burst;    /* messages that go out together; with rate 0 it is not used */
    uint64_t window;   /* messages on their way at most; 0: no bound */
    uint64_t messages; /* ends after so many; 0: after `seconds` */
    double seconds;    /* ends after this time at the latest */
    uint32_t first;    /* messages go to groups first … first + groups - 1 in turn … */
    uint32_t groups;   /* … or, where this is 0, to everyone */
    const struct recording *recording; /* sent instead of all that, at its own times; else NULL … */
    struct expected *expected;         /* … where the members expect it */
};

struct publish_result {
    uint64_t due;         /* messages that the schedule asked for; 0: it asked for no number */
    uint64_t sent;        /* messages */
    uint64_t began_ns;    /* when the first was due */
    uint64_t ended_ns;    /* when the last had gone out */
    uint64_t blocked_ns;  /* the server's socket took nothing */
    uint64_t windowed_ns; /* the window was full */
    uint64_t cpu_ns;      /* of the publishing thread */
    bool failed;          /* the connection broke, or the window stayed full for too long */
    struct latency lag;   /* how late bursts went out, apart from waiting for the server */
};

struct publisher;

/* `pool` and `producer` are borrowed. NULL: out of memory. */
struct publisher *publisher_new(struct pool *pool, struct producer *producer);
void publisher_free(struct publisher *publisher);

/* From now on what is measured is written down, too; borrowed. NULL: no more. Not while a schedule
 * runs. */
void publisher_record(struct publisher *publisher, struct recorder *recorder);

/* Starts a schedule. The members must have got all that was sent before. */
int publisher_begin(struct publisher *publisher, const struct schedule *schedule);

/* Whether it is through; publisher_end() will then not wait. Any thread. */
bool publisher_done(const struct publisher *publisher);

/* Messages sent so far in the schedule that runs. Any thread. */
uint64_t publisher_sent(const struct publisher *publisher);

/* Ends it before its time, soon. Any thread. */
void publisher_stop(struct publisher *publisher);

/* Waits for its end; the result holds until the next begins. */
const struct publish_result *publisher_end(struct publisher *publisher);

/* The last sequence of each group, and of everyone. Not while a schedule runs. */
const uint64_t *publisher_sequences(const struct publisher *publisher);
uint64_t publisher_sequence_everyone(const struct publisher *publisher);

#endif
