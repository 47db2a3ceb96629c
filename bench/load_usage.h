/* How busy the generator itself was: a figure that it limited says nothing of the server. */
#ifndef SHARDCAST_BENCH_LOAD_USAGE_H
#define SHARDCAST_BENCH_LOAD_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USAGE_THREADS 256

struct usage {
    /* at the beginning */
    uint64_t began_ns;
    uint64_t process_ns; /* CPU time of the process */
    uint64_t machine_ticks, idle_ticks;
    struct {
        pid_t tid;
        uint64_t cpu_ns, wait_ns;
    } threads[USAGE_THREADS];
    unsigned thread_count;

    /* at the end */
    double busiest; /* of one core: the busiest thread */
    double
        wanted;  /* likewise, the time that it waited for a core included: the one that most was */
    double all;  /* of all cores that the process may use */
    double idle; /* of the machine */
    unsigned cores; /* that the process may use */
};

void usage_begin(struct usage *usage);

/* `publisher_ns` is what the publisher's thread used meanwhile. */
void usage_end(struct usage *usage, uint64_t publisher_ns);

/* Why the generator set a figure, "" where it did not: what usage alone can tell. */
void usage_explain(const struct usage *usage, char *text, size_t room);

#endif
