/* What the kernel itself uses, for the whole machine: connections cost most of their memory there.
 * Linux, /proc. */
#ifndef SHARDCAST_BENCH_LOAD_MEMORY_H
#define SHARDCAST_BENCH_LOAD_MEMORY_H

#include <stdint.h>

/* In bytes. */
struct memory_sample {
    uint64_t available; /* that the machine has left */
    uint64_t slab;      /* sockets, files, inodes, dentries, epoll items */
    uint64_t sockets;   /* what lies in sockets' buffers */
    uint64_t other;     /* page tables and kernel stacks */
};

/* What cannot be read is 0. */
void memory_sample(struct memory_sample *sample);

/* What the kernel uses by this account. */
static inline uint64_t memory_kernel(const struct memory_sample *sample)
{
    return sample->slab + sample->sockets + sample->other;
}

#endif
