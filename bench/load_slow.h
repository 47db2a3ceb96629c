/* Members that read only so many bytes per second, so that the server has to do something about
 * what waits for them.
 *
 * One worker's own. */
#ifndef SHARDCAST_BENCH_LOAD_SLOW_H
#define SHARDCAST_BENCH_LOAD_SLOW_H

#include <stdbool.h>
#include <stdint.h>

struct worker;
struct member;

struct slow {
    uint32_t *members; /* indices of the worker's members that are slow */
    uint32_t count;
    uint64_t next_ns;  /* when they read next */
    uint64_t alive_ns; /* when they show next that they live */
    uint64_t cut;      /* connections of theirs that the server ended */
    uint64_t read_ns;  /* when any of them has read something last */
    bool released;     /* they read like all others now */
};

/* Finds those of the worker's members that are marked as slow. -1: out of memory. */
int slow_init(struct worker *worker);

/* A slow member's socket, before it connects: the kernel is to keep little for it. */
void slow_prepare(int fd);

/* From now on they read all that there is: what waits for them can be counted. */
void slow_release(struct worker *worker);

/* Reads what is due. Returns when there is more to do, UINT64_MAX: never. */
uint64_t slow_turn(struct worker *worker, uint64_t now_ns);

#endif
