/* A receiving thread of the load generator: its own file table, epoll and members.
 *
 * All its fields are its own but the shared block at the end, which it writes once per turn and
 * anyone reads. Others reach it through pool_each() only (bench/load_pool.h). */
#ifndef SHARDCAST_BENCH_LOAD_WORKER_H
#define SHARDCAST_BENCH_LOAD_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load_churn.h"
#include "bench/load_member.h"
#include "bench/load_slow.h"

struct pool;

#define WORKER_FAILURE_MAX 160

struct worker {
    /* immutable once the thread runs */
    struct pool *pool;
    unsigned index;
    int wake_fd; /* eventfd, made before the threads: the same number in every file table */
    pthread_t thread;

    /* the worker's own */
    int epoll_fd;
    bool stop;
    struct member *members;
    uint32_t member_count;
    uint32_t sample_stride; /* every so many members one is watched for the window */
    uint32_t connect_next;  /* the next of `members` to connect */
    uint32_t connect_limit; /* how many may be under way at once */
    uint32_t connecting;
    uint8_t *buffer;
    size_t buffer_size;
    struct member_rules rules;
    struct tally tally;
    struct tally *slow_tally; /* of members that are slow; NULL: there are none */
    struct churn churn;
    struct slow slow;
    char failure[WORKER_FAILURE_MAX]; /* why the first connection failed; "": none did */

    /* shared: written by the worker once per turn */
    struct {
        _Atomic uint64_t delivered; /* messages, but to slow members */
        _Atomic uint64_t heard;     /* members with at least one message */
        _Atomic uint64_t slowest;   /* the least sequence that a watched member has reached */
        _Atomic uint64_t open;      /* members connected */
        _Atomic uint64_t opened;    /* connections that were made */
        _Atomic uint64_t failed;    /* connections that could not be made */
    } shared __attribute__((aligned(64)));
};

/* The thread; `arg` is the worker. */
void *worker_main(void *arg);

/* The rest: on the worker's thread. */

/* Connects its members, `limit` at a time. */
void worker_connect(struct worker *worker, uint32_t limit);

/* Cuts all its members, so that they can connect again. */
void worker_cut(struct worker *worker);

/* Likewise; they forget what they have got. */
void worker_drop(struct worker *worker);

/* Connects a member that has no connection. */
void worker_connect_member(struct worker *worker, struct member *member);

/* A connection is over, by the server's doing, its own, or because it could not be made. */
void worker_member_over(struct worker *worker, struct member *member);

/* Reads at most `most` bytes (0: until the socket is empty) and takes what they are. */
void worker_read_member(struct worker *worker, struct member *member, size_t most);

/* The number of the worker's i-th member in the whole run. */
uint32_t worker_member_number(const struct worker *worker, uint32_t i);

#endif
