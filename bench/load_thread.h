/* Whom the kernel lets run first, where the caller may say so. Any thread. */
#ifndef SHARDCAST_BENCH_LOAD_THREAD_H
#define SHARDCAST_BENCH_LOAD_THREAD_H

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

/* Before the threads of the same program that have more to do. */
static inline void thread_hurries(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), -10);
}

/* Before everyone: for a thread that does little, and whose delays are what is measured. */
static inline void thread_goes_first(void)
{
    const struct sched_param priority = {.sched_priority = 2};

    if (sched_setscheduler(0, SCHED_RR, &priority) < 0)
        thread_hurries();
}

#endif
