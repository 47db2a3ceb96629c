/* What the kernel knows of the server under test: CPU time, memory, threads. Linux, /proc. */
#ifndef SHARDCAST_BENCH_LOAD_SERVER_H
#define SHARDCAST_BENCH_LOAD_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct server_sample {
    uint64_t cpu_ns;  /* user and system, of all threads and processes that live */
    uint64_t wait_ns; /* ready to run, but the core was somebody else's */
    uint64_t rss;     /* bytes resident */
    uint32_t threads;
};

/* Samples a process, its own child or not, and all processes that this one has started. What they
 * share is counted in the memory of each. 0, or -1 where there is no such process. With pid 0 (the
 * server is not known) the sample is all zeros. */
int server_sample(pid_t pid, struct server_sample *sample);

/* Likewise, but cheap enough for once a second: memory may lag by some pages per thread. */
int server_glance(pid_t pid, struct server_sample *sample);

/* Files that the process has open, in all tables of its threads; 0: not known. Takes long where
 * there are very many of them. */
uint64_t server_files(pid_t pid);

#endif
