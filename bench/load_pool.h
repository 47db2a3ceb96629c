/* The members of one run, spread over worker threads, and what they have in common.
 *
 * Made, driven and ended by the main thread. The publisher's thread only reads progress and waits
 * on publisher_fd. */
#ifndef SHARDCAST_BENCH_LOAD_POOL_H
#define SHARDCAST_BENCH_LOAD_POOL_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load_dialect.h"
#include "bench/load_groups.h"
#include "bench/load_member.h"
#include "bench/load_mix.h"
#include "bench/load_worker.h"

struct pool_config {
    struct sockaddr_in server;
    struct dialect_set protocols; /* worker i speaks the one of i's turn */
    bool recovers;                /* a member that connects again goes on where it was */
    bool urgent;                  /* its threads go before all others, where they may */
    const char *host;             /* for the request's Host */
    const struct groups *groups;  /* borrowed; member i is in groups_of_member(groups, i) */
    uint32_t members;
    uint32_t slow;         /* of each group, members that read slowly … */
    uint32_t slow_rate;    /* … so many bytes per second */
    bool hello;            /* members ask for their group's position */
    const struct mix *mix; /* priorities of the messages, borrowed; NULL: they have none */
    const struct expected *expected; /* what members must get of a replay, borrowed; else NULL */
    unsigned threads;                /* 0: as many as the limit on open files asks for */
    uint32_t sources; /* local addresses to connect from; 0: as many as the members need */
    size_t payload;   /* bytes of the largest message */
    uint16_t run;     /* a number that its messages carry */
};

typedef void (*pool_job)(struct worker *worker, void *arg);

struct pool {
    struct pool_config config;
    unsigned worker_count;
    struct worker *workers;
    int publisher_fd; /* eventfd: written when `wanted` is reached */

    /* one job at a time, for all workers */
    pthread_mutex_t lock;
    pthread_cond_t done;
    pool_job job;
    void *job_arg;
    unsigned job_pending;

    struct latency latency[MIX_PRIORITIES]; /* the main thread's: since the last reset */

    /* The progress that the publisher waits for; 0: it waits for none. It stores this and then
     * looks at the workers' counts; a worker stores its counts and then looks at this: sequentially
     * consistent on both sides, so that one of them sees the other. */
    _Atomic uint64_t wanted __attribute__((aligned(64)));
};

/* Starts the workers; nothing is connected yet. NULL: it cannot be, and stderr says why. */
struct pool *pool_start(const struct pool_config *config);

/* Cuts all connections, ends the threads, frees. NULL is allowed. */
void pool_stop(struct pool *pool);

/* Runs `job` on every worker's thread and waits until all have. */
void pool_each(struct pool *pool, pool_job job, void *arg);

/* Begins to connect all members, `in_flight` at a time; pool_count() tells how far it is. */
void pool_connect(struct pool *pool, uint32_t in_flight);

/* Cuts all connections at once; they can then be connected again. What members have got counts. */
void pool_cut(struct pool *pool);

/* Likewise, but they then connect as if for the first time. */
void pool_drop(struct pool *pool);

/* From now on so many members per second leave and join again; 0: none any more. */
void pool_churn(struct pool *pool, double rate);

/* From now on slow members read like all others. */
void pool_release_slow(struct pool *pool);

struct pool_count {
    uint64_t delivered, heard, open, opened, failed;
};
struct pool_count pool_count(const struct pool *pool);

/* How many messages are through: to the slowest watched member where there is one group, to the
 * average member where there are several. Grows from whatever it was when the members joined. */
uint64_t pool_progress(const struct pool *pool);

/* By a worker after each turn: wakes the publisher when what it waits for has come. */
void pool_progressed(struct pool *pool);

/* What has come since the last look, and the faults since the run began. */
struct pool_tick {
    struct latency latency[MIX_PRIORITIES];
    struct faults faults;
    uint64_t bytes; /* of payload, since the run began */
};

/* Takes the latencies since the last look from the workers, and adds them to the totals. */
void pool_look(struct pool *pool, struct pool_tick *tick);

/* What all workers have counted, judged against what was sent. */
struct pool_sum {
    struct faults faults;
    uint64_t bytes;                          /* of payload */
    uint64_t replayed;                       /* messages of a group's history */
    uint64_t behind;                         /* members that lack at least one message */
    uint16_t close_code;                     /* of the first close frame that came unasked */
    struct latency latency;                  /* since the last reset */
    struct latency priority[MIX_PRIORITIES]; /* the same by priority */
    struct {
        uint64_t delivered, left_out; /* messages */
        uint64_t cut;                 /* connections that the server ended */
        uint64_t read_ns;             /* when one of them has read something last */
        uint16_t close_code;
    } slow;
    struct {
        uint64_t left;
        struct latency joins; /* from connect to hello; of all members */
    } churn;
    char failure[WORKER_FAILURE_MAX]; /* why a connection failed; "": none did */
};

/* `last` holds the last sequence of each group, `last_everyone` that of everyone (0: none was
 * sent). `received`, where not NULL, gets each group's messages, over all its members. */
void pool_collect(struct pool *pool, const uint64_t *last, uint64_t last_everyone,
                  struct pool_sum *sum, uint64_t *received);

/* Forgets latencies, so that the next ones are of the next measurement only. */
void pool_reset_latency(struct pool *pool);

#endif
