#define _GNU_SOURCE
#include "bench/load_usage.h"

#include <sched.h>
#include <string.h>

#include "bench/load_clock.h"

static unsigned cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

void usage_begin(struct usage *usage, const struct pool *pool)
{
    memset(usage, 0, sizeof(*usage));
    usage->cores = cores();
    usage->began_ns = monotonic_ns();
    usage->process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    pool_cpu(pool, usage->workers, USAGE_THREADS);
}

void usage_end(struct usage *usage, const struct pool *pool, uint64_t publisher_ns)
{
    uint64_t now[USAGE_THREADS] = {0}, most = publisher_ns;
    double elapsed = (double)(monotonic_ns() - usage->began_ns);

    pool_cpu(pool, now, USAGE_THREADS);
    for (unsigned i = 0; i < USAGE_THREADS && i < pool->worker_count; i++)
        if (now[i] - usage->workers[i] > most)
            most = now[i] - usage->workers[i];
    usage->busiest = (double)most / elapsed;
    usage->all =
        (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - usage->process_ns) / elapsed / usage->cores;
}
